// The market: every symbol with its quote, and one of them as candles with all that happened there.

import { Chart } from "./chart.js";
import { badge, blank, button, card, element, mark, node, number, Table, text, write } from "./dom.js";
import { ask, line, query } from "./server.js";
import { follow, now, paced, symbolOf } from "./state.js";
import { gain, money, price, quantity, signed, when, words } from "./words.js";
import { control } from "./dialogs.js";

const LENGTHS = [60, 120, 240];
const SHOWN = "autohedge-chart";
const DEFAULT = { averages: true, bands: false, rsi: true, length: window.innerWidth < 700 ? 60 : 120 };

function remembered() {
  try {
    return { ...DEFAULT, ...JSON.parse(localStorage.getItem(SHOWN)) };
  } catch {
    return { ...DEFAULT };
  }
}

/** What stands of a symbol, as a word and a tone. */
function standing(symbol) {
  if (!now.isUp) return ["not heard", "dim"];
  if (symbol.is_halted) return ["halted by market", "bad"];
  if (symbol.is_stale) return ["no feed", "bad"];
  if (symbol.is_reducing) return ["reducing", "warn"];
  if (!symbol.is_warm) return ["warming up", "warn"];
  return symbol.session === "closed" ? ["closed", "dim"] : ["live", "good"];
}

const spread = ({ bid, ask: offer }) => bid && offer ? `${(((offer - bid) / ((offer + bid) / 2)) * 10000).toFixed(1)} bps` : "–";

/** What a decision looks like among the candles. */
function shape(made) {
  if (made.denial_code) return ["denied", "bad"];
  if (made.outcome === "ordered") return ["ordered", made.action === "sell" ? "down" : "up"];
  if (made.outcome === "awaiting_approval") return ["waits", "warn"];
  if (made.outcome === "abstained" || made.outcome === "invalid") return ["abstained", "warn"];
  if (made.outcome.endsWith("rejected") || made.outcome === "refused" || made.outcome === "expired") return ["rejected", "info"];
  return ["held", "dim"];
}

const ofDecision = (made) => {
  const [form, tone] = shape(made);
  const sure = made.confidence === null ? "" : `, confidence ${made.confidence.toFixed(2)}`;
  return {
    key: `d${made.id}`, ts: made.as_of, price: null, shape: form, tone, href: `#/decisions/${made.id}`,
    what: words(made.outcome), lines: [`${when(made.as_of)} ${words(made.outcome)}`, `${made.action ?? "no answer"}${sure}`, `${made.denial_code ? `denied: ${made.denial_code}` : made.reason_code}`],
  };
};

const story = (order) => `#/decisions/${order.request.decision_id}`;
const told = (request) => `${request.side} ${quantity(request.quantity)} ${request.symbol}`;

const ofOrder = ({ ts, order }) => {
  const { request } = order;
  const at = request.stop_price ?? request.limit_price;
  return at === null ? null : {
    key: `o${request.client_order_id}`, ts, price: Number(at), shape: "order", tone: order.state === "rejected" ? "bad" : "info", href: story(order),
    what: `${request.leg} order`, lines: [`${when(ts)} ${request.leg} order`, `${told(request)} at ${price(at)}`, words(order.state)],
  };
};

const ofFill = ({ ts, fill }, orders) => ({
  key: `f${fill.client_order_id}${fill.execution_id}`, ts: fill.ts_event || ts, price: Number(fill.price), shape: fill.side, tone: fill.side === "buy" ? "up" : "down",
  href: orders.has(fill.client_order_id) ? story(orders.get(fill.client_order_id)) : "#/money",
  what: `${fill.leg} filled`, lines: [`${when(fill.ts_event)} ${fill.leg} filled`, `${fill.side} ${quantity(fill.quantity)} at ${price(fill.price)}`, `fee ${money(fill.fee)}`],
});

/** Stops and targets as long as they stood: what rests at the venue, and what the engine watches. */
function levels(orders, position) {
  const made = [];
  for (const { ts, order } of orders) {
    const { request } = order;
    const isOpen = ["submitting", "unknown", "accepted", "held", "partially_filled", "pending_cancel", "pending_replace"].includes(order.state);
    const to = isOpen ? null : Date.parse(order.ts_updated || ts);
    const kind = request.leg;
    const at = kind === "stop" ? request.stop_price ?? request.stop_loss : kind === "target" ? request.limit_price ?? request.take_profit : null;
    if (at) made.push({ price: Number(at), kind, from: Date.parse(ts), to, label: `${kind} ${price(at)}` });
  }
  if (position) {
    const from = Date.parse(position.opened_at ?? 0) || 0;
    const standsAlready = (kind) => made.some((each) => each.kind === kind && each.to === null);
    if (position.stop_price && !standsAlready("stop")) made.push({ price: Number(position.stop_price), kind: "stop", from, to: null, label: "stop" });
    if (position.target_price && !standsAlready("target")) made.push({ price: Number(position.target_price), kind: "target", from, to: null, label: "target" });
    made.push({ price: Number(position.average_price), kind: "entry", from, to: null, label: "average price" });
  }
  return made;
}

