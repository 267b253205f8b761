"""Walk a seeded price: regimes, jumps and halts, minute by minute, for ever.

The log price at every minute's edge is decided here, far from its ticks: ticks of any minute can
then be drawn alone and in any order, and always join.
"""

from dataclasses import dataclass
from enum import Enum
from math import exp, log
from typing import NamedTuple
from zlib import crc32

import numpy as np

from exchange.market.minute import NS_PER_MINUTE


class Regime(Enum):
    """What the market is doing: drift in volatilities a minute, and volatility as a multiple."""

    UP = (0.9, 0.8)
    DOWN = (-0.9, 0.8)
    RANGE = (0.0, 0.6)
    VOLATILE = (0.0, 2.0)

    def __init__(self, drift: float, volatility: float) -> None:
        self.drift = drift
        self.volatility = volatility


_REGIMES = tuple(Regime)
_REGIME_ODDS = (0.32, 0.32, 0.24, 0.12)
_SHORTEST_REGIME = 3  # minutes
_REGIME_ENDS = 0.25  # chance a minute after the shortest

_JUMP_ODDS = 0.015  # a minute
_JUMP_SIZES = (4.0, 9.0)  # in volatilities
_HALTING_JUMP = 8.0  # a share that jumps further pauses for the next minute

_PULL_HOME = 0.002  # of the log distance to the start price, a minute: no price drifts away
_PULL_TO_RANGE = 0.3
_CHUNK = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class PathProfile:
    """How a seeded price moves. `volatility_bps` is a calm minute's standard deviation."""

    start_price: float
    volatility_bps: float = 8.0
    can_halt: bool = True


class Step(NamedTuple):
    """One minute of the path: log prices at both edges and what happens between them.

    `jump` is a log return at the fraction `jump_at` of the minute, part of the move from `start`
    to `end`; `sigma` is the minute's volatility as a log return; `is_new` marks a new regime;
    `luck` is two even chances in [0, 1) for what else may happen.
    """

    start: float
    end: float
    regime: Regime
    sigma: float = 0.0
    is_new: bool = False
    jump: float = 0.0
    jump_at: float = 0.0
    is_halted: bool = False
    luck: tuple[float, float] = (1.0, 1.0)


class Place(NamedTuple):
    """A minute of a seeded symbol: its number since the first, and since the epoch."""

    symbol: str
    nth: int
    minute: int

    @property
    def start_ns(self) -> int:
        """Return the minute's start."""
        return self.minute * NS_PER_MINUTE

    def dice(self, seed: int, purpose: int) -> np.random.Generator:
        """Return random numbers that depend on the seed, the place and the purpose alone."""
        return np.random.default_rng([seed, crc32(self.symbol.encode()), self.nth, purpose])


class Path:
    """Give the step of any minute from the first (index 0) on; steps already walked are kept."""

    def __init__(self, profile: PathProfile, *, seed: int, symbol: str) -> None:
        self._profile = profile
        self._seeds = (seed, crc32(symbol.encode()))
        self._steps: list[Step] = []
        self._home = log(profile.start_price)
        self._regime, self._left, self._level = Regime.RANGE, 0, self._home

    def step(self, index: int) -> Step:
        """Return the step of minute `index`, walking there when it is new."""
        while index >= len(self._steps):
            self._walk()
        return self._steps[index]

    def price(self, index: int) -> float:
        """Return the price at the start of minute `index`."""
        return exp(self.step(index).start)

    def _walk(self) -> None:
        """Add a chunk of steps; its random numbers depend on the seed and its number alone."""
        rng = np.random.default_rng([*self._seeds, len(self._steps) // _CHUNK])
        noise = rng.standard_normal(_CHUNK).tolist()
        draws = rng.random((_CHUNK, 6)).tolist()
        choices = rng.choice(len(_REGIMES), _CHUNK, p=_REGIME_ODDS).tolist()
        lengths = rng.geometric(_REGIME_ENDS, _CHUNK).tolist()
        for z, draw, choice, length in zip(noise, draws, choices, lengths, strict=True):
            self._steps.append(self._next(z, draw, _REGIMES[choice], _SHORTEST_REGIME + length))

    def _next(self, z: float, draw: list[float], choice: Regime, length: int) -> Step:
        last = self._steps[-1] if self._steps else None
        start = last.end if last else self._home
        calm = self._profile.volatility_bps / 10_000
        if last and self._profile.can_halt and abs(last.jump) >= _HALTING_JUMP * calm:
            return Step(start=start, end=start, regime=self._regime, is_halted=True)
        if is_new := self._left == 0:
            self._regime, self._left, self._level = choice, length, start
        self._left -= 1
        sigma = calm * self._regime.volatility
        move = self._regime.drift * calm + sigma * z + _PULL_HOME * (self._home - start)
        if self._regime is Regime.RANGE:
            move += _PULL_TO_RANGE * (self._level - start)
        jump = _jump(draw) * calm
        return Step(
            start=start,
            end=start + move + jump,
            regime=self._regime,
            sigma=sigma,
            is_new=is_new,
            jump=jump,
            jump_at=draw[3],
            luck=(draw[4], draw[5]),
        )


def _jump(draw: list[float]) -> float:
    """Return the minute's jump in volatilities, nearly always none."""
    if draw[0] >= _JUMP_ODDS:
        return 0.0
    least, most = _JUMP_SIZES
    size = least + (most - least) * draw[1]
    return size if draw[2] < 0.5 else -size  # noqa: PLR2004 -- an even chance


def bridge(fractions: np.ndarray, step: Step, rng: np.random.Generator) -> np.ndarray:
    """Return log prices at sorted fractions of the minute, tied to both edges of the step.

    A Brownian bridge with the step's volatility, and its jump at its place.
    """
    gaps = np.diff(fractions, prepend=0.0, append=1.0)
    walk = np.cumsum(rng.standard_normal(len(gaps)) * np.sqrt(gaps))
    tied = walk[:-1] - fractions * walk[-1]
    smooth = step.start + fractions * (step.end - step.jump - step.start)
    jumped = np.where(fractions >= step.jump_at, step.jump, 0.0)
    result: np.ndarray = smooth + step.sigma * tied + jumped
    return result
