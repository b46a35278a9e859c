/* The drawing of the line map: where lines, stations and the router are, and what moves on them. */

import { svg } from "/js/dom.js";
import { look } from "/js/rails.js";
import { t } from "/js/words.js";

const HUB = { x: 500, y: 240 };
const SIDES = [80, 400, 490];
const SPEED_PX_A_MS = 0.42;
const WAIT_MS = 5000;
const MOST_TRAINS = 60;

/** Where the n-th rail's line runs: its end, its bridge, the bend. The first three make the Y of our sign. */
function course(number) {
  if (number === 2) return { end: { x: 500, y: 478 }, bridge: { x: 500, y: 366 }, bend: null, side: "below" };
  const place = number > 2 ? number - 1 : number;
  const y = SIDES[Math.min(Math.floor(place / 2), SIDES.length - 1)];
  const mirror = (x) => (place % 2 ? 1000 - x : x);
  const bendX = HUB.x - Math.abs(y - HUB.y);
  return { end: { x: mirror(95), y }, bridge: { x: mirror(Math.min(290, bendX - 60)), y }, bend: { x: mirror(bendX), y }, side: place % 2 ? "right" : "left" };
}

const d = (...points) => points.filter(Boolean).map(({ x, y }, i) => `${i ? "L" : "M"}${x} ${y}`).join("");

export class Plan {
  #lines = new Map(); // rail -> {way, toBridge, state, station}
  #trains = new Set();
  #layer = svg("g", { class: "trains" });
  #posted = new Map(); // event -> Map(rail -> status)
  #running = false;
  #hub = null;
  #dead = null;
  #onPick;

  constructor(rails, onPick) {
    this.#onPick = onPick;
    const drawn = rails.map((rail, number) => this.#line(rail, number, rails));
    this.node = svg(
      "svg",
      { class: "plan", viewBox: "20 20 960 490", role: "img", "aria-label": t("mapLabel") },
      this.#depot(),
      drawn.map((parts) => parts.track),
      this.#layer,
      drawn.map((parts) => parts.labels),
      this.#router(),
    );
  }

  /** What the daemons say of themselves. */
  stations({ router, bridges, rails, nats }) {
    const isAway = router.state === "unreachable";
    this.#hub.node.classList.toggle("bad", isAway || nats.state === "unreachable");
    this.#hub.first.textContent = isAway ? t("state.unreachable") : t("partitions", { count: router.partitions ?? 0 });
    this.#hub.second.textContent = isAway ? "" : [t("pending", { count: router.pending ?? 0 }), t("lag", { ms: router.lag_ms ?? 0 })].join(" · ");
    this.#hub.third.textContent = nats.log_records === undefined ? "" : t("records", { count: nats.log_records });
    this.#dead.count.textContent = nats.dead ?? "";
    this.#dead.node.classList.toggle("bad", (nats.dead ?? 0) > 0);
    for (const [rail, line] of this.#lines) {
      const bridge = bridges[rail] ?? { state: "unreachable" };
      line.station.dataset.state = bridge.state ?? "";
      line.first.textContent = t(`state.${bridge.state}`);
      line.second.textContent = bridge.state === "unreachable" ? "" : [t("pending", { count: bridge.pending ?? 0 }), t("lag", { ms: bridge.lag_ms ?? 0 })].join(" · ");
      line.plate.classList.toggle("bad", rails[rail]?.state !== "ready");
    }
  }

  /** Let an entry of the log run along its lines. */
  run(entry) {
    for (const result of entry.results) {
      const heard = this.#posted.get(result.event) ?? this.#posted.set(result.event, new Map()).get(result.event);
      heard.set(entry.source, result.status);
    }
    while (this.#posted.size > 500) this.#posted.delete(this.#posted.keys().next().value);
    const isMoving = ["message", "receipt"].includes(entry.kind) && this.#lines.has(entry.source);
    if (!isMoving || matchMedia("(prefers-reduced-motion: reduce)").matches || document.hidden) return;
    if (this.#trains.size < MOST_TRAINS) this.#depart(entry);
  }

  #depart(entry) {
    const source = this.#lines.get(entry.source);
    this.#start(entry, source, source.length, 0, () => {
      for (const rail of Object.keys(entry.legs)) {
        const line = this.#lines.get(rail);
        if (line) this.#start(entry, line, 0, line.length, null, rail);
      }
    });
  }

