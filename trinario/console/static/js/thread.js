/* A conversation as a scrolling list that only ever holds a window of its messages, however many there are.

   The window grows at the end one scrolls to and is cut at the other. What is on the screen stays where it is while
   things are put in above it; at the bottom, it stays at the bottom. */

import { el, onceAFrame } from "/js/dom.js";
import { drawn, face, pending } from "/js/message.js";
import { day, dayNumber, t } from "/js/words.js";

const FIRST = 40;
const STEP = 40;
const MOST = 120;
const NEAR_PX = 600;
const BOTTOM_PX = 48;
const AGAIN_MS = 1000;

export class ThreadView extends HTMLElement {
  #list = el("ol", { class: "messages" });
  #items = new Map(); // key -> {node, face}
  #first = 0; // the window: messages[first, last)
  #last = 0;
  #isPinned = true;
  #height = 0; // how much there was at the last scroll event
  #isFetching = false;
  #conversation = null;
  #options = {};
  #drawn = { first: 0, keys: [] }; // what stands in the list: from which message on, and which
  #draw = onceAFrame(() => this.#show());
  #climb = onceAFrame(() => this.#reachUp());

  /** Show a conversation. `{ticks, name, pending(), onReply, onJourney, onDiscard, onSeen}`; null shows nothing. */
  open(conversation, options = {}) {
    this.#conversation?.removeEventListener("change", this.#draw);
    this.#conversation = conversation;
    this.#options = options;
    this.#items.clear();
    this.#list.replaceChildren();
    this.#first = this.#last = 0;
    this.#isPinned = true;
    conversation?.addEventListener("change", this.#draw);
    this.#show();
  }

  /** Other options from now on, beside those it was opened with; messages that they change are drawn again. */
  options(more) {
    this.#options = { ...this.#options, ...more };
    this.#items.clear();
    this.#draw();
  }

  /** Draw again: something that is not in the conversation has changed. */
  redraw() {
    this.#draw();
  }

  /** Whether the latest message is on the screen. */
  get isAtEnd() {
    return this.#isPinned;
  }

  toEnd() {
    this.#isPinned = true;
    this.#draw();
  }

  connectedCallback() {
    if (this.firstChild) return;
    this.tabIndex = 0;
    this.setAttribute("role", "log");
    this.setAttribute("aria-label", t("messages"));
    this.append(this.#list);
    this.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    const grown = new ResizeObserver(() => this.#isPinned && this.#bottom());
    grown.observe(this);
    grown.observe(this.#list); // a picture that has come takes its room
  }

  #scrolled() {
    const atBottom = this.scrollHeight - this.scrollTop - this.clientHeight < BOTTOM_PX;
    const messages = this.#conversation?.messages ?? [];
    const wasPinned = this.#isPinned;
    // Who was at the end stays there while things come or find their size; only scrolling itself leads away.
    const hasGrown = this.scrollHeight !== this.#height;
    this.#height = this.scrollHeight;
    this.#isPinned = wasPinned ? atBottom || hasGrown : atBottom && this.#last >= messages.length;
    if (this.#isPinned && !atBottom) this.#bottom();
    if (this.#isPinned && !wasPinned) this.#options.onSeen?.();
    if (this.scrollTop < NEAR_PX) this.#reachUp();
    else if (this.scrollHeight - this.scrollTop - this.clientHeight < NEAR_PX && this.#last < messages.length) {
      this.#last = Math.min(messages.length, this.#last + STEP);
      this.#first = Math.max(this.#first, this.#last - MOST);
      this.#show();
    }
  }

  /* The window grows upwards; older messages are fetched when it has reached the first that is here. */
  async #reachUp() {
    const conversation = this.#conversation;
    if (this.#isFetching || !conversation?.messages.length) return;
    if (this.#first === 0 && !conversation.isComplete) await this.#fetchOlder(conversation);
    if (conversation !== this.#conversation) return;
    if (this.#first > 0) {
      this.#first = Math.max(0, this.#first - STEP);
      this.#last = Math.min(this.#last, this.#first + MOST);
      this.#show();
    }
    // Who already stands at the top makes no further scroll event.
    const isMore = this.#first > 0 || !conversation.isComplete;
    if (isMore && this.isConnected && this.scrollTop < NEAR_PX && !this.#isPinned) this.#climb();
  }

  async #fetchOlder(conversation) {
    this.#isFetching = true;
    try {
      await conversation.older();
      if (conversation === this.#conversation) this.#show();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS)); // the rail is away or busy
    } finally {
      this.#isFetching = false;
    }
  }

  #show() {
    const messages = this.#conversation?.messages ?? [];
    const anchor = this.#isPinned ? null : this.#anchor();
    if (anchor) this.#follow(messages, anchor.key);
    this.#place(messages, anchor);
    const shown = messages.slice(this.#first, this.#last);
    this.#drawn = { first: this.#first, keys: shown.map((message) => message.native_id) };
    this.#reconcile(this.#rows(shown));
    if (this.#isPinned) this.#bottom();
    else if (anchor) this.#keep(anchor);
    if (this.#isPinned) this.#options.onSeen?.();
  }

  /** Messages were put in before what is on the screen, or taken out: the window moves along. */
  #follow(messages, key) {
    const place = messages.findIndex((message) => message.native_id === key);
    const drawn = this.#drawn.keys.indexOf(key);
    if (place < 0 || drawn < 0) return;
    const moved = place - (this.#drawn.first + drawn);
    this.#first = Math.max(0, this.#first + moved);
    this.#last += moved;
  }

  /** Where the window lies after the messages have changed. */
  #place(messages, anchor) {
    if (this.#isPinned || !anchor) {
      this.#last = messages.length;
      const known = this.#first > 0 && this.#last - this.#first <= MOST ? this.#first : 0;
      this.#first = Math.max(known, this.#last - (this.#items.size ? MOST : FIRST), 0);
      if (this.#isPinned) this.#first = Math.max(0, this.#last - FIRST);
    }
    this.#last = Math.min(this.#last, messages.length);
    this.#first = Math.min(this.#first, this.#last);
  }

  /* By its key: a receipt may have drawn it anew, and then its old element stands nowhere. */
  #keep(anchor) {
    const node = this.#items.get(anchor.key)?.node;
    if (node) this.scrollTop += node.offsetTop - anchor.top;
  }

  /** The first message on the screen, and where it stands. */
  #anchor() {
    for (const node of this.#list.children) {
      if (node.offsetTop + node.offsetHeight > this.scrollTop && node.classList.contains("message")) return { key: node.dataset.id, top: node.offsetTop };
    }
    return null;
  }

  #rows(messages) {
    const rows = [];
    let days = null;
    let isNew = false;
    for (const message of messages) {
      const number = dayNumber(message.sent_at_ms);
      if (number !== days) rows.push(this.#row(`day-${number}`, day(message.sent_at_ms), () => rule("day", day(message.sent_at_ms))));
      days = number;
      if (!isNew && message.direction === "in" && !message.read) {
        isNew = true;
        rows.push(this.#row("new", "new", () => rule("new", t("newMessages"))));
      }
      const quoted = message.reply_to ? this.#conversation.get(message.reply_to) : null;
      rows.push(this.#row(message.native_id, face(message, quoted), () => drawn(message, { ...this.#options, quoted })));
    }
    if (this.#last === (this.#conversation?.messages.length ?? 0)) {
      for (const one of this.#options.pending?.() ?? []) {
        rows.push(this.#row(one.client_key, String(one.error), () => pending(one, this.#options.onDiscard)));
      }
    }
    return rows;
  }

  #row(key, seen, make) {
    const known = this.#items.get(key);
    const item = known?.face === seen ? known : { node: make(), face: seen };
    return { key, item };
  }

  #reconcile(rows) {
    this.#items = new Map(rows.map(({ key, item }) => [key, item]));
    const wanted = new Set([...this.#items.values()].map((item) => item.node));
    for (const node of [...this.#list.children]) if (!wanted.has(node)) node.remove();
    let next = this.#list.firstChild;
    for (const { item } of rows) {
      if (item.node === next) next = next.nextSibling;
      else this.#list.insertBefore(item.node, next);
    }
  }

  #bottom() {
    this.scrollTop = this.scrollHeight;
  }
}

const rule = (kind, words) => el("li", { class: `rule ${kind}` }, el("span", {}, words));

customElements.define("t-thread", ThreadView);
