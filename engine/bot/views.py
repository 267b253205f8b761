"""Show how the bot stands: the whole at a glance, the account, what is held."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from domain.account import Position
from domain.market import asset_class_of
from domain.records import NS_PER_S
from engine.bot.parts import Parts
from engine.control import (
    AccountView,
    PositionView,
    ProtectedBy,
    Status,
    SymbolStatus,
)
from engine.orders.protection.plans import sellable


class Views:
    """Read the parts; change nothing."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def status(self) -> Status:
        """Return the whole at a glance."""
        parts, standing = self._parts, self._parts.gate.standing
        skew_ns = parts.skew_ns()
        return Status(
            session=parts.session.state,
            trading=standing.state,
            trading_code=standing.code,
            trading_reason=standing.reason,
            mode=parts.config.mode,
            analyst=parts.config.analyst,
            feed=parts.config.feed,
            is_reconciled=parts.reconciler.is_clean,
            is_journal_up=parts.is_journal_up(),
            is_order_stream_up=parts.reconciler.is_link_up,
            is_feed_up=parts.ears.is_up,
            started_at=parts.session.started_at,
            slots=parts.limiter.slots,
            slots_busy=parts.limiter.busy,
            tickets_waiting=parts.limiter.waiting,
            decisions=parts.runs.count,
            orders_working=len(parts.ledger.working_orders),
            positions_open=len(parts.ledger.positions),
            equity=parts.ledger.equity,
            day_pnl=parts.equity.day_pnl,
            model_cost_usd=Decimal(repr(round(parts.runs.model_cost_usd, 6))),
            clock_skew_s=None if skew_ns is None else skew_ns / NS_PER_S,
            symbols=tuple(self._symbol_status(symbol) for symbol in parts.config.symbols),
            notices=parts.notices.lines,
            approvals_pending=parts.approvals.count,
            last_sweep=parts.sweeper.last,
        )

    def account(self) -> AccountView | None:
        """Return the account with its age and what today brought."""
        parts = self._parts
        account, asked_ns, equity = (
            parts.ledger.account,
            parts.ledger.account_ts_ns,
            parts.ledger.equity,
        )
        if account is None or asked_ns is None or equity is None:
            return None
        peak = parts.equity.peak or equity
        return AccountView(
            account=account,
            age_s=(parts.clock.now_ns() - asked_ns) / NS_PER_S,
            day_pnl=parts.equity.day_pnl or Decimal(0),
            realized_pnl=parts.ledger.realized_pnl,
            exposure=parts.ledger.exposure(),
            reserved=sum(
                (row.charge for row in parts.ledger.reservations.values() if row.is_entry),
                Decimal(0),
            ),
            peak_equity=peak,
            drawdown=max(Decimal(0), (peak - equity) / peak) if peak > 0 else Decimal(0),
        )

    def positions(self) -> Sequence[PositionView]:
        """Return open positions, each with who protects it."""
        return [self._position(symbol) for symbol in self._parts.ledger.positions]

    def _position(self, symbol: str) -> PositionView:
        parts, position = self._parts, self._parts.ledger.position(symbol)
        assert position is not None
        plan, price = parts.exits.plan(symbol), position.market_price
        is_ours = parts.ownership.is_managed(symbol) and not parts.ownership.is_foreign(symbol)
        return PositionView(
            symbol=symbol,
            quantity=position.quantity,
            average_price=position.average_price,
            market_price=price,
            market_value=None if price is None else price * position.quantity,
            unrealized_pnl=position.unrealized_pnl,
            is_ours=is_ours,
            protected_by=parts.exits.protected_by(symbol) if is_ours else ProtectedBy.NONE,
            stop_price=None if plan is None else plan.stop,
            target_price=None if plan is None else plan.target,
            opened_at=None if plan is None else plan.opened_at,
            is_dust=self._is_dust(symbol, position),
        )

    def _is_dust(self, symbol: str, position: Position) -> bool:
        """Tell what is too small to close; of others' symbols no rules are known."""
        if not self._parts.ownership.is_managed(symbol):
            return False
        price = position.market_price or Decimal(0)
        return sellable(position.quantity, self._parts.instrument(symbol), price=price) == 0

    def _symbol_status(self, symbol: str) -> SymbolStatus:
        parts = self._parts
        view, now_ns = parts.store.view(symbol), parts.clock.now_ns()
        quote, trade, asset_class = view.quote, view.last_trade, asset_class_of(symbol)
        return SymbolStatus(
            symbol=symbol,
            asset_class=asset_class,
            label=parts.config.labels.get(symbol, ""),
            bars=view.n_closed,
            is_warm=view.is_warm,
            is_stale=view.is_stale,
            is_halted=view.is_halted,
            is_reducing=parts.ownership.is_reducing(symbol),
            session=parts.calendar.phase(asset_class, now_ns).value,
            quote_age_s=None if quote is None else (now_ns - quote.ts_recv) / NS_PER_S,
            bid=None if quote is None else quote.bid,
            ask=None if quote is None else quote.ask,
            last_price=None if trade is None else trade.price,
            last_decision_at=parts.runs.last_at.get(symbol),
        )
