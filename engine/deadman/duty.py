"""Say what a dead-man is told at its birth, and what it tells: one JSON line each way."""

from __future__ import annotations

import msgspec

BEAT, GOODBYE = b".", b"q"
"""What the engine writes: that it lives, that it ends in order. Silence or a closed pipe acts."""


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """What to watch over; it comes by the child's stdin, for it holds the secret.

    `silence_s` is how long the engine may be silent. `post_path` is held by the one dead-man of a
    journal, `log_path` takes the line about what it did. After `give_up_s` it stops trying.
    """

    url: str
    key: str
    secret: str
    silence_s: float
    post_path: str
    log_path: str
    give_up_s: float = 120.0

    def __repr__(self) -> str:
        return f"Duty(url={self.url!r}, silence_s={self.silence_s})"


class Ready(msgspec.Struct, frozen=True, kw_only=True, tag="ready"):
    """The dead-man watches. `venue` is empty when it reached the venue, else why it did not."""

    pid: int
    memory_mb: float
    venue: str = ""


class Acted(msgspec.Struct, frozen=True, kw_only=True, tag="acted"):
    """What a dead-man did; seconds run from its trigger.

    `answered_s` is when the venue had answered the last cancel, `gone_s` when it listed none of
    them any more; none when that did not come to pass. `left` are entries that still work.
    """

    why: str
    asked: tuple[str, ...]
    left: tuple[str, ...]
    answered_s: float | None
    gone_s: float | None
    fault: str = ""

    @property
    def line(self) -> str:
        """Say it in one line."""
        if self.fault and not self.asked:
            return f"dead-man: {self.why}; the venue could not be asked: {self.fault}"
        if not self.asked:
            return f"dead-man: {self.why}; no entry was working"
        answered = "no answer" if self.answered_s is None else f"{self.answered_s:.3f} s"
        gone = f"still working: {', '.join(self.left)}" if self.left else "none works any more"
        return (
            f"dead-man: {self.why}; cancelled {len(self.asked)} entries ({', '.join(self.asked)}), "
            f"last cancel answered after {answered}, {gone}"
        )


Told = Ready | Acted


def encode(told: Told | Duty) -> bytes:
    """Write one line."""
    return msgspec.json.encode(told) + b"\n"


def decode(line: bytes) -> Told:
    """Read what a dead-man tells."""
    told: Told = msgspec.json.decode(line, type=Told)
    return told
