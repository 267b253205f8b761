"""List every metric once: its name, its kind, what it says, its labels.

Names are whole words with their unit; labels are closed sets or traded symbols, never texts of
strangers. Whatever is exposed is made from a row of this table, so the reference cannot drift.
"""

from __future__ import annotations

from enum import StrEnum

from domain.records import Record

PREFIX = "autohedge_"

_DECISION_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60)
_WAIT_S = (0.01, 0.05, 0.25, 1, 2.5, 5, 10, 20, 30, 60, 120)
_CALL_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 45)
_SUBMIT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SWEEP_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
_UNPROTECTED_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_LOOP_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


class Kind(StrEnum):
    """What Prometheus calls it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Family(Record, frozen=True):
    """One metric. `name` is without prefix and suffix; `buckets` are upper bounds."""

    name: str
    kind: Kind
    text: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def full(self) -> str:
        """Return the name without what a counter's or a histogram's samples add to it."""
        return f"{PREFIX}{self.name}"

    @property
    def samples(self) -> tuple[str, ...]:
        """Return the names that queries use."""
        match self.kind:
            case Kind.COUNTER:
                return (f"{self.full}_total",)
            case Kind.HISTOGRAM:
                return tuple(f"{self.full}_{end}" for end in ("bucket", "sum", "count"))
            case _:
                return (self.full,)


def _counter(name: str, text: str, *labels: str) -> Family:
    return Family(name=name, kind=Kind.COUNTER, text=text, labels=labels)


def _gauge(name: str, text: str, *labels: str) -> Family:
    return Family(name=name, kind=Kind.GAUGE, text=text, labels=labels)


def _histogram(name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Family:
    return Family(name=name, kind=Kind.HISTOGRAM, text=text, labels=labels, buckets=buckets)


FAMILIES: tuple[Family, ...] = (
    # Deciding
    _counter("decisions", "Runs that ended.", "outcome", "code"),
    _histogram("decision_duration_seconds", "From window to outcome.", _DECISION_S),
    _histogram("ticket_wait_seconds", "From due to a slot.", _WAIT_S, "priority"),
    _gauge("slots", "Runs that may go on at once."),
    _gauge("slots_busy", "Runs under way."),
    _counter("slot_busy_seconds", "Seconds of running, summed over slots."),
    _gauge("tickets_waiting", "Tickets without a slot.", "priority"),
    _gauge("ticket_oldest_wait_seconds", "Of the ticket that waits longest."),
    _counter("tickets_granted", "Runs begun."),
    _counter("tickets_dropped", "Tickets a full queue lost.", "priority"),
    _counter("dispatcher_events", "What the dispatcher heard.", "kind"),
    _gauge("approvals_pending", "Orders that wait for a person."),
    # The model
    _counter("model_calls", "Questions to an analyst.", "role", "result"),
    _histogram("model_call_duration_seconds", "Per question.", _CALL_S, "role"),
    _counter("model_tokens", "Tokens asked and answered.", "direction"),
    _counter("model_cost_dollars", "What the model cost."),
    _gauge("model_paused", "1 while the endpoint asked for a pause."),
    _gauge("model_spent_dollars", "What the model cost this UTC day, restarts included."),
    _gauge("model_budget_dollars", "LLM_MAX_USD_PER_DAY, where one is set."),
    # Orders and positions
    _counter("orders_denied", "Orders our own limits refused.", "code", "purpose"),
    _counter("orders_sent", "Orders handed to the venue.", "leg"),
    _histogram("order_submit_duration_seconds", "The venue's answer to an order.", _SUBMIT_S),
    _counter("orders_ended", "Orders that reached their end.", "state"),
    _gauge("orders_working", "Orders that may still fill."),
    _counter("fills", "Executions of our orders.", "side", "leg"),
    _counter("fees_dollars", "Fees of our executions."),
    _gauge("positions_open", "Positions held."),
    _gauge("positions_unprotected", "Positions of ours without a resting stop now."),
    _histogram(
        "position_unprotected_seconds",
        "How long a position stood without an acknowledged stop.",
        _UNPROTECTED_S,
        "cause",
    ),
    _histogram(
        "kill_switch_seconds", "From trigger to the last cancel's answer.", _SWEEP_S, "control"
    ),
    # Money
    _gauge("equity_dollars", "Account equity."),
    _gauge("day_profit_dollars", "Equity now less equity at the day's start."),
    _gauge("exposure_dollars", "Positions and working entries together."),
    _gauge("drawdown_ratio", "Fall from the highest equity, 0 to 1."),
    _gauge(
        "limit_used_ratio",
        "Share of a limit in use; at 1 it denies or lowers.",
        "setting",
        "symbol",
    ),
    # How it stands
    _gauge("session_state", "1 for the current state.", "state"),
    _gauge("trading_state", "1 for the current state.", "state"),
    _gauge("trading_reason", "1 for the code that trading stands as it does for.", "code"),
    _gauge("up", "1 while it works.", "part"),
    _counter("alerts", "Lines raised to the operator.", "code"),
    _counter("alert_deliveries", "Alerts handed to the hooks of ALERT_URLS.", "result"),
    # The market
    _gauge("quote_age_seconds", "Of the last quote.", "symbol"),
    _gauge("symbol_stale", "1 without a feed.", "symbol"),
    _gauge("symbol_bars", "Closed bars held.", "symbol"),
    _counter("feed_rejects", "Messages refused or mended.", "kind"),
    _counter("feed_losses", "Times the feed of a symbol was lost.", "symbol"),
    # Journal and venue
    _gauge("journal_queued_entries", "Entries that wait to be written."),
    _gauge("journal_commit_seconds", "How long the last commit took."),
    _counter("journal_entries", "Entries of the chain."),
    _counter("journal_lost_traces", "Traces that found no room."),
    _gauge(
        "venue_answer_seconds", "Of the last REST answers: median and 95th percentile.", "quantile"
    ),
    _gauge("venue_requests", "REST requests of the last minute."),
    _gauge("venue_requests_limit", "APCA_REQUESTS_PER_MINUTE."),
    # The machine
    _gauge("clock_skew_seconds", "Our clock less the venue's."),
    _histogram("loop_lag_seconds", "How late the event loop wakes a sleeper.", _LOOP_S),
    _gauge("watchers", "Who watches the event stream."),
    _counter("watcher_events_dropped", "Events that watchers were too slow for."),
)

BY_NAME = {family.name: family for family in FAMILIES}
