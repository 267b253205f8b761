"""Draw the quotes and prints inside one step of a seeded path."""

import numpy as np
from numpy.typing import NDArray

from exchange.market.columns import (
    NO_PRINTS,
    NO_QUOTES,
    PRINT_ROW,
    QUOTE_ROW,
    PrintLabel,
    Prints,
    QuoteLabel,
    Quotes,
    Rows,
    columns,
)
from exchange.market.minute import NS_PER_MINUTE, NS_PER_S
from exchange.market.seeded.path import Place, Regime, Step, bridge
from exchange.market.seeded.profile import SeededProfile

_SECONDS = 60
_LATE_ODDS = 0.08  # of a minute, that its last print is reported after its end
_SOONEST_LATE_S = 0.5
_LATEST_S = 9.0  # venues must report a print within ten seconds
_PURPOSE = 0  # of the random numbers
_TAKER_BIAS = 0.12  # how much a trend leans on one side of the book
_ODD_LOT_ODDS = 0.08
_SWEEP_ODDS = 0.15
_ROUND_LOT = 100
_CRYPTO_PRINT_USD = 1_500.0
_CRYPTO_ID_BASE = 1 << 62  # crypto ids use all 63 bits, which breaks clients that read floats
_IDS_A_MINUTE = 1 << 20

_REGULAR, _ODD_LOT, _SWEEP = range(3)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def draw(
    place: Place, step: Step, profile: SeededProfile, *, seed: int, activity: float
) -> tuple[Prints, Quotes]:
    """Return one minute's prints and quotes; prints are at the bid or offer of their moment."""
    if step.is_halted:
        return NO_PRINTS, NO_QUOTES
    rng = place.dice(seed, _PURPOSE)
    is_crypto = "/" in place.symbol
    busy = activity * _bustle(step)
    quotes = _quotes(place, step, profile, rng, per_s=profile.quotes_per_s * busy)
    ts = _times(place, rng, profile.prints_per_s * busy)
    seen = np.searchsorted(quotes["ts"], ts, side="right") - 1
    lean = _TAKER_BIAS * np.sign(step.regime.drift)
    taker = np.where(rng.random(len(ts)) < 0.5 + lean, 1, -1)
    prints = columns(
        PRINT_ROW,
        ts=ts,
        published=_reported(place, ts, rng, can_be_late=profile.has_surprises),
        price=np.where(taker > 0, quotes["ask"][seen], quotes["bid"][seen]),
        id=place.nth * _IDS_A_MINUTE + np.arange(len(ts)),
    )
    if is_crypto:
        prints["id"] += _CRYPTO_ID_BASE
        prints["taker"] = taker
        prints["size"] = _coins(rng, prints["price"])
        return Prints(prints, (PrintLabel(),)), Quotes(quotes, (QuoteLabel(),))
    prints["size"], prints["label"] = _shares(rng, len(ts))
    return Prints(prints, _print_labels(profile)), Quotes(quotes, _quote_labels(profile))


def _bustle(step: Step) -> float:
    """Return how much more happens than in a calm minute."""
    return (3.0 if step.jump else 1.0) * (1.6 if step.regime is Regime.VOLATILE else 1.0)


def _times(place: Place, rng: np.random.Generator, per_s: float) -> Ints:
    """Return sorted moments of the minute, at least one."""
    fractions = np.sort(rng.random(max(1, rng.poisson(per_s * _SECONDS))))
    return place.start_ns + (fractions * NS_PER_MINUTE).astype(np.int64)


def _quotes(
    place: Place, step: Step, profile: SeededProfile, rng: np.random.Generator, *, per_s: float
) -> Rows:
    """Return quotes on the ticks around the path, never locked, the first as the minute starts."""
    ts = _times(place, rng, per_s)
    ts[0] = place.start_ns
    mid = np.exp(bridge((ts - place.start_ns) / NS_PER_MINUTE, step, rng))
    width = profile.spread_bps / 20_000 * step.regime.volatility
    half = width * rng.uniform(0.6, 1.8, len(ts))
    bid = np.maximum(np.floor(mid * (1 - half) / profile.tick), 1)
    ask = np.maximum(np.ceil(mid * (1 + half) / profile.tick), bid + 1)
    bid, ask = (np.round(side * profile.tick, profile.decimals) for side in (bid, ask))
    sizes = (
        (_coins(rng, bid), _coins(rng, ask)) if "/" in place.symbol else _lots(rng, (2, len(ts)))
    )
    return columns(
        QUOTE_ROW, ts=ts, published=ts, bid=bid, ask=ask, bid_size=sizes[0], ask_size=sizes[1]
    )


def _reported(place: Place, ts: Ints, rng: np.random.Generator, *, can_be_late: bool) -> Ints:
    """Return when each print becomes public: at once, but now and then the last comes late."""
    published = ts.copy()
    odds, delay = rng.random(2)
    if can_be_late and odds < _LATE_ODDS:
        late_s = _SOONEST_LATE_S + delay * (_LATEST_S - _SOONEST_LATE_S)
        published[-1] = place.start_ns + NS_PER_MINUTE + int(late_s * NS_PER_S)
    return published


def _lots(rng: np.random.Generator, shape: int | tuple[int, int]) -> Floats:
    return (rng.geometric(0.35, shape) * _ROUND_LOT).astype(np.float64)


def _shares(rng: np.random.Generator, count: int) -> tuple[Floats, Ints]:
    """Return whole shares and the label of each print: odd lots, sweeps, regular sales."""
    odds = rng.random(count)
    is_odd = odds < _ODD_LOT_ODDS
    label = np.where(is_odd, _ODD_LOT, np.where(odds > 1 - _SWEEP_ODDS, _SWEEP, _REGULAR))
    sizes = np.where(is_odd, rng.integers(1, _ROUND_LOT, count), _lots(rng, count))
    return sizes, label


def _coins(rng: np.random.Generator, price: Floats) -> Floats:
    usd = _CRYPTO_PRINT_USD * np.exp(rng.standard_normal(len(price)))
    return np.maximum(np.round(usd / price, 6), 1e-6)


def _print_labels(profile: SeededProfile) -> tuple[PrintLabel, ...]:
    regular, odd_lot, sweep = ("@",), ("@", "I"), ("@", "F")
    return tuple(
        PrintLabel(profile.exchange, conditions, profile.tape)
        for conditions in (regular, odd_lot, sweep)
    )


def _quote_labels(profile: SeededProfile) -> tuple[QuoteLabel, ...]:
    return (QuoteLabel(profile.exchange, profile.exchange, ("R",), profile.tape),)
