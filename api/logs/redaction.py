"""Keep secrets out of everything that is written: log lines, error lines, tracebacks.

Nothing of ours writes a secret on purpose. Libraries do: an exception's text holds the address it
was raised for, with its password. So the last step before stderr takes out whatever a secret
setting holds, whoever put it there.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from dotenv import dotenv_values
from pydantic import SecretStr

from api.settings import Settings, env_file

MASK = "***"
LEAST = 6
"""Characters that a secret has at least; a shorter one would mask half of every line."""

_USERINFO = re.compile(r"(?<=://)[^/\s@'\"]+@")


def secret_names() -> frozenset[str]:
    """Return the variables whose whole value is a secret."""
    fields = Settings.model_fields.items()
    typed = {name for name, field in fields if SecretStr.__name__ in str(field.annotation)}
    return frozenset(name.upper() for name in typed) | {"APCA_API_KEY_ID"}


def address_names() -> frozenset[str]:
    """Return the variables that hold an address, which may hold a password."""
    return frozenset(name.upper() for name in Settings.model_fields if name.endswith("_url"))


class Redactor:
    """Replace secrets in texts: as they are, and as URLs and JSON write them."""

    def __init__(self, *settings: Mapping[str, Any]) -> None:
        secrets = (secret for each in settings for secret in _secrets(each))
        known = {form for secret in secrets for form in _forms(secret)}
        longest_first = sorted(known, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first))) if known else None

    def __call__(self, text: str) -> str:
        """Return the text without secrets and without what stands before an address's host."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        return _USERINFO.sub(f"{MASK}@", text) if "@" in text else text


def of_environment(overrides: Mapping[str, Any] | None = None) -> Redactor:
    """Return what redacts the secrets of the environment, of `.env`, and of `overrides`.

    Read raw: a secret in settings that are refused must not be printed either.
    """
    path = env_file()
    written = {} if path is None else dotenv_values(path, interpolate=False)
    return Redactor(written, os.environ, overrides or {})


def on_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Write a traceback as Python does, without secrets; stands in `sys.excepthook`."""
    _tell(of_environment(), error, trace, kind=kind)


def guard_crashes(redact: Redactor) -> None:
    """Take secrets out of the tracebacks of whatever ends the process or one of its threads."""

    def on_end(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        _tell(redact, error, trace, kind=kind)

    def on_failure(failed: threading.ExceptHookArgs | sys.UnraisableHookArgs) -> None:
        if failed.exc_value is not None:
            _tell(redact, failed.exc_value, failed.exc_traceback, kind=failed.exc_type)

    sys.excepthook = on_end
    threading.excepthook = on_failure
    sys.unraisablehook = on_failure


def _tell(
    redact: Redactor,
    error: BaseException,
    trace: TracebackType | None,
    *,
    kind: type[BaseException],
) -> None:
    told = "".join(traceback.format_exception(kind, error, trace))
    sys.stderr.write(redact(printable(told, keep="\n\t")))
    sys.stderr.flush()


def printable(text: str, *, keep: str = "") -> str:
    """Escape what a terminal would obey or hide, as Python writes it in a literal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "backslashreplace").decode()


def _secrets(settings: Mapping[str, Any]) -> Iterator[str]:
    whole, addresses = secret_names(), address_names()
    for name, value in settings.items():
        text = value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
        if name.upper() in whole:
            yield text
            for part in text.split():
                yield part
                yield from _credentials(part)
        elif name.upper() in addresses:
            yield from _credentials(text)


def _credentials(address: str) -> Iterator[str]:
    """Yield an address's password, and its user, which some services make a token."""
    try:
        parts = urlsplit(address)
        found = (parts.password, parts.username)
    except ValueError:
        return
    yield from (unquote(each) for each in found if each)


def _forms(secret: str) -> Iterator[str]:
    if len(secret) >= LEAST:
        yield from {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]}
