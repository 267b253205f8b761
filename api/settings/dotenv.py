"""Look at `.env` itself: what in it cannot be read, and what is misspelt."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

from dotenv.parser import parse_stream

from api.settings.names import known_variables

_MISSPELT = 0.88
"""How like a setting's name (difflib's ratio) an unknown one in `.env` must be to stand for it."""


def env_file() -> Path | None:
    """Return the `.env` that is read, if there is one."""
    path = Path(".env")
    return path if path.exists() and os.access(path, os.R_OK) else None


def is_text() -> bool:
    """Tell whether `.env` can be read as text, or is not there."""
    path = env_file()
    if path is not None:
        try:
            path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return False
    return True


def env_file_faults() -> Iterator[str]:
    """Yield a line for each line of `.env` that cannot be read or that misspells a setting.

    A limit that was misspelt would silently stand at its default. Nothing of a line but its name is
    shown: it may hold a secret.
    """
    path = env_file()
    if path is None:
        return
    try:
        bindings = list(parse_stream(StringIO(path.read_text(encoding="utf-8"))))
    except UnicodeDecodeError:
        yield ".env is not UTF-8 text: save it as such."
        return
    known = known_variables()
    for binding in bindings:
        name = (binding.key or "").upper()
        if binding.error:
            yield f"Line {binding.original.line} of .env cannot be read: write NAME=value."
        elif name not in known:
            for meant in difflib.get_close_matches(name, known, n=1, cutoff=_MISSPELT):
                yield f"{name} in .env is no setting: {meant} is."
