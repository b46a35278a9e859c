/* The clip beside a message's field: files, stickers, a voice note, a place, a card, a poll. A rail that does not carry
   something says so in its own words. */

import { upload } from "/js/api.js";
import { el, iconButton, toast } from "/js/dom.js";
import { t } from "/js/words.js";

const KINDS = ["file", "sticker", "record", "location", "contacts", "poll"];
const RECORDED = ["audio/ogg;codecs=opus", "audio/mp4", "audio/webm;codecs=opus"];

/** The clip. `handle()` is who sends; `send(content)` sends what was put together. */
export function clip({ handle, send }) {
  const sheet = el("div", { class: "clip-sheet", hidden: true });
  const button = iconButton("clip", t("attach"), () => (sheet.hidden ? menu() : close()), { "aria-expanded": "false", class: "icon-button clip" });
  const close = () => {
    sheet.hidden = true;
    button.setAttribute("aria-expanded", "false");
  };
  const open = (...children) => {
    sheet.replaceChildren(...children);
    sheet.hidden = false;
    button.setAttribute("aria-expanded", "true");
    sheet.querySelector("button, input")?.focus();
  };
  const give = (content) => {
    close();
    Promise.resolve(content).then(send).catch((error) => toast(error.message, "bad"));
  };
  const menu = () => open(...KINDS.map((kind) => el("button", { type: "button", onclick: () => begin(kind) }, t(`attach.${kind}`))));
  const begin = (kind) => {
    if (kind === "file" || kind === "sticker") pick(kind).then((file) => give(sent(handle(), file, kind)));
    else if (kind === "record") record(open, close).then((sound) => sound && give(sent(handle(), sound, "record"))).catch((error) => (close(), toast(error.message, "bad")));
    else open(...form(kind, give, close));
  };
  sheet.addEventListener("keydown", (event) => event.key === "Escape" && (close(), button.focus()));
  return [button, sheet];
}

async function pick(kind) {
  const field = el("input", { type: "file", accept: kind === "sticker" ? "image/webp,image/png,image/gif" : null });
  return new Promise((resolve) => {
    field.addEventListener("change", () => field.files[0] && resolve(field.files[0]));
    field.click();
  });
}

/* The rail says what a file is; a sticker and a recording are what they were made as, where the rail has that. */
async function sent(handle, file, kind) {
  const taken = await upload(handle, file, file.name);
  const isVoice = kind === "record" && taken.mime.startsWith("audio/ogg");
  return { type: kind === "sticker" ? "sticker" : isVoice ? "voice" : kind === "record" ? "audio" : taken.kind, media_id: taken.media_id };
}

async function record(open, close) {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
  const type = RECORDED.find((one) => MediaRecorder.isTypeSupported(one));
  const recorder = new MediaRecorder(stream, { mimeType: type });
  const parts = [];
  let isWanted = false;
  const end = (wanted) => {
    isWanted = wanted;
    recorder.stop();
  };
  open(
    el("span", { class: "recording", role: "status" }, t("recording")),
    el("button", { type: "button", class: "primary", onclick: () => end(true) }, t("send")),
    el("button", { type: "button", onclick: () => end(false) }, t("cancel")),
  );
  recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
  const stopped = new Promise((resolve) => recorder.addEventListener("stop", resolve, { once: true }));
  recorder.start();
  await stopped;
  for (const track of stream.getTracks()) track.stop();
  close();
  return isWanted ? new File(parts, `voice.${type.slice(6, 10).replace(";", "")}`, { type }) : null;
}

const FIELDS = { location: ["latitude", "longitude", "name"], contacts: ["name", "phone"], poll: ["question", "options"] };

function form(kind, give, close) {
  const fields = Object.fromEntries(
    FIELDS[kind].map((name) => [name, el(name === "options" ? "textarea" : "input", { name, required: name !== "name" || kind === "contacts", rows: 3, autocomplete: "off" })]),
  );
  const value = (name) => fields[name].value.trim();
  const made = {
    location: () => ({ type: "location", latitude: Number(value("latitude")), longitude: Number(value("longitude")), name: value("name") }),
    contacts: () => ({ type: "contacts", cards: [{ name: value("name"), phones: [value("phone")] }] }),
    poll: () => ({ type: "poll", question: value("question"), options: value("options").split("\n").map((line) => line.trim()).filter(Boolean) }),
  };
  const ready = () => {
    const missing = Object.values(fields).find((field) => !field.reportValidity());
    if (!missing) give(made[kind]());
  };
  return [
    ...Object.entries(fields).map(([name, field]) => el("label", {}, t(`field.${name}`), field)),
    el("button", { type: "button", class: "primary", onclick: ready }, t("send")),
    el("button", { type: "button", onclick: close }, t("cancel")),
  ];
}
