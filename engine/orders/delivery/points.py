"""Name the moments of an order's way out, so that a proof can kill the process at each of them."""

from __future__ import annotations

from enum import StrEnum

NOT_SENT = "not sent"
"""How the reason begins of every order that we end ourselves: the venue never saw it."""


class Point(StrEnum):
    """A step that an order has just made; a crash between two must lose and double nothing.

    The first is step 8 of a tick's life, the second step 9, the next two step 10; an event of the
    order stream is heard and applied in step 11.
    """

    AUTHORIZED = "authorized"
    WRITTEN_AHEAD = "written_ahead"
    SENDING = "sending"
    ANSWERED = "answered"
    HEARD = "heard"
    APPLIED = "applied"


def nowhere(_point: Point) -> None:
    """Let the step pass: what production does."""