  #start(entry, line, from, to, then, rail = null) {
    const isMessage = entry.kind === "message";
    const node = svg(
      "g",
      { class: `train ${entry.kind} line-${line.look.line}`, onclick: isMessage && (() => this.#onPick(entry)) },
      isMessage
        ? [svg("rect", { x: -13, y: -10, width: 26, height: 20, rx: 6 }), svg("path", { d: "M-8 -5L0 2L8 -5" })]
        : svg("circle", { r: 6.5 }),
    );
    const train = { entry, line, from, to, then, rail, node, began: performance.now(), waited: 0, last: performance.now() };
    this.#trains.add(train);
    this.#layer.append(node);
    if (!this.#running) this.#step();
  }

  #step() {
    this.#running = true;
    requestAnimationFrame((now) => {
      for (const train of this.#trains) this.#move(train, now);
      if (this.#trains.size) this.#step();
      else this.#running = false;
    });
  }

  /* A message waits at the bridge until the bridge has reported that the rail has taken it. */
  #move(train, now) {
    const { line, from, to, entry, rail } = train;
    const toBridge = line.length - line.toBridge;
    const isHeld = rail && entry.kind === "message" && !this.#posted.get(entry.event)?.has(rail);
    const gone = (now - train.began - train.waited) * SPEED_PX_A_MS;
    if (isHeld && gone >= toBridge && train.waited < WAIT_MS) train.waited += now - train.last;
    train.last = now;
    const way = Math.min((now - train.began - train.waited) * SPEED_PX_A_MS, Math.abs(to - from));
    const { x, y } = line.way.getPointAtLength(line.length - (from + Math.sign(to - from) * way));
    train.node.setAttribute("transform", `translate(${x.toFixed(1)} ${y.toFixed(1)})`);
    train.node.classList.toggle("failed", rail !== null && this.#posted.get(entry.event)?.get(rail) === "failed");
    if (way < Math.abs(to - from)) return;
    this.#trains.delete(train);
    train.node.remove();
    train.then?.();
  }

  #line(rail, number, rails) {
    const style = look(rail, rails);
    const { end, bridge, bend, side } = course(number);
    const way = svg("path", { class: "track", d: d(end, bend, HUB) });
    const station = svg("circle", { class: "station", cx: bridge.x, cy: bridge.y, r: 13 });
    const plate = svg("g", { class: "plate-sign" }, svg("rect", { x: end.x - 68, y: end.y - 19, width: 136, height: 38, rx: 19 }), svg("text", { x: end.x, y: end.y + 6 }, style.title));
    const below = side === "below";
    const at = below ? { x: bridge.x + 28, y: bridge.y - 10, "text-anchor": "start" } : { x: bridge.x, y: bridge.y + 36, "text-anchor": "middle" };
    const first = svg("text", { ...at, y: at.y + 18, class: "small" });
    const second = svg("text", { ...at, y: at.y + 34, class: "small" });
    const labels = svg("g", { class: `line-${style.line}` }, station, plate, svg("text", at, t("bridge")), first, second);
    const length = Math.hypot(end.x - (bend ?? end).x, 0) + Math.hypot((bend ?? end).x - HUB.x, (bend ?? end).y - HUB.y);
    const toBridge = Math.hypot(end.x - bridge.x, end.y - bridge.y);
    this.#lines.set(rail, { way, station, plate, first, second, look: style, length, toBridge });
    return { track: svg("g", { class: `line-${style.line}` }, way), labels };
  }

  #router() {
    const at = { x: HUB.x, "text-anchor": "middle" };
    const first = svg("text", { ...at, y: HUB.y - 168, class: "small" });
    const second = svg("text", { ...at, y: HUB.y - 149, class: "small" });
    const third = svg("text", { ...at, y: HUB.y - 130, class: "small" });
    const node = svg("g", { class: "hub" }, svg("circle", { cx: HUB.x, cy: HUB.y, r: 30 }), svg("circle", { class: "inner", cx: HUB.x, cy: HUB.y, r: 9 }), svg("text", { ...at, y: HUB.y - 190, class: "big" }, t("router")), first, second, third);
    this.#hub = { node, first, second, third };
    return node;
  }

  /* Where what nobody could deliver is kept. */
  #depot() {
    const count = svg("text", { x: 742, y: 246, "text-anchor": "middle", class: "number" });
    const node = svg("g", { class: "depot" }, svg("path", { d: `M${HUB.x} ${HUB.y}H720` }), svg("rect", { x: 718, y: 219, width: 48, height: 42, rx: 9 }), count, svg("text", { x: 742, y: 283, "text-anchor": "middle", class: "small" }, t("dead")));
    this.#dead = { node, count };
    return node;
  }
}
