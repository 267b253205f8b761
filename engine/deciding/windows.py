"""Compose what a decision sees and, later, the fresh facts its order is checked against.

A window is taken after the wait for a slot, so a queue never ages a decision. Facts are gathered
synchronously in the gateway's own step: no await lies between reading and reserving.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from domain.account import Ledger
from domain.decisions import decision_id
from domain.limits import Limits, TradingState
from domain.market import (
    Floors,
    Instrument,
    SessionPhase,
    Window,
    WindowAccount,
    WindowPosition,
    WindowQuote,
    asset_class_of,
)
from domain.orders import OrderRequest
from domain.ports import Calendar, Clock
from domain.records import NS_PER_S, Record, format_ns, plain
from domain.risk import Facts
from domain.risk.facts import ATR
from engine.orders.protection.plans import Plan
from feeds.store import Glance, MarketView

_REMEMBERED = 512
"""How many windows' prices and times are kept for the gateway; more than can be in flight."""

_MINUTE_NS = 60 * NS_PER_S


class WindowConfig(Record, frozen=True):
    """What every window of a session shares. `account` and `strategy` name decisions."""

    account: str
    strategy: str
    symbols: tuple[str, ...]
    interval_s: int
    feed: str
    limits: Limits
    floors: Floors
    prompts: dict[str, str]


class Standing(Protocol):
    """What the engine knows beside market and ledger, fresh at each call."""

    def trading_state(self) -> TradingState:
        """Return the trading state."""
        ...

    def is_reducing(self, symbol: str) -> bool:
        """Tell whether a manual trade has set the symbol to reducing."""
        ...

    def is_foreign(self, symbol: str) -> bool:
        """Tell whether a position that is not ours stands in the symbol."""
        ...

    def is_reconciled(self) -> bool:
        """Tell whether the last reconciliation was clean."""
        ...

    def is_journal_up(self) -> bool:
        """Tell whether the journal takes entries."""
        ...

    def skew_ns(self) -> int | None:
        """Return our clock less the venue's, in nanoseconds."""
        ...

    def day_pnl(self) -> Decimal | None:
        """Return equity now less equity at the day's start."""
        ...

    def peak_equity(self) -> Decimal | None:
        """Return the journaled peak of equity."""
        ...


@dataclass(frozen=True, slots=True)
class _Seen:
    mid: float
    atr: float | None
    taken_ns: int


