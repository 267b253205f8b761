"""Ask the engine to do something. No logic here: it says yes, or why not."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import TypeVar

from fastapi import APIRouter, Request, Response

from api import examples
from api.routes.asking import Actor, Engine, spelled
from api.schemas import (
    Body,
    CancelBody,
    FlattenBody,
    ResumeBody,
    SweptPage,
    answers,
    read_body,
    refuses,
    reply,
    takes,
)
from api.security import Access, needs
from domain.orders import Order
from engine.control import Controls, PositionView, Status, TicketView

router = APIRouter(tags=["Controls"])

T = TypeVar("T")

_CONFLICT = refuses(HTTPStatus.CONFLICT)


@router.post(
    "/start",
    summary="Run the session",
    responses=answers(Status, examples.STATUS) | _CONFLICT,
    openapi_extra=takes(Body, reason="market opens"),
)
@needs(Access.TRADE)
async def start(engine: Engine, actor: Actor, request: Request) -> Response:
    """Feeds, dispatcher and runs start; does nothing when they run.

    Raises trading to active only from `NEVER_STARTED` and `STOPPED`; for any other reason it
    answers 409, and `/resume` is the way.
    """
    body = await read_body(request, Body)
    return reply(await engine.start(actor=actor, reason=body.reason))


@router.post(
    "/stop",
    summary="End the session",
    responses=answers(Status, examples.STATUS_STOPPED),
    openapi_extra=takes(Body, reason="lunch"),
)
@needs(Access.TRADE)
async def stop(engine: Engine, actor: Actor, request: Request) -> Response:
    """Ends feeds, dispatcher and runs, cancels working entries, keeps protection.

    Does nothing when it is stopped.
    """
    body = await read_body(request, Body)
    return reply(await engine.stop(actor=actor, reason=body.reason))


@router.post(
    "/decide/{symbol:path}",
    summary="Ask for one decision now",
    status_code=HTTPStatus.ACCEPTED,
    responses=answers(TicketView, examples.TICKET, HTTPStatus.ACCEPTED)
    | refuses(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
@needs(Access.TRADE)
async def decide(symbol: str, engine: Engine, actor: Actor) -> Response:
    """Queues an operator's run of a warm symbol, such as `AAPL` or `BTC/USD`.

    It needs no cool-down, but a budget; its order meets every limit like any other.
    """
    ticket = await engine.decide(spelled(symbol), actor=actor)
    return reply(ticket, HTTPStatus.ACCEPTED)


@router.post(
    "/halt",
    summary="Forbid entries",
    responses=answers(Status, examples.STATUS_HALTED),
    openapi_extra=takes(Body, reason="news"),
)
@needs(Access.TRADE)
async def halt(engine: Engine, actor: Actor, request: Request) -> Response:
    """No entries any more, working ones are cancelled, protection stays."""
    body = await read_body(request, Body)
    return reply(await engine.halt(actor=actor, reason=body.reason))


@router.post(
    "/reduce",
    summary="Let nothing open",
    responses=answers(Status, examples.STATUS_REDUCING) | _CONFLICT,
    openapi_extra=takes(Body, reason="earnings tonight"),
)
@needs(Access.TRADE)
async def reduce(engine: Engine, actor: Actor, request: Request) -> Response:
    """No entries any more, working ones are cancelled; the agents may still close.

    While trading is halted it answers 409: that forbids more.
    """
    body = await read_body(request, Body)
    return reply(await engine.reduce(actor=actor, reason=body.reason))


@router.post(
    "/resume",
    summary="Allow entries again",
    responses=answers(Status, examples.STATUS) | _CONFLICT,
    openapi_extra=takes(ResumeBody, code="DAILY_LOSS_REACHED", reason="looked at it"),
)
@needs(Access.TRADE)
async def resume(engine: Engine, actor: Actor, request: Request) -> Response:
    """Raises trading to active for a person who names the code it was lowered for."""
    body = await read_body(request, ResumeBody)
    return reply(await engine.resume(actor=actor, code=body.resolved, reason=body.reason))


@router.post(
    "/flatten",
    summary="Close our positions",
    responses=answers(SweptPage[PositionView], examples.NOTHING_LEFT),
    openapi_extra=takes(FlattenBody, reason="weekend", account_wide=False),
)
@needs(Access.TRADE)
async def flatten(engine: Engine, actor: Actor, request: Request) -> Response:
    """Halts, cancels, closes the bot's positions, verifies; answers what is left of them."""
    body = await read_body(request, FlattenBody)
    left = await engine.flatten(actor=actor, reason=body.reason, account_wide=body.account_wide)
    return reply(_swept(left, engine))


@router.post(
    "/cancel-all",
    summary="Cancel working entries",
    responses=answers(SweptPage[Order], {"items": [examples.ORDER["order"]], "next": None}),
    openapi_extra=takes(CancelBody, reason="tidy up", protective=False),
)
@needs(Access.TRADE)
async def cancel_all(
    engine: Engine,
    actor: Actor,
    request: Request,
    protective: bool = False,  # noqa: FBT001, FBT002 - a query parameter
) -> Response:
    """Cancels working entries; with `protective` stops and targets too, which halts trading."""
    body = await read_body(request, CancelBody)
    canceled = await engine.cancel_all(
        actor=actor, reason=body.reason, protective=protective or body.protective
    )
    return reply(_swept(canceled, engine))


def _swept(items: Sequence[T], engine: Controls) -> SweptPage[T]:
    return SweptPage(items=tuple(items), next=None, sweep=engine.status().last_sweep)
