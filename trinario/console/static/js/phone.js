/* One phone: a whole client of one rail, for one account. */

import { account } from "/js/account.js";
import { acts } from "/js/acts.js";
import { rail as railCall } from "/js/api.js";
import { clip } from "/js/attach.js";
import { summary } from "/js/content.js";
import { avatar, el, icon, iconButton, onceAFrame, replaced, toast } from "/js/dom.js";
import { groupOf, openGroup } from "/js/group.js";
import { journey } from "/js/journey.js";
import { people } from "/js/people.js";
import { addressOf, look } from "/js/rails.js";
import { ThreadView } from "/js/thread.js";
import { t, when } from "/js/words.js";

const TYPING_MS = 8000;
const SAID_AGAIN_MS = 4000;

let held = null; // the phone that somebody has in their hand: only there does a message count as read

addEventListener("pointerdown", (event) => hold(event), { capture: true });
addEventListener("focusin", (event) => hold(event), { capture: true });

function hold(event) {
  const phone = event.target.closest?.("t-phone");
  if (!phone || phone === held) return;
  held?.classList.remove("held");
  held = phone;
  phone.classList.add("held");
  phone.seen();
}

export class Phone extends HTMLElement {
  #account = null;
  #thread = null; // the thread on the screen, if any
  #unwatch = null;
  #replyTo = null;
  #group = null; // the group on the screen, if it is one
  #asked = null; // the thread whose group was asked for
  #title = el("div", { class: "title" });
  #screen = el("div", { class: "screen" });
  #list = el("ul", { class: "threads" });
  #view = new ThreadView();
  #input = null;
  #typers = new Map(); // thread -> timer: who types there says so again every few seconds
  #typedAt = 0;
  #heard = (event) => this.#types(event.detail);
  #regrouped = () => this.#readGroup();
  #draw = onceAFrame(() => this.#show());

  constructor(rail) {
    super();
    this.rail = rail;
    this.look = look(rail, people.rails);
    this.classList.add(`line-${this.look.line}`, `look-${rail}`);
  }

  get handle() {
    return this.#account?.handle ?? null;
  }

  get unread() {
    return this.#account?.unread ?? 0;
  }

