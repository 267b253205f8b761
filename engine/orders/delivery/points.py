"""Name the moments of an order's way out, so that a proof can kill the process at each of them."""

from __future__ import annotations

from enum import StrEnum


class Point(StrEnum):
    """A step that an order has just made; a crash between two must lose and double nothing."""

    AUTHORIZED = "authorized"
    WRITTEN_AHEAD = "written_ahead"
    SENDING = "sending"
    ANSWERED = "answered"
    APPLIED = "applied"


def nowhere(_point: Point) -> None:
    """Let the step pass: what production does."""
