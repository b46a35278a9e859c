/* One message as a list item. Whatever a rail's message has is shown: reply, edits, what was taken back, reactions. */

import { el, iconButton } from "/js/dom.js";
import { t, time } from "/js/words.js";

const TICKS = {
  checks: { sent: "✓", delivered: "✓✓", read: "✓✓", failed: "!" },
  circles: { sent: "○", delivered: "◉", read: "●", failed: "!" },
  words: { sent: "", delivered: "", read: "", failed: "!" },
};

/** What of a message is seen: when this changes, it is drawn anew. */
export function face(message, quoted) {
  const { status, text, read, edited, unsent, reactions, via } = message;
  return JSON.stringify([status, text, read, edited, unsent, reactions, via, quoted?.text, quoted?.unsent]);
}

/** `{ticks, quoted, name, onReply, onJourney}` say how, what it answers, and what its buttons do. */
export function drawn(message, { ticks, quoted, name, onReply, onJourney }) {
  const isOut = message.direction === "out";
  const who = isOut ? t("you") : name;
  return el(
    "li",
    { class: `message ${message.direction} ${message.status}${message.unsent ? " unsent" : ""}`, "data-id": message.native_id },
    el("span", { class: "unseen" }, t("said", { who, time: time(message.sent_at_ms) })),
    el(
      "div",
      { class: "bubble" },
      quoted && el("div", { class: "quoted", dir: "auto" }, quoted.unsent ? t("takenBack") : quoted.text),
      el("div", { class: "text", dir: "auto" }, message.unsent ? t("takenBack") : message.text),
      el(
        "div",
        { class: "meta" },
        message.via && el("span", { class: `via line-${message.via.line}`, title: t("cameBy", { rail: message.via.title }) }, message.via.title),
        message.edited && el("span", {}, t("edited")),
        el("time", { datetime: new Date(message.sent_at_ms).toISOString() }, time(message.sent_at_ms)),
        isOut && tick(message, ticks),
      ),
      reactions(message),
    ),
    el(
      "div",
      { class: "tools" },
      onReply && !message.unsent && iconButton("reply", t("reply"), () => onReply(message)),
      iconButton("route", t("journey"), () => onJourney(message)),
    ),
    message.error && el("p", { class: "trouble" }, message.error.message),
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
    el("div", { class: "bubble" }, el("div", { class: "text", dir: "auto" }, one.text), el("div", { class: "meta" }, one.error ? t("status.failed") : t("sending"))),
    one.error && el("p", { class: "trouble", role: "alert" }, one.error),
    one.error && el("div", { class: "tools shown" }, iconButton("close", t("discard"), () => onDiscard(one))),
  );
}
