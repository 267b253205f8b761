"""Let a rule stand in for the graph: what a policy sees at a bar's close, and what it may want.

Everything behind it is the same as behind the graph: the gate, the journal, the gateway, the venue.
A policy says how much of the equity it wants in its symbol; code sizes, checks and sends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from backtest.records import Floats, Ints


class PolicyView(Protocol):
    """One symbol as of the close of its last bar: nothing of it was known later than `now_ns`.

    The columns are the closed bars, oldest first, of length `n`; they are views that grow, so a
    policy that keeps them past its call sees them at that length. One view a symbol lives through
    the whole run.
    """

    @property
    def symbol(self) -> str:
        """Return the symbol."""
        ...

    @property
    def n(self) -> int:
        """Return how many bars have closed."""
        ...

    @property
    def now_ns(self) -> int:
        """Return the time of the decision, UTC."""
        ...

    @property
    def price(self) -> float:
        """Return the last close."""
        ...

    @property
    def ts_ns(self) -> Ints:
        """Return the bars' starts."""
        ...

    @property
    def open(self) -> Floats:
        """Return the opening prices."""
        ...

    @property
    def high(self) -> Floats:
        """Return the highs."""
        ...

    @property
    def low(self) -> Floats:
        """Return the lows."""
        ...

    @property
    def close(self) -> Floats:
        """Return the closes."""
        ...

    @property
    def volume(self) -> Floats:
        """Return the volumes."""
        ...

    @property
    def quantity(self) -> float:
        """Return our position, signed."""
        ...

    @property
    def equity(self) -> float:
        """Return the account's equity in dollars."""
        ...


class Policy(Protocol):
    """Decide one symbol by a rule; an instance belongs to one symbol of one run and may remember.

    It is asked once at every bar's close, in order, from the first bar on, so it may work bar by
    bar on `price` and never look at a column.
    """

    @property
    def name(self) -> str:
        """Return what decisions record after `policy:`."""
        ...

    def target(self, view: PolicyView) -> float | None:
        """Return the share of equity wanted in the symbol (0 is flat, 1 all), none to leave it.

        What is held already is not resized: a target above 0 opens when flat, 0 closes.
        """
        ...


MakePolicy = Callable[[str], Policy]
"""Make the policy of one symbol."""
