/* One thread of one account: its messages in the rail's order, loaded as far as anybody has looked. */

import { rail } from "/js/api.js";

const PAGE = 200;
const RANKS = { sent: 0, failed: 1, delivered: 2, read: 3 };

const before = (one, other) => one.rank - other.rank || one.arrival - other.arrival;

export class Conversation extends EventTarget {
  #known = new Map(); // native id -> message
  #span = 4 * PAGE; // how far back, in the rail's own count, the next look at older messages goes
  #loading = null;
  #stale = true;
  #missed = false; // whether something happened while we were loading: then what was loaded may be old already

  constructor(handle, thread) {
    super();
    this.handle = handle;
    this.thread = thread;
    this.messages = [];
    this.isComplete = false; // whether the first message is here
  }

  get last() {
    return this.messages.at(-1);
  }

  get(nativeId) {
    return this.#known.get(nativeId);
  }

  /** The latest messages are here when this has resolved. */
  async load() {
    if (this.#stale) await this.#once(() => this.#latest());
  }

  /** What is here may have missed something: look again, now if somebody watches. */
  async refresh(isWatched) {
    this.#stale = true;
    if (isWatched) await this.load();
  }

  /** Load some older messages; false when there are none. */
  async older() {
    if (this.isComplete || !this.messages.length) return false;
    const count = this.messages.length;
    await this.#once(() => this.#further());
    return this.messages.length > count;
  }

  /** A new or changed message. */
  put(message) {
    const known = this.#known.get(message.native_id);
    if (known && RANKS[known.status] > RANKS[message.status]) message.status = known.status;
    if (known) this.messages.splice(this.messages.indexOf(known), 1);
    this.#known.set(message.native_id, message);
    this.#insert(message);
    this.#changed();
  }

  /** A receipt: everything of ours up to a message has got that far. Statuses only rise. */
  raise(status, upTo) {
    const limit = this.#known.get(upTo);
    if (!limit) return this.refresh(true);
    for (const message of this.messages) {
      if (message.direction === "out" && message.arrival <= limit.arrival && RANKS[message.status] < RANKS[status]) {
        message.status = status;
        message.read ||= status === "read";
      }
    }
    this.#changed();
  }

  /** We have read up to a message, here or elsewhere. */
  markRead(upTo) {
    const limit = this.#known.get(upTo);
    for (const message of this.messages) {
      if (message.direction === "in" && (!limit || message.arrival <= limit.arrival)) message.read = true;
    }
    this.#changed();
  }

  fail(nativeId, error) {
    const message = this.#known.get(nativeId);
    if (!message || RANKS[message.status] > RANKS.failed) return;
    Object.assign(message, { status: "failed", error });
    this.#changed();
  }

  #once(work) {
    this.#loading ??= work().finally(() => {
      this.#loading = null;
      if (!this.#missed) return undefined;
      this.#missed = false;
      return this.refresh(true);
    });
    return this.#loading;
  }

  async #latest() {
    const found = await this.#page({ limit: PAGE });
    this.#stale = false;
    const newest = this.messages.reduce((most, message) => Math.max(most, message.arrival), 0);
    const isGap = this.messages.length && found.length === PAGE && found.every((message) => message.arrival > newest);
    if (isGap) this.#forget();
    if (!this.messages.length && found.length < PAGE) this.isComplete = true;
    this.#merge(found);
  }

  /* The rail pages forwards only, by its own count: go back by a span that grows while little is found. */
  async #further() {
    const oldest = this.messages.reduce((least, message) => Math.min(least, message.arrival), Infinity);
    const from = Math.max(0, oldest - 1 - this.#span);
    const found = [];
    let after = from;
    while (after < oldest - 1) {
      const page = await this.#page({ after, limit: 1000 });
      found.push(...page.filter((message) => message.arrival < oldest));
      if (!page.length) break;
      after = Math.max(...page.map((message) => message.arrival));
    }
    if (found.length < PAGE / 2) this.#span *= 4;
    if (from === 0) this.isComplete = true;
    this.#merge(found);
  }

  async #page(query) {
    const words = new URLSearchParams({ thread: this.thread, ...query });
    return (await rail(this.handle, "GET", `messages?${words}`)).messages;
  }

  #forget() {
    this.messages = [];
    this.#known.clear();
    this.isComplete = false;
  }

  #merge(found) {
    for (const message of found) this.#known.set(message.native_id, message);
    this.messages = [...this.#known.values()].sort(before);
    this.dispatchEvent(new Event("change"));
  }

  #insert(message) {
    let place = this.messages.length;
    while (place > 0 && before(this.messages[place - 1], message) > 0) place -= 1;
    this.messages.splice(place, 0, message);
  }

  #changed() {
    this.#missed = this.#loading !== null;
    this.dispatchEvent(new Event("change"));
  }
}
