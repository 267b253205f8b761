// Every decision, newest first, with filters; and the funnel: how far the runs came.

import { badge, button, card, element, node, number, Table, text, write } from "./dom.js";
import { ask, line, query } from "./server.js";
import { now, paced } from "./state.js";
import { cost, tone, when, whole, words } from "./words.js";

const OUTCOMES = ["ordered", "held", "already_in_position", "quant_rejected", "risk_rejected", "invalid", "abstained", "awaiting_approval", "refused", "expired"];
const FILTERS = ["symbol", "outcome", "code", "text"];
const PAGE = 100;

const select = (label, first) => element("select", { "aria-label": label }, element("option", { value: "" }, first));

export class Decisions {
  #items = [];
  #next = null;
  #timer = null;

  constructor(asked) {
    const symbol = select("Symbol", "every symbol");
    const outcome = select("Outcome", "every outcome");
    outcome.append(...OUTCOMES.map((each) => element("option", { value: each }, words(each))));
    this.fields = {
      symbol, outcome,
      code: element("input", { "aria-label": "Code", placeholder: "code, such as PRICE_MOVED", maxlength: 64, spellcheck: "false" }),
      text: element("input", { type: "search", "aria-label": "Search in theses", placeholder: "search in theses", maxlength: 200 }),
    };
    this.first = Object.fromEntries(FILTERS.map((name) => [name, asked.get(name) ?? ""]));
    for (const [name, field] of Object.entries(this.fields)) {
      field.value = this.first[name];
      field.addEventListener(field.tagName === "SELECT" ? "change" : "input", () => this.#filter());
    }
    this.note = element("p", { class: "dim", role: "status" });
    this.more = button("Show older ones", () => this.#older(), { hidden: true });
    this.table = new Table({
      caption: "Decisions, newest first", heads: ["Time", "Symbol", "Action", "#Confidence", "Outcome", "Why", "#Took", "#Model"],
      stacks: true, empty: "No decision matches. A symbol is decided upon once it is warm, at each closed candle; Decide now on the Market page asks for one.",
      key: (each) => each.id, link: (each) => `#/decisions/${each.id}`,
      row: (each) => [
        node(each.id, () => element("a", { href: `#/decisions/${each.id}` }, when(each.ts))), text(each.symbol), text(each.action),
        number(each.confidence?.toFixed(2)), node(each.outcome, () => badge(words(each.outcome), tone(each.outcome))),
        each.denial_code ? node(each.denial_code, () => badge(`denied: ${each.denial_code}`, "bad")) : text(each.reason_code, "dim"),
        number(`${((Date.parse(each.ts_end) - Date.parse(each.ts_start)) / 1000).toFixed(2)} s`, "dim"), number(cost(each.cost_usd), "dim")],
    });
    this.funnel = element("div", { class: "funnel" });
    this.since = element("small");
    this.node = element("div", { class: "page" },
      card("How far runs came", { class: "wide", head: [this.since] }, this.funnel),
      card("Decisions", { class: "wide", head: [element("div", { class: "filters", role: "search" }, ...Object.values(this.fields), button("Clear", () => this.#set({})))] }, this.note, this.table.node, this.more));
    this.refresh = paced(() => this.#refresh(), 900);
    this.count = paced(() => this.#count(), 5000);
    this.#timer = setInterval(() => document.hidden || this.count(), 15000);
    this.refresh();
    this.count();
  }

  leave() {
    clearInterval(this.#timer);
  }

  status() {
    if (this.fields.symbol.children.length === 1) {
      this.fields.symbol.append(...now.status.symbols.map(({ symbol }) => element("option", { value: symbol }, symbol)));
      this.fields.symbol.value = this.first.symbol;
    }
  }

  event(kind) {
    if (["decision_finished", "order_denied", "approval_closed"].includes(kind)) {
      this.refresh();
      this.count();
    }
  }

  #asked() {
    return Object.fromEntries(FILTERS.map((name) => [name, this.fields[name].value.trim() || (name === "symbol" ? this.first.symbol : "")]));
  }

  #set(filters) {
    this.first.symbol = "";
    for (const name of FILTERS) this.fields[name].value = filters[name] ?? "";
    this.#filter();
  }

  #filter() {
    this.first.symbol = this.fields.symbol.value;
    history.replaceState(null, "", query("#/decisions", this.#asked()));
    this.#next = null;
    this.refresh();
    this.count();
  }

  async #refresh() {
    try {
      const asked = this.#asked();
      const page = await ask("GET", query("/decisions", { ...asked, limit: PAGE }));
      const known = new Set(page.items.map((each) => each.id));
      const older = this.#next === null ? [] : this.#items.filter((each) => !known.has(each.id) && Date.parse(each.ts) < Date.parse(page.items.at(-1)?.ts));
      this.#items = [...page.items, ...older];
      if (!older.length) this.#next = page.next;
      this.#show();
    } catch (problem) {
      write(this.note, line(problem));
    }
  }

  async #older() {
    try {
      const page = await ask("GET", query("/decisions", { ...this.#asked(), limit: PAGE, after: this.#next }));
      this.#items.push(...page.items);
      this.#next = page.next;
      this.#show();
    } catch (problem) {
      write(this.note, line(problem));
    }
  }

  #show() {
    this.table.show(this.#items);
    this.more.hidden = this.#next === null;
    write(this.note, this.#items.length ? (this.#next ? `The newest ${whole(this.#items.length)} are shown.` : `${whole(this.#items.length)} in all.`) : "");
  }

  async #count() {
    try {
      const { symbol } = this.#asked();
      const found = await ask("GET", query("/funnel", { symbol }));
      write(this.since, `since ${when(found.since)}${symbol ? `, ${symbol}` : ""}`);
      this.#draw(steps(found));
    } catch (problem) {
      write(this.since, line(problem));
    }
  }

  #draw(all) {
    const most = Math.max(1, ...all.map((each) => each.count ?? 0));
    const key = JSON.stringify(all);
    if (this.funnel.dataset.key === key) return;
    this.funnel.dataset.key = key;
    const focused = [...this.funnel.children].indexOf(document.activeElement);
    this.funnel.replaceChildren(...all.map(({ name, count, filter, title }) => {
      const bar = element("div", { class: "bar" });
      bar.style.width = `${((count ?? 0) / most) * 100}%`;
      const inner = [element("b", {}, count === null ? "–" : whole(count)), element("span", {}, name), element("div", { class: "track", "aria-hidden": "true" }, bar)];
      return filter ? element("button", { type: "button", title: title ?? null, onclick: () => this.#set({ symbol: this.fields.symbol.value, ...filter }) }, ...inner)
        : element("div", { class: "step", title: title ?? null }, ...inner);
    }));
    if (focused >= 0) this.funnel.children[focused]?.focus();
  }
}

/** The funnel's steps in the order in which runs pass them. */
function steps({ due, started, by_outcome: outcomes, denied, ordered, filled }) {
  const of = (...names) => names.reduce((sum, name) => sum + (outcomes[name] ?? 0), 0);
  return [
    { name: "due", count: due, title: "Reasons to run since the process started" },
    { name: "run", count: started ?? of(...OUTCOMES) },
    { name: "held", count: of("held", "already_in_position"), filter: { outcome: "held" } },
    { name: "rejected by quant", count: of("quant_rejected"), filter: { outcome: "quant_rejected" } },
    { name: "rejected by risk", count: of("risk_rejected"), filter: { outcome: "risk_rejected" } },
    { name: "abstained", count: of("abstained", "invalid"), filter: { outcome: "abstained" }, title: "No usable answer: time-out, wrong form, spent budget" },
    ...Object.entries(denied).sort(([, a], [, b]) => b - a).slice(0, 5).map(([code, count]) => ({ name: `denied ${code}`, count, filter: { code } })),
    ...(Object.keys(denied).length ? [] : [{ name: "denied by code", count: 0 }]),
    { name: "ordered", count: ordered, filter: { outcome: "ordered" }, title: "Entries handed to the venue" },
    { name: "filled", count: filled, title: "Entries of which at least a part filled" },
  ];
}
