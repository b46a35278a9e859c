import { WhatsAppClient } from "@kapso/whatsapp-cloud-api";
import { png, rail, tell } from "./tell.mjs";

const client = new WhatsAppClient({ accessToken: rail.token, baseUrl: rail.url });
const { messages, media } = client;
const to = { phoneNumberId: rail.node, to: rail.person };
const phoneNumberId = rail.node;

await tell("text", () => messages.sendText({ ...to, body: "from kapso" }));
await tell("reply", () => messages.sendText({ ...to, body: "an answer", contextMessageId: rail.message }));
const file = new Blob([png], { type: "image/png" });
const { id } = await tell("upload", () => media.upload({ phoneNumberId, type: "image/png", file, fileName: "a.png" }));
await tell("image", () => messages.sendImage({ ...to, image: { id, caption: "a photo" } }));
await tell("media url", () => media.get({ mediaId: id, phoneNumberId }));
await tell("download", async () => {
  const found = await media.download({ mediaId: id, phoneNumberId, auth: "always" });
  return { bytes: found.byteLength ?? found.size };
});
await tell("location", () =>
  messages.sendLocation({ ...to, location: { latitude: 45.1, longitude: 12.2, name: "Harbour", address: "Riva 1" } }));
const contacts = [{ name: { formattedName: "Carla", firstName: "Carla" }, phones: [{ phone: "+393339990000", type: "HOME" }] }];
await tell("contacts", () => messages.sendContacts({ ...to, contacts }));
await tell("reaction", () => messages.sendReaction({ ...to, reaction: { messageId: rail.message, emoji: "👍" } }));
await tell("buttons", () =>
  messages.sendInteractiveButtons({ ...to, bodyText: "Pick a button", buttons: [{ id: "a", title: "A" }] }));
const sections = [{ title: "S", rows: [{ id: "1", title: "One" }] }];
await tell("list", () => messages.sendInteractiveList({ ...to, bodyText: "Pick a row", buttonText: "Open", sections }));
await tell("link", () =>
  messages.sendInteractiveCtaUrl({ ...to, bodyText: "Go", parameters: { displayText: "Open", url: "https://example.org" } }));
await tell("template", () => messages.sendTemplate({ ...to, template: { name: "hello_world", language: { code: "en_US" } } }));
await tell("typing", () => messages.markRead({ phoneNumberId, messageId: rail.message, typingIndicator: { type: "text" } }));
await tell("read", () => messages.markRead({ phoneNumberId, messageId: rail.message }));
await tell("profile", () => client.phoneNumbers.businessProfile.get({ phoneNumberId }));
await tell("delete media", () => media.delete({ mediaId: id, phoneNumberId }));