  connectedCallback() {
    if (this.firstChild) return;
    this.setAttribute("role", "region");
    this.setAttribute("aria-label", this.look.title);
    this.append(el("div", { class: "case" }, el("div", { class: "glass" }, this.#title, this.#screen)));
    addEventListener("trinario:people", this.#draw);
    document.addEventListener("visibilitychange", () => this.seen());
    this.#home();
  }

  /** Be somebody. */
  be(handle) {
    if (handle === this.handle) return;
    this.#account?.removeEventListener("change", this.#draw);
    this.#account?.removeEventListener("typing", this.#heard);
    this.#account?.removeEventListener("group", this.#regrouped);
    this.#account = handle ? account(handle) : null;
    this.#account?.addEventListener("change", this.#draw);
    this.#account?.addEventListener("typing", this.#heard);
    this.#account?.addEventListener("group", this.#regrouped);
    this.#home();
  }

  /** Somebody looks at this phone: what is on its screen is read. */
  seen() {
    const isHere = held === this && !document.hidden && this.offsetParent !== null;
    if (isHere && this.#thread && this.#view.isAtEnd) this.#account.read(this.#thread);
  }

  /** Open the thread with an id. */
  openThread(id) {
    this.#leave();
    this.#thread = id;
    this.#unwatch = this.#account.watch(id);
    this.#view = new ThreadView();
    this.#screen.className = "screen talking";
    this.#screen.replaceChildren(this.#view, this.#composer());
    this.#view.open(this.#account.conversation(id), {
      ticks: this.look.ticks,
      name: this.#account.thread(id)?.name ?? "",
      pending: () => this.#account.pending.filter((one) => one.to === id),
      handle: this.handle,
      author: this.#account.thread(id)?.kind === "group" ? (message) => people.called(message.from) : null,
      ...acts(this.#account),
      onReply: (message) => this.#reply(message),
      onJourney: (message) => journey(message.native_id),
      onDiscard: (one) => this.#account.discard(one),
      onSeen: () => this.seen(),
    });
    this.#show();
    this.#input.focus({ preventScroll: true });
    this.seen();
  }

  #home() {
    this.#leave();
    this.#screen.className = "screen listing";
    if (this.#account) this.#screen.replaceChildren(this.#list);
    else this.#screen.replaceChildren(el("p", { class: "empty" }, t("nobodyHere", { rail: this.look.title })));
    this.#show();
  }

  #leave() {
    this.#unwatch?.();
    this.#view.open(null);
    this.#unwatch = this.#thread = this.#replyTo = this.#group = this.#asked = null;
  }

  #back() {
    const last = this.#thread;
    this.#home();
    this.#list.querySelector(`[data-thread="${last}"]`)?.focus();
  }

  #show() {
    if (!this.isConnected) return;
    replaced(this.#title, this.#bar());
    if (this.#thread && this.#asked !== this.#thread) this.#readGroup();
    if (this.#thread) this.#view.redraw();
    else if (this.#account) this.#showList();
    this.dispatchEvent(new Event("unread"));
  }

  #bar() {
    const isLost = this.#account?.state === "lost";
    const state = isLost ? el("span", { class: "lost", role: "status" }, t("reconnecting")) : null;
    if (!this.#thread) {
      const me = people.name(this.handle) ?? "";
      return [
        el("h2", {}, this.look.title, el("small", {}, state ?? me)),
        this.#account && iconButton("plus", t("newChat"), () => this.#compose()),
      ].filter(Boolean);
    }
    const thread = this.#account.thread(this.#thread);
    const isTyped = this.#typers.has(this.#thread);
    const isGroup = thread?.kind === "group";
    const under = isGroup ? this.#group ? t("groupOf", { count: this.#group.members.length }) : t("group") : addressOf(thread?.with[0] ?? "");
    const elsewhere = this.unread - (thread?.unread ?? 0);
    const name = thread?.name ?? "";
    const missed = thread?.unread ?? 0;
    return [
      iconButton("back", t("back"), () => this.#back()),
      elsewhere > 0 && el("span", { class: "count", title: t("unreadElsewhere") }, String(elsewhere)),
      avatar(name),
      el("h2", {}, name, el("small", {}, state ?? (isTyped ? el("span", { class: "typing", role: "status" }, t("typing")) : under))),
      missed > 0 && el("span", { class: "count big" }, el("span", { "aria-hidden": "true" }, String(missed)), el("span", { class: "unseen" }, t("unread", { count: missed }))),
      thread && iconButton("envelope", t("markUnread"), () => this.#markUnread()),
      isGroup && iconButton("person", t("members"), () => openGroup(this.#account, thread.thread, (group) => this.#isGroup(group))),
    ].filter(Boolean);
  }

  /* A sign for oneself, on all one's rails; so the conversation is left, or it would be read at once. */
  #markUnread() {
    const thread = this.#thread;
    this.#back();
    railCall(this.handle, "POST", "mark", { thread, mark: "unread", on: true }).catch((error) => toast(error.message, "bad"));
  }

  /* What the group is now: how many could read a message, and whether one may write. */
  #isGroup(group) {
    if (group.thread !== this.#thread) return;
    this.#group = group;
    this.#view.options({ others: group.members.length - 1 });
    this.#draw();
  }

  #readGroup() {
    const id = this.#thread;
    if (this.#account?.thread(id)?.kind !== "group") return;
    this.#asked = id;
    groupOf(this.#account, id).then((group) => this.#isGroup(group)).catch(() => {});
  }

  #showList() {
    const rows = this.#account.threads.map((thread) => this.#threadRow(thread));
    const pending = this.#account.pending.length;
    const focused = this.#list.contains(document.activeElement) ? document.activeElement.dataset.thread : null;
    if (rows.length) this.#list.replaceChildren(...rows);
    else this.#list.replaceChildren(el("li", { class: "empty" }, pending ? t("sending") : this.#account.isRead ? t("noChats") : t("opening")));
    if (focused) this.#list.querySelector(`[data-thread="${focused}"]`)?.focus();
  }

  #threadRow(thread) {
    const last = this.#account.previews.get(thread.thread);
    const words = this.#typers.has(thread.thread) ? t("typing") : summary(last);
    return el(
      "li",
      {},
      el(
        "button",
        { type: "button", class: `row${thread.unread || thread.marks.includes("unread") ? " unread" : ""}`, "data-thread": thread.thread, onclick: () => this.openThread(thread.thread) },
        avatar(thread.name),
        el("span", { class: "name" }, thread.name),
        el("time", {}, thread.last_at_ms ? when(thread.last_at_ms) : ""),
        el("span", { class: "last", dir: "auto" }, last?.direction === "out" ? `${t("you")}: ${words}` : words),
        thread.unread > 0 &&
          el("span", { class: "count" }, el("span", { "aria-hidden": "true" }, String(thread.unread)), el("span", { class: "unseen" }, t("unread", { count: thread.unread }))),
        thread.marks.includes("unread") && !thread.unread && el("span", { class: "count dot" }, el("span", { class: "unseen" }, t("marked"))),
      ),
    );
  }

  #composer() {
    this.#input = el("textarea", {
      rows: 1,
      "aria-label": t("write"),
      placeholder: t("write"),
      enterkeyhint: "send",
      onkeydown: (event) => this.#key(event),
      oninput: () => (this.#fit(), this.#typing(this.#input.value !== "")),
    });
    const send = el("button", { type: "submit", class: "send", "aria-label": t("send"), title: t("send") }, icon("send"));
    return el("form", { class: "composer", onsubmit: (event) => this.#submit(event) }, clip({ handle: () => this.handle, send: (content) => this.#give(content) }), this.#input, send);
  }

  #give(content) {
    this.#account.send(this.#thread, "", this.#replyTo, content).catch(() => {});
    this.#reply(null);
    this.#view.toEnd();
  }

  #types({ thread, on }) {
    clearTimeout(this.#typers.get(thread));
    this.#typers.delete(thread);
    if (on) this.#typers.set(thread, setTimeout(() => this.#types({ thread, on: false }), TYPING_MS));
    this.#draw();
  }

  #typing(on) {
    const now = performance.now();
    if (this.#typedAt ? on && now - this.#typedAt < SAID_AGAIN_MS : !on) return;
    this.#typedAt = on ? now : 0;
    this.#account.typing(this.#thread, on);
  }

  #key(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.#submit(event);
    else if (event.key === "Escape" && this.#replyTo) this.#reply(null);
  }

  #fit() {
    this.#input.style.height = "auto";
    this.#input.style.height = `${Math.min(this.#input.scrollHeight, 110)}px`;
  }

  #reply(message) {
    this.#replyTo = message?.native_id ?? null;
    const form = this.#screen.querySelector(".composer");
    form.querySelector(".replying")?.remove();
    if (message) {
      form.prepend(el("div", { class: "replying" }, el("span", { dir: "auto" }, summary(message)), iconButton("close", t("cancel"), () => this.#reply(null))));
      this.#input.focus();
    }
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#input.value;
    if (!text.trim()) return;
    this.#account.send(this.#thread, text, this.#replyTo).catch(() => {});
    this.#input.value = "";
    this.#typedAt = 0;
    this.#reply(null);
    this.#fit();
    this.#view.toEnd();
  }

  /* A new chat: anybody's handle, wherever they are. */
  #compose() {
    this.#leave();
    const to = el("input", { name: "to", required: true, list: "everybody", autocomplete: "off", placeholder: "instagram:@bob", "aria-label": t("to") });
    const group = el("input", { name: "group", autocomplete: "off", maxlength: 60 });
    const text = el("textarea", { name: "text", rows: 3, required: true, placeholder: t("write"), "aria-label": t("write") });
    const trouble = el("p", { class: "trouble", role: "alert" });
    const form = el(
      "form",
      { class: "new-chat", onsubmit: (event) => this.#begin(event, { to, group, text, trouble }) },
      el("label", {}, t("to"), to),
      el("label", {}, t("groupName"), group),
      el("label", {}, t("firstMessage"), text),
      trouble,
      el("div", { class: "actions" }, el("button", { type: "button", onclick: () => this.#home() }, t("cancel")), el("button", { type: "submit", class: "primary" }, t("send"))),
    );
    this.#screen.className = "screen composing";
    this.#screen.replaceChildren(form);
    to.focus();
  }

  async #begin(event, { to, group, text, trouble }) {
    event.preventDefault();
    trouble.textContent = "";
    const sending = this.#account;
    try {
      const others = to.value.split(",").map((one) => one.trim()).filter(Boolean);
      const isGroup = others.length > 1 || group.value.trim() !== "";
      const body = { name: group.value.trim() || t("group"), with: others, client_key: crypto.randomUUID() };
      const known = isGroup ? (await railCall(sending.handle, "POST", "groups", body)).thread : others[0];
      const { thread } = await railCall(sending.handle, "POST", "messages", { to: known, text: text.value, client_key: crypto.randomUUID() });
      if (sending === this.#account) this.openThread(thread);
    } catch (error) {
      trouble.textContent = error.message;
    }
  }
}

customElements.define("t-phone", Phone);

