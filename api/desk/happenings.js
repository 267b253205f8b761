// Say each kind of event in a line: its tone and its words. Quotes and bars are shown, not told.

import { price, quantity, words } from "./words.js";

const asked = (request) => request ? `${request.side} ${quantity(request.quantity)} ${request.symbol}` : "";

export const HAPPENED = {
  decision_started: (d) => ["dim", `${d.symbol}, ${words(d.reason)}`],
  decision_finished: (d) => [d.outcome === "ordered" ? "good" : "dim", `${d.symbol} ${d.action ?? ""} ${words(d.outcome)}, ${d.reason_code}`],
  order_denied: (d) => ["bad", `${d.code}${d.client_order_id ? `, ${d.client_order_id}` : ""}`],
  order_submitted: (d) => ["info", `${d.request?.leg ?? ""} ${asked(d.request)}`],
  order_updated: (d) => ["info", `${asked(d.order?.request)} is ${words(d.order?.state)}`],
  fill_received: (d) => ["good", `${d.side} ${quantity(d.quantity)} ${d.symbol} at ${price(d.price)}`],
  position_changed: (d) => ["info", `${d.symbol} ${quantity(d.quantity)}`],
  state_changed: (d) => ["warn", d.session ? `session ${d.session}` : `trading ${d.state}, ${d.code}`],
  approval_requested: (d) => ["warn", `decision ${d.decision_id ?? d.ref}`],
  approval_closed: (d) => ["info", `${d.status} by ${d.actor}`],
  feed_lost: (d) => ["bad", `${d.symbols.join(", ")}: ${d.reason}`],
  feed_restored: (d) => ["good", d.symbols.join(", ")],
  reconciled: (d) => [d.clean ? "good" : "bad", d.clean ? "our books agree with the venue's" : "our books differ from the venue's"],
  alert_raised: (d) => ["warn", d.message],
  ticket_dropped: (d) => ["dim", `${d.symbol}, ${words(d.dropped_for)}`],
  gap: (d) => ["warn", `${d.dropped} events were missed`],
};

export const QUIET = new Set(["quote_updated", "bar_closed"]);
