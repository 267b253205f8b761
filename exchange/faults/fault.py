"""Say one fault: its kind, what it is aimed at, at which match it strikes, how often, how long."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

import msgspec

from exchange.faults.kinds import FaultKind, Seam

_OF_REQUESTS = ("method", "path", "leg", "side", "symbol")
_OF_STREAMS = ("stream",)
AIMS: dict[Seam, tuple[str, ...]] = {
    Seam.HANDSHAKE: _OF_STREAMS,
    Seam.ACTION: _OF_STREAMS,
    Seam.FRAME: _OF_STREAMS,
    Seam.MARKET: ("channel", "symbol"),
    Seam.REQUEST: _OF_REQUESTS,
    Seam.ANSWER: _OF_REQUESTS,
    Seam.VIEW: ("method", "path", "symbol"),
    Seam.EVENT: ("event", "leg", "side", "symbol"),
}
"""What a fault can be aimed by, by where it strikes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What could be struck, as far as it is known. `leg` holds every name that the leg goes by."""

    method: str = ""
    path: str = ""
    event: str = ""
    leg: str = ""
    side: str = ""
    symbol: str = ""
    stream: str = ""
    channel: str = ""

    def __str__(self) -> str:
        """Return it in words, for the record."""
        known = (self.method, self.path, self.stream, self.channel, self.event, self.symbol)
        return " ".join(filter(None, (*known, self.side, self.leg)))


class Where(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Aim a fault; what is None fits everything.

    `path` is a pattern (`/v2/orders*`), `leg` a part of our client order id (`entry`, `stop`) or
    the venue's own role in a group (`stop_loss`), `stream` an endpoint (`iex`, `crypto/us`, `news`,
    `trade_updates`), `channel` a channel of market data (`trades`), `event` an order event.
    """

    method: str | None = None
    path: str | None = None
    event: str | None = None
    leg: str | None = None
    side: str | None = None
    symbol: str | None = None
    stream: str | None = None
    channel: str | None = None

    def fits(self, target: Target) -> bool:
        """Tell whether it is aimed at this."""
        return (
            self.method in (None, target.method)
            and self.event in (None, target.event)
            and self.side in (None, target.side)
            and self.stream in (None, target.stream)
            and self.channel in (None, target.channel)
            and (self.path is None or fnmatchcase(target.path, self.path))
            and (self.leg is None or f"-{self.leg}-" in f"-{target.leg}-")
            and (self.symbol is None or compact(self.symbol) == compact(target.symbol))
        )

    def given(self) -> tuple[str, ...]:
        """Return the names of what it is aimed by."""
        return tuple(n for n in self.__struct_fields__ if getattr(self, n) is not None)


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One fault. It strikes at the `nth` match and those after it, or each with a `chance`.

    `times` is how often at most, None without end; `seconds` is how long or how much, None the
    kind's own. Raises `ValueError` for what makes no sense.
    """

    kind: FaultKind
    where: Where = Where()
    nth: int = 1
    chance: float | None = None
    times: int | None = 1
    seconds: float | None = None

    def __post_init__(self) -> None:
        """Refuse an aim that the kind cannot take, and numbers out of range."""
        allowed = [name for seam in self.kind.seams for name in AIMS[seam]]
        wrong = [name for name in self.where.given() if name not in allowed]
        if wrong:
            names = ", ".join(dict.fromkeys(allowed))
            raise ValueError(f"{self.kind} cannot be aimed by {wrong[0]}: use {names}")
        if self.nth < 1 or (self.times is not None and self.times < 1):
            raise ValueError("nth and times must be 1 or more (times null: without end)")
        if self.chance is not None and not 0 < self.chance <= 1:
            raise ValueError(f"chance must be above 0 and at most 1, not {self.chance}")
        if self.lasts_s < 0 and self.kind is not FaultKind.CLOCK_SKEW:
            raise ValueError(f"seconds must be 0 or more, not {self.seconds}")

    @property
    def lasts_s(self) -> float:
        """Return the fault's own seconds, or its kind's."""
        return self.kind.seconds if self.seconds is None else self.seconds


def compact(symbol: str) -> str:
    """Return a symbol as positions spell it, so that both spellings are the same."""
    return symbol.replace("/", "")
