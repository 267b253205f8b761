"""Read answers from a file, and write `.env` so that nobody else can read it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path

from dotenv import dotenv_values

from api.settings import known_variables
from domain.errors import ConfigError

MODE = 0o600
_PLAIN = re.compile(r"[A-Za-z0-9_./:,%@+=-]+")
_HEAD = """\
# AutoHedge's settings, written by `autohedge init`. Everything else stands at its default:
# docs/reference/settings.md and docs/limits.md list it all. Keep this file to yourself.
"""


def read_answers(path: str) -> dict[str, str]:
    """Read NAME=value lines of a file, or of stdin for `-`; raises `ConfigError`."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no UTF-8 text"
        raise ConfigError(
            f"{path} cannot be read: {why}.", remedy="Give a file of NAME=value lines."
        ) from error
    values = dotenv_values(stream=StringIO(text), interpolate=False)
    unknown = [name for name in values if name not in known_variables()]
    if unknown:
        raise ConfigError(
            f"{unknown[0][:60]} in the answers is no setting.",
            remedy="docs/reference/settings.md lists them all.",
        )
    return {name: value for name, value in values.items() if value}


def write_env(path: Path, values: Mapping[str, str]) -> None:
    """Write the file whole or not at all, for its owner alone (mode 0600); raises `ConfigError`."""
    lines = [_HEAD, *(f"{name}={_quoted(value)}\n" for name, value in values.items())]
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        number = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, MODE)
        with os.fdopen(number, "w", encoding="utf-8") as file:
            file.writelines(lines)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}.", remedy="Choose another by --to."
        ) from error


def _quoted(value: str) -> str:
    """Return a value as dotenv, systemd and Compose all read it."""
    if _PLAIN.fullmatch(value):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
