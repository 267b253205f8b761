"""Run a journaled decision again on its own window. The graph alone runs: nothing can order."""

from __future__ import annotations

import difflib
from http import HTTPStatus
from typing import Annotated, Any, Literal

import msgspec
from fastapi import APIRouter, Query, Response

from api import examples
from api.problems import NotFound
from api.routes.asking import Journal, Turn
from api.schemas import Replayed, answers, refuses, reply
from api.security import Access, needs
from domain.decisions import Decision, canonical_decision
from domain.market import WINDOW_SCHEMA, Window
from domain.records import canonical
from engine.clock import LiveClock
from graph.analysts.rules import Rules
from graph.desk import Desk, replay
from graph.state import read_window
from journal.reads.decisions import Story
from journal.reads.reader import Reader

router = APIRouter(tags=["Records"])

Who = Annotated[
    Literal["recorded", "rules"], Query(description="`recorded` proves, `rules` compares.")
]

_DEADLINE_S = 30.0
_SAID = frozenset({"directive", "signal", "verdict", "plan", "request", "outcome", "reason_code"})
"""What of two decisions is compared when another analyst answered."""


@router.get(
    "/decisions/{decision_id}/replay",
    summary="Run a decision again",
    responses=answers(Replayed, examples.REPLAY)
    | refuses(HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND),
)
@needs(Access.READ)
async def again(
    decision_id: str, journal: Journal, turn: Turn, analyst: Who = "recorded"
) -> Response:
    """With the recorded answers, to prove it the same to the byte; or as the rules would decide.

    Sends no order and journals nothing. A prompt that has changed since is a problem that shows it.
    """
    story = await journal.decisions.story(decision_id)
    if story is None or story.window is None:
        raise NotFound(
            "There is no such decision, or its window is kept no more.",
            remedy="GET /decisions lists them; RETENTION_CONTENTS_DAYS says how long it is kept.",
            code="DECISION_NOT_FOUND",
        )
    by_rules = analyst == "rules"
    async with turn:
        decision = await (_by_rules(story) if by_rules else _as_recorded(story, journal))
    differences = _differences(story.decision, decision, only=_SAID if by_rules else None)
    return reply(
        Replayed(
            decision_id=decision_id,
            analyst=analyst,
            is_same=not differences,
            differences=differences,
            decision=decision,
        )
    )


async def _as_recorded(story: Story, journal: Reader) -> Decision:
    run = await replay(
        _window(story),
        journal.decisions,
        analyst=story.decision.analyst,
        clock=LiveClock(),
        prompts=story.prompts,
        approval=story.decision.reason_code,
    )
    return run.decision


async def _by_rules(story: Story) -> Decision:
    window = _window(story)
    run = await Desk(Rules(), LiveClock()).decide(window, deadline_s=_DEADLINE_S)
    return run.decision


def _window(story: Story) -> Window:
    """Read the journaled window; raises `ConfigError` for one that this version cannot run on."""
    return read_window({"schema": WINDOW_SCHEMA, "window": story.window})


def _differences(
    first: Decision, second: Decision, *, only: frozenset[str] | None
) -> tuple[str, ...]:
    """Return the lines in which two decisions differ, as a unified difference; none when equal."""
    ours, theirs = (_shown(each, only) for each in (first, second))
    if canonical(ours) == canonical(theirs):
        return ()
    lines = difflib.unified_diff(_lines(ours), _lines(theirs), "journaled", "again", "", "", 1, "")
    return tuple(lines)


def _shown(decision: Decision, only: frozenset[str] | None) -> dict[str, Any]:
    body = canonical_decision(decision)
    return body if only is None else {name: body[name] for name in only}


def _lines(body: dict[str, Any]) -> list[str]:
    return msgspec.json.format(canonical(body), indent=2).decode().splitlines()
