"""Read, at each scrape, how things stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from engine.bus import Bus
from engine.control import AccountView, PositionView, ProtectedBy, SessionState, Status
from engine.deciding.limiter import Limiter, Priority
from engine.figures import BudgetVital, JournalVital, LimitUse, VenueVital, Vitals
from engine.metrics.catalogue import BY_NAME, Kind

Rows = Iterable[tuple[Sequence[str], float]]


def family_of(name: str, rows: Rows) -> Metric:
    """Make one family of the table with its samples; each has its labels' values in order."""
    row = BY_NAME[name]
    kind = CounterMetricFamily if row.kind is Kind.COUNTER else GaugeMetricFamily
    made = kind(row.full, row.text, labels=row.labels)
    for labels, value in rows:
        made.add_metric(labels, value)
    return made


def one(name: str, value: float) -> Metric:
    """Make a family of one sample."""
    return family_of(name, [((), value)])


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
        yield from _amounts(status)
        yield from _symbols(status)
        yield from _limiter_figures(self._limiter)


class MoneyCollector(Collector):
    """Read what is held and what it is worth at each scrape."""

    def __init__(
        self,
        account: Callable[[], AccountView | None],
        positions: Callable[[], Sequence[PositionView]],
    ) -> None:
        self._account = account
        self._positions = positions

    def describe(self) -> Iterable[Metric]:
        """Name nothing ahead, as `StatusCollector`."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield exposure and drawdown once the account is known, and what stands bare."""
        account = self._account()
        if account is not None:
            yield one("exposure_dollars", float(account.exposure))
            yield one("drawdown_ratio", float(account.drawdown))
        bare = [
            held
            for held in self._positions()
            if held.is_ours and not held.is_dust and held.protected_by is not ProtectedBy.VENUE
        ]
        yield one("positions_unprotected", len(bare))


class VitalsCollector(Collector):
    """Read queue, model's budget, journal, venue and limits at each scrape."""

    def __init__(
        self, vitals: Callable[[], Vitals], limits: Callable[[], Sequence[LimitUse]]
    ) -> None:
        self._vitals = vitals
        self._limits = limits

    def describe(self) -> Iterable[Metric]:
        """Name nothing ahead, as `StatusCollector`."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield them as of now."""
        vitals = self._vitals()
        queue = vitals.queue
        yield family_of("tickets_waiting", [((word,), n) for word, n in queue.waiting.items()])
        yield one("ticket_oldest_wait_seconds", queue.oldest_wait_s)
        yield family_of("feed_losses", [((link.symbol,), link.losses) for link in vitals.links])
        yield from _budget(vitals.budget)
        yield from _journal(vitals.journal)
        yield from _venue(vitals.venue)
        rows = [((use.setting, use.symbol or ""), use.share) for use in self._limits()]
        yield family_of("limit_used_ratio", rows)


class WatchersCollector(Collector):
    """Read the bus at each scrape."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    def collect(self) -> Iterator[Metric]:
        """Yield who watches and what they lost."""
        yield one("watchers", self._bus.subscribers)
        yield one("watcher_events_dropped", self._bus.dropped)


class CountsCollector(Collector):
    """Read somebody's own counts (dispatcher, feeds) at each scrape, one label deep."""

    def __init__(self, name: str, read: Callable[[], Mapping[str, int]]) -> None:
        self._name = name
        self._read = read

    def describe(self) -> Iterable[Metric]:
        """Name the family without reading it."""
        yield family_of(self._name, ())

    def collect(self) -> Iterator[Metric]:
        """Yield one counter a key."""
        yield family_of(self._name, [((key,), number) for key, number in self._read().items()])


def _one_of(name: str, states: Iterable[str], current: str) -> Metric:
    return family_of(name, [((state,), state == current) for state in states])


def _states(status: Status) -> Iterator[Metric]:
    yield _one_of("session_state", SessionState, status.session)
    yield _one_of("trading_state", type(status.trading), status.trading)
    yield family_of("trading_reason", [((status.trading_code,), 1)])
    parts = {
        "feed": status.is_feed_up,
        "journal": status.is_journal_up,
        "order_stream": status.is_order_stream_up,
        "reconciliation": status.is_reconciled,
    }
    yield family_of("up", [((part,), is_up) for part, is_up in parts.items()])


def _amounts(status: Status) -> Iterator[Metric]:
    yield one("orders_working", status.orders_working)
    yield one("positions_open", status.positions_open)
    yield one("approvals_pending", status.approvals_pending)
    optional = {
        "equity_dollars": status.equity,
        "day_profit_dollars": status.day_pnl,
        "clock_skew_seconds": status.clock_skew_s,
    }
    for name, value in optional.items():
        if value is not None:
            yield one(name, float(value))


def _symbols(status: Status) -> Iterator[Metric]:
    each = status.symbols
    ages = [((s.symbol,), s.quote_age_s) for s in each if s.quote_age_s is not None]
    yield family_of("quote_age_seconds", ages)
    yield family_of("symbol_stale", [((s.symbol,), s.is_stale) for s in each])
    yield family_of("symbol_bars", [((s.symbol,), s.bars) for s in each])


def _limiter_figures(limiter: Limiter) -> Iterator[Metric]:
    yield one("slots", limiter.slots)
    yield one("slots_busy", limiter.busy)
    yield one("model_paused", limiter.is_paused)
    yield one("slot_busy_seconds", limiter.busy_s)
    yield one("tickets_granted", limiter.granted)
    dropped = [((priority.word,), limiter.dropped[priority]) for priority in Priority]
    yield family_of("tickets_dropped", dropped)


def _budget(budget: BudgetVital) -> Iterator[Metric]:
    yield one("model_spent_dollars", budget.spent_usd)
    if budget.usd_per_day is not None:
        yield one("model_budget_dollars", budget.usd_per_day)


def _journal(journal: JournalVital) -> Iterator[Metric]:
    yield one("journal_queued_entries", journal.queued)
    yield one("journal_entries", journal.entries)
    yield one("journal_lost_traces", journal.lost)
    if journal.commit_ms is not None:
        yield one("journal_commit_seconds", journal.commit_ms / 1000)


def _venue(venue: VenueVital) -> Iterator[Metric]:
    quantiles = {"0.5": venue.latency.p50_ms, "0.95": venue.latency.p95_ms}
    known = [((name,), ms / 1000) for name, ms in quantiles.items() if ms is not None]
    yield family_of("venue_answer_seconds", known)
    yield one("venue_requests", venue.requests)
    yield one("venue_requests_limit", venue.requests_per_minute)
