"""Say how one seeded symbol looks."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class SeededProfile:
    """Looks of a seeded symbol. Rates are means a second of venue time at average activity.

    `volatility_bps` is the standard deviation of a calm minute; `has_surprises` allows halts,
    late prints, prints taken back, bands and news.
    """

    start_price: float
    tick: float = 0.01
    volatility_bps: float = 8.0
    spread_bps: float = 1.5
    prints_per_s: float = 1.5
    quotes_per_s: float = 3.0
    exchange: str = "V"
    tape: str = "C"
    has_surprises: bool = True

    @property
    def decimals(self) -> int:
        """Return how many decimals the tick has."""
        exponent = Decimal(str(self.tick)).as_tuple().exponent
        return max(0, -int(exponent))
