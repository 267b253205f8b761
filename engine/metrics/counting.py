"""Count what happens, by direct calls."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from domain.decisions import Call, Decision
from domain.orders import Fill, Leg, OrderState
from domain.records import NS_PER_S, parse_ns
from engine.deciding.limiter import Priority
from engine.metrics.catalogue import BY_NAME


class Metrics:
    """Hold the counters of one engine, in a registry of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str) -> Counter:
            row = BY_NAME[name]
            return Counter(row.full, row.text, row.labels, registry=registry)

        def histogram(name: str) -> Histogram:
            row = BY_NAME[name]
            return Histogram(row.full, row.text, row.labels, registry=registry, buckets=row.buckets)

        self._decisions = counter("decisions")
        self._decision_s = histogram("decision_duration_seconds")
        self._wait_s = histogram("ticket_wait_seconds")
        self._calls = counter("model_calls")
        self._call_s = histogram("model_call_duration_seconds")
        self._tokens = counter("model_tokens")
        self._cost = counter("model_cost_dollars")
        self._denied = counter("orders_denied")
        self._sent = counter("orders_sent")
        self._submit_s = histogram("order_submit_duration_seconds")
        self._ended = counter("orders_ended")
        self._fills = counter("fills")
        self._fees = counter("fees_dollars")
        self._unprotected_s = histogram("position_unprotected_seconds")
        self._alerts = counter("alerts")
        self._delivered = counter("alert_deliveries")
        self._sweep_s = histogram("kill_switch_seconds")
        self._loop_s = histogram("loop_lag_seconds")

    def decision_finished(self, decision: Decision) -> None:
        """Count a run's outcome, its length, and every question it asked."""
        self._decisions.labels(decision.outcome, decision.reason_code).inc()
        if decision.ts_start and decision.ts_end:
            length_ns = parse_ns(decision.ts_end) - parse_ns(decision.ts_start)
            self._decision_s.observe(length_ns / NS_PER_S)
        for call in decision.calls:
            self._call_made(call)

    def _call_made(self, call: Call) -> None:
        self._calls.labels(call.role, call.error or "answered").inc()
        self._call_s.labels(call.role).observe(call.latency_ms / 1000)
        self._tokens.labels("in").inc(call.tokens_in)
        self._tokens.labels("out").inc(call.tokens_out)
        self._cost.inc(call.cost_usd)

    def ticket_waited(self, priority: Priority, seconds: float) -> None:
        """Count how long a ticket waited for its slot."""
        self._wait_s.labels(priority.word).observe(seconds)

    def order_denied(self, code: str, purpose: str) -> None:
        """Count an order that our limits refused."""
        self._denied.labels(code, purpose).inc()

    def order_sent(self, leg: str) -> None:
        """Count an order that was handed to the venue."""
        self._sent.labels(leg).inc()

    def order_answered(self, _leg: Leg, seconds: float) -> None:
        """Count how long the venue took to answer an order, or to fail to."""
        self._submit_s.observe(seconds)

    def order_ended(self, state: OrderState) -> None:
        """Count an order's terminal state."""
        self._ended.labels(state).inc()

    def fill_received(self, fill: Fill) -> None:
        """Count an execution and its fee."""
        self._fills.labels(fill.side, fill.leg).inc()
        self._fees.inc(max(0.0, float(fill.fee)))

    def position_protected(self, *, unprotected_s: float, cause: str = "fill") -> None:
        """Count how long a position stood without an acknowledged stop, and why."""
        self._unprotected_s.labels(cause).observe(unprotected_s)

    def alert_raised(self, code: str) -> None:
        """Count a line to the operator."""
        self._alerts.labels(code).inc()

    def alert_delivered(self, result: str) -> None:
        """Count what became of an alert on its way to the hooks."""
        self._delivered.labels(result).inc()

    def swept(self, control: str, seconds: float) -> None:
        """Count how long the venue took to answer a kill switch's last cancel."""
        self._sweep_s.labels(control).observe(seconds)

    def loop_lagged(self, seconds: float) -> None:
        """Count how late the event loop woke who had asked for a moment."""
        self._loop_s.observe(seconds)
