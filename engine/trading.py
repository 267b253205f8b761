"""Hold the trading state: losses and faults only lower it, only a person raises it, it persists.

The state in memory moves first and at once (a lowering must bind the very next `authorize`); the
journal follows. A raise waits for its commit, so a crash can never leave a state that was raised
in memory alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from domain.ports import Entry, EntryKind, Journal
from domain.records import Record
from domain.risk import TradingState
from engine.control import ControlRefused
from engine.killswitch.mark import HaltOrder

NEVER_STARTED = "NEVER_STARTED"
STOPPED = "STOPPED"
OPERATOR = "OPERATOR"
STARTABLE = frozenset({NEVER_STARTED, STOPPED})

_RANK = {TradingState.HALTED: 0, TradingState.REDUCING: 1, TradingState.ACTIVE: 2}


class Standing(Record, frozen=True):
    """The trading state with the code, the words and the person or rule behind it."""

    state: TradingState
    code: str
    reason: str
    actor: str


EMPTY = Standing(
    state=TradingState.HALTED,
    code=NEVER_STARTED,
    reason="This journal has never traded.",
    actor="autohedge",
)


class Mark(Protocol):
    """A halt that a person left for us while we did not answer (`engine.killswitch.mark`)."""

    @property
    def is_set(self) -> bool:
        """Tell whether one waits."""
        ...

    def read(self) -> HaltOrder | None:
        """Return the one that waits."""
        ...


class TradingGate:
    """Keep one standing; lower it from any code, raise it only for a person.

    A halt left in `mark` counts from the moment it is there, before anybody has taken it up.
    """

    def __init__(
        self,
        journal: Journal,
        publish: Callable[[str, dict[str, Any]], None],
        standing: Standing,
        *,
        mark: Mark | None = None,
    ) -> None:
        self._journal = journal
        self._publish = publish
        self._standing = standing
        self._mark = mark
        self.heed()

    @property
    def standing(self) -> Standing:
        """Return the current standing."""
        return self._standing

    @property
    def state(self) -> TradingState:
        """Return the current state."""
        if self._mark is not None and self._mark.is_set:
            return TradingState.HALTED
        return self._standing.state

    def heed(self) -> HaltOrder | None:
        """Lower for a halt that waits in the mark, and return it; it stays there until cleared."""
        order = None if self._mark is None else self._mark.read()
        if order is not None:
            reason = order.reason or "halt"
            self.lower(TradingState.HALTED, code=OPERATOR, reason=reason, actor=order.actor)
        return order

    def lower(self, state: TradingState, *, code: str, reason: str, actor: str) -> bool:
        """Lower to `state` at once; returns false when it stands as low already.

        The first reason stays: a person must resolve what first went wrong. But what `/start`
        takes back by itself gives way: a bot that is stopped can still be halted.
        """
        is_firmer = self._is_startable and state is TradingState.HALTED and code not in STARTABLE
        if _RANK[state] >= _RANK[self._standing.state] and not is_firmer:
            return False
        self._set(Standing(state=state, code=code, reason=reason, actor=actor))
        self._journal.trace(self._entry())
        return True

    async def raise_to_active(self, *, code: str, actor: str, reason: str) -> None:
        """Raise to active for a person who names the code it was lowered for."""
        if self._standing.state is TradingState.ACTIVE:
            return
        if code != self._standing.code:
            raise ControlRefused(
                f"Trading is {self._standing.state} for {self._standing.code}, not for {code!r}.",
                remedy=f'Look at it, then POST /resume with {{"code": "{self._standing.code}"}}.',
                code="RESUME_CODE_MISMATCH",
            )
        raised = Standing(
            state=TradingState.ACTIVE, code="RESUMED", reason=reason or "resumed", actor=actor
        )
        await self._journal.append(self._entry(raised))
        self._set(raised)

    @property
    def _is_startable(self) -> bool:
        return self._standing.code in STARTABLE and self._standing.state is TradingState.HALTED

    def _set(self, standing: Standing) -> None:
        self._standing = standing
        self._publish("state_changed", self._entry(standing).body)

    def _entry(self, standing: Standing | None = None) -> Entry:
        standing = standing or self._standing
        body = {
            "state": standing.state.value,
            "code": standing.code,
            "reason": standing.reason,
            "actor": standing.actor,
        }
        return Entry(kind=EntryKind.TRADING_STATE, ref="trading", body=body)
