"""Show text from strangers to a model: it is data, never an instruction.

Headlines, summaries and the words of other agents reach a prompt only through here, so no text can
carry invisible characters, close its own delimiter, or push the rest of the prompt out.
"""

from __future__ import annotations

from domain.text import clean

OPEN = "<<<"
CLOSE = ">>>"


def quoted(name: str, text: str, limit: int) -> str:
    """Put text from outside between our delimiters, cleaned and cut; `name` is ours.

    The delimiters are the same in every prompt, so that a replay asks what was asked; a text cannot
    hold them, because `clean` leaves no angle bracket.
    """
    return fenced(name, clean(text, limit))


def fenced(name: str, *lines: str) -> str:
    """Put lines that are clean between our delimiters."""
    return "\n".join((f"{OPEN}{name}", *lines, CLOSE))
