/* The way of one message: accepted, routed, every leg. A dialog; phones, inbox and map open it. */

import { call } from "/js/api.js";
import { el, iconButton } from "/js/dom.js";
import { look, railOf } from "/js/rails.js";
import { exactTime, t } from "/js/words.js";

/** Show the journey of a message by its id on the bus or on any rail. */
export async function journey(anyId) {
  const body = el("div", { class: "journey", "aria-live": "polite" }, t("looking"));
  const dialog = el(
    "dialog",
    { class: "sheet", "aria-label": t("journey"), onclose: () => dialog.remove(), onclick: (event) => event.target === dialog && dialog.close() },
    el("header", {}, el("h2", {}, t("journey")), iconButton("close", t("close"), () => dialog.close())),
    body,
  );
  document.body.append(dialog);
  dialog.showModal();
  try {
    body.replaceChildren(...told(await call("GET", `/api/trace?id=${encodeURIComponent(anyId)}`)));
  } catch (error) {
    body.replaceChildren(el("p", { class: "trouble" }, error.message));
  }
}

/** A trace as elements: the way it took, leg by leg. */
export function told(trace) {
  const origin = look(railOf(trace.from));
  const tookMs = Math.max(0, trace.routed_at_ms - trace.accepted_at_ms);
  return [
    el(
      "ol",
      { class: "stops" },
      stop(origin.line, t("acceptedOn", { rail: origin.title }), exactTime(trace.accepted_at_ms), trace.from),
      stop("ink", t("routedAt", { position: trace.position }), `${exactTime(trace.routed_at_ms)} · +${tookMs} ms`, trace.conversation),
    ),
    el("ol", { class: "legs" }, trace.legs.map((leg) => legOf(leg, trace))),
    trace.markers.length > 0 && el("p", { class: "quiet" }, t("markers", { count: trace.markers.length })),
    el("p", { class: "quiet mono" }, trace.message_id),
  ].filter(Boolean);
}

function legOf(leg, trace) {
  const rail = look(leg.rail);
  const after = leg.at_ms ? `+${Math.max(0, leg.at_ms - trace.accepted_at_ms)} ms` : "";
  return el(
    "li",
    { class: `leg line-${rail.line}` },
    el("strong", {}, rail.title),
    el("span", { class: `badge ${leg.status}` }, t(`status.${leg.status}`)),
    el("span", { class: "quiet" }, [leg.why, after].filter(Boolean).join(" · ")),
    leg.lost?.length > 0 && el("span", { class: "trouble" }, t("lost", { what: leg.lost.join(", ") })),
    leg.native_ids?.length > 0 && el("span", { class: "quiet mono" }, leg.native_ids.join(", ")),
  );
}

const stop = (line, title, time, detail) =>
  el("li", { class: `stop line-${line}` }, el("strong", {}, title), el("span", {}, time), el("span", { class: "quiet mono" }, detail));
