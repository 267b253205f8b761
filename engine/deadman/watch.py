"""Be the dead-man: listen to the engine's beats and cancel its entries when they end.

Synchronous and small on purpose: it must work when everything else does not. What it can do to the
venue is one type with two questions, list entries and cancel one; there is no way to order.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol

from domain.errors import AutoHedgeError
from engine.deadman.duty import GOODBYE, Acted

_AT_ONCE = 4
_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0

ORPHANED = "the engine is gone"


class Entry(Protocol):
    """A working entry at the venue, under both its names."""

    @property
    def venue_order_id(self) -> str:
        """Return the venue's name for it."""
        ...

    @property
    def client_order_id(self) -> str:
        """Return our name for it."""
        ...


class Canceler(Protocol):
    """All that a dead-man can do at a venue; safe to call from several threads."""

    def working_entries(self) -> Sequence[Entry]:
        """List our entries that may still fill; raises `BrokerError`."""
        ...

    def cancel(self, venue_order_id: str) -> None:
        """Ask for a cancel; an order that has ended is no failure. Raises `BrokerError`."""
        ...


def wait_for_silence(pipe: int, silence_s: float) -> str | None:
    """Return why to act, or none after the engine's goodbye.

    A hung event loop and a stopped process are silent, a killed one closes the pipe.
    """
    while True:
        heard, _, _ = select.select([pipe], [], [], silence_s)
        if not heard:
            return f"no beat of the engine for {silence_s:g} s"
        beats = os.read(pipe, 4096)
        if not beats:
            return ORPHANED
        if GOODBYE in beats:
            return None


def act(
    canceler: Canceler,
    why: str,
    *,
    give_up_s: float,
    is_relieved: Callable[[], bool],
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Acted:
    """Cancel entries until the venue lists none of them, or `give_up_s` has passed.

    Ends as well once another dead-man has the post: its engine knows of these entries.
    """
    began, pause_s = now(), _PAUSE_S
    asked: dict[str, str] = {}
    left: Sequence[Entry] = ()
    answered_s: float | None = None
    fault = ""
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        while True:
            if is_relieved():
                return _told(why, asked, left, answered_s, None, "a new run has taken over")
            try:
                left = canceler.working_entries()
                if not left:
                    return _told(why, asked, left, answered_s, now() - began)
                asked |= {each.venue_order_id: each.client_order_id for each in left}
                for _ in threads.map(canceler.cancel, [each.venue_order_id for each in left]):
                    answered_s = now() - began
            except AutoHedgeError as error:
                fault = error.line
            if now() - began > give_up_s:
                return _told(why, asked, left, answered_s, None, fault)
            is_first = pause_s == _PAUSE_S and answered_s is not None
            sleep(0.0 if is_first else pause_s)
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)


def _told(
    why: str,
    asked: dict[str, str],
    left: Sequence[Entry],
    answered_s: float | None,
    gone_s: float | None,
    fault: str = "",
) -> Acted:
    return Acted(
        why=why,
        asked=tuple(asked.values()),
        left=tuple(each.client_order_id for each in left),
        answered_s=answered_s,
        gone_s=gone_s if asked else None,
        fault=fault,
    )
