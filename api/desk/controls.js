// What a person may do: the session, trading, orders, what waits for a word; and who did what.

import { badge, blank, button, card, element, mark, node, Table, text, write } from "./dom.js";
import { control, sure } from "./dialogs.js";
import { ask, line } from "./server.js";
import { now, paced } from "./state.js";
import { actor, countdown, lasting, money, price, quantity, sentence, tone, when, words } from "./words.js";

const STARTABLE = new Set(["NEVER_STARTED", "STOPPED"]);

const DEEDS = [
  ["start", "Start", "Feeds, decisions and runs begin. Raises trading when it was only stopped.", {
    text: "Feeds, decisions and runs begin.", verb: "Start" }],
  ["stop", "Stop", "Ends the session and cancels working entries. Stops and targets stay.", {
    text: "The session ends and working entries are cancelled. What protects positions stays.", verb: "Stop" }],
  ["halt", "Halt", "Nothing opens, working entries are cancelled at once. Protection stays.", {
    text: "Nothing opens any more and working entries are cancelled at once. Stops and targets stay.", verb: "Halt", isDangerous: true }],
  ["reduce", "Reduce", "Nothing opens, the agents may still close.", {
    text: "Nothing opens any more and working entries are cancelled. The agents may still close what is held.", verb: "Reduce" }],
  ["resume", "Resume", "Trading is active again, once what lowered it is resolved.", null],
  ["cancel-all", "Cancel all", "Cancels working entries; on request stops and targets too, which halts.", {
    text: "Working entries are cancelled.", verb: "Cancel all", isDangerous: true, choices: { protective: "Also stops and targets: positions stand bare, trading is halted" } }],
  ["flatten", "Flatten", "Halts, cancels and closes every position of the bot, at the market.", {
    text: "Trading is halted, orders are cancelled, and every position of the bot is sold or bought back at the market.", verb: "Flatten", isDangerous: true, word: "FLATTEN",
    choices: { account_wide: "Also what is not the bot's: everything in the account" } }],
  ["reconcile", "Reconcile", "Holds our books against the venue's; trades nothing.", {
    text: "Orders, positions and cash are compared, for as long as a difference may be the venue's lag.", verb: "Compare", wantsReason: false,
    choices: { repair: "Accept the venue's word where it differs (journaled; nothing is traded)" } }],
];

export class Controls {
  #timer = null;
  #buttons = {};
  #asked = new Map();

