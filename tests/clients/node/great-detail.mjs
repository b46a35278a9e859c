import Client from "@great-detail/whatsapp";
import { rail, tell } from "./tell.mjs";

const client = new Client({ prefixUrl: rail.url, request: { headers: { Authorization: `Bearer ${rail.token}` } } });
const to = { phoneNumberID: rail.node, to: rail.person };
const send = (message) => client.message.createMessage({ ...to, ...message }).json();

await tell("text", () => send({ type: "text", text: { body: "from great-detail" } }));
await tell("reply", () => send({ type: "text", text: { body: "an answer" }, context: { message_id: rail.message } }));
await tell("location", () => send({ type: "location", location: { latitude: 45.1, longitude: 12.2, name: "Harbour", address: "Riva 1" } }));
await tell("reaction", () => send({ type: "reaction", reaction: { message_id: rail.message, emoji: "👍" } }));
await tell("read", () => client.message.createStatus({ phoneNumberID: rail.node, status: "read", message_id: rail.message }).json());
await tell("profile", () => client.businessProfile.getBusinessProfile({ phoneNumberID: rail.node }).json());
