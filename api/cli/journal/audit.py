"""Verify the journal, or an export of it, and name the first bad entry."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from rich.console import Console

from api.cli.journal.progress import progress
from api.settings import Config
from domain.errors import ConfigError
from domain.records import NS_PER_S, plain
from journal.audit.database import AuditOptions, audit
from journal.audit.findings import Tell, Verdict
from journal.database import JournalConfig
from journal.export.verifying import verify_export


@dataclass(frozen=True, kw_only=True)
class AuditCommand:
    """What was asked for."""

    database: str | None
    export: Path | None
    expect: tuple[str, ...]
    is_chain_only: bool
    as_json: bool


def run_audit(asked: AuditCommand) -> bool:
    """Print what was found; false when an entry does not hold. Raises `JournalError`."""
    expected = dict(_anchor(text) for text in asked.expect)
    with progress("Auditing", is_shown=not asked.as_json) as tell:
        verdict = _verdict(asked, expected, tell)
    out = Console(highlight=False, soft_wrap=True)
    if asked.as_json:
        found = {**plain(verdict), "is_sound": verdict.is_sound, "anchor": verdict.anchor}
        out.print_json(msgspec.json.encode(found).decode())
    else:
        for line in _lines(verdict):
            out.print(line, markup=False)
    return verdict.is_sound


def _verdict(asked: AuditCommand, expected: dict[int, str], tell: Tell) -> Verdict:
    if asked.export is not None:
        return verify_export(asked.export, expected, tell)
    url = asked.database or Config.read().settings.database_url
    options = AuditOptions(expected=expected, has_projections=not asked.is_chain_only)
    return asyncio.run(audit(JournalConfig(url=url), options, tell))


def _anchor(text: str) -> tuple[int, str]:
    """Read `seq:hash` as the audit prints it."""
    if not re.fullmatch(r"\d{1,18}:[0-9a-f]{64}", text):
        raise ConfigError(
            f"--expect {text[:80]!r} is no anchor.",
            remedy="Give it as `autohedge audit` printed it: number, colon, 64 hexadecimal digits.",
        )
    seq, _, digest = text.partition(":")
    return int(seq), digest


def _lines(verdict: Verdict) -> list[str]:
    if verdict.first_bad is not None:
        return [
            f"NOT SOUND. {verdict.first_bad.line}",
            f"Before it {verdict.entries} entries hold.",
        ]
    counted = ", ".join(
        f"{count} {what}"
        for count, what in (
            (verdict.entries, "entries"),
            (verdict.contents, "windows with their prompts"),
            (verdict.rows, "rows made from them"),
        )
        if count or what == "entries"
    )
    since = ""
    if verdict.first > 1:
        at = datetime.fromtimestamp(verdict.first_ts / NS_PER_S, UTC)
        when = f" of {at:%Y-%m-%d %H:%M} UTC" if verdict.first_ts else ""
        since = f" Whole since entry {verdict.first}{when}: what was before it is not here."
    return [
        f"Sound: {counted}.{since}",
        f"{verdict.anchors} anchors agree.",
        f"Keep this anchor where the bot's machine cannot write: {verdict.anchor}",
    ]
