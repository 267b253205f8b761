// Show how the bot stands, live. Nothing here decides anything: it asks and it shows.

import { ask, element, listen } from "/static/server.js";

const at = (id) => document.getElementById(id);
const KEPT = 150;
const SHOWN = 15;
const REPLAYED = 60;
const mids = new Map();
let status = null;

const TONE = {
  running: "good", active: "good", ordered: "good", filled: "good", venue: "good", approved: "good",
  stopped: "dim", held: "dim", canceled: "dim", expired: "dim", already_in_position: "dim",
  halted: "bad", rejected: "bad", none: "bad", invalid: "bad", unknown: "bad",
  reducing: "warn", starting: "warn", stopping: "warn", abstained: "warn", engine: "warn",
  quant_rejected: "info", risk_rejected: "info", refused: "info",
};

const badge = (word, tone = TONE[word] ?? "info") => element("span", { class: `badge ${tone}` }, word.replaceAll("_", " "));
const money = (text) => text === null ? "–" : Number(text).toLocaleString("en-US", { style: "currency", currency: "USD" });
const price = (value) => value === null || value === undefined ? "–" : Number(value).toLocaleString("en-US", { maximumSignificantDigits: 8 });
const signed = (text) => element("span", { class: Number(text) < 0 ? "down" : "up" }, `${Number(text) >= 0 ? "+" : ""}${money(text)}`);
const clock = (ts) => ts ? new Date(ts).toLocaleTimeString("en-GB") : "–";
const number = (...children) => element("td", { class: "n" }, ...children);
const cell = (...children) => element("td", {}, ...children);

function fill(id, rows, columns, nothing) {
  at(id).replaceChildren(...(rows.length ? rows : [element("tr", {}, element("td", { class: "empty", colspan: columns }, nothing))]));
}

function tile(title, value, note = "") {
  return element("div", { class: "tile" }, element("b", {}, value), element("span", {}, title, note ? ` · ${note}` : ""));
}

function spark(symbol) {
  const values = mids.get(symbol) ?? [];
  const box = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  box.setAttribute("class", "spark");
  box.setAttribute("viewBox", "0 0 150 28");
  box.setAttribute("preserveAspectRatio", "none");
  if (values.length > 1) {
    const low = Math.min(...values), span = Math.max(...values) - low || 1;
    const line = document.createElementNS(box.namespaceURI, "polyline");
    line.setAttribute("points", values.map((value, n) => `${(n / (values.length - 1)) * 150},${26 - ((value - low) / span) * 24}`).join(" "));
    box.append(line);
  }
  return box;
}

function symbolState(symbol) {
  if (symbol.is_halted) return badge("halted by market", "bad");
  if (symbol.is_stale) return badge("no feed", "bad");
  if (symbol.is_reducing) return badge("reducing");
  if (!symbol.is_warm) return badge("warming up", "warn");
  return badge(symbol.session === "closed" ? "closed" : "live", symbol.session === "closed" ? "dim" : "good");
}

function symbolRow(symbol) {
  const decide = element("button", { class: "small", disabled: status.session !== "running" || !symbol.is_warm }, "Decide");
  decide.addEventListener("click", () => control(`/decide/${symbol.symbol}`));
  return element("tr", { "data-symbol": symbol.symbol },
    cell(element("b", {}, symbol.symbol), " ", element("small", {}, symbol.label)),
    number(price(symbol.bid)), number(price(symbol.ask)), cell(spark(symbol.symbol)),
    number(symbol.bars), cell(symbolState(symbol)), cell(clock(symbol.last_decision_at)), cell(decide));
}

