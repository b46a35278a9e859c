/* What one does to a message that is there: react, edit, unsend, vote. The rail's answer is the message as it is now. */

import { rail } from "/js/api.js";
import { el, iconButton, toast } from "/js/dom.js";
import { t } from "/js/words.js";

const EMOJI = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

/** `{onReact, onEdit, onUnsend, onVote}` for the messages of an account. */
export function acts(account) {
  const done = async (method, message, path, body) => {
    try {
      account.conversation(message.thread).put(await rail(account.handle, method, `messages/${encodeURIComponent(message.native_id)}${path}`, body));
    } catch (error) {
      toast(error.message, "bad");
    }
  };
  return {
    onReact: (message, near) => choose(near, (emoji) => done("PUT", message, "/reaction", { emoji: message.reactions?.[account.handle] === emoji ? "" : emoji })),
    onEdit: (message) => rewrite(message, (text) => done("PATCH", message, "", { text })),
    onUnsend: (message) => sure(() => done("DELETE", message, "")),
    onVote: (message, options) => done("PUT", message, "/vote", { options }),
  };
}

function choose(near, take) {
  const row = el("div", { class: "emoji", role: "group", "aria-label": t("react") }, EMOJI.map((emoji) => el("button", { type: "button", onclick: () => (take(emoji), row.remove()) }, emoji)));
  row.addEventListener("keydown", (event) => event.key === "Escape" && row.remove());
  near.closest("t-phone").querySelector(".composer").before(row); // a message may be drawn anew at any time
  row.firstChild.focus();
  row.addEventListener("focusout", () => setTimeout(() => row.contains(document.activeElement) || row.remove()));
}

/** A dialog over everything. */
export function sheet(title, ...children) {
  const dialog = el("dialog", { class: "sheet", "aria-label": title, onclose: () => dialog.remove() }, el("header", {}, el("h2", {}, title), iconButton("close", t("close"), () => dialog.close())), children);
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

function rewrite(message, take) {
  const field = el("textarea", { rows: 3, required: true, "aria-label": t("write") });
  field.value = message.text;
  const form = el("form", { class: "field", onsubmit: (event) => (event.preventDefault(), take(field.value), dialog.close()) }, field, el("button", { class: "primary", type: "submit" }, t("save")));
  const dialog = sheet(t("edit"), form);
}

/** Ask before what cannot be undone. */
export function sure(take, question = t("sureUnsend"), act = t("unsend")) {
  const dialog = sheet(question, el("div", { class: "actions" }, el("button", { type: "button", onclick: () => dialog.close() }, t("cancel")), el("button", { type: "button", class: "primary", onclick: () => (dialog.close(), take()) }, act)));
}
