"""Cash and positions: what fills do to them, and what they are worth at the market's prices."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from exchange.matching.knobs import Knobs
from exchange.matching.listing import Listing
from exchange.matching.orders import ZERO, Side

Mark = Callable[[str], Decimal | None]
_COIN = Decimal("0.000000001")
_BPS = Decimal(10_000)


@dataclass(slots=True, kw_only=True)
class Holding:
    """One position. `qty` is signed; `cost` is qty times the average entry price, signed too.

    `day_cost` is the same with what was held overnight valued at the last close, so that
    market value minus `day_cost` is the day's profit.
    """

    listing: Listing
    qty: Decimal = ZERO
    cost: Decimal = ZERO
    day_cost: Decimal = ZERO
    lastday_price: Decimal | None = None

    @property
    def average_price(self) -> Decimal:
        """Return the average price paid for what is held."""
        return self.cost / self.qty if self.qty else ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One fill. `is_maker` tells that the order had rested before; it sets the crypto fee."""

    listing: Listing
    side: Side
    qty: Decimal
    price: Decimal
    is_maker: bool
    at_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fee:
    """What one crypto execution cost: `qty` of the coin on a buy, dollars of `amount` on a sell."""

    execution: Execution
    qty: Decimal
    amount: Decimal


class Ledger:
    """Hold cash and positions of one account.

    Crypto fees are taken from what is received: the coin on a buy, the dollars on a sell
    (source: Alpaca's crypto fees page); they are posted as activities at the end of the day.
    """

    def __init__(self, knobs: Knobs, mark: Mark) -> None:
        self._knobs = knobs
        self._mark = mark
        self.cash = knobs.cash
        self.holdings: dict[str, Holding] = {}
        self.unposted_fees: list[Fee] = []
        self.last_equity = knobs.cash
        self.last_maintenance = ZERO
        self.last_closes: dict[str, Decimal] = {}

    def qty(self, symbol: str) -> Decimal:
        """Return the signed position, 0 when flat."""
        holding = self.holdings.get(symbol)
        return holding.qty if holding else ZERO

    def price(self, holding: Holding) -> Decimal:
        """Return the market's price of a position, its entry price before any is known."""
        return self._mark(holding.listing.symbol) or holding.average_price

    def value(self, holding: Holding) -> Decimal:
        """Return the signed market value of a position."""
        return holding.qty * self.price(holding)

    @property
    def equity(self) -> Decimal:
        """Return cash plus the market value of all positions, shorts negative."""
        return self.cash + sum(map(self.value, self.holdings.values()), ZERO)

    def apply(self, execution: Execution) -> Decimal:
        """Book one execution and return the signed position after it."""
        sign, received = execution.side.sign, execution.qty
        self.cash -= sign * execution.qty * execution.price
        if execution.listing.is_crypto:
            fee = self._fee(execution)
            self.unposted_fees.append(fee)
            received -= fee.qty
            self.cash -= fee.amount
        return self._move(execution.listing, sign * received, execution.price)

    def _fee(self, execution: Execution) -> Fee:
        knobs = self._knobs
        rate = (knobs.maker_bps if execution.is_maker else knobs.taker_bps) / _BPS
        if execution.side is Side.BUY:
            coins = (execution.qty * rate).quantize(_COIN, ROUND_DOWN)
            return Fee(execution=execution, qty=coins, amount=ZERO)
        return Fee(execution=execution, qty=ZERO, amount=execution.qty * execution.price * rate)

    def _move(self, listing: Listing, change: Decimal, price: Decimal) -> Decimal:
        """Change a position by a signed quantity; what crosses zero opens anew at `price`."""
        holding = self.holdings.get(listing.symbol)
        if holding is None:
            holding = self.holdings[listing.symbol] = Holding(
                listing=listing, lastday_price=self.last_closes.get(listing.symbol)
            )
        if holding.qty * change < 0:
            closing = min(abs(change), abs(holding.qty)).copy_sign(change)
            kept = (holding.qty + closing) / holding.qty
            holding.cost *= kept
            holding.day_cost *= kept
            holding.qty += closing
            change -= closing
        holding.qty += change
        holding.cost += change * price
        holding.day_cost += change * price
        if not holding.qty:
            del self.holdings[listing.symbol]
        return holding.qty

    def begin_day(self, equity: Decimal, maintenance: Decimal, closes: dict[str, Decimal]) -> None:
        """Make the last session's close the base from which the day's profit counts."""
        self.last_equity = equity
        self.last_maintenance = maintenance
        self.last_closes = closes
        for symbol, holding in self.holdings.items():
            holding.lastday_price = closes.get(symbol) or self.price(holding)
            holding.day_cost = holding.qty * holding.lastday_price
