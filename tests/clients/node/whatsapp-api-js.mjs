import { WhatsAppAPI } from "whatsapp-api-js";
import * as kinds from "whatsapp-api-js/messages";
import { png, rail, tell } from "./tell.mjs";

// The client has no setting for the address; it does let one bring a `fetch`.
const redirected = (url, options) => fetch(String(url).replace("https://graph.facebook.com", rail.url), options);
const ponyfill = { fetch: redirected, subtle: crypto.subtle };
const api = new WhatsAppAPI({ token: rail.token, appSecret: rail.secret, webhookVerifyToken: rail.verify, v: "v23.0", ponyfill });
const send = (message, context) => api.sendMessage(rail.node, rail.person, message, context);

const form = new FormData();
form.set("file", new Blob([png], { type: "image/png" }), "a.png");
form.set("type", "image/png");
form.set("messaging_product", "whatsapp");

await tell("text", () => send(new kinds.Text("from whatsapp-api-js")));
await tell("reply", () => send(new kinds.Text("an answer"), rail.message));
const { id } = await tell("upload", () => api.uploadMedia(rail.node, form));
await tell("image", () => send(new kinds.Image(id, true, "a photo")));
const { url } = await tell("media url", () => api.retrieveMedia(id));
await tell("download", async () => ({ bytes: (await (await api.fetchMedia(url)).arrayBuffer()).byteLength }));
await tell("location", () => send(new kinds.Location(12.2, 45.1, "Harbour", "Riva 1")));
await tell("contacts", () => send(new kinds.Contacts([new kinds.Name("Carla", "Carla"), new kinds.Phone("+393339990000", "HOME")])));
await tell("reaction", () => send(new kinds.Reaction(rail.message, "👍")));
await tell("buttons", () => send(new kinds.Interactive(new kinds.ActionButtons(new kinds.Button("a", "A")), new kinds.Body("Pick a button"))));
const section = new kinds.ListSection("S", new kinds.Row("1", "One", "d"));
await tell("list", () => send(new kinds.Interactive(new kinds.ActionList("Open", section), new kinds.Body("Pick a row"))));
await tell("link", () => send(new kinds.Interactive(new kinds.ActionCTA("Open", "https://example.org"), new kinds.Body("Go"))));
const body = new kinds.BodyComponent(new kinds.BodyParameter("Carla"));
await tell("template", () => send(new kinds.Template("hello_world", new kinds.Language("en_US"), body)));
await tell("typing", () => api.markAsRead(rail.node, rail.message, "text"));
await tell("read", () => api.markAsRead(rail.node, rail.message));
await tell("block", () => api.blockUser(rail.node, rail.person));
await tell("unblock", () => api.unblockUser(rail.node, rail.person));
await tell("delete media", () => api.deleteMedia(id));
