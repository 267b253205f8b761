"""Gather what a verdict rests on; what is not known is none, and none never passes a check."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from domain.account import AccountView
from domain.errors import ConfigError
from domain.limits import Limits, TradingState
from domain.market import Instrument, Quote, SessionPhase, Window, WindowQuote
from domain.records import NS_PER_S, Record, parse, parse_ns

ATR = "atr_14"
"""The indicator that distances of stops are measured in."""

_FAR_NS = 24 * 3600 * NS_PER_S


class Facts(Record, frozen=True):
    """Everything fresh that one verdict needs. Every default fails closed.

    Ages are by monotonic receive time, `skew_ns` our clock less the venue's. `since_open_ns` and
    `to_close_ns` matter while the phase is open. `account` is for `preview` alone: `authorize`
    reads the ledger itself. `venue_mid` is of the quote that the venue gave when it was asked for
    this order: a stream that lies about window and quote alike is found out by it. `day_pnl` is
    equity now less equity at the day's start, net of transfers. `decision_age_ns` counts from the
    window, or from an approval.
    """

    now_ns: int | None = None
    trading_state: TradingState | None = None
    is_symbol_reducing: bool = True
    is_reconciled: bool = False
    is_journal_up: bool = False
    is_link_up: bool = False
    phase: SessionPhase | None = None
    is_symbol_halted: bool = True
    since_open_ns: int | None = None
    to_close_ns: int | None = None
    allowed_symbols: frozenset[str] = frozenset()
    is_foreign: bool = True
    instrument: Instrument | None = None
    quote: Quote | WindowQuote | None = None
    quote_age_ns: int | None = None
    feed: str = ""
    window_mid: float | None = None
    venue_mid: float | None = None
    atr: float | None = None
    decision_age_ns: int | None = None
    skew_ns: int | None = None
    day_pnl: Decimal | None = None
    peak_equity: Decimal | None = None
    orders_last_minute: int | None = None
    account: AccountView = AccountView()


def facts_of_window(window: Window) -> tuple[Facts, Limits]:
    """Read what a window alone can tell, so the graph can preview its order from a file.

    What only the gateway can know (links, journal, reconciliation, session bounds, peak, rates) is
    taken as well: a preview is advice, the gateway's verdict counts. Raises `ConfigError` for a
    window whose limits, times or trading state cannot be read.
    """
    try:
        limits = parse(window.limits, Limits)
        now_ns = parse_ns(window.as_of)
        quote_age_ns = now_ns - parse_ns(window.quote.ts_recv)
        state = TradingState(window.account.trading_state)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigError(f"The window of {window.symbol} cannot be read: {error}.") from error
    return (
        Facts(
            now_ns=now_ns,
            trading_state=state,
            is_symbol_reducing=False,
            is_reconciled=True,
            is_journal_up=True,
            is_link_up=True,
            phase=window.session,
            is_symbol_halted=False,
            since_open_ns=_FAR_NS,
            to_close_ns=_FAR_NS,
            allowed_symbols=frozenset({window.symbol}),
            is_foreign=False,
            instrument=window.instrument,
            quote=window.quote,
            quote_age_ns=quote_age_ns,
            feed=window.feed,
            window_mid=window.quote.mid,
            venue_mid=window.quote.mid,
            atr=window.indicators.get(ATR),
            decision_age_ns=0,
            skew_ns=0,
            day_pnl=window.account.day_pnl,
            peak_equity=window.account.equity,
            orders_last_minute=0,
            account=_view(window),
        ),
        limits,
    )


def _view(window: Window) -> AccountView:
    account, position = window.account, window.position
    return AccountView(
        equity=account.equity,
        buying_power=account.buying_power,
        is_blocked=False,
        shorting_enabled=True,
        age_ns=0,
        position_quantity=Decimal(0) if position is None else position.quantity,
        pending_buy=Decimal(0),
        pending_sell=Decimal(0),
        pending_entries=0,
        exposure=account.exposure,
        symbol_exposure=account.symbol_exposure,
        open_orders=account.open_orders,
        has_unknown_order=False,
        is_known_order=False,
    )
