/* One person's conversation with another, over all their rails, each message once.

   Copies of a message have the same rank on every rail (its place on the federation's log), so equal rank, text and
   direction means: the same message. The server says by which rail each rank came in. */

import { call } from "/js/api.js";
import { look } from "/js/rails.js";

const before = (one, other) => one.rank - other.rank || one.sent_at_ms - other.sent_at_ms;
const MOST_AT_ONCE = 200;
const SAME_WITHIN_MS = 60_000;
const FIRST_TRY_MS = 300;
const MOST_TRIES = 4;

const origins = new Map(); // rank -> rail, as far as asked
let asking = false;

export class Merged extends EventTarget {
  #parts;
  #asked = new Set();
  #tries = new Map();
  #waiting = new Set();

  /** `parts`: [{account, thread}]. */
  constructor(parts) {
    super();
    this.#parts = parts;
    this.messages = [];
    this.#unwatch = parts.map(({ account, thread }) => account.watch(thread));
    for (const conversation of this.#conversations()) conversation.addEventListener("change", this.#merge);
    this.#merge();
  }

  #unwatch;

  get isComplete() {
    return this.#conversations().every((conversation) => conversation.isComplete);
  }

  /** Nobody looks any more. */
  close() {
    for (const end of this.#unwatch) end();
    for (const conversation of this.#conversations()) conversation.removeEventListener("change", this.#merge);
  }

  get(key) {
    return this.messages.find((message) => message.native_id === key || message.copies.some((copy) => copy.native_id === key));
  }

  async older() {
    const found = await Promise.all(this.#conversations().map((conversation) => conversation.older()));
    return found.includes(true);
  }

  #conversations() {
    return this.#parts.map(({ account, thread }) => account.conversation(thread));
  }

  #merge = () => {
    const merged = new Map();
    const unplaced = [];
    for (const { account, thread } of this.#parts) {
      const conversation = account.conversation(thread);
      const times = new Map(); // two equal messages of one rank are two messages
      for (const [place, message] of conversation.messages.entries()) {
        if (isUnplaced(message, conversation.messages[place - 1])) {
          unplaced.push({ message, conversation, rail: account.rail });
          continue;
        }
        const same = `${message.rank} ${message.direction} ${message.text}`;
        const count = times.get(same) ?? 0;
        times.set(same, count + 1);
        take(merged, `${same} ${count}`, message, account.rail, conversation.handle);
      }
    }
    for (const one of unplaced) this.#guess(merged, one);
    this.messages = [...merged.values()].sort(before);
    this.#askOrigins();
    this.dispatchEvent(new Event("change"));
  };

  /* Just written here: the federation's rank is not known yet, and the rail tells of it only when its order changes. */
  #guess(merged, { message, conversation, rail }) {
    const copy = [...merged].find(
      ([, one]) => one.direction === message.direction && one.text === message.text && Math.abs(one.sent_at_ms - message.sent_at_ms) < SAME_WITHIN_MS && one.copies.every((other) => other.rail !== rail),
    );
    take(merged, copy ? copy[0] : message.native_id, message, rail, conversation.handle, rail);
    const tries = this.#tries.get(message.native_id) ?? 0;
    if (tries >= MOST_TRIES || this.#waiting.has(message.native_id)) return;
    this.#tries.set(message.native_id, tries + 1);
    this.#waiting.add(message.native_id);
    setTimeout(() => {
      this.#waiting.delete(message.native_id);
      conversation.refresh(true).catch(() => {});
    }, FIRST_TRY_MS * 3 ** tries);
  }

  async #askOrigins() {
    const ranks = [...new Set(this.messages.map((message) => message.rank))].filter((rank) => rank && !origins.has(rank) && !this.#asked.has(rank)).slice(-MOST_AT_ONCE);
    if (!ranks.length || asking) return;
    asking = true;
    for (const rank of ranks) this.#asked.add(rank);
    try {
      const found = (await call("GET", `/api/origins?ranks=${ranks.join(",")}`)).origins;
      for (const [rank, { rail }] of Object.entries(found)) origins.set(Number(rank), rail);
      asking = false;
      if (Object.keys(found).length) this.#merge();
    } catch {
      asking = false; // the bus is away: the rails' names are left out
    }
  }
}

const RANKS = { sent: 0, failed: 1, delivered: 2, read: 3 };

/* A message takes the rank of the one before it until the federation has placed it. */
function isUnplaced(message, previous) {
  return message.direction === "out" && previous !== undefined && previous.rank === message.rank;
}

function take(merged, key, message, rail, handle, cameBy = null) {
  const copy = { native_id: message.native_id, rail };
  const known = merged.get(key);
  if (known) {
    known.copies.push(copy);
    known.read ||= message.read;
    if (RANKS[message.status] > RANKS[known.status]) known.status = message.status;
    return;
  }
  const origin = cameBy ?? origins.get(message.rank);
  merged.set(key, { ...message, handle, copies: [copy], via: origin ? { rail: origin, ...look(origin) } : null });
}
