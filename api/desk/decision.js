// One decision: the way it took, what each agent was asked and said, the gate, the order's life.

import { Chart } from "./chart.js";
import { badge, blank, button, card, element, node, number, Table, text, write } from "./dom.js";
import { note } from "./dialogs.js";
import { graph } from "./graph.js";
import { ask, line } from "./server.js";
import { paced } from "./state.js";
import { actor, cost, measured, milliseconds, price, quantity, tone, when, whole, words } from "./words.js";

const ROLES = [["director", "directive", "Director"], ["quant", "signal", "Quant"], ["risk", "verdict", "Risk"], ["execution", "plan", "Execution"]];
const BRIEFS = {
  director: "the window: candles, quote, indicators, news, and what is held",
  quant: "the window and the Director's directive",
  risk: "the window, the directive, the Quant's signal, account and limits",
  execution: "the approved trade, the spread and the venue's rules",
};

export class DecisionPage {
  #story = null;

  constructor(id) {
    this.id = id;
    this.node = element("div", { class: "page" }, element("div", { class: "wide" }, blank("Reading the decision.")));
    this.refresh = paced(() => this.#refresh(), 900);
    this.refresh();
  }

  event(kind, data) {
    const about = data.decision_id ?? data.request?.decision_id ?? data.order?.request?.decision_id;
    if (about === this.id || (kind === "fill_received" && data.client_order_id?.includes(this.id))) this.refresh();
  }

  async #refresh() {
    try {
      const story = await ask("GET", `/decisions/${encodeURIComponent(this.id)}`);
      if (JSON.stringify(story) === JSON.stringify(this.#story)) return;
      this.#story = story;
      this.#show(story);
    } catch (problem) {
      if (this.#story) return;
      const remedy = problem.code === "DECISION_NOT_FOUND" ? "Orders that protect or flatten are not a decision's: their reason is in the journal." : "";
      this.node.replaceChildren(element("div", { class: "wide" }, blank(line(problem), remedy), element("p", {}, element("a", { href: "#/decisions" }, "All decisions"))));
    }
  }

  #show(story) {
    const { decision, window: seen } = story;
    this.again ??= element("div", { role: "status" });
    this.node.replaceChildren(
      element("section", { class: "card wide" }, this.#head(story), element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "The graph" }, graph(story)), this.again),
      ...ROLES.map((role) => agent(role, story)),
      card("What the agents saw", { class: "two-thirds" }, ...pictured(seen, decision)),
      card("Life of the order", { class: "third" }, timeline(story)),
      card("The gate", { class: "wide gate" }, ...gate(story)));
  }

  #head({ decision }) {
    const title = decision.directive ? `${decision.directive.action} ${decision.symbol}` : decision.symbol;
    return element("header", {}, element("h1", {}, title), badge(words(decision.outcome), tone(decision.outcome)),
      element("span", { class: "dim" }, `${decision.reason_code} · as of ${when(decision.as_of)} · ${decision.analyst}`),
      element("div", { class: "tools" },
        button("Replay it", () => this.#replay("recorded"), { title: "Run the graph again on the recorded answers: it must come out the same to the byte" }),
        button("Copy window for Studio", () => this.#copy()),
        button("Compare with rules", () => this.#replay("rules"), { title: "What the embedded rules decide on the same window" })),
      element("small", { class: "wide-line" }, `decision ${decision.id} · graph ${decision.graph_version}`));
  }

  async #replay(analyst) {
    write(this.again, "Running the graph again …");
    try {
      const found = await ask("GET", `/decisions/${encodeURIComponent(this.id)}/replay?analyst=${analyst}`);
      const same = analyst === "rules" ? "The rules decide the same." : "The replay is the same to the byte.";
      const other = analyst === "rules" ? `The rules end as ${words(found.decision.outcome)} (${found.decision.reason_code}).` : "The replay differs:";
      this.again.replaceChildren(element("p", {}, badge(found.is_same ? same : other, found.is_same ? "good" : analyst === "rules" ? "info" : "bad")),
        !found.is_same && element("pre", { class: "diff", tabindex: 0, "aria-label": "Differences" }, ...found.differences.slice(2).map((row) => element("span", { class: row[0] === "+" ? "plus" : row[0] === "-" ? "minus" : null }, row))) || "");
    } catch (problem) {
      write(this.again, line(problem));
    }
  }

  async #copy() {
    const address = `/windows/${this.#story.decision.window_digest}`;
    try {
      const file = JSON.stringify(await ask("GET", address), null, 2);
      await navigator.clipboard.writeText(file);
      note("good", "The window is copied: paste it into Studio's input, or save it for autohedge replay.");
    } catch (problem) {
      note("bad", problem.detail ? line(problem) : `This browser does not let a page copy: open ${address} and save it.`);
    }
  }
}

/** One agent: what it answered, what it cost, and word for word what it was asked and said. */
function agent([role, field, title], { decision, prompts }) {
  const answer = decision[field];
  const calls = decision.calls.filter((call) => call.role === role);
  if (!answer && !calls.length) return card(title, { class: "quarter agent absent" }, element("p", { class: "dim" }, "Was not asked: the way ended before."));
  const { thesis, reason, ...figures } = answer ?? {};
  const sum = (name) => calls.reduce((total, call) => total + call[name], 0);
  const failed = calls.filter((call) => call.error);
  return card(title, { class: "quarter agent" },
    ...failed.map((call) => element("p", {}, badge(`attempt ${call.attempt}: ${call.error}`, "warn"))),
    answer ? element("dl", {}, ...Object.entries(figures).filter(([, value]) => value !== null).flatMap(([name, value]) => [element("dt", {}, words(name)), element("dd", {}, figure(name, value))]))
      : element("p", {}, badge("no usable answer", "warn")),
    (thesis ?? reason) && element("p", { class: "says" }, thesis ?? reason),
    element("p", { class: "dim" }, calls.length ? `${calls.at(-1).model} · ${whole(sum("tokens_in"))} tokens in, ${whole(sum("tokens_out"))} out · ${cost(sum("cost_usd"))} · ${milliseconds(sum("latency_ms"))}` : "Answered by the code."),
    element("details", {}, element("summary", {}, "Brief, prompt and answer"),
      element("h3", {}, "Brief"), element("p", {}, `Was given ${BRIEFS[role]}.`),
      ...calls.flatMap((call) => [element("h3", {}, calls.length > 1 ? `Prompt, attempt ${call.attempt}` : "Prompt"),
        element("pre", { tabindex: 0, "aria-label": "Prompt" }, prompts[call.prompt_digest] ?? "No text is kept for it."),
        element("h3", {}, "Answer, word for word"), element("pre", { tabindex: 0, "aria-label": "Answer" }, call.raw || "Nothing.")])));
}

const PRICES = new Set(["invalidation_price", "support", "resistance", "stop_loss", "take_profit"]);
const figure = (name, value) => PRICES.has(name) ? price(value) : typeof value === "boolean" ? (value ? "yes" : "no") : typeof value === "number" ? Number(value.toFixed(4)) : value;

/** The candles of the window, with the figures the agents were given. */
function pictured(seen, decision) {
  if (!seen) return [blank("The window is kept no more.", "RETENTION_CONTENTS_DAYS says for how long windows are.")];
  const chart = new Chart({ label: "The candles of the window", shows: {}, height: 240 });
  chart.bars({ bars: seen.bars, forming: seen.forming_bar ?? null, indicators: {}, interval_s: seen.interval_s });
  chart.quote(seen.quote);
  const { request } = decision;
  const at = Date.parse(seen.bars.at(-1)?.[0] ?? decision.as_of);
  chart.levels(request ? [["stop", request.stop_loss], ["target", request.take_profit], ["entry", request.limit_price]].filter(([, value]) => value)
    .map(([kind, value]) => ({ kind, price: Number(value), from: at, to: null, label: kind })) : []);
  const figures = Object.entries(seen.indicators).filter(([, value]) => value !== null).map(([name, value]) => `${words(name)} ${Number(value.toPrecision(6))}`);
  return [chart.node, element("p", { class: "dim" }, `${seen.bars.length} candles of ${seen.interval_s} s · bid ${price(seen.quote.bid)} · ask ${price(seen.quote.ask)} · ${seen.feed ?? ""} · woken by ${words(seen.wake_reason)}`),
    element("details", {}, element("summary", {}, `${figures.length} indicators, ${seen.news.length} headlines`), element("p", {}, figures.join(" · ")),
      ...seen.news.map((item) => element("p", {}, `${when(item.ts)} ${item.source}: ${item.headline}`)))];
}

const check = () => new Table({
  caption: "Limits that the order was held against", heads: ["Limit", "#Found", "#Limit", "Verdict"], stacks: true, empty: "No limit was asked.",
  key: (each) => each.code,
  row: (each) => [text(each.code), number(measured(each.value)), number(each.limit || "–"), node(each.passed, () => badge(each.passed ? "passed" : "failed", each.passed ? "good" : "bad"))],
});

function gate({ decision, gates }) {
  if (!gates.length && !decision.checks.length) return [blank("No order came so far.", "The gate checks what the agents agree upon, on fresh prices, before anything is sent.")];
  const told = gates.length ? gates : [{ authorized: null, checks: decision.checks, client_order_id: "", code: null }];
  return told.flatMap((each) => {
    const table = check();
    const failed = each.checks.filter((one) => !one.passed);
    table.show([...failed, ...each.checks.filter((one) => one.passed)]);
    const verdict = each.authorized === null ? badge("the graph's preview; the gate was not asked", "info") : each.authorized ? badge("authorized", "good") : badge(`denied: ${each.code}`, "bad");
    return [element("p", {}, verdict, element("span", { class: "dim" }, ` ${each.ts ? when(each.ts) : ""} ${each.client_order_id}`)), table.node];
  });
}

/** What happened to the order and when, from the word on it to its last execution. */
function timeline({ decision, gates, orders, approval }) {
  const steps = [[decision.ts_end || decision.as_of, "decided", `${words(decision.outcome)}, ${decision.reason_code}`]];
  if (approval) {
    steps.push([approval.ts, "waits for a person", approval.expires_at ? `until ${when(approval.expires_at)}` : ""]);
    if (approval.ts_closed) steps.push([approval.ts_closed, approval.status, `${actor(approval.actor)}${approval.reason ? `: ${approval.reason}` : ""}`]);
  }
  for (const each of gates) steps.push([each.ts, each.authorized ? "authorized" : `denied ${each.code}`, `${each.checks.length} limits`]);
  for (const { order, events, fills } of orders) {
    const { request } = order;
    if (order.ts_submitted) steps.push([order.ts_submitted, `${request.leg} sent`, `${request.side} ${quantity(request.quantity)} at ${price(request.stop_price ?? request.limit_price)}`]);
    for (const each of events.filter((one) => !one.fill_quantity)) steps.push([each.ts_event || each.ts, `${request.leg} ${words(each.state)}`, each.reason]);
    for (const { fill } of fills) steps.push([fill.ts_event, `${request.leg} filled`, `${quantity(fill.quantity)} at ${price(fill.price)}, fee ${cost(fill.fee)}`]);
  }
  if (steps.length === 1) return blank("No order.", words(decision.reason_code.toLowerCase()));
  steps.sort((a, b) => Date.parse(a[0]) - Date.parse(b[0]));
  return element("ol", { class: "timeline" }, ...steps.map(([ts, what, more]) => element("li", {}, element("b", {}, what), element("span", { class: "dim" }, ` ${when(ts)}`), more && element("div", {}, more))));
}
