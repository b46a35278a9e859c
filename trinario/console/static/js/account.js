/* One account as its own app sees it: its threads, its conversations, what it sends. Phones and the inbox share it. */

import { rail } from "/js/api.js";
import { Conversation } from "/js/conversation.js";
import { live } from "/js/live.js";

const GATHER_MS = 80;
const FIRST_PAUSE_MS = 400;
const LONGEST_PAUSE_MS = 8000;

const accounts = new Map();

/** The account of a handle, listened to from now on. */
export function account(handle) {
  if (!accounts.has(handle)) accounts.set(handle, new Account(handle));
  return accounts.get(handle);
}

class Account extends EventTarget {
  #conversations = new Map();
  #timer = 0;
  #views = new Map(); // thread -> how many views watch it
  #sending = Promise.resolve();

  constructor(handle) {
    super();
    this.handle = handle;
    this.rail = handle.slice(0, handle.indexOf(":"));
    this.threads = [];
    this.previews = new Map(); // thread -> its last message that we know
    this.pending = []; // what is not yet taken by the rail
    this.state = "opening";
    this.isRead = false; // whether the threads have been fetched at all
    live.follow(handle, (frame) => this.#hear(frame));
  }

  get unread() {
    return this.threads.reduce((sum, thread) => sum + thread.unread, 0);
  }

  thread(id) {
    return this.threads.find((thread) => thread.thread === id);
  }

  conversation(id) {
    if (!this.#conversations.has(id)) this.#conversations.set(id, new Conversation(this.handle, id));
    return this.#conversations.get(id);
  }

  /** Somebody looks at a thread: it is kept true. The answer ends that. */
  watch(id) {
    this.#views.set(id, (this.#views.get(id) ?? 0) + 1);
    this.conversation(id).load().catch((error) => this.#failed(error));
    return () => this.#views.set(id, this.#views.get(id) - 1);
  }

  /** Mark a thread as read. */
  async read(id) {
    const thread = this.thread(id);
    if (!thread?.unread && !thread?.marks.includes("unread")) return;
    Object.assign(thread, { unread: 0, marks: thread.marks.filter((mark) => mark !== "unread") }); // what the rail tells brings the truth
    this.#changed();
    await rail(this.handle, "POST", "read", { thread: id }).catch((error) => this.#failed(error));
  }

  /** Send in the order asked for, again under the same key while the rail is away. Resolves with the rail's answer. */
  send(to, text, replyTo = null, content = null) {
    const one = { client_key: crypto.randomUUID(), to, text, content, reply_to: replyTo, at_ms: Date.now(), error: null };
    this.pending.push(one);
    this.#changed();
    const sent = this.#sending.then(() => this.#deliver(one));
    this.#sending = sent.catch(() => {});
    return sent;
  }

  /** Take back what could not be sent. */
  discard(one) {
    this.pending = this.pending.filter((other) => other !== one);
    this.#changed();
  }

  async #deliver(one) {
    const said = one.content ? { content: one.content } : { text: one.text };
    const body = { to: one.to, client_key: one.client_key, ...said };
    if (one.reply_to) body.reply_to = one.reply_to;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS)) {
      try {
        const answer = await rail(this.handle, "POST", "messages", body);
        this.discard(one);
        return answer;
      } catch (error) {
        if (!error.isPassing) {
          one.error = error.message;
          this.#changed();
          throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, pauseMs));
      }
    }
  }

  #hear(frame) {
    if (frame.type === "rail") this.#heardOfRail(frame.state);
    else this.#happened(frame.event);
  }

  #heardOfRail(state) {
    this.state = state;
    this.#changed();
    if (state === "open") this.#catchUp().catch((error) => this.#failed(error));
  }

  async #catchUp() {
    const { messages } = await rail(this.handle, "GET", "messages?limit=300");
    for (const message of messages) this.#preview(message);
    await Promise.all(
      [...this.#conversations].map(([id, conversation]) => conversation.refresh(this.#views.get(id) > 0)),
    );
    await this.#readThreads();
  }

  #happened(event) {
    const conversation = event.thread ? this.#conversations.get(event.thread) : null;
    if (event.type === "message") this.#gotMessage(event.message);
    else if (event.type === "receipt" && this.thread(event.thread)?.kind !== "group") conversation?.raise(event.status, event.up_to);
    else if (event.type === "read") conversation?.markRead(event.up_to);
    else if (event.type === "failed") for (const one of this.#conversations.values()) one.fail(event.native_id, event.error);
    else if (event.type === "edited" || event.type === "unsent" || event.type === "reaction" || event.type === "vote") this.#altered(event.message);
    else if (event.type === "group") this.dispatchEvent(new CustomEvent("group", { detail: event }));
    else if (event.type === "typing" || event.type === "pong") this.dispatchEvent(new CustomEvent("typing", { detail: event }));
    else if (event.type === "mark") return this.#readThreadsSoon();
    else if (event.type === "presence") return;
    // Who in a group has read what, and whatever else: the rail knows.
    else conversation?.refresh(this.#views.get(event.thread) > 0).catch((error) => this.#failed(error));
    if (["message", "read", "order", "group", "mark"].includes(event.type)) this.#readThreadsSoon();
  }

  #gotMessage(message) {
    this.#preview(message);
    this.#conversations.get(message.thread)?.put(message);
    if (message.direction !== "in") return;
    this.dispatchEvent(new CustomEvent("typing", { detail: { thread: message.thread, on: false } }));
    this.dispatchEvent(new CustomEvent("incoming", { detail: message }));
  }

  #altered(message) {
    if (this.previews.get(message.thread)?.native_id === message.native_id) this.previews.set(message.thread, message);
    this.#conversations.get(message.thread)?.put(message);
    this.#changed();
  }

  /** Tell the others that something is being written; hints, so that a lost one does no harm. */
  typing(thread, on) {
    rail(this.handle, "POST", "typing", { thread, on }).catch(() => {});
  }

  #preview(message) {
    const known = this.previews.get(message.thread);
    const isLater = !known || message.rank - known.rank || message.arrival - known.arrival;
    if (isLater === true || isLater >= 0) this.previews.set(message.thread, message);
  }

  #readThreadsSoon() {
    this.#timer ||= setTimeout(() => {
      this.#timer = 0;
      this.#readThreads().catch((error) => this.#failed(error));
    }, GATHER_MS);
  }

  async #readThreads() {
    const { threads } = await rail(this.handle, "GET", "threads");
    this.isRead = true;
    this.threads = threads.sort((one, other) => other.last_at_ms - one.last_at_ms);
    this.#changed();
  }

  #failed(error) {
    if (!error.isPassing) console.error(error);
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
