"""Make text from strangers safe to show to a model: it is data, never an instruction.

Headlines, summaries and the words of other agents reach a prompt only through `quoted`, so no text
can carry invisible characters, close its own delimiter, or push the rest of the prompt out.
"""

from __future__ import annotations

import unicodedata

OPEN = "<<<"
CLOSE = ">>>"
# Other, control, format (zero-width, bidirectional), surrogate, private, unassigned.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
_BRACKETS = str.maketrans({"<": "\u2039", ">": "\u203a", "`": "'"})
# NFKC can grow a text 18-fold, so it is cut before as well as after.
_RAW_FACTOR = 4


def clean(text: str, limit: int) -> str:
    """Fold look-alike forms, drop what cannot be seen, join lines, and cut to `limit` characters.

    NFKC, then every character of the Unicode categories C* is removed (line breaks become spaces).
    Delimiters of ours inside the text are replaced, so it cannot end its own quotation.
    """
    raw = text[: limit * _RAW_FACTOR]
    if not (raw.isascii() and raw.isprintable()):
        folded = unicodedata.normalize("NFKC", raw)
        raw = "".join(" " if c.isspace() else c for c in folded if c.isspace() or _is_visible(c))
    joined = " ".join(raw.split()).translate(_BRACKETS)
    return joined if len(joined) <= limit else joined[: limit - 1] + "…"


def quoted(name: str, text: str, limit: int) -> str:
    """Put text from outside between our delimiters, cleaned and cut; `name` is ours."""
    return f"{OPEN}{name}\n{clean(text, limit)}\n{CLOSE}"


def _is_visible(character: str) -> bool:
    return unicodedata.category(character) not in _HIDDEN
