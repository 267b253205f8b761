"""Hold the trading state: losses and faults only lower it, only a person raises it, it persists.

The state in memory moves first and at once (a lowering must bind the very next `authorize`); the
journal follows. A raise waits for its commit, so a crash can never leave a state that was raised
in memory alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from domain.errors import JournalError
from domain.ports import Entry, EntryKind, Journal
from domain.records import Record, plain
from domain.risk import TradingState
from engine.control import ControlRefused
from engine.killswitch.mark import HaltOrder

NEVER_STARTED = "NEVER_STARTED"
STOPPED = "STOPPED"
OPERATOR = "OPERATOR"
STARTABLE = frozenset({NEVER_STARTED, STOPPED})

_RANK = {TradingState.HALTED: 0, TradingState.REDUCING: 1, TradingState.ACTIVE: 2}


class Standing(Record, frozen=True):
    """The trading state with the code, the words and the person or rule behind it.

    `under` is what stood before a stop or a halt came on top of it: raising the one bares the
    other, so that no restart and no lunch break takes a loss limit back.
    """

    state: TradingState
    code: str
    reason: str
    actor: str
    under: Standing | None = None


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
        spool: Callable[..., None] | None = None,
    ) -> None:
        self._journal = journal
        self._spool = spool
        self._raised: list[Callable[[str], None]] = []
        self._is_raising = False
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
        is_again = self._is_raising and state is TradingState.HALTED
        is_lower = _RANK[state] < _RANK[self._standing.state]
        if not (is_lower or is_firmer or is_again):
            return False
        before = self._standing
        under = before if before.state is TradingState.REDUCING else before.under
        self._set(Standing(state=state, code=code, reason=reason, actor=actor, under=under))
        self._journal.trace(self._entry())
        return True

    async def confirm(self, code: str, line: str) -> None:
        """Wait until the standing, and the alert that tells of it, are where a restart reads them.

        Entries are written in order, so the alert's commit proves the standing's. With the journal
        down both are synced to the spool. Raises `JournalError` when that fails too.
        """
        body = {"code": code, "message": line, "symbol": None}
        alert = Entry(kind=EntryKind.ALERT, ref=code, body=body)
        try:
            await self._journal.append(alert)
        except JournalError:
            if self._spool is None:
                raise
            self._spool(self._entry(), alert)

    def when_raised(self, listener: Callable[[str], None]) -> None:
        """Call `listener` with the code that a person has just resolved."""
        self._raised.append(listener)

    async def raise_to_active(self, *, code: str, actor: str, reason: str) -> None:
        """Raise for a person who names the code it was lowered for: to active, or to what is under.

        A rule that still finds its limit passed lowers it again at once, under its own code.
        """
        if self._standing.state is TradingState.ACTIVE:
            return
        if code != self._standing.code:
            raise ControlRefused(
                f"Trading is {self._standing.state} for {self._standing.code}, not for {code!r}.",
                remedy=f'Look at it, then POST /resume with {{"code": "{self._standing.code}"}}.',
                code="RESUME_CODE_MISMATCH",
            )
        raised = self._standing.under or Standing(
            state=TradingState.ACTIVE, code="RESUMED", reason=reason or "resumed", actor=actor
        )
        await self._write_raise(raised)
        self._set(raised)
        for listener in self._raised:
            listener(code)

    async def _write_raise(self, raised: Standing) -> None:
        """Commit a raise; whoever halts while the disk works has the last word, there and here."""
        before, self._is_raising = self._standing, True
        try:
            await self._journal.append(self._entry(raised))
        finally:
            self._is_raising = False
        if self._standing is before or self._standing.state is raised.state:
            return  # nothing has happened, or somebody else has raised it just so
        self._journal.trace(self._entry())
        raise ControlRefused(
            f"Trading was lowered for {self._standing.code} while it was raised.",
            remedy=f'Look at it, then POST /resume with {{"code": "{self._standing.code}"}}.',
            code="LOWERED_MEANWHILE",
        )

    @property
    def _is_startable(self) -> bool:
        return self._standing.code in STARTABLE and self._standing.state is TradingState.HALTED

    def _set(self, standing: Standing) -> None:
        self._standing = standing
        self._publish("state_changed", self._entry(standing).body)

    def _entry(self, standing: Standing | None = None) -> Entry:
        body = plain(standing or self._standing)
        return Entry(kind=EntryKind.TRADING_STATE, ref="trading", body=body)