function showStatus(now) {
  status = now;
  at("badges").replaceChildren(
    badge(now.session), badge(now.trading), badge(now.mode, "info"), badge(now.analyst, "dim"),
    ...(now.is_reconciled || now.session !== "running" ? [] : [badge("not reconciled", "warn")]),
    ...(now.is_journal_up ? [] : [badge("journal down", "bad")]),
    ...(now.is_feed_up || now.session !== "running" ? [] : [badge("feed down", "bad")]),
  );
  const lines = now.trading === "active" ? [] : [`Trading is ${now.trading}: ${now.trading_code}. ${now.trading_reason}`];
  const notice = now.notices.at(-1);
  if (notice) lines.push(`${clock(notice.ts)} ${notice.message}`);
  at("banner").textContent = lines.join("  ·  ");
  at("banner").hidden = lines.length === 0;
  at("tiles").replaceChildren(
    tile("Equity", money(now.equity)),
    tile("Today", now.day_pnl === null ? "–" : signed(now.day_pnl)),
    tile("Positions", now.positions_open),
    tile("Working orders", now.orders_working),
    tile("Decisions", now.decisions),
    tile("Runs", `${now.slots_busy}/${now.slots}`, `${now.tickets_waiting} waiting`),
    tile("Model cost", money(now.model_cost_usd)),
    tile("Clock skew", now.clock_skew_s === null ? "–" : `${Math.round(now.clock_skew_s * 1000)} ms`),
  );
  fill("symbols", now.symbols.map(symbolRow), 8, "No symbols.");
  for (const button of document.querySelectorAll("[data-control]")) {
    const is = button.dataset.control;
    button.disabled = (is === "start" && now.session === "running" && now.trading === "active")
      || (is === "stop" && now.session === "stopped") || (is === "halt" && now.trading === "halted")
      || (is === "resume" && now.trading === "active");
  }
}

function positionRow(held) {
  return element("tr", {}, cell(element("b", {}, held.symbol), held.is_ours ? null : element("small", {}, " not ours")),
    number(price(held.quantity)), number(price(held.average_price)), number(signed(held.unrealized_pnl)),
    number(price(held.stop_price)), number(price(held.target_price)), cell(held.is_dust ? badge("dust", "dim") : badge(held.protected_by)));
}

function orderRow({ ts, order }) {
  const asked = order.request;
  const trigger = asked.stop_price ?? (asked.leg === "stop" ? asked.stop_loss : null);
  const at_price = trigger ?? asked.limit_price;
  return element("tr", {}, cell(clock(ts)), cell(asked.symbol),
    cell(`${asked.leg}: ${asked.side} ${price(asked.quantity)}${at_price ? `${trigger ? " from" : " at"} ${price(at_price)}` : ""}`),
    number(order.average_price ? `${price(order.filled_quantity)} at ${price(order.average_price)}` : "–"), cell(badge(order.state)));
}

function decisionRow(made) {
  const row = element("tr", { tabindex: 0 }, cell(clock(made.ts)), cell(made.symbol), cell(made.action ?? "–"),
    number(made.confidence === null ? "–" : made.confidence.toFixed(2)), cell(badge(made.outcome)),
    cell(element("small", {}, made.denial_code ?? made.reason_code)));
  row.addEventListener("click", () => showStory(made.id));
  row.addEventListener("keydown", (event) => event.key === "Enter" && showStory(made.id));
  return row;
}

