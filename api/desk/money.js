// Money: equity over time, today with and without the model's cost, what is held and how it is
// protected, what works at the venue, and how much of each limit is used.

import { Curve } from "./curve.js";
import { badge, blank, button, card, element, mark, Meter, node, number, Table, text, Tile } from "./dom.js";
import { ask, line, query } from "./server.js";
import { now, paced } from "./state.js";
import { cost, gain, money, percent, price, quantity, signed, tone, when, whole, words } from "./words.js";

const SPANS = [["1 h", 3600], ["1 day", 86400], ["1 week", 604800], ["1 month", 2592000]];
const NAMES = {
  MAX_EXPOSURE_FRACTION: "Exposure of all", MAX_BUYING_POWER_FRACTION: "Buying power reserved", MAX_DAILY_LOSS: "Loss of the day",
  MAX_DRAWDOWN: "Fall from the peak", MAX_OPEN_ORDERS: "Entries at once", MAX_ORDERS_PER_MINUTE: "Orders in a minute",
  LLM_MAX_USD_PER_DAY: "Model, dollars of the day", LLM_REQUESTS_PER_MINUTE: "Model, requests in a minute", LLM_TOKENS_PER_MINUTE: "Model, tokens in a minute",
};

export class Money {
  #span = 3600;
  #timer = null;
  #meters = new Map();

