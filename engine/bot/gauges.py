"""Read the engine's gauges for whoever looks: candles, limits in use, and how each part does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from domain.indicators import series_of
from domain.limits import Limits
from domain.market import asset_class_of
from domain.records import NS_PER_S
from engine.bot.parts import Parts
from engine.control import UnknownSymbol
from engine.deciding.limiter import Priority
from engine.figures import (
    BarsView,
    LimitUse,
    LinkVital,
    QueueVital,
    Readings,
    VenueVital,
    Vitals,
    latency_of,
)
from engine.watching.pulse import Pulse

_ZERO = Decimal(0)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """What the gauges read beside the bot's own parts; `since` is when the process started."""

    since: str
    limits: Limits
    pulse: Pulse
    sent_last_minute: Callable[[], int]
    readings: Readings


class Gauges:
    """Read parts and sources when asked; change nothing."""

    def __init__(self, parts: Parts, sources: Sources) -> None:
        self._parts = parts
        self._sources = sources

    def bars(self, symbol: str, *, limit: int) -> BarsView:
        """Return the last closed bars of a symbol with its indicators; raises `UnknownSymbol`."""
        parts = self._parts
        if symbol not in parts.config.symbols:
            known = ", ".join(parts.config.symbols)
            raise UnknownSymbol(f"{symbol} is not traded here.", remedy=f"Choose of: {known}.")
        view = parts.store.view(symbol, n_bars=parts.store.config.history_bars)
        rows = view.bars
        series = series_of([(row.h, row.l, row.c, row.v) for row in rows], last=limit)
        return BarsView(
            symbol=symbol,
            interval_s=view.interval_s,
            bars=rows[-limit:],
            forming=view.forming_bar,
            indicators=series,
        )

    def vitals(self) -> Vitals:
        """Return how each part does."""
        parts, sources = self._parts, self._sources
        return Vitals(
            since=sources.since,
            links=tuple(self._link(symbol) for symbol in parts.config.symbols),
            queue=self._queue(),
            due=dict(parts.dispatcher.counts),
            model=sources.pulse.roles(),
            budget=sources.readings.budget(),
            journal=sources.readings.journal(),
            venue=self._venue(),
            feed_rejects=dict(parts.store.counts()),
        )

    def limits(self) -> tuple[LimitUse, ...]:
        """Return how much of each limit that fills up is used, the account's own first."""
        return (*self._of_account(), *self._of_day(), *self._of_rates(), *self._of_symbols())

    def _of_account(self) -> Iterator[LimitUse]:
        ledger, limits = self._parts.ledger, self._sources.limits
        equity = ledger.equity or _ZERO
        most = equity * _share(limits.max_exposure_fraction)
        yield _use("MAX_EXPOSURE_FRACTION", "EXPOSURE_LIMIT_EXCEEDED", ledger.exposure(), most)
        classes = {asset_class_of(symbol) for symbol in self._parts.config.symbols}
        powers = [ledger.buying_power(each) for each in sorted(classes)]
        power = min((each for each in powers if each is not None), default=_ZERO)
        reserved = sum((r.charge for r in ledger.reservations.values() if r.is_entry), _ZERO)
        usable = power * _share(limits.max_buying_power_fraction)
        # What is left is net of reservations already: together they are what there was.
        yield _use(
            "MAX_BUYING_POWER_FRACTION", "BUYING_POWER_EXCEEDED", reserved, usable + reserved
        )

    def _of_day(self) -> Iterator[LimitUse]:
        parts, limits = self._parts, self._sources.limits
        equity, day = parts.ledger.equity or _ZERO, parts.equity.day_pnl or _ZERO
        peak = parts.equity.peak or equity
        loss, most = max(_ZERO, -day), (equity - day) * _share(limits.max_daily_loss)
        yield _use("MAX_DAILY_LOSS", "DAILY_LOSS_REACHED", loss, most)
        fall = max(_ZERO, peak - equity)
        yield _use("MAX_DRAWDOWN", "DRAWDOWN_REACHED", fall, peak * _share(limits.max_drawdown))

    def _of_rates(self) -> Iterator[LimitUse]:
        limits, budget = self._sources.limits, self._sources.readings.budget()
        counted = (
            ("MAX_OPEN_ORDERS", "OPEN_ORDERS_LIMIT", "orders",
             self._parts.ledger.open_order_count, limits.max_open_orders),
            ("MAX_ORDERS_PER_MINUTE", "ORDER_RATE_EXCEEDED", "orders",
             self._sources.sent_last_minute(), limits.max_orders_per_minute),
            ("LLM_MAX_USD_PER_DAY", "BUDGET_SPENT", "USD", budget.spent_usd, budget.usd_per_day),
            ("LLM_REQUESTS_PER_MINUTE", "BUDGET_SPENT", "requests",
             budget.requests, budget.requests_per_minute),
            ("LLM_TOKENS_PER_MINUTE", "BUDGET_SPENT", "tokens",
             budget.tokens, budget.tokens_per_minute),
        )  # fmt: skip
        for setting, code, unit, used, limit in counted:
            if limit is not None:
                yield _use(setting, code, _exact(used), _exact(limit), unit=unit)

    def _of_symbols(self) -> Iterator[LimitUse]:
        ledger = self._parts.ledger
        equity, share = ledger.equity or _ZERO, _share(self._sources.limits.max_position_fraction)
        for symbol in self._parts.config.symbols:
            held = ledger.exposure(symbol)
            if held:
                use = ("MAX_POSITION_FRACTION", "POSITION_LIMIT_EXCEEDED", held, equity * share)
                yield _use(*use, symbol=symbol)

    def _link(self, symbol: str) -> LinkVital:
        parts = self._parts
        view, clock = parts.store.view(symbol), parts.clock
        quote, heard_ns = view.quote, view.last_recv_ns
        return LinkVital(
            symbol=symbol,
            is_up=not view.is_stale,
            losses=parts.ears.losses[symbol],
            quote_age_s=None if quote is None else (clock.now_ns() - quote.ts_recv) / NS_PER_S,
            message_age_s=None
            if heard_ns is None
            else (clock.monotonic_ns() - heard_ns) / NS_PER_S,
        )

    def _queue(self) -> QueueVital:
        limiter = self._parts.limiter
        waiting = limiter.waiting_by_priority
        return QueueVital(
            slots=limiter.slots,
            busy=limiter.busy,
            is_paused=limiter.is_paused,
            oldest_wait_s=limiter.oldest_wait_s,
            waiting=_by_word(waiting),
            dropped=_by_word(limiter.dropped),
        )

    def _venue(self) -> VenueVital:
        use, skew_ns = self._sources.readings.line(), self._parts.skew_ns()
        return VenueVital(
            latency=latency_of(use.answered_s),
            requests=use.requests,
            requests_per_minute=use.requests_per_minute,
            clock_skew_s=None if skew_ns is None else skew_ns / NS_PER_S,
        )


def _use(
    setting: str,
    code: str,
    used: Decimal,
    limit: Decimal,
    *,
    unit: str = "USD",
    symbol: str | None = None,
) -> LimitUse:
    """Return one use; of a limit of nothing, nothing is all."""
    share = float(used / limit) if limit > 0 else float(used > 0)
    return LimitUse(
        setting=setting,
        code=code,
        unit=unit,
        used=round(used, 2),
        limit=round(limit, 2),
        share=share,
        symbol=symbol,
    )


def _by_word(counts: Mapping[Priority, int]) -> dict[str, int]:
    return {priority.word: counts[priority] for priority in Priority}


def _share(fraction: float) -> Decimal:
    return _exact(fraction)


def _exact(value: float) -> Decimal:
    return Decimal(repr(value))
