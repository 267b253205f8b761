"""Charge a run's costs at the venue, where an execution is priced, and remember what each was.

Costs stand in the price that is paid, so that the engine's account, the venue's and the journal say
the same. The spread is in the quotes already; pairs pay the venue's fees in its own ledger.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from math import sqrt

from backtest.costs import regulatory_fees, worse
from backtest.records import Costs, CostsPaid
from exchange.matching.book import Book
from exchange.matching.orders import Order, Side
from exchange.matching.pricing import is_maker

_BPS = 10_000.0


@dataclass(frozen=True, slots=True)
class Turnover:
    """What is known of a symbol's trading by now: daily volatility (a fraction), daily volume."""

    volatility: float
    volume: float


@dataclass(frozen=True, slots=True)
class Charged:
    """What one execution cost in dollars, and the middle price at which it met the market."""

    costs: CostsPaid
    reference: float


class Charges:
    """The surcharge of a simulated venue; `turnover` tells what is known of a symbol by now.

    Source of the impact: the square-root law, cost = volatility * sqrt(quantity / daily volume)
    (Almgren, Thum, Hauptmann and Li, "Direct Estimation of Equity Market Impact", Risk, 2005).
    """

    def __init__(
        self,
        costs: Costs,
        book: Callable[[str], Book],
        turnover: Callable[[str], Turnover],
    ) -> None:
        self._costs = costs
        self._book = book
        self._turnover = turnover
        self._charged: defaultdict[str, deque[Charged]] = defaultdict(deque)

    def surcharge(self, order: Order, quantity: Decimal, price: Decimal) -> Decimal:
        """Return the price that an execution comes to, and remember how."""
        book, sign = self._book(order.listing.symbol), order.side.sign
        size, at = float(quantity), float(price)
        middle = (book.bid + book.ask) / 2
        notional = size * at
        costs = CostsPaid(
            commission=notional * self._costs.commission_bps / _BPS,
            spread=0.0 if is_maker(order) else max(0.0, (at - middle) * sign * size),
            slippage=0.0 if is_maker(order) else notional * self._costs.slippage_bps / _BPS,
            impact=notional * self._impact(order.listing.symbol, size),
            venue_fees=self._fees(order, size, at),
        )
        self._charged[order.client_order_id].append(Charged(costs, middle))
        added = costs.commission + costs.slippage + costs.impact + costs.venue_fees
        return worse(price, added / size, sign) if added else price

    def take(self, client_order_id: str) -> Charged | None:
        """Return what the next execution of an order cost, once, oldest first."""
        waiting = self._charged.get(client_order_id)
        if not waiting:
            return None
        charged = waiting.popleft()
        if not waiting:
            del self._charged[client_order_id]
        return charged

    def _impact(self, symbol: str, size: float) -> float:
        if not self._costs.impact:
            return 0.0
        known = self._turnover(symbol)
        share = size / known.volume if known.volume > 0 else 0.0
        return self._costs.impact * known.volatility * sqrt(share)

    def _fees(self, order: Order, size: float, price: float) -> float:
        is_sale = order.side is Side.SELL and not order.listing.is_crypto
        return regulatory_fees(size, price) if self._costs.venue_fees and is_sale else 0.0
