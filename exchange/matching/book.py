"""One symbol at the venue: its quote and last trade, and the orders that wait on them.

There is no order book of others: the national best bid and offer is the whole market. So that a
tick costs next to nothing, the orders' prices are folded into four gates, floats compared with the
quote; only a tick that passes a gate looks at orders.
"""

from decimal import Decimal
from math import inf, nextafter
from typing import NamedTuple

from exchange.matching.listing import Listing
from exchange.matching.orders import Order, OrderType, Side, TimeInForce

# Their first meeting with a quote ends them, filled or not.
AT_ONCE = (TimeInForce.IOC, TimeInForce.FOK, TimeInForce.OPG)


class LatestQuote(NamedTuple):
    """The national best bid and offer; a price of 0 means no quote on that side."""

    bid: float
    bid_size: float
    ask: float
    ask_size: float
    ts_ns: int


class LatestTrade(NamedTuple):
    """The last print that updates the last price."""

    price: float
    size: float
    ts_ns: int


class Book:
    """Hold one symbol's market and its open orders.

    `open` has every order not terminal; `live` those that any quote may fill; `stops` those that
    sleep until triggered, by prints, or by quotes too where `quotes_trigger`. A gate may let a
    tick through in vain, never keep one out wrongly.
    """

    __slots__ = (
        "ask",
        "ask_size",
        "bid",
        "bid_size",
        "buy_gate",
        "fall_gate",
        "halted",
        "last",
        "last_size",
        "listing",
        "live",
        "open",
        "quote_ns",
        "quotes_trigger",
        "rise_gate",
        "sell_gate",
        "stops",
        "trade_ns",
    )

    def __init__(self, listing: Listing, *, quotes_trigger: bool = False) -> None:
        self.listing = listing
        self.quotes_trigger = quotes_trigger
        self.bid = self.bid_size = self.ask = self.ask_size = self.last = self.last_size = 0.0
        self.quote_ns = self.trade_ns = 0
        self.halted = False
        self.open: dict[str, Order] = {}
        self.live: list[Order] = []
        self.stops: list[Order] = []
        self.set_gates()

    @property
    def quote(self) -> LatestQuote | None:
        """Return the latest quote, None before the first."""
        if not self.quote_ns:
            return None
        return LatestQuote(self.bid, self.bid_size, self.ask, self.ask_size, self.quote_ns)

    @property
    def trade(self) -> LatestTrade | None:
        """Return the latest print, None before the first."""
        return LatestTrade(self.last, self.last_size, self.trade_ns) if self.trade_ns else None

    def touch(self, side: Side) -> Decimal | None:
        """Return the price at the far side of the quote, None when nobody quotes there."""
        return exact(self.ask if side is Side.BUY else self.bid)

    def mark(self) -> Decimal | None:
        """Return what the symbol is worth: its last print, else the middle of the quote."""
        if self.last > 0:
            return exact(self.last)
        bid, ask = exact(self.bid), exact(self.ask)
        return (bid + ask) / 2 if bid and ask else bid or ask

    def displayed(self, side: Side) -> Decimal:
        """Return the size quoted at the far side and not yet taken by an order of ours."""
        return exact(self.ask_size if side is Side.BUY else self.bid_size) or Decimal(0)

    def take(self, side: Side, qty: Decimal) -> None:
        """Take size from the far side of the quote until the next one comes."""
        if side is Side.BUY:
            self.ask_size = max(0.0, self.ask_size - float(qty))
        else:
            self.bid_size = max(0.0, self.bid_size - float(qty))

    def rest(self, order: Order) -> None:
        """Let quotes fill an order, or trades trigger it while it sleeps."""
        order.is_live, order.is_dormant = True, False
        (self.stops if order.sleeps else self.live).append(order)
        self.set_gates()

    def wake(self, order: Order) -> None:
        """Turn a sleeping stop into an order that quotes fill."""
        order.is_triggered = True
        self.stops.remove(order)
        self.live.append(order)
        self.set_gates()

    def drop(self, order: Order) -> None:
        """Forget an order that has ended."""
        self.open.pop(order.id, None)
        if order.is_live:
            order.is_live = False
            (self.stops if order in self.stops else self.live).remove(order)
            self.set_gates()

    def set_gates(self) -> None:
        """Fold the orders' prices into the four gates; call after any of them changed."""
        buys = [_gate(order) for order in self.live if order.side is Side.BUY]
        sells = [_gate(order) for order in self.live if order.side is Side.SELL]
        # A buy stop wakes when the market rises to it, and trails when the market falls past its
        # low water mark; a sell stop the other way round.
        rises: list[float] = []
        falls: list[float] = []
        for order in self.stops:
            ahead, behind = (rises, falls) if order.side is Side.BUY else (falls, rises)
            ahead.append(_stop(order))
            if order.type is OrderType.TRAILING_STOP:
                behind.append(_mark(order))
        self.buy_gate = max(buys, default=-inf)
        self.sell_gate = min(sells, default=inf)
        self.rise_gate = min(rises, default=inf)
        self.fall_gate = max(falls, default=-inf)


def exact(price: float) -> Decimal | None:
    """Return a float of the market as the decimal it prints as; None for no price at all."""
    return Decimal(str(price)) if 0 < price < inf else None


def _gate(order: Order) -> float:
    """Return the worst quote that an order takes.

    One that cannot wait meets any quote, and so does a limit that has not rested yet: the first
    quote away from it makes it a maker.
    """
    is_new = order.limit_price is not None and not order.rested
    bound = None if is_new or order.time_in_force in AT_ONCE else order.bound
    return float(bound) if bound is not None else inf * order.side.sign


def _stop(order: Order) -> float:
    return float(order.stop_price) if order.stop_price is not None else inf * order.side.sign


def _mark(order: Order) -> float:
    """Return the first price past the water mark of a trailing stop; without a mark, any price."""
    if order.hwm is None:
        return inf * order.side.sign
    return nextafter(float(order.hwm), -inf * order.side.sign)
