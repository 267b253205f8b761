// Draw candles, volume, indicators and what happened among them, in SVG: its marks are links, so a
// keyboard reaches them and a reader hears them, and its colours are the page's own.

import { element, mark, svg, write } from "./dom.js";
import { began, price } from "./words.js";

const AXIS = 68;
const LANE = 22;
const FOOT = 20;
const ROOM = 92;
const SHARE_OF_VOLUME = 0.16;

const SHAPES = {
  buy: "M0-7 6 4H-6Z", sell: "M0 7-6-4H6Z",
  held: "M-1.8 0a1.8 1.8 0 1 0 3.6 0a1.8 1.8 0 1 0-3.6 0",
  ordered: "M0-6 6 0 0 6-6 0Z", wanted: "M0-5 5 0 0 5-5 0Z",
  rejected: "M-4-4 4 4M-4 4 4-4", abstained: "M-4-4H4V4H-4Z",
  denied: "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0M-3.5-3.5 3.5 3.5",
  waits: "M-4-5H4L-4 5H4Z", order: "M-7 0H7M-7-3V3M7-3V3",
};

/** Steps of 1, 2 or 5 that lie between two numbers, about `count` of them. */
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough);
  const first = Math.ceil(low / step) * step;
  return Array.from({ length: Math.max(0, Math.floor((high - first) / step + 1e-9) + 1) }, (_, n) => first + n * step);
}

let frames = 0;

const rounded = (number) => Math.round(number * 10) / 10;
const nothing = { bars: [], forming: null, indicators: {}, interval_s: 60 };

export class Chart {
  #data = nothing;
  #bars = [];
  #times = [];
  #marks = [];
  #levels = [];
  #quote = null;
  #scale = null;
  #frame = 0;
  #links = new Map();

