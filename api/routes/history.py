"""Tell what has been: equity over time, fills, what people did, how far runs came."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query, Response
from msgspec.structs import asdict

from api import examples
from api.routes.asking import Engine, Journal, since_ns, spelled
from api.routes.asking import Page as Asked
from api.schemas import Funnel, answers, reply
from api.security import Access, needs
from domain.records import NS_PER_S, parse_ns
from engine.deciding.limiter import WakeReason
from journal.reads.orders import FillRow
from journal.reads.queries import Page
from journal.reads.states import EquityRow, OperatorActionRow

router = APIRouter(tags=["Records"])

_DAY_NS = 86_400 * NS_PER_S

Since = Annotated[datetime | None, Query(description="RFC 3339.")]


@router.get(
    "/equity",
    summary="Equity over time, newest first",
    responses=answers(Page[EquityRow], {"items": [examples.EQUITY], "next": None}),
)
@needs(Access.READ)
async def equity(
    journal: Journal, since: Since = None, points: Annotated[int, Query(ge=1, le=500)] = 200
) -> Response:
    """At most `points` of them, evenly over the time since `since`, which is a day ago."""
    now = time.time_ns()
    begin = now - _DAY_NS if since is None else max(0, min(since_ns(since), now - 1))
    found = await journal.states.equity_curve(since_ns=begin, until_ns=now, points=points)
    return reply(Page(items=tuple(found), next=None))


@router.get(
    "/fills",
    summary="Executions of our orders, newest first",
    responses=answers(Page[FillRow], {"items": [examples.FILL], "next": None}),
)
@needs(Access.READ)
async def fills(journal: Journal, asked: Asked) -> Response:
    """Entries and exits; busted ones are left out."""
    symbol = None if asked.symbol is None else spelled(asked.symbol)
    return reply(
        await journal.orders.fills_page(limit=asked.limit, after=asked.after, symbol=symbol)
    )


@router.get(
    "/actions",
    summary="What people did, newest first",
    responses=answers(Page[OperatorActionRow], {"items": [examples.ACTION], "next": None}),
)
@needs(Access.READ)
async def actions(
    journal: Journal,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    after: Annotated[str | None, Query(description="`next` of the page before.")] = None,
) -> Response:
    """Every control with who asked for it, and why; words on approvals are at /approvals."""
    return reply(await journal.states.operator_actions(limit=limit, after=after))


@router.get("/funnel", summary="How far runs came", responses=answers(Funnel, examples.FUNNEL))
@needs(Access.READ)
async def funnel(
    engine: Engine,
    journal: Journal,
    since: Since = None,
    symbol: Annotated[str | None, Query(max_length=32)] = None,
) -> Response:
    """From due to filled, since the process started or since `since`."""
    vitals = engine.vitals()
    is_whole = since is None and symbol is None
    begin = parse_ns(vitals.since) if since is None else since_ns(since)
    reached = await journal.funnel.reached(
        since_ns=begin, symbol=None if symbol is None else spelled(symbol)
    )
    due = sum(vitals.due.get(reason, 0) for reason in WakeReason)
    return reply(
        Funnel(
            **asdict(reached),
            since_ns=begin,
            due=due if is_whole else None,
            started=vitals.due.get("started", 0) if is_whole else None,
        )
    )