  constructor() {
    this.tiles = Object.fromEntries(["Equity", "Today", "Today less model", "Cash", "Buying power", "Exposure", "Peak", "Drawdown"].map((name) => [name, new Tile(name)]));
    this.curve = new Curve("Equity over time", money);
    this.spans = SPANS.map(([name, seconds]) => button(name, () => this.#choose(seconds), { class: "small", "aria-pressed": String(seconds === this.#span), "data-span": seconds }));
    this.note = element("div", { class: "wide", hidden: true });
    this.positions = new Table({
      caption: "Positions and what protects them", heads: ["Symbol", "#Quantity", "#Average", "#Market", "#Value", "#Profit", "#Stop", "#Target", "Protected by"],
      stacks: true, empty: "Nothing is held.", key: (each) => each.symbol, link: (each) => each.is_ours ? `#/market/${encodeURIComponent(each.symbol)}` : null,
      row: (each) => [
        each.is_ours ? node(each.symbol, () => element("a", { href: `#/market/${encodeURIComponent(each.symbol)}` }, each.symbol)) : text(`${each.symbol} (not ours)`),
        number(quantity(each.quantity)), number(price(each.average_price)), number(price(each.market_price)), number(money(each.market_value)),
        number(signed(each.unrealized_pnl), gain(each.unrealized_pnl)), number(price(each.stop_price)), number(price(each.target_price)),
        node(`${each.protected_by}${each.is_dust}${each.is_ours}`, () => protection(each), "named")],
    });
    this.orders = new Table({
      caption: "Working orders", heads: ["Sent", "Symbol", "Leg", "Order", "#Filled", "State"], stacks: true, empty: "No order works at the venue.",
      key: ({ order }) => order.request.client_order_id, link: ({ order }) => `#/decisions/${order.request.decision_id}`,
      row: ({ ts, order }) => [
        node(ts, () => element("a", { href: `#/decisions/${order.request.decision_id}` }, when(ts))), text(order.request.symbol), text(order.request.leg),
        text(`${order.request.side} ${quantity(order.request.quantity)} at ${price(order.request.stop_price ?? order.request.limit_price)}`),
        number(quantity(order.filled_quantity)), node(order.state, () => badge(words(order.state), tone(order.state)))],
    });
    this.limits = element("div");
    this.node = element("div", { class: "page" }, this.note,
      element("div", { class: "tiles" }, ...Object.values(this.tiles).map((tile) => tile.node)),
      card("Equity", { class: "two-thirds", head: this.spans }, this.curve.node),
      card("Limits in use", { class: "third" }, this.limits),
      card("Positions", { class: "wide" }, this.positions.node),
      card("Working orders", { class: "wide" }, this.orders.node));
    this.refresh = paced(() => this.#refresh(), 900);
    this.draw = paced(() => this.#draw(), 1900);
    this.#timer = setInterval(() => document.hidden || (this.refresh(), this.draw()), 2500);
    this.refresh();
    this.draw();
  }

  leave() {
    clearInterval(this.#timer);
  }

  event(kind) {
    if (["fill_received", "order_updated", "order_submitted", "position_changed"].includes(kind)) this.refresh();
  }

  #choose(seconds) {
    this.#span = seconds;
    for (const each of this.spans) mark(each, "aria-pressed", String(Number(each.dataset.span) === seconds));
    this.draw();
  }

  async #draw() {
    try {
      const since = new Date(Date.now() - this.#span * 1000).toISOString();
      const { items } = await ask("GET", query("/equity", { since, points: 240 }));
      const points = items.reverse().map((each) => [Date.parse(each.ts), Number(each.equity)]);
      if (now.status?.equity) points.push([Date.now(), Number(now.status.equity)]);
      this.curve.show(points, items.at(-1)?.day_start ? Number(items.at(-1).day_start) : null);
    } catch (problem) {
      this.#fault(problem);
    }
  }

  async #refresh() {
    try {
      const [account, held, working, limits, vitals] = await Promise.all([
        ask("GET", "/account"), ask("GET", "/positions"), ask("GET", "/orders?working=true&limit=200"), ask("GET", "/limits"), ask("GET", "/vitals")]);
      this.note.hidden = true;
      this.#figures(account, vitals.budget.spent_usd);
      this.positions.show(held.items);
      this.orders.show(working.items);
      this.#meter(limits.items);
    } catch (problem) {
      this.#fault(problem);
    }
  }

  #fault(problem) {
    this.note.hidden = false;
    this.note.replaceChildren(blank(line(problem), problem.code === "ACCOUNT_UNKNOWN" ? "Nothing is shown before the venue has answered." : ""));
  }

  #figures({ account, day_pnl: day, exposure, peak_equity: peak, drawdown, age_s: age, realized_pnl: realized }, spent) {
    const net = Number(day) - spent;
    const { tiles } = this;
    tiles.Equity.show(money(account.equity), `as of ${age.toFixed(0)} s ago`);
    tiles.Today.show(signed(day), `${signed(realized)} realized`, gain(day));
    tiles["Today less model"].show(signed(net), `the model took ${cost(spent)} (UTC day)`, gain(net));
    tiles.Cash.show(money(account.cash));
    tiles["Buying power"].show(money(account.buying_power));
    tiles.Exposure.show(money(exposure), percent(Number(exposure) / Number(account.equity)));
    tiles.Peak.show(money(peak));
    tiles.Drawdown.show(percent(drawdown, 2));
  }

  #meter(uses) {
    const kept = new Set();
    for (const use of uses) {
      const key = `${use.setting}${use.symbol ?? ""}`;
      kept.add(key);
      let meter = this.#meters.get(key);
      if (!meter) {
        meter = new Meter({ words: use.symbol ? `Position in ${use.symbol}` : NAMES[use.setting] ?? use.setting, title: `${use.setting}; full means ${use.code}` });
        this.#meters.set(key, meter);
        this.limits.append(meter.node);
      }
      const show = use.unit === "USD" ? money : whole;
      meter.show(use.share, `${show(use.used)} of ${show(use.limit)}`);
    }
    for (const [key, meter] of this.#meters) if (!kept.has(key)) { meter.node.remove(); this.#meters.delete(key); }
  }
}

function protection(held) {
  if (!held.is_ours) return badge("not managed", "dim");
  if (held.is_dust) return badge("dust: too small to sell", "dim");
  return badge({ venue: "stop at the venue", engine: "the engine", none: "nothing" }[held.protected_by], { venue: "good", engine: "warn", none: "bad" }[held.protected_by]);
}