  /** `shows` names what is drawn beside candles: averages, bands, rsi. `height` is in pixels. */
  constructor({ label, shows, height }) {
    this.shows = shows;
    this.height = height;
    this.parts = Object.fromEntries(["grid", "volume", "bands", "wicks", "up", "down", "lines", "levels", "live", "cross", "marks", "rsi"]
      .map((name) => [name, svg("g", { class: name })]));
    // Averages may leave the candles' prices; they are not to be drawn over what stands below.
    this.frame = svg("rect", { x: 0, y: 0, width: 0, height: 0 });
    const clip = `frame-${++frames}`;
    for (const name of ["lines", "bands"]) mark(this.parts[name], "clip-path", `url(#${clip})`);
    this.svg = svg("svg", { class: "chart", role: "group", "aria-label": label }, svg("clipPath", { id: clip }, this.frame), ...Object.values(this.parts));
    this.legend = element("div", { class: "legend", "aria-hidden": "true" });
    this.hint = element("div", { class: "hint", role: "tooltip", hidden: true });
    this.node = element("div", { class: "plot" }, this.legend, this.svg, this.hint);
    this.#listen();
    new ResizeObserver(() => this.#later()).observe(this.node);
  }

  /** Take candles as /bars gives them. */
  bars(data) {
    this.#data = data;
    this.#bars = data.forming ? [...data.bars, data.forming] : data.bars;
    this.#times = this.#bars.map(([t]) => Date.parse(t));
    this.#later();
  }

  /** Take marks: {key, ts, price or null for the lane, shape, tone, lines, href}. */
  marks(marks) {
    this.#marks = marks;
    this.#later();
  }

  /** Take levels: {price, kind, label, from, to}; times in ms, `to` null while it stands. */
  levels(levels) {
    this.#levels = levels;
    this.#later();
  }

  /** Take a quote; only its two lines are drawn again. */
  quote(quote) {
    this.#quote = quote;
    if (this.#scale) this.#drawQuote();
  }

  #later() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const width = this.node.clientWidth;
    if (!width || !this.#bars.length) return;
    const height = typeof this.height === "function" ? this.height() : this.height;
    mark(this.svg, "width", width);
    mark(this.svg, "height", height);
    this.#scale = this.#scaled(width, height);
    mark(this.frame, "width", this.#scale.right);
    mark(this.frame, "height", this.#scale.bottom);
    this.#drawGrid();
    this.#drawCandles();
    this.#drawLines();
    this.#drawRsi();
    this.#drawLevels();
    this.#drawMarks();
    this.#drawQuote();
    this.#tell(this.#bars.length - 1);
  }

  #scaled(width, height) {
    const rsi = this.shows.rsi ? 66 : 0;
    const bottom = height - FOOT - rsi - LANE;
    const right = width - AXIS;
    let low = Math.min(...this.#bars.map((bar) => bar[3]));
    let high = Math.max(...this.#bars.map((bar) => bar[2]));
    const span = high - low || high * 0.001;
    for (const level of this.#levels) {
      if (level.to === null && level.price > low - 2 * span && level.price < high + 2 * span) {
        low = Math.min(low, level.price);
        high = Math.max(high, level.price);
      }
    }
    const pad = (high - low || high * 0.001) * 0.06;
    low -= pad; high += pad;
    const ground = bottom - (bottom * SHARE_OF_VOLUME) / 2;
    // What stands is named at the right edge, beside the newest candles and not upon them.
    const room = this.#levels.some((level) => level.to === null) ? ROOM : 0;
    const step = (right - room) / (this.#bars.length + 1);
    return {
      width, height, right, bottom, step, rsi, low, high,
      x: (n) => rounded((n + 0.5) * step),
      y: (value) => rounded(8 + ((high - value) / (high - low)) * (ground - 8)),
      most: Math.max(...this.#bars.map((bar) => bar[5])) || 1,
    };
  }

  /** Where a time lies, in bars from the left; none when it lies before them. */
  #place(ts) {
    const times = this.#times;
    if (!times.length || ts < times[0]) return null;
    let low = 0;
    let high = times.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (times[middle] <= ts) low = middle; else high = middle - 1;
    }
    return low - 0.5 + Math.min(1, (ts - times[low]) / (this.#data.interval_s * 1000));
  }

  #drawGrid() {
    const { width, right, bottom, height, low, high, x, y, rsi } = this.#scale;
    const made = ticks(low, high, Math.max(2, bottom / 60)).flatMap((value) => [
      svg("path", { d: `M0 ${y(value)}H${right}` }), svg("text", { x: right + 8, y: y(value) + 4 }, price(value))]);
    const every = Math.max(1, Math.ceil(this.#bars.length / (right / 90)));
    for (let n = this.#bars.length - 1; n >= 0; n -= every) {
      if (x(n) > 20) made.push(svg("text", { x: x(n), y: height - 5, "text-anchor": "middle" }, began(this.#times[n], this.#data.interval_s)));
    }
    made.push(svg("path", { class: "edge", d: `M0 ${bottom + 0.5}H${width}M0 ${bottom + LANE + 0.5}H${width}${rsi ? `M0 ${height - FOOT + 0.5}H${width}` : ""}` }));
    this.parts.grid.replaceChildren(...made);
  }

  #drawCandles() {
    const { step, bottom, x, y, most } = this.#scale;
    const half = Math.max(0.5, Math.min(7, step * 0.34));
    const drawn = { wicks: "", up: "", down: "", loud: "", calm: "" };
    this.#bars.forEach(([, o, h, l, c, v], n) => {
      const at = x(n);
      const isUp = c >= o;
      const top = y(Math.max(o, c));
      const foot = Math.max(y(Math.min(o, c)), top + 1);
      drawn.wicks += `M${at} ${y(h)}V${top}M${at} ${foot}V${y(l)}`;
      drawn[isUp ? "up" : "down"] += `M${rounded(at - half)} ${top}h${rounded(2 * half)}V${foot}h${rounded(-2 * half)}Z`;
      const tall = rounded((v / most) * bottom * SHARE_OF_VOLUME);
      if (tall > 0) drawn[isUp ? "loud" : "calm"] += `M${rounded(at - half)} ${bottom}v${-tall}h${rounded(2 * half)}v${tall}Z`;
    });
    for (const name of ["wicks", "up", "down"]) this.parts[name].replaceChildren(svg("path", { d: drawn[name] }));
    this.parts.volume.replaceChildren(svg("path", { class: "up", d: drawn.loud }), svg("path", { class: "down", d: drawn.calm }));
  }

  #line(name, y, kind = name) {
    const values = this.#data.indicators[name] ?? [];
    let d = "";
    values.forEach((value, n) => {
      if (value !== null) d += `${d === "" || values[n - 1] === null ? "M" : "L"}${this.#scale.x(n)} ${rounded(y(value))}`;
    });
    return svg("path", { class: kind, d });
  }

  #drawLines() {
    const { y } = this.#scale;
    this.parts.lines.replaceChildren(...(this.shows.averages ? [this.#line("ema_12", y, "fast"), this.#line("ema_26", y, "slow")] : []));
    this.parts.bands.replaceChildren(...(this.shows.bands ? ["bb_upper", "bb_lower"].map((name) => this.#line(name, y, "band")) : []));
  }

  #drawRsi() {
    const { rsi, height, right } = this.#scale;
    if (!rsi) return this.parts.rsi.replaceChildren();
    const top = height - FOOT - rsi + 4;
    const y = (value) => top + ((100 - value) / 100) * (rsi - 8);
    return this.parts.rsi.replaceChildren(
      ...[30, 70].flatMap((value) => [svg("path", { class: "bound", d: `M0 ${rounded(y(value))}H${right}` }), svg("text", { x: right + 8, y: y(value) + 4 }, `RSI ${value}`)]),
      this.#line("rsi_14", y, "line"));
  }

  #drawLevels() {
    const { right, bottom, low, high, x, y } = this.#scale;
    const made = [];
    for (const level of this.#levels) {
      const isAbove = level.price > high;
      if (isAbove || level.price < low) {
        if (level.to === null) made.push(this.#tag(isAbove ? 10 : bottom - 10, level.kind, `${level.kind} ${price(level.price)} ${isAbove ? "↑" : "↓"}`));
        continue;
      }
      const from = x((this.#place(level.from) ?? -0.5));
      const until = level.to === null ? right : x(this.#place(level.to) ?? -1);
      if (until <= 0) continue;
      const at = y(level.price);
      made.push(svg("path", { class: `level ${level.kind}`, d: `M${from} ${at}H${Math.max(until, from + 4)}` }, svg("title", {}, level.label)));
      if (level.to === null) made.push(this.#tag(at, level.kind, `${level.kind} ${price(level.price)}`));
    }
    this.parts.levels.replaceChildren(...made);
  }

  #tag(at, kind, words) {
    const { right } = this.#scale;
    const wide = words.length * 6.2 + 10;
    const left = right - wide;
    return svg("g", { class: `tag ${kind}` }, svg("rect", { x: left, y: at - 8, width: wide, height: 16, rx: 3 }), svg("text", { x: left + 5, y: at + 4 }, words));
  }

  #drawMarks() {
    const { bottom, x, y, low, high } = this.#scale;
    const kept = new Set();
    for (const each of this.#marks) {
      const at = this.#place(Date.parse(each.ts));
      if (at === null || (each.price !== null && (each.price < low || each.price > high))) continue;
      kept.add(each.key);
      let link = this.#links.get(each.key);
      if (!link) {
        link = svg("a", { href: each.href, "data-key": each.key }, svg("path", { class: "target", d: "M-9-9H9V9H-9Z" }), svg("path", {}));
        this.#links.set(each.key, link);
        this.parts.marks.append(link);
      }
      mark(link, "class", each.tone);
      mark(link, "aria-label", each.lines.join(", "));
      mark(link.lastChild, "d", SHAPES[each.shape]);
      mark(link.lastChild, "class", each.shape);
      mark(link, "transform", `translate(${x(at)} ${each.price === null ? bottom + LANE / 2 : y(each.price)})`);
    }
    for (const [key, link] of this.#links) if (!kept.has(key)) { link.remove(); this.#links.delete(key); }
  }

  #drawQuote() {
    const { right, y, low, high } = this.#scale;
    const shown = [["ask", this.#quote?.ask], ["bid", this.#quote?.bid]].filter(([, value]) => value >= low && value <= high);
    this.parts.live.replaceChildren(
      ...shown.map(([side, value]) => svg("path", { class: side, d: `M0 ${y(value)}H${right}` })),
      ...shown.slice(-1).map(([, value]) => svg("g", { class: "now" },
        svg("rect", { x: right, y: y(value) - 9, width: AXIS, height: 18, rx: 3 }), svg("text", { x: right + 8, y: y(value) + 4 }, price(value)))));
  }

  // -- what is told of it

  #listen() {
    this.svg.addEventListener("pointermove", (event) => {
      if (!this.#scale) return;
      const n = Math.round(event.offsetX / this.#scale.step - 0.5);
      if (n >= 0 && n < this.#bars.length) this.#cross(n);
    });
    this.svg.addEventListener("pointerleave", () => {
      this.parts.cross.replaceChildren();
      this.#tell(this.#bars.length - 1);
    });
    const show = (event) => this.#hint(event.target.closest?.("a[data-key]"));
    for (const kind of ["pointerover", "focusin"]) this.svg.addEventListener(kind, show);
    for (const kind of ["pointerleave", "focusout"]) this.svg.addEventListener(kind, () => { this.hint.hidden = true; });
  }

  #cross(n) {
    const { x, height } = this.#scale;
    this.parts.cross.replaceChildren(svg("path", { d: `M${x(n)} 0V${height - FOOT}` }));
    this.#tell(n);
  }

  /** Say the numbers of one bar above the picture. */
  #tell(n) {
    const bar = this.#bars[n];
    if (!bar) return;
    const [t, o, h, l, c, v] = bar;
    const seen = (name) => this.#data.indicators[name]?.[Math.min(n, this.#data.bars.length - 1)];
    const parts = [began(t, this.#data.interval_s), `O ${price(o)}`, `H ${price(h)}`, `L ${price(l)}`, `C ${price(c)}`, `V ${v.toLocaleString("en-US", { maximumSignificantDigits: 4 })}`];
    if (this.shows.averages) parts.push(`EMA 12 ${price(seen("ema_12"))}`, `EMA 26 ${price(seen("ema_26"))}`);
    if (this.shows.bands) parts.push(`bands ${price(seen("bb_lower"))} to ${price(seen("bb_upper"))}`);
    if (this.shows.rsi) parts.push(`RSI ${seen("rsi_14")?.toFixed(0) ?? "–"}`);
    while (this.legend.children.length < parts.length) this.legend.append(element("span"));
    while (this.legend.children.length > parts.length) this.legend.lastChild.remove();
    parts.forEach((part, place) => write(this.legend.children[place], part));
  }

  #hint(link) {
    this.hint.hidden = !link;
    if (!link) return;
    const told = this.#marks.find((each) => each.key === link.dataset.key);
    if (!told) return;
    this.hint.replaceChildren(...told.lines.map((words, n) => element(n ? "div" : "b", {}, words)));
    const box = link.getBoundingClientRect();
    const frame = this.node.getBoundingClientRect();
    const left = Math.min(Math.max(8, box.x - frame.x - this.hint.offsetWidth / 2 + box.width / 2), frame.width - this.hint.offsetWidth - 8);
    const above = box.y - frame.y - this.hint.offsetHeight - 8;
    this.hint.style.left = `${left}px`;
    this.hint.style.top = `${above > 0 ? above : box.y - frame.y + box.height + 8}px`;
  }
}
