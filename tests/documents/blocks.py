"""Read the command blocks of a page: what a reader would copy into a shell, in order."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^```(\w*)\s*$")
_LEFT_OUT = re.compile(r"<!--\s*run:\s*no,\s*(?P<reason>.+?)\s*-->")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block of shell; `left_out` is the written reason why no test runs it."""

    line: int
    text: str
    left_out: str | None


def blocks_of(page: str) -> list[Block]:
    """Return the `sh` blocks of a page in order; `console` and others show, and are not run."""
    found: list[Block] = []
    reason: str | None = None
    language: str | None = None
    inside: list[str] = []
    started = 0
    for number, line in enumerate(page.splitlines(), 1):
        fence = _FENCE.match(line.strip())
        if language is None and fence:
            language, inside, started = fence[1], [], number
        elif language is not None and fence:
            if language == "sh":
                found.append(Block(started, "\n".join(inside), reason))
            language = reason = None
        elif language is not None:
            inside.append(line)
        elif left_out := _LEFT_OUT.search(line):
            reason = left_out["reason"]
        elif line.strip():
            reason = None
    return found
