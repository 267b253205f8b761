"""Tell what is on record: orders, decisions and their stories, windows, the report."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response

from api import examples
from api.problems import NotFound
from api.routes.asking import Engine, Journal, since_ns
from api.routes.asking import Page as Asked
from api.schemas import ReportView, WindowFile, answers, refuses, reply
from api.security import Access, needs
from domain.decisions import Outcome
from domain.market import WINDOW_SCHEMA
from domain.orders import OrderState
from journal.reads.decisions import DecisionRow, Story
from journal.reads.orders import OrderRow
from journal.reads.queries import Page
from journal.reads.report import Span

router = APIRouter(tags=["Records"])

_BAD_CURSOR = refuses(HTTPStatus.BAD_REQUEST)
_MISSING = refuses(HTTPStatus.NOT_FOUND)


def _listed(example: dict[str, Any]) -> dict[str, Any]:
    return {"items": [example], "next": "c2VxOjQx"}


@router.get(
    "/orders",
    summary="Orders, newest first",
    responses=answers(Page[OrderRow], _listed(examples.ORDER)) | _BAD_CURSOR,
)
@needs(Access.READ)
async def orders(
    journal: Journal,
    asked: Asked,
    state: OrderState | None = None,
    *,
    working: Annotated[
        bool | None, Query(description="Only orders that may still fill, or only others.")
    ] = None,
) -> Response:
    """Every order of ours, entries and exits, whatever became of it."""
    page = await journal.orders.page(
        limit=asked.limit, after=asked.after, symbol=asked.symbol, state=state, is_open=working
    )
    return reply(page)


@router.get(
    "/decisions",
    summary="Decisions, newest first",
    responses=answers(Page[DecisionRow], _listed(examples.DECISION)) | _BAD_CURSOR,
)
@needs(Access.READ)
async def decisions(
    journal: Journal,
    asked: Asked,
    outcome: Outcome | None = None,
    code: Annotated[
        str | None, Query(max_length=64, description="Why a run ended, or its order was denied.")
    ] = None,
    text: Annotated[
        str | None, Query(min_length=1, max_length=200, description="Part of its thesis.")
    ] = None,
) -> Response:
    """Every run, whatever its outcome."""
    page = await journal.decisions.page(
        limit=asked.limit,
        after=asked.after,
        symbol=asked.symbol,
        outcome=outcome,
        code=code,
        text=text,
    )
    return reply(page)


@router.get(
    "/decisions/{decision_id}",
    summary="The whole story of a decision",
    responses=answers(Story, examples.STORY) | _MISSING,
)
@needs(Access.READ)
async def decision(decision_id: str, journal: Journal) -> Response:
    """Its window, prompts, answers, checks, order and fills."""
    story = await journal.decisions.story(decision_id)
    if story is None:
        raise NotFound(
            "There is no such decision.",
            remedy="GET /decisions lists them.",
            code="DECISION_NOT_FOUND",
        )
    return reply(story)


@router.get(
    "/windows/{digest}",
    summary="What a decision saw, as a window file",
    responses=answers(WindowFile, examples.WINDOW_FILE) | _MISSING,
)
@needs(Access.READ)
async def window(digest: str, journal: Journal) -> Response:
    """Save it: `autohedge replay FILE` and Studio take it as it is."""
    found = await journal.decisions.window(digest)
    if found is None:
        raise NotFound(
            "There is no window of that digest.",
            remedy="A decision's `window_digest` names its own.",
            code="WINDOW_NOT_FOUND",
        )
    # Kept as the graph was given it: its digest must hold, so no time in it is rewritten.
    return Response(
        msgspec.json.encode(WindowFile(schema=WINDOW_SCHEMA, window=found)),
        media_type="application/json",
    )


@router.get(
    "/report", summary="The journal in figures", responses=answers(ReportView, examples.REPORT)
)
@needs(Access.READ)
async def report(
    engine: Engine,
    journal: Journal,
    since: datetime | None = None,
    until: datetime | None = None,
    symbol: Annotated[str | None, Query(max_length=32)] = None,
) -> Response:
    """Outcomes, denials, fills, profit and what the model cost; times are RFC 3339."""
    span = Span(
        since_ns=0 if since is None else since_ns(since),
        until_ns=None if until is None else since_ns(until),
        symbol=symbol,
    )
    marks = {p.symbol: p.market_price for p in engine.positions() if p.market_price is not None}
    found = await journal.report(span, marks=marks)
    return reply(ReportView(**msgspec.structs.asdict(found), net_usd=str(found.net)))
