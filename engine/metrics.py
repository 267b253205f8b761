"""Count what happens and, at each scrape, read how things stand.

Counters are fed by direct calls, never by the bus: the bus may lose, a counter may not. Gauges are
read from the engine when Prometheus asks, so they cost nothing in between. Names are whole words
with their unit; labels are closed sets or traded symbols, never texts of strangers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from domain.decisions import Call, Decision
from domain.orders import Fill, Leg, OrderState
from domain.records import NS_PER_S, parse_ns
from engine.control import SessionState, Status
from engine.deciding.limiter import Limiter, Priority

_DECISION_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60)
_CALL_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 45)
_SUBMIT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SWEEP_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
_UNPROTECTED_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """Hold the counters of one engine, in a registry of its own."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"autohedge_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
            return Histogram(f"autohedge_{name}", text, labels, registry=registry, buckets=buckets)

        self._decisions = counter("decisions", "Runs that ended.", "outcome", "code")
        self._decision_s = histogram(
            "decision_duration_seconds", "From window to outcome.", _DECISION_S
        )
        self._calls = counter("model_calls", "Questions to an analyst.", "role", "result")
        self._call_s = histogram("model_call_duration_seconds", "Per question.", _CALL_S, "role")
        self._tokens = counter("model_tokens", "Tokens asked and answered.", "direction")
        self._cost = counter("model_cost_dollars", "What the model cost.")
        self._denied = counter("orders_denied", "Orders our own limits refused.", "code")
        self._sent = counter("orders_sent", "Orders given to the venue.", "leg")
        self._submit_s = histogram("order_submit_duration_seconds", "Venue's answer.", _SUBMIT_S)
        self._ended = counter("orders_ended", "Orders that reached their end.", "state")
        self._fills = counter("fills", "Executions of our orders.", "side", "leg")
        self._fees = counter("fees_dollars", "Fees of our executions.")
        self._unprotected_s = histogram(
            "position_unprotected_seconds",
            "A position without an acknowledged stop.",
            _UNPROTECTED_S,
            "cause",
        )
        self._alerts = counter("alerts", "Lines raised to the operator.", "code")
        self._sweep_s = histogram(
            "kill_switch_seconds", "From trigger to the last cancel's answer.", _SWEEP_S, "control"
        )

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

    def order_denied(self, code: str) -> None:
        """Count an order that our limits refused."""
        self._denied.labels(code).inc()

    def order_sent(self, leg: Leg, *, duration_s: float) -> None:
        """Count an order the venue was asked for, and how long its answer took."""
        self._sent.labels(leg).inc()
        self._submit_s.observe(duration_s)

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

    def swept(self, control: str, seconds: float) -> None:
        """Count how long the venue took to answer a kill switch's last cancel."""
        self._sweep_s.labels(control).observe(seconds)


class StatusCollector(Collector):
    """Read the engine's status and the limiter at each scrape."""

    def __init__(self, status: Callable[[], Status], limiter: Limiter) -> None:
        self._status = status
        self._limiter = limiter

    def describe(self) -> Iterable[Metric]:
        """Name nothing ahead, so that registering reads no status of a half-built engine."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield every gauge as of now."""
        status = self._status()
        yield from _states(status)
        yield from _flags(status)
        yield from _amounts(status)
        yield from _symbols(status)
        yield from _limiter_figures(self._limiter)


class CountsCollector(Collector):
    """Read somebody's own counts (dispatcher, feeds, bus) at each scrape, one label deep."""

    def __init__(
        self, name: str, text: str, *, label: str, read: Callable[[], Mapping[str, int]]
    ) -> None:
        self._name = f"autohedge_{name}"
        self._text = text
        self._label = label
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Name the family without reading it."""
        yield CounterMetricFamily(self._name, self._text, labels=[self._label])

    def collect(self) -> Iterator[Metric]:
        """Yield one counter a key."""
        family = CounterMetricFamily(self._name, self._text, labels=[self._label])
        for key, number in self._read().items():
            family.add_metric([key], number)
        yield family


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"autohedge_{name}", text, value=value)


def _one_of(name: str, text: str, states: Iterable[str], current: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"autohedge_{name}", text, labels=["state"])
    for state in states:
        family.add_metric([state], state == current)
    return family


def _states(status: Status) -> Iterator[Metric]:
    trading = type(status.trading)
    yield _one_of("session_state", "1 for the current state.", SessionState, status.session)
    yield _one_of("trading_state", "1 for the current state.", trading, status.trading)


def _flags(status: Status) -> Iterator[Metric]:
    family = GaugeMetricFamily("autohedge_up", "1 while it works.", labels=["part"])
    family.add_metric(["feed"], status.is_feed_up)
    family.add_metric(["journal"], status.is_journal_up)
    family.add_metric(["order_stream"], status.is_order_stream_up)
    family.add_metric(["reconciliation"], status.is_reconciled)
    yield family


def _amounts(status: Status) -> Iterator[Metric]:
    yield _gauge("orders_working", "Orders that may still fill.", status.orders_working)
    yield _gauge("positions_open", "Positions held.", status.positions_open)
    optional = (
        ("equity_dollars", "Account equity.", status.equity),
        ("day_profit_dollars", "Equity now less equity at the day's start.", status.day_pnl),
        ("clock_skew_seconds", "Our clock less the venue's.", status.clock_skew_s),
    )
    for name, text, value in optional:
        if value is not None:
            yield _gauge(name, text, float(value))


def _symbols(status: Status) -> Iterator[Metric]:
    ages = GaugeMetricFamily("autohedge_quote_age_seconds", "Of the last quote.", labels=["symbol"])
    stale = GaugeMetricFamily("autohedge_symbol_stale", "1 without a feed.", labels=["symbol"])
    bars = GaugeMetricFamily("autohedge_symbol_bars", "Closed bars held.", labels=["symbol"])
    for symbol in status.symbols:
        if symbol.quote_age_s is not None:
            ages.add_metric([symbol.symbol], symbol.quote_age_s)
        stale.add_metric([symbol.symbol], symbol.is_stale)
        bars.add_metric([symbol.symbol], symbol.bars)
    yield from (ages, stale, bars)


def _limiter_figures(limiter: Limiter) -> Iterator[Metric]:
    yield _gauge("slots", "Runs that may go on at once.", limiter.slots)
    yield _gauge("slots_busy", "Runs under way.", limiter.busy)
    yield _gauge("tickets_waiting", "Tickets without a slot.", limiter.waiting)
    yield _gauge("model_paused", "1 while the endpoint asked for a pause.", limiter.is_paused)
    yield CounterMetricFamily(
        "autohedge_slot_busy_seconds", "Summed over slots.", value=limiter.busy_s
    )
    yield CounterMetricFamily("autohedge_tickets_granted", "Runs begun.", value=limiter.granted)
    dropped = CounterMetricFamily(
        "autohedge_tickets_dropped", "Tickets a full queue lost.", labels=["priority"]
    )
    for priority in Priority:
        dropped.add_metric([priority.word], limiter.dropped[priority])
    yield dropped