  constructor() {
    this.standing = element("div", { class: "standing", role: "status" });
    this.why = element("p", { class: "dim" });
    this.waits = element("div", { class: "waits" });
    this.found = element("div", { role: "status" });
    this.swept = element("div");
    const deeds = DEEDS.map(([path, label, what, asking]) => {
      this.#buttons[path] = button(label, () => this.#do(path, label, asking), { class: asking?.isDangerous ? "danger" : null });
      return element("div", { class: "deed" }, this.#buttons[path], element("p", {}, what));
    });
    this.log = new Table({
      caption: "Who did what, newest first", heads: ["When", "What", "Who", "Why"], stacks: true, empty: "Nobody has done anything yet.",
      key: (each) => each.key, link: (each) => each.href,
      row: (each) => [text(when(each.ts), "tight"), each.href ? node(each.what, () => element("a", { href: each.href }, each.what)) : text(each.what), text(each.who), text(each.why, "words")],
    });
    this.node = element("div", { class: "page" },
      card("Trading", { class: "wide" }, this.standing, this.why),
      card("Waits for your word", { class: "wide" }, this.waits),
      card("Controls", {}, ...deeds, this.found, this.swept),
      card("Who did what", {}, this.log.node));
    this.refresh = paced(() => this.#refresh(), 900);
    this.#timer = setInterval(() => this.#count(), 500);
    this.refresh();
  }

  leave() {
    clearInterval(this.#timer);
  }

  status() {
    const { status } = now;
    const key = `${status.trading}${status.trading_code}${status.trading_reason}${status.session}${status.mode}`;
    if (this.standing.dataset.key !== key) {
      this.standing.dataset.key = key;
      this.standing.replaceChildren(badge(`trading ${status.trading}`, tone(status.trading)), element("b", {}, status.trading_code), element("span", {}, status.trading_reason), badge(`session ${status.session}`, tone(status.session)), badge(status.mode, "info"));
      write(this.why, advice(status));
    }
    const isActive = status.trading === "active";
    const off = {
      start: isActive ? status.session === "running" : !STARTABLE.has(status.trading_code), stop: status.session === "stopped", halt: status.trading === "halted" && !STARTABLE.has(status.trading_code),
      reduce: !isActive, resume: (isActive || STARTABLE.has(status.trading_code)) && !status.symbols.some((symbol) => symbol.is_reducing),
    };
    for (const [path, each] of Object.entries(this.#buttons)) mark(each, "disabled", off[path] ? "" : null);
    this.#sweep(status.last_sweep);
    if (status.approvals_pending !== this.#asked.size) this.refresh();
  }

  event(kind) {
    if (["approval_requested", "approval_closed", "state_changed", "reconciled", "order_denied"].includes(kind)) this.refresh();
  }

  async #do(path, label, asking) {
    const given = path === "resume" ? await this.#resume() : await sure({ title: `${label}?`, ...asking });
    if (!given) return;
    if (path === "reconcile") delete given.reason;
    const answer = await control(`/${path}`, given);
    if (path === "reconcile" && answer) this.#differences(answer);
    this.refresh();
  }

  /** Say what lowered trading, and take the person's word that it is resolved. */
  async #resume() {
    const { status } = now;
    const code = status.trading === "active" ? "MANUAL_TRADE" : status.trading_code;
    const given = await sure({
      title: `Resume from ${code}?`, verb: "Resume",
      text: code === "MANUAL_TRADE" ? "Somebody else traded symbols of this bot. Resume them when that is understood."
        : `Trading is ${status.trading}: ${sentence(status.trading_reason)} By resuming you say that this is resolved; what still passes its limit lowers it again at once.`,
    });
    return given && { ...given, code };
  }

  #differences({ clean, differences }) {
    this.found.replaceChildren(element("p", {}, badge(clean ? "books agree" : "books differ", clean ? "good" : "bad")), ...differences.map((each) => element("p", {}, each.message)));
  }

  #sweep(sweep) {
    const key = JSON.stringify(sweep);
    if (this.swept.dataset.key === key) return;
    this.swept.dataset.key = key;
    if (!sweep) return;
    const gone = sweep.orders.filter((order) => ["canceled", "filled", "expired", "rejected", "replaced"].includes(order.state)).length;
    this.swept.replaceChildren(element("p", { class: "dim" }, `Last ${sweep.control}: ${sweep.orders.length ? `${gone} of ${sweep.orders.length} orders are gone, the venue answered the last cancel in ${lasting(sweep.answered_in_s)}.` : "nothing was working."}`));
  }

  async #refresh() {
    try {
      const [asked, closed, actions] = await Promise.all([ask("GET", "/approvals?limit=100"), ask("GET", "/approvals?closed=true&limit=50"), ask("GET", "/actions?limit=100")]);
      this.#wait(asked.items);
      this.log.show([
        ...actions.items.map((each) => ({ key: `a${each.seq}`, ts: each.ts, what: deed(each), who: actor(each.actor), why: each.reason || "–" })),
        ...closed.items.filter((each) => each.ts_closed).map((each) => ({ key: `p${each.decision_id}`, ts: each.ts_closed, what: `${words(each.status)} ${told(each)}`, who: actor(each.actor), why: each.reason || "–", href: `#/decisions/${each.decision_id}` })),
      ].sort((a, b) => Date.parse(b.ts) - Date.parse(a.ts)));
    } catch (problem) {
      this.found.replaceChildren(blank(line(problem)));
    }
  }

  /** Keep a box for each order that waits; its buttons stay where they are while time runs. */
  #wait(items) {
    const kept = new Set(items.map((each) => each.decision_id));
    for (const [id, { box }] of this.#asked) if (!kept.has(id)) { box.remove(); this.#asked.delete(id); }
    for (const each of items) {
      const until = Date.now() + each.seconds_left * 1000;
      const known = this.#asked.get(each.decision_id);
      if (known) { known.until = until; continue; }
      const left = element("span", { class: "left", "aria-label": "Time left" });
      const box = this.#box(each, left);
      this.#asked.set(each.decision_id, { box, left, until });
      this.waits.append(box);
    }
    this.nothing?.remove();
    this.nothing = null;
    if (!items.length) this.waits.append(this.nothing = element("p", { class: "dim" }, "No order waits. With APPROVAL=always or above, entries wait here for a person before they are sent."));
    this.#count();
  }

  #box(each, left) {
    const { request, directive } = each;
    const failed = each.checks.filter((check) => !check.passed);
    const close = (word) => this.#close(each, word);
    return element("article", { class: "asked", "data-id": each.decision_id },
      element("header", {}, element("b", {}, told(each)), element("span", {}, `worth ${money(Number(request.quantity) * Number(request.limit_price ?? request.reference_price))}`),
        element("span", { class: "dim" }, `stop ${price(request.stop_loss)} · target ${price(request.take_profit)} · ${each.analyst}, confidence ${directive?.confidence.toFixed(2) ?? "–"}`), left),
      element("p", { class: "says" }, directive?.thesis ?? "No thesis."),
      element("p", {}, failed.length ? badge(`would be denied now: ${failed.map((check) => check.code).join(", ")}`, "bad") : badge(`${each.checks.length} limits passed in the preview; all are checked again`, "good")),
      element("menu", {}, button("Approve", () => close("approve"), { class: "first" }), button("Reject", () => close("reject"), { class: "danger" }), element("a", { href: `#/decisions/${each.decision_id}` }, "Whole story")));
  }

