"""What may differ between one exchange and another: money, seed, fills, and what is unverified."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from exchange.matching.orders import Order

Surcharge = Callable[[Order, Decimal, Decimal], Decimal]
"""Take an order, the quantity that fills and the price the market gives; return the price paid."""


class FillSize(StrEnum):
    """How much of a marketable order fills at once."""

    RANDOM_PARTIAL = "random_partial"
    DISPLAYED = "displayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """Set the venue's behaviour; the defaults are the paper API's.

    `seed` makes ids and partial fills reproducible. `partial_rate`: the paper API fills one
    marketable order in ten by a random part (source: Alpaca's paper trading page);
    `FillSize.DISPLAYED` fills no more than the quoted size instead. `latency_ns` passes between a
    request and its effect at the market, 0 matches within the request, so that its events come
    before its answer. `collar_low` bounds market orders under $50, `collar_high` from there on
    (source: Alpaca's orders page). `crypto_quote_stops`: crypto stops trigger on quotes too
    (unverified; shares trigger on trades alone, by Alpaca's word). Fees are in basis points.
    `waits_for_quote`: an order meets no quote from before its arrival, so that history never fills
    it at a price that was gone; `surcharge` worsens the price of each execution by what trading
    costs beside the spread.
    """

    seed: int = 0
    cash: Decimal = Decimal(100_000)
    multiplier: int = 4
    fill_size: FillSize = FillSize.RANDOM_PARTIAL
    partial_rate: float = 0.1
    latency_ns: int = 0
    collar_low: Decimal = Decimal("0.04")
    collar_high: Decimal = Decimal("0.025")
    crypto_quote_stops: bool = True
    crypto_min_cost: Decimal = Decimal(10)
    crypto_max_cost: Decimal = Decimal(200_000)
    stock_min_cost: Decimal = Decimal(1)
    maker_bps: Decimal = Decimal(15)
    taker_bps: Decimal = Decimal(25)
    requests_per_minute: int = 200
    pdt_fields: bool = False
    waits_for_quote: bool = False
    surcharge: Surcharge | None = None
