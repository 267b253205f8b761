"""Draw what a share's market says beside prices: halts, bands, prints taken back."""

import numpy as np

from exchange.market.columns import Prints
from exchange.market.minute import NS_PER_MINUTE, NS_PER_S
from exchange.market.records import Amendment, Band, Cancellation, Correction, Halt, Notice, Print
from exchange.market.seeded.path import Place, Step
from exchange.market.seeded.profile import SeededProfile

_AMENDED_ODDS = 0.004  # of a minute, that a print is taken back, and as often corrected
_PURPOSE = 3  # of the random numbers
_BAND = 0.05  # limit up, limit down: five percent around the reference price
_CORRECTED_ID = 1 << 19  # above the ids of a minute's own prints, below the next minute's
_PAUSE = ("LUDP", "Volatility Trading Pause")
_RESUME = ("C11", "Trade Halt Concluded By Other Regulatory Auth; Quotes/Trades To Resume")


def halt(symbol: str, at_ns: int, *, is_halted: bool, tape: str) -> Halt:
    """Make the status that a volatility pause begins or ends with."""
    code, reason = _PAUSE if is_halted else _RESUME
    return Halt(symbol, at_ns, at_ns, is_halted, code, reason, tape)


def notices(
    place: Place, step: Step, prints: Prints, profile: SeededProfile, *, seed: int
) -> list[Notice]:
    """Return the minute's notices but its news, in the order they become public."""
    symbol, start_ns = place.symbol, place.start_ns
    if step.is_halted:
        end_ns = start_ns + NS_PER_MINUTE
        return [
            halt(symbol, start_ns, is_halted=True, tape=profile.tape),
            halt(symbol, end_ns, is_halted=False, tape=profile.tape),
        ]
    reference = float(np.exp(step.start))
    up, down = (round(reference * (1 + side * _BAND), 2) for side in (1, -1))
    found: list[Notice] = [Band(symbol, start_ns, start_ns, up, down, profile.tape)]
    found.extend(_amendments(place, step, prints, profile, seed=seed))
    return found


def _amendments(
    place: Place, step: Step, prints: Prints, profile: SeededProfile, *, seed: int
) -> list[Amendment]:
    """Return at most one amendment, of a print chosen at random, seconds after it."""
    luck = step.luck[1]
    if luck >= 2 * _AMENDED_ODDS or not len(prints.rows):
        return []
    rng = place.dice(seed, _PURPOSE)
    nth = int(rng.integers(len(prints.rows)))
    hit = next(prints.records(place.symbol, prints.rows[nth : nth + 1]))
    at_ns = hit.published_ns + int(rng.uniform(1, 15) * NS_PER_S)
    if luck < _AMENDED_ODDS:
        return [_cancellation(hit, at_ns)]
    return [_correction(hit, at_ns, profile)]


def _cancellation(hit: Print, at_ns: int) -> Cancellation:
    return Cancellation(
        symbol=hit.symbol,
        ts_event=at_ns,
        published_ns=at_ns,
        trade_id=hit.trade_id,
        price=hit.price,
        size=hit.size,
        exchange=hit.exchange,
        tape=hit.tape,
    )


def _correction(hit: Print, at_ns: int, profile: SeededProfile) -> Correction:
    """Move the print by one tick, under a new id."""
    return Correction(
        symbol=hit.symbol,
        ts_event=at_ns,
        published_ns=at_ns,
        original_id=hit.trade_id,
        original_price=hit.price,
        original_size=hit.size,
        original_conditions=hit.conditions,
        corrected_id=hit.trade_id + _CORRECTED_ID,
        corrected_price=round(hit.price + profile.tick, profile.decimals),
        corrected_size=hit.size,
        corrected_conditions=hit.conditions,
        exchange=hit.exchange,
        tape=hit.tape,
    )