class Windows:
    """Make windows for runs and facts for the gateway."""

    def __init__(  # noqa: PLR0913 - the sources of one picture, each named
        self,
        config: WindowConfig,
        *,
        view: Callable[[str], MarketView],
        glance: Callable[[str], Glance],
        ledger: Ledger,
        instrument: Callable[[str], Instrument],
        plan: Callable[[str], Plan | None],
        standing: Standing,
        calendar: Calendar,
        clock: Clock,
    ) -> None:
        self._config = config
        self._view = view
        self._glance = glance
        self._ledger = ledger
        self._instrument = instrument
        self._plan = plan
        self._standing = standing
        self._calendar = calendar
        self._clock = clock
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        self._sent_ns: deque[int] = deque(maxlen=1_000)
        self._limits = plain(config.limits)

    def compose(self, symbol: str, *, reason: str, attempt: int = 1) -> Window | str:
        """Return the window as of now, or the code of what is missing for one."""
        view = self._view(symbol)
        account = self._account(symbol)
        if view.quote is None:
            return "QUOTE_MISSING"
        if account is None:
            return "ACCOUNT_UNKNOWN"
        now_ns = self._clock.now_ns()
        as_of = format_ns(now_ns)
        name = decision_id(
            account=self._config.account,
            strategy=self._config.strategy,
            symbol=symbol,
            as_of=as_of,
            attempt=attempt,
        )
        quote = view.quote
        self._remember(name, _Seen(quote.mid, view.atr, self._clock.monotonic_ns()))
        return Window(
            symbol=symbol,
            asset_class=asset_class_of(symbol),
            as_of=as_of,
            interval_s=self._config.interval_s,
            session=self._calendar.phase(asset_class_of(symbol), now_ns),
            bars=view.bars,
            forming_bar=view.forming_bar,
            quote=WindowQuote(
                bid=quote.bid,
                bid_size=quote.bid_size,
                ask=quote.ask,
                ask_size=quote.ask_size,
                ts_event=format_ns(quote.ts_event),
                ts_recv=format_ns(quote.ts_recv),
            ),
            last_trade=view.last_trade,
            indicators=view.indicators,
            n_bars_seen=view.n_bars_seen,
            news=view.news,
            position=self._position(symbol),
            account=account,
            limits=self._limits,
            floors=self._config.floors,
            instrument=self._instrument(symbol),
            prompts=self._config.prompts,
            decision_id=name,
            wake_reason=reason,
            feed=self._config.feed,
        )

    def approved(self, window: Window) -> None:
        """Count a decision's age from now, its prices still from its window: a person approved it.

        After a restart this is all that is known of the window.
        """
        seen = _Seen(window.quote.mid, window.indicators.get(ATR), self._clock.monotonic_ns())
        self._remember(window.decision_id, seen)

    def note_sent(self) -> None:
        """Count an order that the gate let pass, for the rate limit."""
        self._sent_ns.append(self._clock.monotonic_ns())

    def sent_last_minute(self) -> int:
        """Return how many orders left within the last minute."""
        return self._sent_last_minute(self._clock.monotonic_ns())

    def facts(self, request: OrderRequest) -> Facts:
        """Return everything fresh that the gateway's verdict on this order needs."""
        market, standing = self._glance(request.symbol), self._standing
        now_ns = self._clock.now_ns()
        monotonic_ns = self._clock.monotonic_ns()
        seen = self._seen.get(request.decision_id)
        asset_class = asset_class_of(request.symbol)
        phase = self._calendar.phase(asset_class, now_ns)
        bounds = self._calendar.session_bounds(asset_class, now_ns)
        quote = market.quote
        return Facts(
            now_ns=now_ns,
            trading_state=standing.trading_state(),
            is_symbol_reducing=standing.is_reducing(request.symbol),
            is_reconciled=standing.is_reconciled(),
            is_journal_up=standing.is_journal_up(),
            is_link_up=not market.is_stale,
            phase=phase,
            is_symbol_halted=market.is_halted,
            since_open_ns=_since(bounds, now_ns, phase),
            to_close_ns=_until(bounds, now_ns, phase),
            allowed_symbols=frozenset(self._config.symbols),
            is_foreign=standing.is_foreign(request.symbol),
            instrument=self._instrument(request.symbol),
            quote=quote,
            quote_age_ns=None if quote is None else now_ns - quote.ts_recv,
            feed=self._config.feed,
            window_mid=None if seen is None else seen.mid,
            atr=None if seen is None else seen.atr,
            decision_age_ns=None if seen is None else monotonic_ns - seen.taken_ns,
            skew_ns=standing.skew_ns(),
            day_pnl=standing.day_pnl(),
            peak_equity=standing.peak_equity(),
            orders_last_minute=self._sent_last_minute(monotonic_ns),
        )

    def _account(self, symbol: str) -> WindowAccount | None:
        return self._ledger.window_account(
            symbol,
            trading_state=self._standing.trading_state().value,
            day_pnl=self._standing.day_pnl() or Decimal(0),
        )

    def _position(self, symbol: str) -> WindowPosition | None:
        plan = self._plan(symbol)
        if plan is None:
            return self._ledger.window_position(symbol)
        return self._ledger.window_position(
            symbol, stop_price=plan.stop, target_price=plan.target, opened_at=plan.opened_at
        )

    def _remember(self, name: str, seen: _Seen) -> None:
        self._seen[name] = seen
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)

    def _sent_last_minute(self, now_ns: int) -> int:
        while self._sent_ns and self._sent_ns[0] <= now_ns - _MINUTE_NS:
            self._sent_ns.popleft()
        return len(self._sent_ns)


def _since(bounds: tuple[int, int] | None, now_ns: int, phase: SessionPhase) -> int | None:
    if bounds is None or phase is not SessionPhase.OPEN:
        return None
    return now_ns - bounds[0]


def _until(bounds: tuple[int, int] | None, now_ns: int, phase: SessionPhase) -> int | None:
    if bounds is None or phase is not SessionPhase.OPEN:
        return None
    return bounds[1] - now_ns
