// Whether everything works: feeds, queue, model, budget, journal, venue; and what happens.

import { badge, blank, card, element, Meter, number, node, Table, text, Tile, write } from "./dom.js";
import { ask, line } from "./server.js";
import { paced } from "./state.js";
import { HAPPENED } from "./happenings.js";
import { clock, cost, lasting, milliseconds, when, whole, words } from "./words.js";

const KEPT = 120;
const kept = [];

export class Health {
  #timer = null;

  constructor() {
    this.note = element("div", { class: "wide", hidden: true });
    this.tiles = Object.fromEntries(["Feeds", "Runs", "Journal", "Venue answers", "Clock skew", "Model today"].map((name) => [name, new Tile(name)]));
    this.links = new Table({
      caption: "Feeds by symbol", heads: ["Symbol", "Feed", "#Last quote", "#Last message", "#Reconnects"], empty: "No symbols.",
      key: (each) => each.symbol,
      row: (each) => [text(each.symbol), node(each.is_up, () => badge(each.is_up ? "up" : "lost", each.is_up ? "good" : "bad")),
        number(each.quote_age_s === null ? "none yet" : lasting(each.quote_age_s)), number(each.message_age_s === null ? "none yet" : lasting(each.message_age_s)), number(whole(each.losses))],
    });
    this.queue = new Table({
      caption: "Queue by priority", heads: ["Priority", "#Waiting", "#Dropped"], empty: "No queue.", key: (each) => each.name,
      row: (each) => [text(each.name), number(whole(each.waiting)), number(whole(each.dropped))],
    });
    this.roles = new Table({
      caption: "The model by agent", heads: ["Agent", "#Asked", "#Median", "#95 %", "Errors"], empty: "Nobody was asked yet.", key: (each) => each.role,
      row: (each) => [text(each.role), number(whole(each.calls)), number(milliseconds(each.latency.p50_ms)), number(milliseconds(each.latency.p95_ms)),
        node(JSON.stringify(each.errors), () => Object.keys(each.errors).length ? element("span", {}, ...Object.entries(each.errors).map(([code, count]) => badge(`${code} × ${count}`, "warn"))) : element("span", { class: "dim" }, "none"))],
    });
    this.slots = new Meter("Slots in use", { isCalm: true });
    this.wait = element("p", { class: "dim" });
    this.budget = ["Dollars of the UTC day", "Requests in the last minute", "Tokens in the last minute"].map((name) => new Meter(name));
    this.venue = new Meter("Requests to the venue in the last minute");
    this.feed = element("ol", { class: "feed", tabindex: 0, "aria-label": "Events" });
    this.counts = element("p", { class: "dim" });
    this.node = element("div", { class: "page" }, this.note,
      element("div", { class: "tiles" }, ...Object.values(this.tiles).map((tile) => tile.node)),
      card("Feeds", {}, this.links.node, this.counts),
      card("Queue", { class: "quarter" }, this.slots.node, this.queue.node, this.wait),
      card("Budget left", { class: "quarter" }, ...this.budget.map((meter) => meter.node), this.venue.node),
      card("Model", {}, this.roles.node),
      card("What happens", {}, this.feed));
    this.refresh = paced(() => this.#refresh(), 900);
    this.#timer = setInterval(() => document.hidden || this.refresh(), 1500);
    this.refresh();
    this.#list();
  }

  leave() {
    clearInterval(this.#timer);
  }

  event(kind) {
    if (kind in HAPPENED) this.#list();
  }

  #list() {
    if (!kept.length) this.feed.replaceChildren(this.nothing = element("li", {}, element("span"), element("span", { class: "dim" }, "Nothing since this page was opened.")));
    if (!kept.length) return;
    this.nothing?.remove();
    for (const row of kept) if (row.parentNode !== this.feed) this.feed.prepend(row);
    while (this.feed.children.length > KEPT) this.feed.lastChild.remove();
  }

  async #refresh() {
    try {
      const vitals = await ask("GET", "/vitals");
      this.note.hidden = true;
      this.#show(vitals);
    } catch (problem) {
      this.note.hidden = false;
      this.note.replaceChildren(blank(line(problem)));
    }
  }

  #show({ links, queue, model, budget, journal, venue, feed_rejects: rejects, since }) {
    const lost = links.filter((link) => !link.is_up).length;
    const { tiles } = this;
    tiles.Feeds.show(lost ? `${lost} lost` : "all up", `${links.length} symbols`, lost ? "bad" : "");
    tiles.Runs.show(`${queue.busy} of ${queue.slots}`, queue.is_paused ? "paused by the model's endpoint" : `${Object.values(queue.waiting).reduce((sum, each) => sum + each, 0)} wait`, queue.is_paused ? "warn" : "");
    tiles.Journal.show(journal.is_up ? milliseconds(journal.commit_ms) : "down", journal.is_up ? `last commit; ${whole(journal.queued)} wait, ${whole(journal.entries)} kept` : journal.reason, journal.is_up ? "" : "bad");
    tiles["Venue answers"].show(milliseconds(venue.latency.p50_ms), `95 % within ${milliseconds(venue.latency.p95_ms)}`);
    tiles["Clock skew"].show(venue.clock_skew_s === null ? "–" : `${Math.round(venue.clock_skew_s * 1000)} ms`, "ours less the venue's");
    tiles["Model today"].show(cost(budget.spent_usd), budget.usd_per_day === null ? "no bound is set" : `${cost(Math.max(0, budget.usd_per_day - budget.spent_usd))} left`, budget.is_spent ? "bad" : "");
    this.links.show(links);
    this.queue.show(Object.keys(queue.waiting).map((name) => ({ name, waiting: queue.waiting[name], dropped: queue.dropped[name] })));
    this.slots.show(queue.busy / queue.slots, `${queue.busy} of ${queue.slots}`);
    write(this.wait, queue.oldest_wait_s ? `The oldest ticket waits ${lasting(queue.oldest_wait_s)}.` : "No ticket waits.");
    this.#spend(0, budget.spent_usd, budget.usd_per_day, cost);
    this.#spend(1, budget.requests, budget.requests_per_minute, whole);
    this.#spend(2, budget.tokens, budget.tokens_per_minute, whole);
    this.venue.show(venue.requests_per_minute ? venue.requests / venue.requests_per_minute : 0, `${whole(venue.requests)} of ${whole(venue.requests_per_minute)}`);
    this.roles.show(model);
    const refused = Object.entries(rejects).map(([kind, count]) => `${words(kind)} × ${whole(count)}`).join(", ");
    write(this.counts, `Since ${when(since)}. ${refused ? `Messages refused or mended: ${refused}.` : "No message was refused."}`);
  }

  #spend(n, used, limit, say) {
    this.budget[n].show(limit === null ? 0 : used / limit, limit === null ? `${say(used)}, no bound` : `${say(used)} of ${say(limit)}`);
  }
}

/** Keep what happened, also while another page is shown. */
export function remember(kind, data) {
  const told = HAPPENED[kind]?.(data);
  if (!told) return;
  const [tone, said] = told;
  kept.push(element("li", {}, element("span", { class: "dim" }, clock(data.ts ?? new Date().toISOString())), element("span", {}, badge(words(kind), tone), " ", said)));
  if (kept.length > KEPT) kept.shift();
}
