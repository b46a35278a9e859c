/* The line map's page: the drawing, and beside it traffic, search, the route planner, dead letters and people. */

import { sure } from "/js/acts.js";
import { call } from "/js/api.js";
import { el, onceAFrame, replaced, toast } from "/js/dom.js";
import { journey } from "/js/journey.js";
import { live } from "/js/live.js";
import { people } from "/js/people.js";
import { Plan } from "/js/plan.js";
import { look, railOf } from "/js/rails.js";
import { exactTime, t, when } from "/js/words.js";

const MOST_ROWS = 80;
const FRESH_MS = 5000;
const PANELS = ["traffic", "search", "explain", "dead", "people"];

export class MapPage {
  #plan = new Plan(people.rails, (entry) => journey(entry.event));
  #seen = new Set();
  #entries = [];
  #panel = "traffic";
  #body = el("div", { class: "panel-body", id: "panel", role: "tabpanel", tabindex: "0" });
  #tabs = new Map();
  #deadSeen = null;
  #draw = onceAFrame(() => this.#panel === "traffic" && this.#traffic());

  constructor() {
    for (const name of PANELS) {
      this.#tabs.set(name, el("button", { type: "button", role: "tab", "aria-controls": "panel", onclick: () => this.#open(name), onkeydown: (event) => this.#arrow(event) }, t(name)));
    }
    const tabs = el("div", { class: "panel-tabs", role: "tablist", "aria-label": t("map") }, [...this.#tabs.values()]);
    this.node = el("section", { class: "page map", "aria-label": t("map") }, el("div", { class: "sheet-of-map", tabindex: "0", role: "group", "aria-label": t("map") }, this.#plan.node), el("aside", { class: "panel", "aria-label": t("traffic") }, tabs, this.#body));
    addEventListener("trinario:people", () => this.#panel === "people" && this.#people());
    this.#open("traffic");
  }

  shown() {
    live.watchMap((frame) => this.#hear(frame));
  }

  hidden() {
    live.watchMap(null);
  }

  #hear(frame) {
    if (frame.type === "stations") {
      this.#plan.stations(frame.stations);
      const dead = frame.stations.nats.dead;
      if (this.#panel === "dead" && dead !== this.#deadSeen) this.#dead();
      this.#deadSeen = dead;
      return;
    }
    for (const entry of frame.entries) {
      if (this.#seen.has(entry.id)) continue;
      this.#seen.add(entry.id);
      if (Date.now() - entry.at_ms < FRESH_MS) this.#plan.run(entry);
      if (entry.kind !== "results" || entry.results.some((result) => result.status !== "posted")) this.#entries.unshift(entry);
    }
    this.#entries.length = Math.min(this.#entries.length, MOST_ROWS);
    while (this.#seen.size > 5000) this.#seen.delete(this.#seen.values().next().value);
    this.#draw();
  }

  #arrow(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    this.#open(PANELS[(PANELS.indexOf(this.#panel) + step + PANELS.length) % PANELS.length]);
    this.#tabs.get(this.#panel).focus();
  }

  #open(name) {
    this.#panel = name;
    for (const [other, tab] of this.#tabs) {
      tab.setAttribute("aria-selected", String(other === name));
      tab.tabIndex = other === name ? 0 : -1;
    }
    this.#body.setAttribute("aria-label", t(name));
    this.#body.replaceChildren();
    ({ traffic: () => this.#traffic(), explain: () => this.#explain(), dead: () => this.#dead(), people: () => this.#people(), search: () => this.#search() })[name]();
  }

  #traffic() {
    const rows = this.#entries.map((entry) => row(entry));
    const list = rows.length ? el("ol", { class: "traffic" }, rows) : el("p", { class: "empty" }, t("quietNow"));
    replaced(this.#body, [el("p", { class: "quiet" }, t("trafficHint")), list]);
  }

  #explain() {
    const field = (name) => el("input", { name, required: true, list: "everybody", autocomplete: "off" });
    const from = field("from");
    const to = field("to");
    const found = el("div", { class: "found", "aria-live": "polite" });
    const ask = async (event) => {
      event.preventDefault();
      try {
        const words = new URLSearchParams({ from: from.value, to: to.value });
        found.replaceChildren(...explained(await call("GET", `/api/explain?${words}`)));
      } catch (error) {
        found.replaceChildren(el("p", { class: "trouble" }, error.message));
      }
    };
    from.value = people.accounts[0]?.handle ?? "";
    this.#body.replaceChildren(
      el("p", { class: "quiet" }, t("explainHint")),
      el("form", { class: "field", onsubmit: ask }, el("label", {}, t("from"), from), el("label", {}, t("to"), to), el("button", { class: "primary", type: "submit" }, t("plan"))),
      found,
    );
  }

  async #dead() {
    try {
      const { letters } = await call("GET", "/api/dead");
      if (this.#panel !== "dead") return;
      this.#body.replaceChildren(
        letters.length
          ? el("ol", { class: "letters" }, letters.map((letter) => el("li", { "data-key": letter.id }, el("strong", {}, `${letter.id} · ${letter.stage} · ${letter.rail}`), el("time", { class: "quiet" }, when(letter.at_ms)), el("p", {}, letter.why), el("p", { class: "quiet mono" }, letter.event), this.#settling(letter))))
          : el("p", { class: "empty" }, t("noDead")),
      );
    } catch (error) {
      this.#body.replaceChildren(el("p", { class: "trouble" }, error.message));
    }
  }

  #settling(letter) {
    const settle = async (act, body) => {
      try {
        const done = await call("POST", `/api/dead/${letter.id}/${act}`, { body });
        toast(t(`letter.${done.outcome}`, { id: letter.id }));
      } catch (error) {
        toast(error.message, "bad");
      }
      if (this.#panel === "dead") this.#dead();
    };
    const drop = () => sure(() => settle("drop", { why: t("droppedHere") }), t("sureDrop", { id: letter.id }), t("drop"));
    return el(
      "div",
      { class: "actions" },
      letter.redrivable && el("button", { type: "button", onclick: () => settle("redrive", {}) }, t("redrive")),
      el("button", { type: "button", onclick: drop }, t("drop")),
    );
  }

  #search() {
    const words = el("input", { name: "words", type: "search", required: true, autocomplete: "off" });
    const found = el("div", { class: "found", "aria-live": "polite" });
    const ask = async (event) => {
      event.preventDefault();
      try {
        const all = (await call("GET", `/api/search?${new URLSearchParams({ words: words.value })}`)).found;
        found.replaceChildren(all.length ? el("ol", { class: "traffic" }, all.map(hit)) : el("p", { class: "empty" }, t("nothingFound")));
      } catch (error) {
        found.replaceChildren(el("p", { class: "trouble" }, error.message));
      }
    };
    this.#body.replaceChildren(
      el("p", { class: "quiet" }, t("searchHint")),
      el("form", { class: "field", onsubmit: ask }, el("label", {}, t("words"), words), el("button", { class: "primary", type: "submit" }, t("search"))),
      found,
    );
  }

  #people() {
    this.#body.replaceChildren(
      people.persons.length
        ? el("ul", { class: "persons" }, people.persons.map((person) => el("li", {}, el("strong", {}, person.name), el("ul", {}, person.accounts.map((account) => ticket(account))))))
        : el("p", { class: "empty" }, t("noPeople")),
    );
  }
}

function hit(one) {
  const parts = [el("time", {}, when(one.at_ms)), chip(one.from), el("span", { class: "what", dir: "auto" }, one.text)];
  return el("li", {}, el("button", { type: "button", class: "entry", title: t("journey"), onclick: () => journey(one.message_id) }, parts));
}

function row(entry) {
  const line = look(entry.source).line;
  const legs = Object.keys(entry.legs).map((rail) => el("span", { class: `chip line-${look(rail).line}` }, look(rail).title));
  const parts = [
    el("span", { class: `dot line-${line}`, "aria-hidden": "true" }),
    el("time", {}, exactTime(entry.at_ms)),
    el("span", { class: "what" }, el("span", {}, happened(entry)), legs.length > 0 && el("span", { class: "arrow", "aria-hidden": "true" }, "→"), legs),
    entry.outcome !== "routed" && el("span", { class: `badge ${entry.outcome}` }, t(`outcome.${entry.outcome}`)),
    entry.why && el("span", { class: "trouble" }, entry.why),
  ];
  if (entry.kind !== "message") return el("li", { class: "entry" }, parts);
  return el("li", {}, el("button", { type: "button", class: "entry message-entry", "data-key": entry.id, title: t("journey"), onclick: () => journey(entry.event) }, parts));
}

function happened(entry) {
  const who = entry.who || t("somebody");
  if (entry.kind === "message") return t("wrote", { who });
  if (entry.kind === "receipt") return t(Object.values(entry.legs).includes("delivered") ? "gotBy" : "readBy", { who });
  if (entry.kind === "results") return `${look(entry.source).title} ${t("reported")}`;
  return `${t(`kind.${entry.kind}`)}: ${who}`;
}

function explained(found) {
  return [
    el("p", {}, el("span", { class: `badge ${found.outcome}` }, t(`outcome.${found.outcome}`)), " ", found.why),
    el("ul", { class: "persons" }, found.accounts.map((account) => el("li", { class: "ticket" }, chip(account.handle), el("span", { class: `badge ${account.reached ? "reached" : "skipped"}` }, t(account.reached ? "reached" : "notReached")), el("span", { class: "quiet" }, account.why)))),
    el("p", { class: "quiet mono" }, t("conversation", { id: found.conversation, partition: found.partition })),
  ];
}

const chip = (handle) => el("span", { class: `chip line-${look(railOf(handle)).line}` }, handle);

const ticket = (account) => el("li", { class: "ticket" }, chip(account.handle), account.state !== "verified" && el("span", { class: `badge ${account.state}` }, t(`account.${account.state}`)));