  async #close(each, word) {
    const what = word === "approve" ? "The limits check the order again, on fresh prices, before it is sent." : "The order is not sent, and the symbol may be decided upon again.";
    const given = await sure({ title: `${word === "approve" ? "Approve" : "Reject"} ${told(each)}?`, text: what, verb: word === "approve" ? "Approve" : "Reject", isDangerous: word === "reject" });
    if (!given) return;
    await control(`/approvals/${encodeURIComponent(each.decision_id)}/${word}`, given);
    this.refresh();
  }

  #count() {
    for (const { left, until } of this.#asked.values()) {
      const seconds = (until - Date.now()) / 1000;
      write(left, seconds > 0 ? `${countdown(seconds)} left` : "expiring");
      mark(left, "class", seconds < 30 ? "left warn" : "left");
    }
  }
}

const told = ({ request, symbol }) => request ? `${request.side} ${quantity(request.quantity)} ${symbol} at ${price(request.limit_price ?? request.reference_price)}` : symbol;

function deed({ action, args }) {
  const more = Object.entries(args).filter(([, value]) => value).map(([name, value]) => value === true ? words(name) : value);
  return [words(action), ...more].join(" · ");
}

/** What the state means and what a person does next. */
function advice({ session, trading, trading_code: code }) {
  if (session === "starting") return "The session is coming up: links, history, and the venue's word on what is held.";
  if (trading === "active") return session === "running" ? "Orders may open within the limits." : "Start the session and decisions begin.";
  if (STARTABLE.has(code)) return "Start it when you are ready: that raises trading by itself.";
  if (trading === "reducing") return "Nothing opens; what is held may be closed. Look at the reason, then resume.";
  return "Nothing opens; stops and targets stay. Look at the reason, then resume.";
}
