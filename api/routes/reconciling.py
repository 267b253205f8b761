"""Hold our books against the venue's, and accept its word when a person says so."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from api import examples
from api.routes.asking import Actor, Engine
from api.schemas import ReconcileBody, answers, read_body, refuses, reply, takes
from api.security import Access, needs
from engine.orders.looks import Reconciliation

router = APIRouter(tags=["Controls"])


@router.post(
    "/reconcile",
    summary="Compare with the venue",
    responses=answers(Reconciliation, examples.RECONCILIATION) | refuses(HTTPStatus.BAD_GATEWAY),
    openapi_extra=takes(ReconcileBody, reason="looked at it", repair=False),
)
@needs(Access.TRADE)
async def reconcile(engine: Engine, actor: Actor, request: Request) -> Response:
    """Compares orders, positions and cash, for as long as a difference may be the venue's lag.

    With `repair` the venue's word is accepted into the journal; nothing is ever traded, and trading
    stays halted until `/resume`.
    """
    body = await read_body(request, ReconcileBody)
    return reply(await engine.reconcile(actor=actor, repair=body.repair))
