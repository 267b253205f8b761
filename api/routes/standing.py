"""Tell how things stand now: session, health, account, positions, assets, metrics."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from api import examples
from api.problems import NotReady
from api.routes.asking import Engine, spelled
from api.routes.asking import Page as Asked
from api.schemas import Health, answers, refuses, reply
from api.security import Access, needs
from domain.errors import ConfigError
from domain.market import AssetClass, Instrument
from engine.control import AccountView, PositionView, Status
from engine.figures import BarsView, LimitUse, Vitals
from journal.reads.queries import Page

router = APIRouter(tags=["Standing"])


@router.get("/status", summary="All at one glance", responses=answers(Status, examples.STATUS))
@needs(Access.READ)
async def status(engine: Engine) -> Response:
    """Session, trading state, links, queue, money and every symbol."""
    return reply(engine.status())


@router.get("/health", summary="Does it work?", responses=answers(Health, examples.HEALTH))
@needs(Access.OPEN)
async def health(engine: Engine) -> Response:
    """Answers 200 while the process lives; `degraded` names what does not work.

    A supervisor must not restart a bot that protects positions because its feed is down.
    """
    now = engine.status()
    parts = {"journal": now.is_journal_up}
    if now.session == "running":
        parts |= {
            "feed": now.is_feed_up,
            "order_stream": now.is_order_stream_up,
            "reconciliation": now.is_reconciled,
        }
    return reply(
        Health(
            status="ok" if all(parts.values()) else "degraded",
            version=version("autohedge"),
            session=now.session,
            trading=now.trading,
            parts=parts,
        )
    )


@router.get(
    "/account",
    summary="Money",
    responses=answers(AccountView, examples.ACCOUNT) | refuses(HTTPStatus.SERVICE_UNAVAILABLE),
)
@needs(Access.READ)
async def account(engine: Engine) -> Response:
    """The account as the engine sees it, with its age; 503 before the venue first answered."""
    view = engine.account()
    if view is None:
        raise NotReady(
            "The venue has not told the account yet.",
            remedy="Ask again in a second; `autohedge doctor` checks keys and links.",
            code="ACCOUNT_UNKNOWN",
        )
    return reply(view)


@router.get(
    "/positions",
    summary="Positions and what protects them",
    responses=answers(Page[PositionView], {"items": [examples.POSITION], "next": None}),
)
@needs(Access.READ)
async def positions(engine: Engine) -> Response:
    """Ours and foreign ones; `protected_by` says who would close each at its stop."""
    return reply(Page(items=tuple(engine.positions()), next=None))


@router.get(
    "/assets",
    summary="What the venue trades",
    responses=answers(Page[Instrument], {"items": [examples.INSTRUMENT], "next": None})
    | refuses(HTTPStatus.BAD_REQUEST, HTTPStatus.BAD_GATEWAY),
)
@needs(Access.READ)
async def assets(engine: Engine, asked: Asked, asset_class: AssetClass | None = None) -> Response:
    """By symbol, in alphabetical order."""
    found = await engine.assets(asset_class)
    if asked.symbol is not None:
        found = [asset for asset in found if asset.symbol == spelled(asked.symbol)]
    return reply(_page_of(found, after=asked.after, limit=asked.limit))


@router.get(
    "/bars/{symbol:path}",
    summary="A symbol's candles",
    responses=answers(BarsView, examples.BARS) | refuses(HTTPStatus.NOT_FOUND),
)
@needs(Access.READ)
async def bars(
    symbol: str, engine: Engine, limit: Annotated[int, Query(ge=1, le=250)] = 120
) -> Response:
    """Closed bars as [t, o, h, l, c, v, n, vw], oldest first, and each indicator at each."""
    # Its times are text already, so nothing in it is rewritten.
    body = msgspec.json.encode(engine.bars(spelled(symbol), limit=limit))
    return Response(body, media_type="application/json")


@router.get(
    "/limits",
    summary="How much of each limit is used",
    responses=answers(Page[LimitUse], {"items": [examples.LIMIT_USE], "next": None}),
)
@needs(Access.READ)
async def limits(engine: Engine) -> Response:
    """Those that fill up: exposure, losses, orders, the model's budget; each held symbol's own."""
    return reply(Page(items=tuple(engine.limits()), next=None))


@router.get("/vitals", summary="How every part does", responses=answers(Vitals, examples.VITALS))
@needs(Access.READ)
async def vitals(engine: Engine) -> Response:
    """Feeds, queue, model, budget, journal, venue: what /health sums up."""
    return reply(engine.vitals())


@router.get("/metrics", summary="Metrics for Prometheus", response_class=Response)
@needs(Access.READ)
async def metrics(request: Request) -> Response:
    """In Prometheus' text format."""
    return Response(generate_latest(request.app.state.registry), media_type=CONTENT_TYPE_LATEST)


def _page_of(found: Sequence[Instrument], *, after: str | None, limit: int) -> Page[Instrument]:
    """Cut one page by symbol; the cursor is the last symbol shown."""
    begin = "" if after is None else _symbol_of(after)
    rest = sorted((a for a in found if a.symbol > begin), key=lambda asset: asset.symbol)
    shown = tuple(rest[:limit])
    is_last = len(rest) <= limit
    cursor = None if is_last else base64.urlsafe_b64encode(shown[-1].symbol.encode()).decode()
    return Page(items=shown, next=cursor)


def _symbol_of(cursor: str) -> str:
    try:
        return base64.b64decode(cursor, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise ConfigError(
            f"{cursor[:80]!r} is no cursor.",
            remedy="Send the 'next' of the page before, unchanged.",
            code="CURSOR_INVALID",
        ) from None
