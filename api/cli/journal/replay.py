"""Run a window through the graph again, and hold a journaled decision against its replay."""

from __future__ import annotations

import asyncio
import difflib
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console

from api.assembly.mapping import analyst_of
from api.assembly.opening.analyst import open_analyst
from api.cli.journal.blaming import Blaming, blaming
from api.settings import Config
from domain.decisions import Decision, canonical_decision
from domain.errors import ConfigError
from domain.market import Window
from domain.records import canonical, parse
from engine.clock import LiveClock
from engine.deciding.budget import ModelBudget
from graph.desk import Desk, replay
from graph.state import read_window
from journal.database import JournalConfig
from journal.reads.reader import Reader

_DEADLINE_S = 120.0
_REMEDY = "Give a window file, as GET /windows/DIGEST answers it."


def run_replay(
    *,
    window: Path | None,
    decision: str | None,
    analyst: str,
    as_json: bool,
    database: str | None = None,
) -> None:
    """Replay a file or a journaled decision; exits with 1 when the bytes differ.

    `database` is the journal's address, none for that of the settings. Raises `ConfigError`, also
    for what an analyst of one's own raised.
    """
    if (window is None) == (decision is None):
        raise ConfigError(
            "Replay needs a window file, --decision or --since, one of them.",
            remedy="autohedge replay window.json, --decision ID, or --since 2026-01-31.",
        )
    out = Console(highlight=False, soft_wrap=True)
    if window is not None:
        found, blamed = asyncio.run(_decide(_read(window), analyst or "rules"))
        _show(found, out, as_json=as_json)
        if blamed is not None and blamed.lines:
            raise blamed.error()
        return
    assert decision is not None
    first, second = asyncio.run(_again(decision, database))
    _show(second, out, as_json=as_json)
    if not _compare(first, second, out):
        sys.exit(1)


def _read(path: Path) -> Window:
    """Read a window file; raises `ConfigError` naming the path of the first wrong field."""
    try:
        file = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.", remedy=_REMEDY) from error
    except msgspec.DecodeError as error:
        raise ConfigError(
            f"{path} is no JSON: {error}.", remedy=_REMEDY, code="WINDOW_FILE_INVALID"
        ) from error
    return read_window(file)


async def _decide(window: Window, kind: str) -> tuple[Decision, Blaming | None]:
    config = Config.read()
    clock = LiveClock()
    async with AsyncExitStack() as stack:
        plan = analyst_of(config, kind)
        budget = ModelBudget(plan.budget, clock=clock)
        analyst = await open_analyst(plan, budget, stack)
        blamed = blaming(analyst, plan.kind)
        desk = Desk(blamed or analyst, clock, told=plan.told)
        run = await desk.decide(window, deadline_s=_DEADLINE_S)
    return run.decision, blamed


async def _again(decision_id: str, database: str | None) -> tuple[Decision, Decision]:
    """Return a journaled decision and its replay from the recorded answers."""
    url = database or Config.read().settings.database_url
    async with Reader(JournalConfig(url=url)) as reader:
        story = await reader.decisions.story(decision_id)
        if story is None or story.window is None:
            raise ConfigError(
                f"The journal has no decision {decision_id!r}.",
                remedy="GET /decisions lists them.",
                code="DECISION_UNKNOWN",
            )
        run = await replay(
            parse(story.window, Window),
            reader.decisions,
            analyst=story.decision.analyst,
            clock=LiveClock(),
            prompts=story.prompts,
            approval=story.decision.reason_code,
        )
    return story.decision, run.decision


def _compare(first: Decision, second: Decision, out: Console) -> bool:
    """Say whether the canonical forms are the same bytes, and where they are not."""
    ours, theirs = canonical_decision(first), canonical_decision(second)
    if canonical(ours) == canonical(theirs):
        out.print("The replay is the same to the byte.", style="green")
        return True
    out.print("The replay differs:", style="red")
    before, after = _lines(ours), _lines(theirs)
    for line in difflib.unified_diff(before, after, "journaled", "replayed", lineterm="", n=1):
        out.print(line, markup=False)
    return False


def _lines(body: dict[str, Any]) -> list[str]:
    return msgspec.json.format(canonical(body), indent=2).decode().splitlines()


def _show(decision: Decision, out: Console, *, as_json: bool) -> None:
    if as_json:
        out.print_json(msgspec.json.encode(decision).decode())
        return
    out.print(
        f"{decision.symbol} as of {decision.as_of}: {decision.outcome} {decision.reason_code}"
    )
    for name in ("directive", "signal", "verdict", "plan", "request"):
        answer = getattr(decision, name)
        if answer is not None:
            out.print(f"  {name:<10} {msgspec.json.encode(answer).decode()}", markup=False)
