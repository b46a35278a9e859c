/* One message as a list item. Whatever a rail's message has is shown: reply, edits, what was taken back, reactions. */

import { shown, summary } from "/js/content.js";
import { el, iconButton } from "/js/dom.js";
import { t, time } from "/js/words.js";

const TICKS = {
  checks: { sent: "✓", delivered: "✓✓", read: "✓✓", failed: "!" },
  circles: { sent: "○", delivered: "◉", read: "●", failed: "!" },
  words: { sent: "", delivered: "", read: "", failed: "!" },
};

/** What of a message is seen: when this changes, it is drawn anew. */
export function face(message, quoted) {
  const { status, text, read, edited, unsent, reactions, votes, content, via, read_by } = message;
  return JSON.stringify([status, text, read, edited, unsent, reactions, votes, content, via, read_by, quoted?.text, quoted?.unsent]);
}

/** `{ticks, quoted, name, handle, author}` say how, what it answers, whose phone it is and, in groups, whose words
    these are; `onReply` and the like what its buttons do. */
export function drawn(message, options) {
  const { ticks, quoted, name, author, others } = options;
  const isOut = message.direction === "out";
  const speaker = isOut ? null : author?.(message);
  const who = isOut ? t("you") : speaker ?? name;
  const words = message.unsent ? t("takenBack") : message.text;
  return el(
    "li",
    { class: `message ${message.direction} ${message.status}${message.unsent ? " unsent" : ""}`, "data-id": message.native_id },
    el("span", { class: "unseen" }, t("said", { who, time: time(message.sent_at_ms) })),
    el(
      "div",
      { class: "bubble" },
      speaker && el("div", { class: "speaker", dir: "auto", "aria-hidden": "true" }, speaker),
      quoted && el("div", { class: "quoted", dir: "auto" }, summary(quoted)),
      shown(message, options),
      (words || !message.content) && el("div", { class: "text", dir: "auto" }, words),
      el(
        "div",
        { class: "meta" },
        message.via && el("span", { class: `via line-${message.via.line}`, title: t("cameBy", { rail: message.via.title }) }, message.via.title),
        message.edited && el("span", {}, t("edited")),
        el("time", { datetime: new Date(message.sent_at_ms).toISOString() }, time(message.sent_at_ms)),
        isOut && tick(message, ticks),
        isOut && others > 0 && message.read_by?.length > 0 && el("span", { class: "readers", title: message.read_by.join(", ") }, t("readers", { count: message.read_by.length, of: others })),
      ),
      reactions(message),
    ),
    tools(message, isOut, options),
    message.error && el("p", { class: "trouble" }, message.error.message),
  );
}

function tools(message, isOut, { onReply, onReact, onEdit, onUnsend, onJourney }) {
  const isThere = !message.unsent;
  return el(
    "div",
    { class: "tools" },
    onReact && isThere && iconButton("smile", t("react"), (event) => onReact(message, event.currentTarget)),
    onReply && isThere && iconButton("reply", t("reply"), () => onReply(message)),
    onEdit && isOut && isThere && message.text && iconButton("pen", t("edit"), () => onEdit(message)),
    onUnsend && isOut && isThere && iconButton("bin", t("unsend"), () => onUnsend(message)),
    iconButton("route", t("journey"), () => onJourney(message)),
  );
}

function tick(message, ticks) {
  const label = t(`status.${message.status}`);
  const words = ticks === "words";
  return el(
    "span",
    { class: `tick ${message.status}`, title: label },
    el("span", { "aria-hidden": "true" }, words ? label : TICKS[ticks][message.status]),
    el("span", { class: "unseen" }, label),
  );
}

function reactions(message) {
  const all = Object.entries(message.reactions ?? {});
  if (!all.length) return null;
  return el("ul", { class: "reactions", "aria-label": t("reactions") }, all.map(([who, emoji]) => el("li", { title: who }, emoji)));
}

/** Something that the rail has not taken yet. */
export function pending(one, onDiscard) {
  return el(
    "li",
    { class: "message out pending", "data-id": `pending-${one.client_key}` },
    el("div", { class: "bubble" }, el("div", { class: "text", dir: "auto" }, one.content ? t(`content.${one.content.type}`) : one.text), el("div", { class: "meta" }, one.error ? t("status.failed") : t("sending"))),
    one.error && el("p", { class: "trouble", role: "alert" }, one.error),
    one.error && el("div", { class: "tools shown" }, iconButton("close", t("discard"), () => onDiscard(one))),
  );
}