export class Market {
  #symbol = null;
  #data = null;
  #timer = null;

  constructor(symbol) {
    this.shown = remembered();
    this.wanted = symbol;
    this.chart = new Chart({ label: "Candles and what happened among them", shows: this.shown, height: () => window.innerWidth < 700 ? 320 : Math.max(380, Math.min(620, window.innerHeight - 330)) });
    this.title = element("h1");
    this.live = element("div", { class: "live" });
    this.state = element("span");
    this.decide = button("Decide now", () => control(`/decide/${this.#symbol}`), { title: "Queue one run of this symbol; its order meets every limit" });
    this.held = element("p", { class: "held" });
    this.note = element("div");
    this.happened = new Table({
      caption: "What happened in this symbol, newest first", heads: ["Time", "What", "How", "#Price"], stacks: true, empty: "No order and no rejected run so far; what was held stands below the candles and on the Decisions page.",
      key: (each) => each.key, link: (each) => each.href,
      row: (each) => [text(when(each.ts)), node(each.lines[0] + each.href, () => element("a", { href: each.href }, each.what)), text(each.lines.slice(1).join(" · "), "dim"), number(each.price === null ? "" : price(each.price))],
    });
    this.list = new Table({
      caption: "Symbols", heads: ["Symbol", "#Bid", "#Ask", "#bps", "State"], empty: "This bot trades no symbols: set TRADING_SYMBOLS.",
      key: (each) => each.symbol, link: (each) => `#/market/${encodeURIComponent(each.symbol)}`,
      row: (each) => {
        const [word, tone] = standing(each);
        const is = each.symbol === this.#symbol;
        return [node(`${each.symbol}${is}`, () => element("a", { href: `#/market/${encodeURIComponent(each.symbol)}`, "aria-current": is ? "true" : null }, each.symbol)),
          number(price(each.bid)), number(price(each.ask)), number(spread(each).replace(" bps", ""), "dim"), node(word, () => badge(word, tone))];
      },
    });
    this.head = element("header", { class: "market" }, this.title, this.state, this.live, element("div", { class: "tools" }, ...this.#tools(), this.decide));
    this.node = element("div", { class: "page market" },
      element("section", { class: "card main" }, this.head, this.held, this.note, this.chart.node),
      card("Symbols", { class: "side" }, this.list.node),
      card("In this symbol", { class: "wide" }, this.happened.node));
    this.refresh = paced(() => this.#refresh(), 900);
    this.recall = paced(() => this.#recall(), 900);
    this.#timer = setInterval(() => document.hidden || this.refresh(), 1000);
  }

  #tools() {
    const toggles = [["averages", "EMA"], ["bands", "Bands"], ["rsi", "RSI"]].map(([name, label]) => {
      const toggle = button(label, () => {
        this.shown[name] = !this.shown[name];
        mark(toggle, "aria-pressed", String(this.shown[name]));
        this.#remember();
      }, { class: "small", "aria-pressed": String(this.shown[name]) });
      return toggle;
    });
    const length = element("select", { "aria-label": "Number of candles", onchange: () => { this.shown.length = Number(length.value); this.#remember(); this.#data = null; this.refresh(); } },
      ...LENGTHS.map((each) => element("option", { value: each, selected: each === this.shown.length }, `${each} bars`)));
    return [...toggles, length];
  }

  #remember() {
    localStorage.setItem(SHOWN, JSON.stringify(this.shown));
    if (this.#data) this.chart.bars(this.#data);
  }

  leave() {
    clearInterval(this.#timer);
    follow("");
  }

  status() {
    const { symbols } = now.status;
    this.list.show(symbols);
    const found = symbols.find((each) => each.symbol === this.wanted) ?? symbols[0];
    if (!found) return;
    if (found.symbol !== this.#symbol) this.#choose(found.symbol);
    const [word, tone] = standing(found);
    if (this.state.dataset.key !== word) {
      this.state.dataset.key = word;
      this.state.replaceChildren(badge(word, tone));
    }
    mark(this.decide, "disabled", now.status.session !== "running" || !found.is_warm ? "" : null);
    this.#note(found);
    this.#live(found);
    this.chart.quote(found);
  }

  #choose(symbol) {
    this.#symbol = symbol;
    this.#data = null;
    write(this.title, symbol);
    follow(symbol);
    this.refresh();
    this.recall();
  }

  #note(symbol) {
    const label = symbol.label ? `${symbol.label}. ` : "";
    let notes = [];
    if (!symbol.bars) notes = ["No candles yet.", now.status.session === "running" ? "The feed is being filled in; this takes some seconds." : "Start the session on the Controls page."];
    else if (!symbol.is_warm) notes = [`Warming up: ${symbol.bars} closed bars so far.`, "No decision is made before there are enough (WARMUP_MIN_COUNT)."];
    else if (symbol.is_halted) notes = ["The market has halted this symbol.", "It goes on by itself when the market resumes it."];
    else if (symbol.is_stale) notes = ["The feed of this symbol is lost.", "It reconnects by itself; entries are denied until then, stops rest at the venue."];
    else if (symbol.is_reducing) notes = ["Somebody else traded this symbol: nothing opens.", "Resume with MANUAL_TRADE on the Controls page when that was you."];
    const key = label + notes.join("");
    if (this.note.dataset.key === key) return;
    this.note.dataset.key = key;
    this.note.replaceChildren(...(notes.length ? [blank(notes[0], notes[1])] : []), ...(label ? [element("p", { class: "dim about" }, label)] : []));
  }

  #live({ bid, ask: offer, quote_age_s: age }) {
    const parts = [["Bid", price(bid)], ["Ask", price(offer)], ["Spread", spread({ bid, ask: offer })], ["Quote", !now.isUp ? "last known" : age === null || age === undefined ? "none yet" : `${age.toFixed(1)} s old`]];
    if (!this.live.children.length) this.live.append(...parts.map(([name]) => element("span", {}, `${name} `, element("b"))));
    parts.forEach(([, value], n) => write(this.live.children[n].lastChild, value));
  }

  event(kind, data) {
    if (symbolOf(data) !== this.#symbol) return;
    if (kind === "quote_updated") {
      this.#live({ ...data, quote_age_s: 0 });
      this.chart.quote(data);
    } else if (kind === "bar_closed") {
      this.refresh();
    } else {
      this.recall();
    }
  }

  /** Ask for candles: all of them at first and after a gap, else only the newest. */
  async #refresh() {
    const symbol = this.#symbol;
    if (!symbol || !now.isUp) return;
    try {
      const few = await ask("GET", query(`/bars/${symbol}`, { limit: this.#data ? 3 : this.shown.length }));
      if (symbol !== this.#symbol) return;
      this.#data = this.#joined(few) ?? await ask("GET", query(`/bars/${symbol}`, { limit: this.shown.length }));
      if (symbol === this.#symbol) this.chart.bars(this.#data);
    } catch (problem) {
      write(this.held, line(problem));
    }
  }

  /** Put the newest candles behind those that are known; none when they do not meet. */
  #joined(few) {
    const known = this.#data;
    if (!known) return few;
    const at = known.bars.findIndex(([t]) => t === few.bars[0]?.[0]);
    if (at < 0) return null;
    const join = (old, more) => [...old.slice(0, at), ...more].slice(-this.shown.length);
    const names = Object.keys(few.indicators);
    return { ...few, bars: join(known.bars, few.bars), indicators: Object.fromEntries(names.map((name) => [name, join(known.indicators[name], few.indicators[name])])) };
  }

  /** Ask what happened in the symbol. */
  async #recall() {
    const symbol = this.#symbol;
    if (!symbol || !now.isUp) return;
    const of = (path) => ask("GET", query(path, { symbol, limit: 200 })).then((page) => page.items);
    try {
      const [decisions, orders, fills, positions] = await Promise.all([of("/decisions"), of("/orders"), of("/fills"), ask("GET", "/positions")]);
      if (symbol !== this.#symbol) return;
      const position = positions.items.find((each) => each.symbol === symbol);
      const byName = new Map(orders.map(({ order }) => [order.request.client_order_id, order]));
      const marks = [...decisions.map(ofDecision), ...orders.map(ofOrder).filter(Boolean), ...fills.map((each) => ofFill(each, byName))];
      this.chart.levels(levels(orders, position));
      this.chart.marks(marks);
      this.happened.show(marks.filter((each) => each.shape !== "held").sort((a, b) => Date.parse(b.ts) - Date.parse(a.ts)).slice(0, 40));
      this.#hold(position);
    } catch (problem) {
      write(this.held, line(problem));
    }
  }

  #hold(position) {
    if (!position) { this.held.replaceChildren(element("span", { class: "dim" }, "No position.")); return; }
    const profit = position.unrealized_pnl;
    this.held.replaceChildren(
      element("b", {}, `${Number(position.quantity) > 0 ? "Long" : "Short"} ${quantity(Math.abs(position.quantity))}`), ` at ${price(position.average_price)} · `,
      element("span", { class: gain(profit) }, signed(profit)), ` · stop ${price(position.stop_price)} · target ${price(position.target_price)} · `,
      position.is_dust ? badge("dust: too small to sell", "dim") : badge(position.protected_by === "none" ? "unprotected" : `protected by ${position.protected_by}`, position.protected_by === "none" ? "bad" : "good"));
  }
}
