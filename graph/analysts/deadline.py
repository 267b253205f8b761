"""Carry the run's deadline to whoever waits on a network, so that what was asked is not forgotten.

The graph bounds every question itself. An analyst that waits for an endpoint ends a moment earlier
by this deadline, and can then still say which calls it made.
"""

from __future__ import annotations

from contextvars import ContextVar

# What the graph's own bound waits longer than the analysts': only a hung analyst meets it.
GRACE_S = 0.25

_deadline_at: ContextVar[float | None] = ContextVar("deadline_at", default=None)


def set_deadline(at: float | None) -> None:
    """Let the questions asked from here on end at this time of the event loop's clock."""
    _deadline_at.set(at)


def earliest(at: float | None = None) -> float | None:
    """Return the sooner of a time of the event loop's clock and the run's deadline, if any."""
    deadline = _deadline_at.get()
    if at is None or deadline is None:
        return at if deadline is None else deadline
    return min(at, deadline)
