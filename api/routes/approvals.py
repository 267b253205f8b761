"""Show what waits for a person and take the person's word. No logic here: the engine decides."""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from fastapi import APIRouter, Request, Response

from api import examples
from api.routes.asking import Actor, Engine, Journal, spelled
from api.routes.asking import Page as Asked
from api.schemas import Body, answers, read_body, refuses, reply, takes
from api.security import Access, needs
from engine.control import ApprovalResult, ApprovalView
from journal.reads.queries import Page

router = APIRouter(tags=["Approvals"])

_REFUSALS = refuses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@router.get(
    "/approvals",
    summary="What waits for a person, newest first",
    responses=answers(Page[ApprovalView], {"items": [examples.APPROVAL], "next": None})
    | refuses(HTTPStatus.BAD_REQUEST),
)
@needs(Access.READ)
async def approvals(
    engine: Engine, journal: Journal, asked: Asked, *, closed: bool = False
) -> Response:
    """Each with its thesis, order, checks and the seconds left; with `closed` settled ones too."""
    page = await journal.approvals.page(
        limit=asked.limit,
        after=asked.after,
        symbol=None if asked.symbol is None else spelled(asked.symbol),
        is_pending=not closed,
    )
    views = tuple(map(engine.approvals().view, page.items))
    return reply(msgspec.structs.replace(page, items=views))


@router.post(
    "/approvals/{decision_id}/approve",
    summary="Approve an order",
    responses=answers(ApprovalResult, examples.APPROVED) | _REFUSALS,
    openapi_extra=takes(Body, reason="the thesis holds"),
)
@needs(Access.APPROVE)
async def approve(decision_id: str, engine: Engine, actor: Actor, request: Request) -> Response:
    """Lets the order go to the gateway, which checks everything again on fresh prices.

    `message` says what came of it: a denial is an answer too, and nothing was sent then. The first
    who speaks counts; everybody after is answered 409 `NOT_PENDING` with who it was and when.
    Where a moment would spoil the yes, `SESSION_STOPPED`, `NOT_RECONCILED` or `FEED_STALE` says so,
    and the order still waits.
    """
    body = await read_body(request, Body)
    return reply(await engine.approvals().approve(decision_id, actor=actor, reason=body.reason))


@router.post(
    "/approvals/{decision_id}/reject",
    summary="Reject an order",
    responses=answers(ApprovalResult, examples.REJECTED) | _REFUSALS,
    openapi_extra=takes(Body, reason="too close to earnings"),
)
@needs(Access.APPROVE)
async def reject(decision_id: str, engine: Engine, actor: Actor, request: Request) -> Response:
    """Refuses the order; nothing is sent, and the symbol may be decided upon again."""
    body = await read_body(request, Body)
    return reply(await engine.approvals().reject(decision_id, actor=actor, reason=body.reason))
