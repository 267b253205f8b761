"""Name what the venue asks of whatever makes a symbol's market."""

from typing import Protocol

from exchange.market.hours import Hours
from exchange.market.minute import Minute
from exchange.market.records import Article, Candle


class Source(Protocol):
    """One symbol's market, as a function from a minute to what happened in it.

    `first_minute` (counted from the epoch) is the oldest it can tell. `switch_ns` is the venue
    time at which the source starts over with another past (a tape's next session), None if never.
    """

    symbol: str
    hours: Hours

    @property
    def first_minute(self) -> int:
        """Return the oldest minute that can be asked for."""
        ...

    @property
    def switch_ns(self) -> int | None:
        """Return when `switch` is due, None for a source without end."""
        ...

    def switch(self) -> None:
        """Start over: every minute may now differ from what it was."""
        ...

    def minute(self, minute: int) -> Minute:
        """Return a minute at or after the first, also one that is still to come."""
        ...

    def articles(self, minute: int) -> list[Article]:
        """Return the minute's news without drawing its ticks."""
        ...

    def older_days(self) -> list[Candle]:
        """Return the daily bars of days before the first minute's, oldest first."""
        ...