function left(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

/** Offer an order that waits: what it is, why, how long, and the two words that close it. */
function approvalRow(asked) {
  const order = asked.request;
  const story = element("button", { class: "small" }, "Story");
  story.addEventListener("click", () => showStory(asked.decision_id));
  const words = ["approve", "reject"].map((word) => {
    const button = element("button", { class: word === "reject" ? "small danger" : "small" }, word[0].toUpperCase() + word.slice(1));
    button.addEventListener("click", () => close(asked, word));
    return button;
  });
  const until = Date.now() + asked.seconds_left * 1000;
  return element("tr", {}, cell(element("b", {}, asked.symbol)),
    cell(`${order.side} ${price(order.quantity)} at ${price(order.limit_price)}`),
    number(price(order.stop_loss)), number(price(order.take_profit)), cell(element("small", {}, asked.directive?.thesis ?? "")),
    element("td", { class: "n", "data-until": until }, left(asked.seconds_left)), cell(...words, story));
}

async function close(asked, word) {
  const title = word === "approve" ? "Approve" : "Reject";
  const text = word === "approve" ? "The limits check the order again, on fresh prices, before it is sent." : "The order is not sent.";
  const reason = await sure(title, `${asked.symbol}: ${asked.request.side} ${price(asked.request.quantity)} at ${price(asked.request.limit_price)}. ${text}`);
  if (reason === null) return;
  try {
    const closed = await ask("POST", `/approvals/${encodeURIComponent(asked.decision_id)}/${word}`, { reason });
    note(closed.denied_code ? "warn" : "good", new Date().toISOString(), word, closed.message);
  } catch (problem) {
    note("bad", new Date().toISOString(), word, `${problem.detail ?? problem} ${problem.remedy ?? ""}`);
  }
  await refresh();
}

function said(title, answer) {
  if (!answer) return [];
  const rest = Object.entries(answer).filter(([key, value]) => !["thesis", "reason"].includes(key) && value !== null);
  const text = answer.thesis ?? answer.reason;
  return [element("h4", {}, title), element("p", {}, rest.map(([key, value]) => `${key.replaceAll("_", " ")}: ${value}`).join(" · ")), text ? element("p", {}, text) : null];
}

function checkRow(check) {
  return element("tr", {}, cell(check.code), number(check.value), number(check.limit), cell(badge(check.passed ? "passed" : "failed", check.passed ? "good" : "bad")));
}

async function showStory(id) {
  const story = await ask("GET", `/decisions/${encodeURIComponent(id)}`);
  const made = story.decision;
  const close = element("button", {}, "Close");
  close.addEventListener("click", () => at("story").close());
  const save = element("button", {}, "Save window");
  save.addEventListener("click", () => saveWindow(made.window_digest));
  const parts = [
    element("h3", {}, `${made.symbol} `, badge(made.outcome), " ", element("small", {}, `${made.reason_code} · ${made.analyst} · ${made.as_of}`)),
    ...said("Director", made.directive), ...said("Quant", made.signal), ...said("Risk", made.verdict), ...said("Execution", made.plan),
  ];
  for (const gate of story.gates) {
    parts.push(element("h4", {}, "Gate ", badge(gate.authorized ? "authorized" : gate.code, gate.authorized ? "good" : "bad")),
      element("table", {}, element("tbody", {}, ...gate.checks.map(checkRow))));
  }
  for (const { order, fills } of story.orders) {
    parts.push(element("h4", {}, "Order ", badge(order.state)), element("p", {}, order.request.client_order_id),
      ...fills.map(({ fill: got }) => element("p", {}, `${got.side} ${price(got.quantity)} at ${price(got.price)}, fee ${money(got.fee)}, ${clock(got.ts_event)}`)));
  }
  at("story").replaceChildren(...parts.filter(Boolean), element("div", { class: "row" }, save, close));
  at("story").showModal();
}

async function saveWindow(digest) {
  const file = await ask("GET", `/windows/${digest}`);
  const link = element("a", { href: URL.createObjectURL(new Blob([JSON.stringify(file)], { type: "application/json" })), download: `window-${digest.slice(0, 12)}.json` });
  link.click();
  URL.revokeObjectURL(link.href);
}

function sure(title, text) {
  return new Promise((done) => {
    const reason = element("input", { placeholder: "Reason, for the journal", maxlength: 500 });
    const yes = element("button", { class: "danger" }, title), no = element("button", {}, "Cancel");
    const end = (answer) => { at("sure").close(); done(answer); };
    yes.addEventListener("click", () => end(reason.value));
    no.addEventListener("click", () => end(null));
    at("sure").oncancel = () => done(null);
    at("sure").replaceChildren(element("h3", {}, title), element("p", {}, text), reason, element("div", { class: "row" }, yes, no));
    at("sure").showModal();
  });
}

const SURE = {
  resume: () => `Trading was lowered for ${status.trading_code}. ${status.trading_reason} Entries are allowed again.`,
  flatten: () => "Halts trading, cancels every order of the bot and closes its positions.",
};

async function control(path) {
  const name = path.slice(1);
  const body = {};
  if (SURE[name]) {
    const reason = await sure(name[0].toUpperCase() + name.slice(1), SURE[name]());
    if (reason === null) return;
    body.reason = reason;
    if (name === "resume") body.code = status.trading_code;
  }
  try {
    await ask("POST", path, body);
  } catch (problem) {
    note("bad", new Date().toISOString(), name, `${problem.detail ?? problem} ${problem.remedy ?? ""}`);
  }
  await refresh();
}

function note(tone, ts, kind, text) {
  at("events").prepend(element("li", {}, element("time", {}, clock(ts)), badge(kind, tone), " ", text));
  while (at("events").children.length > 100) at("events").lastChild.remove();
}

function quoteUpdated(quote) {
  const values = mids.get(quote.symbol) ?? [];
  values.push((quote.bid + quote.ask) / 2);
  mids.set(quote.symbol, values.slice(-KEPT));
  const row = document.querySelector(`[data-symbol="${CSS.escape(quote.symbol)}"]`);
  if (!row) return;
  row.children[1].textContent = price(quote.bid);
  row.children[2].textContent = price(quote.ask);
  row.children[3].replaceChildren(spark(quote.symbol));
}

const TELL = {
  decision_started: (d) => `${d.symbol}: ${d.reason}`,
  decision_finished: (d) => `${d.symbol}: ${d.action ?? "–"} → ${d.outcome} (${d.reason_code})`,
  ticket_dropped: (d) => `${d.symbol}: ${d.reason ?? ""}`,
  order_denied: (d) => `${d.code} · ${d.client_order_id}`,
  order_submitted: (d) => `${d.request.symbol}: ${d.request.leg} ${d.request.side} ${d.request.quantity}`,
  order_updated: (d) => `${d.order.request.symbol}: ${d.order.request.leg} ${d.order.state}`,
  fill_received: (d) => `${d.symbol}: ${d.side} ${d.quantity} at ${d.price}`,
  position_changed: (d) => d.symbol,
  state_changed: (d) => d.session ? `session ${d.session}` : `trading ${d.state} (${d.code})`,
  approval_requested: (d) => `${d.decision_id} waits for you`,
  approval_closed: (d) => `${d.decision_id}: ${d.status}`,
  feed_lost: (d) => `${(d.symbols ?? []).join(", ")}: ${d.reason}`,
  feed_restored: (d) => (d.symbols ?? []).join(", "),
  reconciled: (d) => d.clean ? "clean" : `${d.differences.length} differences`,
  alert_raised: (d) => `${d.code}: ${d.message}`,
  gap: (d) => `${d.dropped} events were missed`,
};
const EVENT_TONE = { order_denied: "warn", alert_raised: "bad", feed_lost: "bad", fill_received: "good", gap: "warn", ticket_dropped: "warn" };
const QUIET = new Set(["quote_updated", "bar_closed", "position_changed"]);

let due = null;

function hear(kind, data) {
  if (kind === "quote_updated") return quoteUpdated(data);
  if (!QUIET.has(kind)) note(EVENT_TONE[kind] ?? "info", data.ts ?? new Date().toISOString(), kind, TELL[kind]?.(data) ?? "");
  if (kind !== "bar_closed") due ??= setTimeout(() => { due = null; refresh(); }, 250);
}

function countDown() {
  for (const shown of document.querySelectorAll("[data-until]")) {
    shown.textContent = left((shown.dataset.until - Date.now()) / 1000);
  }
}

/** Show everything as of now; return the number of the newest decision, or null. */
async function refresh() {
  try {
    const [now, held, ordered, decided, asked] = await Promise.all([
      ask("GET", "/status"), ask("GET", "/positions"), ask("GET", `/orders?limit=${SHOWN}`), ask("GET", `/decisions?limit=${SHOWN}`),
      ask("GET", "/approvals"),
    ]);
    showStatus(now);
    at("asked").hidden = asked.items.length === 0;
    at("approvals").replaceChildren(...asked.items.map(approvalRow));
    fill("positions", held.items.map(positionRow), 7, "Flat.");
    fill("orders", ordered.items.map(orderRow), 5, "No orders yet.");
    fill("decisions", decided.items.map(decisionRow), 6, "No decisions yet.");
    return decided.items[0]?.seq ?? null;
  } catch (problem) {
    at("banner").hidden = false;
    at("banner").textContent = problem.detail ?? "The bot does not answer.";
    return null;
  }
}

for (const button of document.querySelectorAll("[data-control]")) {
  button.addEventListener("click", () => control(`/${button.dataset.control}`));
}
const newest = await refresh();
setInterval(refresh, 5000);
setInterval(countDown, 1000);
listen(hear, (isUp) => { at("link").textContent = isUp ? "live" : "reconnecting…"; }, newest === null ? null : Math.max(0, newest - REPLAYED));
