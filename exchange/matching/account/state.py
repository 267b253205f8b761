"""The one account of a venue, its parts together."""

from collections.abc import Collection
from decimal import Decimal

from exchange.matching.account.activities import Activities
from exchange.matching.account.configuration import Configuration
from exchange.matching.account.ledger import Execution, Ledger, Mark
from exchange.matching.account.margin import Figures, figures
from exchange.matching.knobs import Knobs
from exchange.matching.orders import Order


class Account:
    """Hold ledger, switches and history of one account since `created_ns`."""

    def __init__(self, knobs: Knobs, mark: Mark, created_ns: int) -> None:
        self.knobs = knobs
        self.created_ns = created_ns
        self.ledger = Ledger(knobs, mark)
        self.configuration = Configuration(multiplier=knobs.multiplier, pdt=knobs.pdt_fields)
        self.activities = Activities(knobs.seed)
        # Today's close becomes yesterday's at midnight: the venue's last_equity is the day before.
        self._closing: tuple[Decimal, Decimal, dict[str, Decimal]] | None = None

    @property
    def multiplier(self) -> int:
        """Return the margin multiplier in force."""
        return min(self.knobs.multiplier, self.configuration.max_multiplier)

    def figures(self, open_orders: Collection[Order]) -> Figures:
        """Compute what the account may still spend beside its open orders."""
        return figures(self.ledger, open_orders, self.multiplier)

    def book(self, order: Order, execution: Execution) -> Decimal:
        """Book one execution of an order that already holds it; return the position after it."""
        position = self.ledger.apply(execution)
        self.activities.fill(order, execution)
        return position

    def close_session(self, closes: dict[str, Decimal]) -> None:
        """Photograph the account at the session's close."""
        ledger = self.ledger
        self._closing = (ledger.equity, figures(ledger, (), 1).maintenance_margin, closes)

    def begin_day(self, now_ns: int) -> None:
        """Start a New York day: the last close counts from now, and crypto fees are posted."""
        for fee in self.ledger.unposted_fees:
            self.activities.fee(fee, now_ns)
        self.ledger.unposted_fees.clear()
        if self._closing:
            self.ledger.begin_day(*self._closing)
            self._closing = None
