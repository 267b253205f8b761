"""List the baselines by name, with what they do, as a run's `policy:<name>` asks for them."""

from __future__ import annotations

from collections.abc import Callable

from backtest.baselines.chance import Habits, RandomTrader
from backtest.baselines.reversion import Oscillators, Reversion
from backtest.baselines.still import Cash, Hold
from backtest.baselines.trend import Convergence, Crossing, Momentum
from backtest.policy import MakePolicy, Policy
from domain.errors import ConfigError

_RULES: dict[str, Callable[[float], Policy]] = {
    rule.name: rule for rule in (Hold, Crossing, Convergence, Oscillators, Reversion, Momentum)
}
RANDOM = RandomTrader.name
NAMES = (Cash.name, *_RULES, RANDOM)
"""Every baseline, in the order of the headline."""


def policy(name: str, *, share: float, seed: int = 0, habits: Habits | None = None) -> MakePolicy:
    """Return what makes a baseline's policy for each symbol.

    `share` of the equity goes into one symbol; the random trader brings his own in `habits`. Raises
    `ConfigError` for a name that is none of `NAMES`, and for a random trader without habits.
    """
    if name == Cash.name:
        return lambda _symbol: Cash()
    if name == RANDOM and habits is not None:
        return lambda symbol: RandomTrader(habits, symbol, seed)
    if name in _RULES:
        return lambda _symbol: _RULES[name](share)
    if name == RANDOM:
        raise ConfigError(
            "A random trader needs the habits of the run that he is matched with.",
            remedy="Run it beside an analyst.",
            code="HABITS_MISSING",
        )
    raise ConfigError(
        f"There is no baseline {name!r}.",
        remedy=f"Name one of {', '.join(NAMES)}.",
        code="BASELINE_UNKNOWN",
    )
