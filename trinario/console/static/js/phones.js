/* Phones side by side, one a rail, each for a person one chooses; or one of them alone. */

import { el, iconButton } from "/js/dom.js";
import { askForAccount, people } from "/js/people.js";
import { Phone } from "/js/phone.js";
import { t } from "/js/words.js";

const NEW = "+";
const FIRST_CHOICE = { whatsapp: "Alice", messenger: "Bob", instagram: "Bob" };

export class PhonesPage {
  #tabs = el("div", { class: "tabs", role: "tablist", "aria-label": t("phones") });
  #desks = new Map(); // rail -> {phone, select, desk, tab}
  #floor = el("div", { class: "floor" });
  #chosen = JSON.parse(localStorage.getItem("phones") ?? "{}");
  #front = null;

  constructor() {
    this.node = el("section", { class: "page phones", "aria-label": t("phones") }, this.#tabs, this.#floor);
    for (const rail of people.rails) this.#add(rail);
    this.#bring(people.rails[0]);
    addEventListener("trinario:people", () => this.#offer());
    addEventListener("keydown", (event) => event.key === "Escape" && !event.defaultPrevented && this.#solo(null));
    this.#offer();
  }

  shown() {}

  hidden() {}

  #add(rail) {
    const phone = new Phone(rail);
    const { title, line } = phone.look;
    const select = el("select", { "aria-label": t("personOn", { rail: title }), onchange: () => this.#picked(rail) });
    const grow = iconButton("grow", t("fullScreen"), () => this.#solo(rail), { class: "icon-button grow" });
    const shrink = iconButton("shrink", t("sideBySide"), () => this.#solo(null), { class: "icon-button shrink" });
    const label = el("div", { class: "plate" }, el("span", { class: "line-name" }, t(`line.${line}`)), select, grow, shrink);
    const desk = el("div", { class: `desk line-${line}` }, label, phone);
    const count = el("span", { class: "count", hidden: true });
    const tab = el("button", { type: "button", role: "tab", class: `line-${line}`, onclick: () => this.#bring(rail) }, title, count);
    phone.addEventListener("unread", () => {
      count.textContent = String(phone.unread);
      count.hidden = !phone.unread;
    });
    this.#desks.set(rail, { phone, select, desk, tab });
    this.#floor.append(desk);
    this.#tabs.append(tab);
  }

  /* On a small screen one phone is in front. */
  #bring(rail) {
    this.#front = rail;
    for (const [name, { desk, tab }] of this.#desks) {
      desk.classList.toggle("front", name === rail);
      tab.setAttribute("aria-selected", String(name === rail));
      tab.tabIndex = name === rail ? 0 : -1;
    }
    this.#tabs.onkeydown = (event) => this.#arrow(event);
  }

  #arrow(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const rails = [...this.#desks.keys()];
    this.#bring(rails[(rails.indexOf(this.#front) + step + rails.length) % rails.length]);
    this.#desks.get(this.#front).tab.focus();
  }

  #solo(rail) {
    this.node.classList.toggle("solo", rail !== null);
    for (const [name, { desk }] of this.#desks) desk.classList.toggle("alone", name === rail);
    if (rail) this.#bring(rail);
  }

  #offer() {
    for (const [rail, { select, phone }] of this.#desks) {
      const here = people.on(rail);
      select.replaceChildren(
        ...here.map((account) => el("option", { value: account.handle }, account.name)),
        el("option", { value: NEW }, t("newAccountDots")),
      );
      const kept = here.find((account) => account.handle === (phone.handle ?? this.#chosen[rail]));
      const first = here.find((account) => account.name === FIRST_CHOICE[rail]) ?? here[0];
      const handle = (kept ?? first)?.handle ?? null;
      select.value = handle ?? NEW;
      phone.be(handle);
    }
  }

  async #picked(rail) {
    const { select, phone } = this.#desks.get(rail);
    if (select.value === NEW) {
      const made = await askForAccount(rail);
      select.value = made?.handle ?? phone.handle ?? NEW;
      if (!made) return;
    }
    phone.be(select.value);
    this.#chosen[rail] = select.value;
    localStorage.setItem("phones", JSON.stringify(this.#chosen));
  }
}
