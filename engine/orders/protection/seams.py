"""Name what keepers look at, act with and tell, and how they behave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

import msgspec

from domain.account import Position
from domain.market import Instrument, Quote
from domain.orders import Order, OrderRequest
from domain.ports import Calendar, Clock
from domain.records import Record
from domain.risk import Denied
from engine.orders.protection.rules import ExitRules
from engine.orders.protection.watching.bare import Cause

BAND_OWNER = "exits"


class ExitsConfig(Record, frozen=True):
    """How keepers behave; times in seconds of event time but for `patience_s`.

    `partial_grace_s`: how long a partly filled entry may wait for its rest before the rest is
    cancelled and the filled part protected. `breach_grace_s`: how long a price may stand beyond a
    resting stop before the engine sells itself, `gap_grace_s` when no stop rests or the price lies
    beyond what the stop limit would take. `exit_collar`: the fraction of price such an urgent exit
    may give up. `exit_ttl_s`: how long it may work before it is cancelled and priced anew;
    `exit_pace_s`, doubling to `exit_pace_longest_s`, lies between two of them. `cancel_wait_s`: how
    long a cancel may take to become terminal. A stop that the venue refuses is tried again after
    `retry_s`, doubling to `retry_longest_s`, and to `retry_still_s` while no new price comes and
    nothing else changes that its answer hangs on, or when it was refused very often. A trailing
    stop moves by `trail_step` of its distance or more and not more often than every
    `trail_every_s`. A quote older than `quote_max_age_s` is asked for anew. `flat_before_close_s`:
    when `OVERNIGHT=flat` begins to sell. `patience_s`, in wall seconds, bounds a question whose
    answer an order could do without. Every `look_s` it is seen whether a position has stood bare
    for too long.
    """

    check_every_s: float = 1.0
    partial_grace_s: float = 0.4
    breach_grace_s: float = 2.0
    gap_grace_s: float = 0.3
    exit_collar: Decimal = Decimal("0.02")
    exit_ttl_s: float = 0.5
    exit_pace_s: float = 0.1
    exit_pace_longest_s: float = 2.0
    cancel_wait_s: float = 5.0
    retry_s: float = 0.25
    retry_longest_s: float = 5.0
    retry_still_s: float = 60.0
    trail_step: Decimal = Decimal("0.1")
    trail_every_s: float = 2.0
    quote_max_age_s: float = 10.0
    flat_before_close_s: float = 300.0
    patience_s: float = 0.5
    look_s: float = 0.25
    rules: ExitRules = ExitRules()
    by_symbol: dict[str, ExitRules] = msgspec.field(default_factory=dict)

    def rules_of(self, symbol: str) -> ExitRules:
        """Return how a symbol's positions are to be left."""
        return self.by_symbol.get(symbol, self.rules)


class GatewayPort(Protocol):
    """What a keeper needs of the gateway."""

    async def submit(self, request: OrderRequest) -> Order | Denied:
        """Authorize, write ahead and send."""
        ...

    async def cancel(self, order: Order, reason: str) -> Order:
        """Ask the venue to cancel and see it through."""
        ...

    def turn(self, symbol: str) -> AbstractAsyncContextManager[None]:
        """Hold a symbol for a sequence that no entry may interrupt."""
        ...


async def _nothing(*_args: object) -> None:
    """Do nothing, at once."""


@dataclass(frozen=True, kw_only=True)
class Seams:
    """What every keeper shares: facts to look at, hands to act with, ears to tell."""

    gateway: GatewayPort
    clock: Clock
    calendar: Calendar
    position: Callable[[str], Position | None]
    """Our position in a symbol, at the venue's or the quotes' mark."""
    working: Callable[[str], list[Order]]
    """Our orders in a symbol that may still fill."""
    quote: Callable[[str], Quote | None]
    is_halted: Callable[[str], bool]
    """Tell whether the symbol's market has halted it."""
    atr: Callable[[OrderRequest], float | None]
    """Return the average true range that an entry's decision saw."""
    set_band: Callable[[str, str, float, float], None]
    instrument: Callable[[str], Instrument]
    refresh: Callable[[], Awaitable[None]]
    """Correct account and positions by REST: crypto fees leave in coin, unseen by any event."""
    measured: Callable[[str, float, Cause], None]
    """Hear how long a position stood bare, in seconds, and why."""
    alert: Callable[[str, str, str], None]
    """Hear (code, message, symbol)."""
    is_managed: Callable[[str], bool] = lambda _symbol: True
    """Tell whether the symbol is ours to look after at all."""
    renew: Callable[[str], Awaitable[None]] = field(default=_nothing)
    """Ask once for a fresh quote of a symbol."""
    look: Callable[[], Awaitable[object]] = field(default=_nothing)
    """Reconcile once: the venue may work an order of ours that we do not know of."""

    def held(self, symbol: str) -> Decimal:
        """Return our signed position in a symbol."""
        position = self.position(symbol)
        return Decimal(0) if position is None else position.quantity
