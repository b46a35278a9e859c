/* The page: logging in, the bar at the top, and which of the three views is on. */

import { call } from "/js/api.js";
import { el, icon, iconButton } from "/js/dom.js";
import { InboxPage } from "/js/inbox.js";
import { live } from "/js/live.js";
import { MapPage } from "/js/map.js";
import { options, people } from "/js/people.js";
import { PhonesPage } from "/js/phones.js";
import { choose, language, LANGUAGES, t } from "/js/words.js";

const VIEWS = { phones: PhonesPage, inbox: InboxPage, map: MapPage };
const ICONS = { phones: "phone", inbox: "inbox", map: "map" };

const pages = new Map();
const main = el("main", { id: "main", tabindex: "-1" });
let shown = null;

applyTheme(localStorage.getItem("theme"));
addEventListener("trinario:logged-out", () => locked());
start();

async function start() {
  const key = /^#key=(.+)$/.exec(location.hash)?.[1];
  if (key) history.replaceState(null, "", location.pathname);
  try {
    if (key) await call("POST", "/api/login", { body: { key } }).catch(() => {});
    await people.load();
  } catch (error) {
    if (error.status === 401) return;
    document.body.replaceChildren(el("main", { class: "gate" }, el("h1", {}, "Trinario"), el("p", { role: "alert" }, error.message)));
    return;
  }
  live.open();
  document.body.replaceChildren(el("a", { class: "skip", href: "#main" }, t("skip")), bar(), main, options);
  addEventListener("hashchange", show);
  show();
}

function bar() {
  const links = Object.keys(VIEWS).map((name) => el("a", { href: `#${name}`, "data-view": name }, icon(ICONS[name]), el("span", {}, t(name))));
  const state = el("span", { class: "live", role: "status" });
  const tell = () => {
    state.classList.toggle("off", !live.isOpen);
    state.textContent = live.isOpen ? t("live") : t("reconnecting");
  };
  live.addEventListener("state", tell);
  tell();
  const tongue = el("select", { "aria-label": t("language"), onchange: (event) => choose(event.target.value) });
  tongue.append(...Object.entries(LANGUAGES).map(([code, name]) => el("option", { value: code, lang: code }, name)));
  tongue.value = language;
  return el(
    "header",
    { class: "bar" },
    el("a", { class: "brand", href: "#phones" }, el("img", { src: "/icon.svg", alt: "", width: 28, height: 28 }), el("h1", {}, "Trinario")),
    el("nav", { "aria-label": t("views") }, links),
    state,
    tongue,
    themeButton(),
  );
}

function show() {
  const name = location.hash.slice(1) in VIEWS ? location.hash.slice(1) : "phones";
  if (!pages.has(name)) pages.set(name, new VIEWS[name]());
  const page = pages.get(name);
  if (page === shown) return;
  shown?.hidden();
  main.replaceChildren(page.node);
  shown = page;
  page.shown();
  for (const link of document.querySelectorAll(".bar nav a")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${t(name)} · Trinario`;
}

function isDark() {
  return (document.documentElement.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
}

function applyTheme(theme) {
  if (theme) document.documentElement.dataset.theme = theme;
}

function themeButton() {
  const button = iconButton(isDark() ? "sun" : "moon", t("theme"), () => {
    const theme = isDark() ? "light" : "dark";
    applyTheme(theme);
    localStorage.setItem("theme", theme);
    button.replaceChildren(icon(theme === "dark" ? "sun" : "moon"));
  });
  return button;
}

/* Without a session: say how to get one. */
function locked() {
  const field = el("input", { type: "password", name: "key", required: true, autocomplete: "off", "aria-label": t("key") });
  const trouble = el("p", { class: "trouble", role: "alert" });
  const form = el(
    "form",
    {
      onsubmit: async (event) => {
        event.preventDefault();
        const key = field.value.trim().replace(/^.*#key=/, "");
        try {
          await call("POST", "/api/login", { body: { key } });
          location.reload();
        } catch (error) {
          trouble.textContent = error.message;
        }
      },
    },
    el("label", {}, t("key"), field),
    trouble,
    el("button", { class: "primary", type: "submit" }, t("enter")),
  );
  const logo = el("img", { src: "/icon.svg", alt: "", width: 72, height: 72 });
  if (document.querySelector(".gate")) return;
  document.body.replaceChildren(el("main", { class: "gate" }, logo, el("h1", {}, "Trinario"), el("p", {}, t("locked")), form));
}
