import library from "messaging-api-messenger";
import { png, rail, tell } from "./tell.mjs";

const { MessengerBatch, MessengerClient } = library;
const client = new MessengerClient({ accessToken: rail.token, appSecret: rail.secret, origin: rail.url, version: "12.0" });
const to = rail.person;

await tell("text", () => client.sendText(to, "from messaging-api-messenger"));
await tell("quick replies", () => client.sendText(to, "pick", { quickReplies: [{ contentType: "text", title: "A", payload: "A" }] }));
await tell("typing", () => client.typingOn(to));
await tell("read", () => client.markSeen(to));
await tell("buttons", () => client.sendButtonTemplate(to, "Pick a button", [{ type: "postback", title: "A", payload: "A" }]));
const buttons = [{ type: "web_url", title: "Open", url: "https://example.org" }];
await tell("generic template", () => client.sendGenericTemplate(to, [{ title: "Boat", subtitle: "white", buttons }]));
await tell("image", () => client.sendImage(to, png, { filename: "a.png" }));
const { attachmentId } = await tell("upload", () => client.uploadImage(png, { filename: "a.png" }));
await tell("image by id", () => client.sendImage(to, { attachmentId }));
await tell("user profile", () => client.getUserProfile(to));
await tell("page", () => client.getPageInfo());
await tell("batch", () => client.sendBatch([MessengerBatch.sendText(to, "first"), MessengerBatch.sendText(to, "second")]));
await tell("set profile", () => client.setGetStarted("GO"));
await tell("get profile", () => client.getMessengerProfile(["get_started"]));
