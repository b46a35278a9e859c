/* Making elements. Text is only ever put in as text nodes: nothing on this page parses HTML. */

const SVG = "http://www.w3.org/2000/svg";

/** An element. `props`: attributes; `onclick` and the like are listeners; false, null and undefined are left out. */
export function el(tag, props = {}, ...children) {
  return filled(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), props, children);
}

function filled(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else if (name === "value") node.value = value;
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

const ICONS = {
  back: "M15 5l-7 7 7 7",
  send: "M4 12l16-8-6 16-3-7-7-1z",
  plus: "M12 5v14M5 12h14",
  reply: "M9 7L4 12l5 5M4 12h9c4 0 7 2 7 6",
  route: "M5 19c6 0 3-14 14-14M5 19m-2 0a2 2 0 1 0 4 0 2 2 0 1 0-4 0M19 5m-2 0a2 2 0 1 0 4 0 2 2 0 1 0-4 0",
  grow: "M9 4H4v5M15 4h5v5M9 20H4v-5M15 20h5v-5",
  shrink: "M4 9h5V4M20 9h-5V4M4 15h5v5M20 15h-5v5",
  clip: "M19 11l-7.5 7.5a4.5 4.5 0 0 1-6.4-6.4L13 4.3a3 3 0 0 1 4.3 4.3l-7.8 7.7a1.5 1.5 0 0 1-2.1-2.1L14.5 7",
  envelope: "M4 6h16v12H4zM4 7l8 6 8-6",
  file: "M7 3h7l4 4v14H7zM14 3v4h4",
  pin: "M12 21c5-6 7-8.5 7-12a7 7 0 1 0-14 0c0 3.5 2 6 7 12zM12 7a2 2 0 1 0 0 4 2 2 0 1 0 0-4",
  person: "M12 4a4 4 0 1 0 0 8 4 4 0 1 0 0-8M4 21c0-5 4-7 8-7s8 2 8 7",
  smile: "M12 3a9 9 0 1 0 0 18 9 9 0 1 0 0-18M8 14c1 2 2.5 3 4 3s3-1 4-3M9 9v.5M15 9v.5",
  pen: "M4 20l1-5L16 4l4 4L9 19z",
  bin: "M5 7h14M9 7V4h6v3M7 7l1 14h8l1-14",
  close: "M6 6l12 12M18 6L6 18",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 1 0 0-8M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5L19 19M5 19l1.5-1.5M17.5 6.5L19 5",
  moon: "M20 14A8.5 8.5 0 1 1 10 4a7 7 0 0 0 10 10z",
  check: "M5 13l4 4L19 7",
  phone: "M8 3h8a1.5 1.5 0 0 1 1.5 1.5v15A1.5 1.5 0 0 1 16 21H8a1.5 1.5 0 0 1-1.5-1.5v-15A1.5 1.5 0 0 1 8 3zM11 18h2",
  inbox: "M4 13l3-8h10l3 8v6H4zM4 13h5l1 2h4l1-2h5",
  map: "M4 6h5l6 12h5M4 18h5l2-4M13 10l2-4h5",
};

/** A line drawing, hidden from screen readers: what it means is said beside it. */
export function icon(name) {
  return svg("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" }, svg("path", { d: ICONS[name] }));
}

/** A button that shows an icon only. */
export function iconButton(name, label, onclick, more = {}) {
  return el("button", { type: "button", class: "icon-button", "aria-label": label, title: label, onclick, ...more }, icon(name));
}

/** Initials in a circle; the colour follows from the name. */
export function avatar(name) {
  const letters = [...name.replace(/[^\p{L}\p{N} ]/gu, "").trim()];
  const first = letters[0] ?? "?";
  const space = letters.lastIndexOf(" ");
  const initials = space > 0 ? first + letters[space + 1] : first;
  return el("span", { class: `avatar hue-${hash(name) % 8}`, "aria-hidden": "true" }, initials.toUpperCase());
}

/** Put other children into a node; whoever had the focus in it has it again, found by `aria-label` or `data-key`. */
export function replaced(node, children) {
  const had = node.contains(document.activeElement) && document.activeElement !== node ? document.activeElement : null;
  const name = had && ["data-key", "aria-label"].find((attribute) => had.hasAttribute(attribute));
  const value = name && had.getAttribute(name);
  node.replaceChildren(...children);
  if (name) node.querySelector(`[${name}="${CSS.escape(value)}"]`)?.focus({ preventScroll: true });
}

/** A small stable number of a text. */
export function hash(text) {
  let value = 7;
  for (const character of text) value = (value * 31 + character.codePointAt(0)) >>> 0;
  return value;
}

/** The first call does it before the next picture; further calls until then change nothing. */
export function onceAFrame(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    // A page in the background gets no frames, and must still keep up.
    const next = document.hidden ? (f) => setTimeout(f, 50) : requestAnimationFrame;
    next(() => {
      asked = false;
      work();
    });
  };
}

const polite = el("div", { class: "unseen", role: "status", "aria-live": "polite" });
const toasts = el("div", { class: "toasts" });

/** Tell the person something that needs no answer. */
export function toast(text, kind = "plain") {
  if (!toasts.isConnected) document.body.append(toasts, polite);
  const one = el("div", { class: `toast ${kind}` }, text);
  polite.textContent = text;
  toasts.append(one);
  setTimeout(() => one.remove(), 6000);
}
