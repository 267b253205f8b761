"""Keep the account in memory while orders move: money, positions, orders in flight.

Single-threaded and without an await, so that checking and reserving are one step (law 9). Order
events move it, REST corrects it. Where two truths disagree the cautious one counts: buying power
is net of every order in flight, and what may be closed is net of every order that closes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

import msgspec

from domain.account.fees import FeeSchedule, fee_of
from domain.account.holdings import Holdings
from domain.account.records import (
    ZERO,
    Account,
    AccountView,
    Difference,
    Position,
    normalise_symbol,
)
from domain.account.reservations import Reservation, Reservations
from domain.market import AssetClass, WindowAccount, WindowPosition, asset_class_of
from domain.orders import Fill, Order, OrderReport, OrderRequest, Purpose, Side
from domain.records import is_readable


class Ledger:
    """The account as orders, fills and REST say it stands now, in dollars."""

    def __init__(
        self, known_symbols: Iterable[str] = (), *, fees: FeeSchedule | None = None
    ) -> None:
        self._known = tuple(known_symbols)
        self._schedule = fees or FeeSchedule()
        self._account: Account | None = None
        self._account_ts_ns: int | None = None
        self._holdings = Holdings()
        self._orders = Reservations()
        self._foreign: dict[str, list[OrderReport]] = {}
        self._flow = ZERO
        self._spent = ZERO
        self._value_then = ZERO
        self.realized_pnl = ZERO
        self.fees = ZERO

    @property
    def account(self) -> Account | None:
        """Return the account as REST last said it."""
        return self._account

    @property
    def account_ts_ns(self) -> int | None:
        """Return when the account was last asked for."""
        return self._account_ts_ns

    @property
    def positions(self) -> Mapping[str, Position]:
        """Return every position that is not flat, by our symbol."""
        return self._holdings.positions

    @property
    def reservations(self) -> Mapping[str, Reservation]:
        """Return every order that may still fill, by client order id."""
        return {row.request.client_order_id: row for row in self._orders}

    @property
    def working_orders(self) -> tuple[Order, ...]:
        """Return the orders of ours that the venue may still fill."""
        return tuple(row.order for row in self._orders if row.order and row.order.is_working)

    @property
    def open_order_count(self) -> int:
        """Return how many entries may still fill; protection uses up no slot."""
        return len(self._orders.entries())

    def spelled(self, venue_symbol: str) -> str:
        """Return our spelling of a symbol."""
        return normalise_symbol(
            venue_symbol, (*self._known, *self._orders.symbols(), *self._holdings)
        )

    def reserve(self, request: OrderRequest) -> None:
        """Hold notional, exposure and slot of an order; the same exit twice is held once."""
        self._orders.hold(request)

    def release(self, client_order_id: str) -> None:
        """Let go of what an order held: it never left, or is proven absent."""
        self._orders.release(client_order_id)

    def track(self, order: Order) -> None:
        """Follow an order whose fills so far are in the positions already: after a restart."""
        if order.is_working:
            self._orders.follow(order)

    def charged(self, order: Order, fill: Fill) -> Fill:
        """Return a fill with its fee, before it is applied: the venue tells of none with it."""
        held = self._holdings.quantity(order.symbol)
        fee = fee_of(fill, order, held=held, schedule=self._schedule)
        return msgspec.structs.replace(fill, fee=fee) if fee else fill

    def apply(self, before: Order | None, after: Order, fill: Fill | None = None) -> None:
        """Follow an order through the reducer: positions and cash move by what it filled.

        A terminal order lets go of its reservation, but for one we only declared absent: that is
        held until a clean reconciliation releases it.
        """
        known = ZERO if before is None else before.filled_quantity
        delta = after.filled_quantity - known
        if delta != 0:
            self._move(after, delta, _price(before, after, fill, delta), fill)
        elif before is not None:
            self._flow -= (_cost(after) - _cost(before)) * after.request.side.sign
        self._orders.follow(after)

    def correct(
        self,
        account: Account | None,
        positions: Sequence[Position] | None,
        ts_ns: int,
        *,
        foreign_orders: Sequence[OrderReport] | None = None,
    ) -> tuple[Difference, ...]:
        """Take over what REST says as of `ts_ns`, when it was asked; returns what differed.

        None means the question failed, which is never read as flat; an answer with a number that
        is not finite is a failed one. `foreign_orders` are those that are not ours: they count in
        the exposure. See `Holdings` for what is believed when.
        """
        differences: tuple[Difference, ...] = ()
        if positions is not None and all(is_readable(row) for row in positions):
            differences = self._holdings.correct(positions, ts_ns, self.spelled)
        if foreign_orders is not None:
            self._foreign = {}
            for report in foreign_orders:
                self._foreign.setdefault(self.spelled(report.symbol), []).append(report)
        if account is not None and is_readable(account):
            self._account, self._account_ts_ns = account, ts_ns
            self._flow = self._spent = ZERO
            self._value_then = self._holdings.value()
        return differences

    def has_unknown(self, symbol: str) -> bool:
        """Tell whether the outcome of an order in the symbol is not known."""
        return self._orders.has_unknown(symbol)

    def accept(self, account: Account, positions: Sequence[Position], ts_ns: int) -> None:
        """Take over what REST says as it is, by a person's word: nothing is doubted."""
        self._holdings.accept(positions, ts_ns, self.spelled)
        self.correct(account, None, ts_ns)

    def mark(self, symbol: str, price: Decimal) -> None:
        """Value a holding at a market price; what is no price is ignored."""
        self._holdings.mark(symbol, price)

    def price(self, symbol: str) -> Decimal:
        """Return what a unit of a holding is worth; raises `KeyError` for what is not held."""
        return self._holdings.price(self._holdings.positions[symbol])

    def position(self, symbol: str) -> Position | None:
        """Return a position at its mark, `available` net of what working orders may close."""
        position = self._holdings.get(symbol)
        if position is None:
            return None
        held, price = position.quantity, self._holdings.price(position)
        closing = self._orders.pending(symbol, Side.SELL if held > 0 else Side.BUY)
        return msgspec.structs.replace(
            position,
            available=max(ZERO, abs(held) - closing).copy_sign(held),
            market_price=price,
            unrealized_pnl=held * (price - position.average_price),
        )

    def quantity(self, symbol: str) -> Decimal:
        """Return the signed quantity held, zero when flat."""
        return self._holdings.quantity(symbol)

    def pending_quantity(self, symbol: str, side: Side | None = None) -> Decimal:
        """Return what working orders may still move the position by: signed, or of one side.

        Of exits that exclude each other only the largest counts.
        """
        if side is not None:
            return self._orders.pending(symbol, side)
        buys, sells = (
            self._orders.pending(symbol, Side.BUY),
            self._orders.pending(symbol, Side.SELL),
        )
        return buys - sells

    def exposure(self, symbol: str | None = None) -> Decimal:
        """Return dollars at the market's mercy, working entries and foreign orders as if filled."""
        held, entries = self._holdings.gross(symbol), self._orders.entries(symbol)
        foreign = self._foreign if symbol is None else self._foreign.keys() & {symbol}
        others = (
            self._foreign_notional(name, row) for name in foreign for row in self._foreign[name]
        )
        return held + sum((row.notional for row in entries), ZERO) + sum(others, ZERO)

    @property
    def equity(self) -> Decimal | None:
        """Return equity moved by fills and marks since REST said it; none before it did."""
        if self._account is None:
            return None
        return self._account.equity + self._flow + self._holdings.value() - self._value_then

    @property
    def cash(self) -> Decimal | None:
        """Return the cash moved by fills and their fees since REST said it; none before it did."""
        return None if self._account is None else self._account.cash + self._flow

    def buying_power(self, asset_class: AssetClass) -> Decimal | None:
        """Return the buying power that counts for a class, net of all entries in flight.

        The venue's own figure is already net of the orders it knew when asked: those count twice
        until it is asked again, which errs to the safe side.
        """
        account = self._account
        if account is None:
            return None
        is_crypto = asset_class is AssetClass.CRYPTO
        power = account.non_marginable_buying_power if is_crypto else account.buying_power
        return power - self._spent - sum((row.charge for row in self._orders.entries()), ZERO)

    def snapshot(
        self, symbol: str, *, now_ns: int, client_order_id: str | None = None
    ) -> AccountView:
        """Return what one order of a symbol is checked against, the order itself left out."""
        account, asked_ns, orders = self._account, self._account_ts_ns, self._orders
        is_known = client_order_id is not None and orders.is_known(symbol, client_order_id)
        return AccountView(
            equity=self.equity,
            buying_power=self.buying_power(asset_class_of(symbol)),
            is_blocked=account is None or account.is_blocked,
            shorting_enabled=account is not None and account.shorting_enabled,
            age_ns=None if asked_ns is None else now_ns - asked_ns,
            position_quantity=self.quantity(symbol),
            pending_buy=orders.pending(symbol, Side.BUY, but=client_order_id),
            pending_sell=orders.pending(symbol, Side.SELL, but=client_order_id),
            pending_entries=len(orders.entries(symbol)),
            exposure=self.exposure(),
            symbol_exposure=self.exposure(symbol),
            open_orders=self.open_order_count,
            has_unknown_order=orders.has_unknown(symbol),
            is_known_order=is_known,
        )

    def window_account(
        self, symbol: str, *, trading_state: str, day_pnl: Decimal
    ) -> WindowAccount | None:
        """Return the account as a window of the symbol shows it; none before REST said it."""
        account, equity = self._account, self.equity
        power = self.buying_power(asset_class_of(symbol))
        if account is None or equity is None or power is None:
            return None
        return WindowAccount(
            equity=equity,
            cash=self.cash or ZERO,
            buying_power=max(ZERO, power),
            day_pnl=day_pnl,
            exposure=self.exposure(),
            symbol_exposure=self.exposure(symbol),
            open_orders=self.open_order_count,
            trading_state=trading_state,
        )

    def window_position(
        self,
        symbol: str,
        *,
        stop_price: Decimal | None = None,
        target_price: Decimal | None = None,
        opened_at: str | None = None,
    ) -> WindowPosition | None:
        """Return the position as a window of the symbol shows it; none when flat."""
        position = self.position(symbol)
        if position is None:
            return None
        return WindowPosition(
            quantity=position.quantity,
            average_price=position.average_price,
            unrealized_pnl=position.unrealized_pnl,
            stop_price=stop_price,
            target_price=target_price,
            opened_at=opened_at,
        )

    def _move(self, order: Order, delta: Decimal, price: Decimal, fill: Fill | None) -> None:
        signed = delta * order.request.side.sign if fill is None else fill.change
        realized = self._holdings.fill(order.symbol, signed, price, fill)
        if realized is None:
            return
        self.realized_pnl += realized
        self.fees += ZERO if fill is None else fill.fee
        self._flow += -signed * price if fill is None else fill.cash
        if order.request.purpose is Purpose.ENTRY:
            self._spent += delta * price

    def _foreign_notional(self, symbol: str, report: OrderReport) -> Decimal:
        """Value a foreign order; one that closes what is held adds nothing."""
        if report.side.sign * self.quantity(symbol) < 0:
            return ZERO
        position = self._holdings.get(symbol)
        mark = ZERO if position is None else self._holdings.price(position)
        price = report.limit_price or report.stop_price or mark
        return (report.quantity - report.filled_quantity) * price


def _price(before: Order | None, after: Order, fill: Fill | None, delta: Decimal) -> Decimal:
    """Price what an order added, or what a bust took back: the change of its cost over quantity."""
    if fill is not None and delta > 0:
        return fill.price
    implied = (_cost(after) - _cost(before)) / delta
    return implied if implied > 0 else after.request.limit_price or after.request.reference_price


def _cost(order: Order | None) -> Decimal:
    """Return what an order's fills came to."""
    return ZERO if order is None else (order.average_price or ZERO) * order.filled_quantity
