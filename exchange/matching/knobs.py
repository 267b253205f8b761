"""What may differ between one exchange and another: money, seed, fills, and what is unverified."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


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
