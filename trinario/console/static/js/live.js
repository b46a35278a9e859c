/* The page's one WebSocket. Whoever wants to hear of something says so here; after a loss it is all said again. */

const FIRST_PAUSE_MS = 300;
const LONGEST_PAUSE_MS = 5000;

class Live extends EventTarget {
  #socket = null;
  #followed = new Map(); // handle -> listener
  #map = null;
  #pauseMs = FIRST_PAUSE_MS;
  #timer = 0;

  constructor() {
    super();
    this.isOpen = false;
    addEventListener("online", () => this.open());
  }

  /** Connect; harmless when that is under way. */
  open() {
    if (this.#socket) return;
    clearTimeout(this.#timer);
    const socket = new WebSocket(`ws://${location.host}/api/ws`);
    this.#socket = socket;
    socket.addEventListener("open", () => this.#opened());
    socket.addEventListener("message", (frame) => this.#hear(JSON.parse(frame.data)));
    socket.addEventListener("close", () => this.#closed());
  }

  /** Hear what happens to an account: `listener({type: "rail" | "happened", ...})`. */
  follow(handle, listener) {
    this.#followed.set(handle, listener);
    this.#say({ do: "follow", as: handle });
  }

  unfollow(handle) {
    this.#followed.delete(handle);
    this.#say({ do: "unfollow", as: handle });
  }

  /** Hear the line map, or (null) no more. */
  watchMap(listener) {
    this.#map = listener;
    this.#say({ do: "map", on: listener !== null });
  }

  #say(wish) {
    if (this.isOpen) this.#socket.send(JSON.stringify(wish));
  }

  #opened() {
    this.isOpen = true;
    this.#pauseMs = FIRST_PAUSE_MS;
    for (const handle of this.#followed.keys()) this.#say({ do: "follow", as: handle });
    if (this.#map) this.#say({ do: "map", on: true });
    this.dispatchEvent(new Event("state"));
  }

  #closed() {
    this.#socket = null;
    this.isOpen = false;
    this.dispatchEvent(new Event("state"));
    for (const [handle, listener] of this.#followed) listener({ type: "rail", as: handle, state: "lost" });
    this.#timer = setTimeout(() => this.open(), this.#pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }

  #hear(frame) {
    if (frame.as) this.#followed.get(frame.as)?.(frame);
    else if (frame.type === "people") this.dispatchEvent(new Event("people"));
    else this.#map?.(frame);
  }
}

export const live = new Live();
