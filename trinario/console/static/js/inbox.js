/* The inbox: one person's conversations over all rails in one list, and answers on any of them. */

import { summary } from "/js/content.js";
import { account } from "/js/account.js";
import { avatar, el, icon, iconButton, onceAFrame } from "/js/dom.js";
import { journey } from "/js/journey.js";
import { Merged } from "/js/merged.js";
import { people } from "/js/people.js";
import { look } from "/js/rails.js";
import { ThreadView } from "/js/thread.js";
import { t, when } from "/js/words.js";

export class InboxPage {
  #person = el("select", { "aria-label": t("person"), onchange: () => this.#be(this.#person.value) });
  #list = el("ul", { class: "threads" });
  #talk = el("div", { class: "talk" });
  #accounts = [];
  #me = null;
  #open = null; // {key, merged, view}
  #isShown = false;
  #draw = onceAFrame(() => this.#show());

  constructor() {
    this.node = el(
      "section",
      { class: "page inbox", "aria-label": t("inbox") },
      el("div", { class: "side" }, el("div", { class: "side-head" }, el("h2", {}, t("inbox")), this.#person), el("p", { class: "quiet hint" }, t("inboxHint")), el("nav", { "aria-label": t("conversations") }, this.#list)),
      this.#talk,
    );
    addEventListener("trinario:people", () => this.#offer());
    addEventListener("focus", () => this.#seen());
    this.#offer();
    this.#leave();
  }

  shown() {
    this.#isShown = true;
    this.#draw();
  }

  hidden() {
    this.#isShown = false;
  }

  /* Persons with an account we can act as. Without the bus nobody knows who is who: then each account stands alone. */
  #persons() {
    const found = new Map();
    for (const one of people.accounts) {
      const person = people.personOf(one.handle);
      const key = person?.person ?? one.handle;
      if (!found.has(key)) found.set(key, { key, name: person?.name ?? one.name, handles: [] });
      found.get(key).handles.push(one.handle);
    }
    return [...found.values()];
  }

  #offer() {
    const persons = this.#persons();
    this.#person.replaceChildren(...persons.map((one) => el("option", { value: one.key }, persons.filter((other) => other.name === one.name).length > 1 ? `${one.name} (${one.handles[0]})` : one.name)));
    const kept = persons.find((one) => one.key === (this.#me ?? localStorage.getItem("inbox")));
    const most = [...persons].sort((one, other) => other.handles.length - one.handles.length)[0];
    const chosen = kept ?? most;
    if (!chosen) return this.#draw();
    this.#person.value = chosen.key;
    return this.#be(chosen.key);
  }

  #be(key) {
    const person = this.#persons().find((one) => one.key === key);
    const handles = person?.handles ?? [];
    if (key === this.#me && handles.join() === this.#accounts.map((one) => one.handle).join()) return;
    for (const one of this.#accounts) one.removeEventListener("change", this.#draw);
    if (key !== this.#me) this.#leave();
    this.#me = key;
    localStorage.setItem("inbox", key);
    this.#accounts = handles.map((handle) => account(handle));
    for (const one of this.#accounts) one.addEventListener("change", this.#draw);
    this.#draw();
  }

  /* Threads of all accounts, those with the same person together, latest first. */
  #conversations() {
    const found = new Map();
    for (const one of this.#accounts) {
      for (const thread of one.threads) {
        const person = thread.kind === "group" ? null : people.personOf(thread.with[0]);
        const key = person?.person ?? thread.with[0] ?? (thread.key || thread.thread);
        if (!found.has(key)) found.set(key, { key, name: person?.name ?? thread.name, parts: [], unread: 0, last: null });
        const all = found.get(key);
        all.parts.push({ account: one, thread: thread.thread });
        all.unread = Math.max(all.unread, thread.unread);
        const last = one.previews.get(thread.thread);
        if (last && (!all.last || last.rank > all.last.rank)) all.last = last;
      }
    }
    return [...found.values()].sort((one, other) => (other.last?.sent_at_ms ?? 0) - (one.last?.sent_at_ms ?? 0));
  }

  #show() {
    const all = this.#conversations();
    const rows = all.map((one) => el("li", {}, this.#row(one)));
    const focused = this.#list.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    this.#list.replaceChildren(...(rows.length ? rows : [el("li", { class: "empty" }, t(this.#accounts.length ? "noChats" : "nobodyYet"))]));
    if (focused) this.#list.querySelector(`[data-key="${focused}"]`)?.focus();
    const open = this.#open && all.find((one) => one.key === this.#open.key);
    if (open && open.parts.length !== this.#open.parts.length) this.#read(open);
    else if (this.#open) this.#open.view.redraw();
    this.#seen();
  }

  #row(one) {
    const rails = [...new Set(one.parts.map(({ account }) => account.rail))];
    const words = summary(one.last);
    return el(
      "button",
      { type: "button", class: `row${one.unread ? " unread" : ""}`, "data-key": one.key, "aria-current": this.#open?.key === one.key ? "true" : null, onclick: () => this.#read(one) },
      avatar(one.name),
      el("span", { class: "name" }, one.name, el("span", { class: "rails" }, rails.map((rail) => el("span", { class: `chip line-${look(rail).line}`, title: look(rail).title }, el("span", { class: "unseen" }, look(rail).title))))),
      el("time", {}, one.last ? when(one.last.sent_at_ms) : ""),
      el("span", { class: "last", dir: "auto" }, one.last?.direction === "out" ? `${t("you")}: ${words}` : words),
      one.unread > 0 && el("span", { class: "count" }, el("span", { "aria-hidden": "true" }, String(one.unread)), el("span", { class: "unseen" }, t("unread", { count: one.unread }))),
    );
  }

  #leave() {
    this.#open?.merged.close();
    this.#open?.view.open(null);
    this.#open = null;
    this.node.classList.remove("reading");
    this.#talk.replaceChildren(el("p", { class: "empty" }, t("pickOne")));
  }

  #read(one) {
    this.#leave();
    const merged = new Merged(one.parts);
    const view = new ThreadView();
    this.#open = { key: one.key, parts: one.parts, merged, view };
    this.node.classList.add("reading");
    const threads = new Set(one.parts.map(({ thread }) => thread));
    this.#talk.replaceChildren(
      el("div", { class: "talk-head" }, iconButton("back", t("back"), () => (this.#leave(), this.#draw()), { class: "icon-button back" }), avatar(one.name), el("h2", {}, one.name, el("small", {}, one.parts.map(({ account }) => account.thread(threadOf(one, account)).with[0]).join(" · ")))),
      view,
      this.#composer(one),
    );
    view.open(merged, {
      ticks: "checks",
      name: one.name,
      pending: () => this.#accounts.flatMap((account) => account.pending.filter((wait) => threads.has(wait.to))),
      onJourney: (message) => journey(message.native_id),
      onDiscard: (wait) => this.#accounts.forEach((account) => account.discard(wait)),
      onSeen: () => this.#seen(),
    });
    this.#draw();
  }

  #seen() {
    if (!this.#open || !this.#isShown || document.hidden || !this.#open.view.isAtEnd) return;
    for (const { account, thread } of this.#open.parts) account.read(thread);
  }

  #composer(one) {
    const where = el("select", { "aria-label": t("answerOn") }, one.parts.map(({ account }, number) => el("option", { value: number }, look(account.rail).title)));
    const last = one.parts.findIndex(({ account, thread }) => account.previews.get(thread)?.native_id === one.last?.native_id);
    where.value = String(Math.max(0, last));
    const field = el("textarea", { rows: 1, "aria-label": t("write"), placeholder: t("write"), enterkeyhint: "send" });
    const submit = (event) => {
      event.preventDefault();
      const { account, thread } = one.parts[Number(where.value)];
      if (!field.value.trim()) return;
      account.send(thread, field.value).catch(() => {});
      field.value = "";
      this.#open?.view.toEnd();
    };
    field.addEventListener("keydown", (event) => event.key === "Enter" && !event.shiftKey && !event.isComposing && submit(event));
    return el("form", { class: "composer", onsubmit: submit }, el("label", { class: "answer-on" }, el("span", {}, t("answerOn")), where), field, el("button", { type: "submit", class: "send", "aria-label": t("send"), title: t("send") }, icon("send")));
  }
}

const threadOf = (one, account) => one.parts.find((part) => part.account === account).thread;
