// Draw one number over time, with the value under the pointer in words.

import { element, mark, svg, write } from "./dom.js";
import { when } from "./words.js";

const TALL = 260;
const AXIS = 86;

export class Curve {
  #points = null;
  #base = null;
  #frame = 0;

  constructor(label, say) {
    this.say = say;
    this.label = label;
    this.parts = Object.fromEntries(["grid", "shape", "cross"].map((name) => [name, svg("g", { class: name })]));
    this.svg = svg("svg", { class: "chart", height: TALL, role: "img", "aria-label": label }, ...Object.values(this.parts));
    this.legend = element("div", { class: "legend" });
    this.node = element("div", { class: "plot" }, this.legend, this.svg);
    this.svg.addEventListener("pointermove", (event) => this.#point(event.offsetX));
    this.svg.addEventListener("pointerleave", () => this.#later());
    new ResizeObserver(() => this.#later()).observe(this.node);
  }

  /** Take points as [ms, number], oldest first, and a line to compare with. */
  show(points, base) {
    this.#points = points;
    this.#base = base;
    this.#later();
  }

  #later() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#draw();
    });
  }

  #draw() {
    const width = this.node.clientWidth;
    const points = this.#points;
    if (!width) return;
    this.parts.cross.replaceChildren();
    if (points === null) return;
    if (points.length < 2) {
      write(this.legend, "No equity in this span yet: it is journaled as it changes, while the bot runs.");
      this.parts.grid.replaceChildren();
      this.parts.shape.replaceChildren();
      return;
    }
    mark(this.svg, "width", width);
    const values = [...points.map(([, value]) => value), ...(this.#base === null ? [] : [this.#base])];
    const low = Math.min(...values);
    const high = Math.max(...values);
    const pad = (high - low || Math.abs(high) * 0.001 || 1) * 0.1;
    const right = width - AXIS;
    const [first, last] = [points[0][0], points.at(-1)[0]];
    this.scale = {
      x: (ts) => ((ts - first) / (last - first || 1)) * right,
      y: (value) => 8 + ((high + pad - value) / (high - low + 2 * pad)) * (TALL - 34),
      right,
    };
    const { x, y } = this.scale;
    const d = points.map(([ts, value], n) => `${n ? "L" : "M"}${x(ts).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    const marks = [0, 0.25, 0.5, 0.75, 1].map((share) => low - pad / 2 + (high - low + pad) * share);
    this.parts.grid.replaceChildren(
      ...marks.flatMap((value) => [svg("path", { d: `M0 ${y(value).toFixed(1)}H${right}` }), svg("text", { x: right + 8, y: y(value) + 4 }, this.say(value))]),
      svg("text", { x: 2, y: TALL - 6 }, when(first)), svg("text", { x: right, y: TALL - 6, "text-anchor": "end" }, when(last)));
    this.parts.shape.replaceChildren(
      svg("path", { class: "area", d: `${d}L${right} ${TALL - 26}L0 ${TALL - 26}Z` }), svg("path", { class: "curve", d }),
      this.#base !== null && svg("path", { class: "base", d: `M0 ${y(this.#base).toFixed(1)}H${right}` }, svg("title", {}, "the day's start")) || "");
    this.#tell(points.at(-1));
    mark(this.svg, "aria-label", `${this.label}: from ${this.say(points[0][1])} to ${this.say(points.at(-1)[1])}, lowest ${this.say(low)}, highest ${this.say(high)}`);
  }

  #tell([ts, value]) {
    const base = this.#base === null ? "" : `, ${this.say(this.#base)} at the day's start`;
    write(this.legend, `${when(ts)}: ${this.say(value)}${base}`);
  }

  #point(at) {
    if (!this.scale || !this.#points || this.#points.length < 2) return;
    const { x, y } = this.scale;
    const nearest = this.#points.reduce((best, each) => Math.abs(x(each[0]) - at) < Math.abs(x(best[0]) - at) ? each : best);
    this.parts.cross.replaceChildren(svg("path", { d: `M${x(nearest[0])} 0V${TALL - 26}` }), svg("circle", { cx: x(nearest[0]), cy: y(nearest[1]), r: 3.5 }));
    this.#tell(nearest);
  }
}
