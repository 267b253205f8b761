// Draw the graph of a decision with the way that it took lit. The edges are the graph's own, which a
// test holds against the code.

import { svg } from "./dom.js";
import { words } from "./words.js";

export const EDGES = [
  ["director", "quant", "open"], ["director", "execution", "close"], ["director", "__end__", "hold"],
  ["quant", "risk", "confirmed"], ["quant", "__end__", "rejected"],
  ["risk", "execution", "approved"], ["risk", "__end__", "rejected"],
  ["execution", "approval", "order"], ["execution", "__end__", "order, or invalid"],
  ["approval", "__end__", "word"],
];

const WIDE = 112;
const TALL = 46;
const PLACES = { director: [150, 96], quant: [342, 96], risk: [534, 96], execution: [726, 96], approval: [904, 96], __end__: [726, 210] };
const ROLES = ["director", "quant", "risk", "execution"];

/** Which nodes a decision ran through, in order. */
export function path({ decision, approval }) {
  const ran = ROLES.filter((role) => decision.calls.some((call) => call.role === role)
    || decision[{ director: "directive", quant: "signal", risk: "verdict", execution: "plan" }[role]]);
  return [...ran, ...(approval ? ["approval"] : []), "__end__"];
}

/** What each node said, in two words. */
function said({ decision, approval }) {
  const { directive, signal, verdict, plan } = decision;
  return {
    director: directive && `${directive.action} ${directive.confidence.toFixed(2)}`,
    quant: signal && `${signal.confirmed ? "confirms" : "rejects"} ${signal.score.toFixed(2)}`,
    risk: verdict && (verdict.approved ? `size ${(verdict.size_fraction * 100).toFixed(0)} %` : "rejects"),
    execution: plan && plan.style,
    approval: approval?.status,
  };
}

function edge([from, to, word], isLit) {
  const [x, y] = PLACES[from];
  const [u, v] = PLACES[to];
  const tone = isLit ? " lit" : "";
  let d; let head; let at;
  if (to === "__end__") {
    const end = from === "execution" ? [u, v - 26] : [from === "approval" ? u + 64 : u - 64, v];
    d = from === "execution" ? `M${x} ${y + TALL / 2}V${end[1]}` : `M${x} ${y + TALL / 2}C${x} ${v} ${x} ${v} ${end[0]} ${v}`;
    head = from === "execution" ? `M${end[0] - 5} ${end[1] - 7}h10l-5 8z` : from === "approval" ? `M${end[0] + 7} ${v - 5}v10l-8-5z` : `M${end[0] - 7} ${v - 5}v10l8-5z`;
    at = [x + 6, y + TALL / 2 + 18, "start"];
  } else if (from === "director" && to === "execution") {
    d = `M${x} ${y - TALL / 2}C${x} 14 ${u} 14 ${u} ${v - TALL / 2 - 2}`;
    head = `M${u - 5} ${v - TALL / 2 - 8}h10l-5 8z`;
    at = [(x + u) / 2, 25, "middle"];
  } else {
    d = `M${x + WIDE / 2} ${y}H${u - WIDE / 2 - 2}`;
    head = `M${u - WIDE / 2 - 8} ${y - 5}v10l8-5z`;
    at = [(x + u) / 2, y - 8, "middle"];
  }
  return [svg("path", { class: `edge${tone}`, d }), svg("path", { class: `head${tone}`, d: head }), svg("text", { class: `word ${at[2]}`, x: at[0], y: at[1] }, word)];
}

/** The picture of one story. */
export function graph(story) {
  const way = path(story);
  const isLit = (from, to) => way.some((each, n) => each === from && way[n + 1] === to);
  const told = said(story);
  const nodes = Object.entries(PLACES).map(([name, [x, y]]) => {
    const lit = way.includes(name) ? "node lit" : "node";
    if (name === "__end__") {
      return svg("g", { class: lit }, svg("rect", { class: "end", x: x - 64, y: y - 24, width: 128, height: 48, rx: 24 }),
        svg("text", { x, y: y - 2 }, words(story.decision.outcome)), svg("text", { class: "said", x, y: y + 14 }, words(story.decision.reason_code.toLowerCase())));
    }
    return svg("g", { class: lit }, svg("rect", { x: x - WIDE / 2, y: y - TALL / 2, width: WIDE, height: TALL, rx: 8 }),
      svg("text", { x, y: told[name] ? y - 3 : y + 4 }, name), told[name] && svg("text", { class: "said", x, y: y + 14 }, told[name]));
  });
  const start = [svg("path", { class: "edge lit", d: `M72 96H${PLACES.director[0] - WIDE / 2 - 2}` }), svg("path", { class: "head lit", d: `M${PLACES.director[0] - WIDE / 2 - 8} 91v10l8-5z` }),
    svg("g", { class: "node lit" }, svg("rect", { class: "end", x: 4, y: 78, width: 68, height: 36, rx: 18 }), svg("text", { x: 38, y: 100 }, "window"))];
  const label = `The way of this decision: window, ${way.map((each) => each === "__end__" ? `end as ${words(story.decision.outcome)}` : each).join(", ")}.`;
  return svg("svg", { class: "graph", viewBox: "0 0 968 244", role: "img", "aria-label": label },
    ...EDGES.flatMap((each) => edge(each, isLit(each[0], each[1]))), ...start, ...nodes);
}
