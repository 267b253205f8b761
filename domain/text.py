"""Make text from strangers data: one line of visible characters, without markup, of bounded length.

Headlines, summaries, the words of a model: whoever wrote them may want a reader to see one thing
and a model another. What survives `clean` is what a person would see, and no more. What it *says*
is bounded elsewhere: no text can name a limit.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator

MAX_RAW = 16_384
"""Characters that are looked at, which bounds the work."""

_CUT = "..."
_MARKS_KEPT = 3
"""Combining marks on one letter that real scripts need; more is decoration that hides text."""
_MAX_ROUNDS = 8

# Delimiters of ours inside a text are replaced, so that it cannot end its own quotation.
_BRACKETS = str.maketrans({"<": "\u2039", ">": "\u203a", "`": "'"})

# What is drawn as nothing though its category is a letter's, a mark's or a symbol's.
# Source: Unicode's DerivedCoreProperties, Default_Ignorable_Code_Point; and two blanks beside it.
_IGNORABLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufffc"
    "\U000e0000-\U000e0fff]"
)

_TAG = re.compile(
    r"<!--.*?(?:-->|\Z)|<[!?][^<>]*>|<(?P<end>/?)(?P<name>[A-Za-z][^\s/<>]*)(?P<rest>[^<>]*)>",
    re.DOTALL,
)
_INLINE = {"a", "abbr", "b", "code", "em", "font", "i", "mark", "small", "span", "strong", "sub"}
_INLINE |= {"s", "sup", "u", "wbr"}
_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "track", "wbr"}
_UNSEEN = {"head", "iframe", "math", "noscript", "object", "script", "style", "svg", "template"}
_UNSEEN |= {"title"}
_UNSEEN_BY = re.compile(
    r"""(?:^|[\s"'/])hidden(?:$|[\s=/"'])
    |aria-hidden\s*=\s*["']?true
    |display\s*:\s*none
    |visibility\s*:\s*(?:hidden|collapse)
    |(?:font-size|opacity|width|height)\s*:\s*0*\.?0+(?![.\d]*[1-9])
    |color\s*:\s*transparent""",
    re.IGNORECASE | re.VERBOSE,
)


def clean(text: str, limit: int) -> str:
    """Return the text as one line of visible characters, at most `limit` long.

    Compatibility forms are folded (NFKC); HTML is taken out with what it hides; removed are the
    categories Cc, Cf (zero-width, bidirectional, soft hyphen, tags), Co, Cs and Cn, variation
    selectors and fillers; every kind of space becomes one space, and our own delimiters look-alikes
    of theirs. The length is cut last, so that nothing invisible can push the rest out. Cut text
    ends in three dots. Cleaning twice changes nothing.
    """
    raw = text[:MAX_RAW]
    if not (raw.isascii() and raw.isprintable() and "<" not in raw and "&" not in raw):
        raw = _settled(raw)
    line = " ".join(raw.split()).translate(_BRACKETS)
    if len(line) <= limit:
        return line
    kept = max(limit - len(_CUT), 0)
    return line[:kept].rstrip() + _CUT[:limit]


def _settled(text: str) -> str:
    """Fold, strip and unescape until nothing changes: each of these can uncover work for another.

    What is escaped more often than any honest text loses its ampersands.
    """
    for _ in range(_MAX_ROUNDS):
        stripped = html.unescape(_without_markup(_seen(text)))
        if stripped == text:
            return text
        text = stripped
    return _without_markup(_seen(text.replace("&", " ")))


def _seen(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text)[:MAX_RAW]
    return unicodedata.normalize("NFKC", "".join(_visible(_IGNORABLE.sub("", folded))))


def _visible(text: str) -> Iterator[str]:
    marks = 0
    for char in text:
        category = unicodedata.category(char)
        marks = marks + 1 if category[0] == "M" else 0
        if char.isspace():
            yield " "
        elif category[0] != "C" and marks <= _MARKS_KEPT:
            yield char


def _without_markup(text: str) -> str:
    """Take HTML out, with the text of elements that a browser would not show."""
    if "<" not in text:
        return text
    shown: list[str] = []
    hidden, depth, at = "", 0, 0
    for tag in _TAG.finditer(text):
        name, is_end = (tag["name"] or "").lower(), bool(tag["end"])
        if not hidden:
            shown += (text[at : tag.start()], "" if name in _INLINE else " ")
            if name and not is_end and _is_unseen(name, tag["rest"]):
                hidden, depth = name, 1
        elif name == hidden:
            depth += -1 if is_end else 1
            hidden = hidden if depth else ""
        at = tag.end()
    return "".join(shown) if hidden else "".join((*shown, text[at:]))


def _is_unseen(name: str, attributes: str) -> bool:
    if name in _VOID or attributes.endswith("/"):
        return False
    return name in _UNSEEN or _UNSEEN_BY.search(attributes) is not None
