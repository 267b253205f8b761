"""Export the journal for other programs."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
from rich.console import Console

from api.cli.journal.progress import progress
from api.settings import Config
from domain.errors import ConfigError
from domain.ports import EntryKind
from journal.database import JournalConfig
from journal.export.writing import ExportOptions, Format, export

K = TypeVar("K", Format, EntryKind)


@dataclass(frozen=True, kw_only=True)
class ExportCommand:
    """What was asked for."""

    database: str | None
    to: Path
    format: str
    since: datetime | None
    until: datetime | None
    kinds: str
    has_contents: bool
    as_json: bool = False


def run_export(asked: ExportCommand) -> None:
    """Write the files and say what is in them; raises `ConfigError` or `JournalError`."""
    options = _options(asked)
    url = asked.database or Config.read().settings.database_url
    with progress("Exporting", is_shown=not asked.as_json) as tell:
        manifest = asyncio.run(export(JournalConfig(url=url), options, tell))
    if asked.as_json:
        sys.stdout.write(msgspec.json.encode(manifest).decode() + "\n")
        return
    out = Console(highlight=False, soft_wrap=True)
    span = f" ({manifest.first} to {manifest.last})" if manifest.entries else ""
    out.print(f"{manifest.entries} entries{span} in {asked.to / manifest.file}", markup=False)
    out.print(f"Verify it with: autohedge audit --export {asked.to}", markup=False)


def _options(asked: ExportCommand) -> ExportOptions:
    span = {
        name: int(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000_000
        for name, moment in (("since_ns", asked.since), ("until_ns", asked.until))
        if moment is not None
    }
    return ExportOptions(
        folder=asked.to,
        format=_one_of(Format, asked.format, "--format"),
        kinds=frozenset(
            _one_of(EntryKind, kind.strip(), "--kinds")
            for kind in asked.kinds.split(",")
            if kind.strip()
        ),
        has_contents=asked.has_contents,
        **span,
    )


def _one_of(of: type[K], text: str, option: str) -> K:
    try:
        return of(text)
    except ValueError:
        known = ", ".join(of)
        raise ConfigError(f"{option} {text[:40]!r} is unknown.", remedy=f"Use {known}.") from None
