"""Name what routes are given: the engine's controls, the journal's reader, who asks, which page."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

from fastapi import Depends, Query, Request

from api.stream import Stream
from domain.records import NS_PER_S
from engine.control import Controls
from journal.reads.reader import Reader

DEFAULT_PAGE = 50
LARGEST_PAGE = 500

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = 2**63 - 1


async def _controls(request: Request) -> Controls:
    controls: Controls = request.app.state.controls
    return controls


async def _reader(controls: Annotated[Controls, Depends(_controls)]) -> Reader:
    reader: Reader = controls.reader()
    return reader


async def _stream(request: Request) -> Stream:
    stream: Stream = request.app.state.stream
    return stream


async def _actor(request: Request) -> str:
    """Say where a control came from and, where tokens are asked for, which one it carried."""
    host = request.client.host if request.client else "local"
    token = request.scope.get("state", {}).get("token")
    return f"http:{host}:{token}" if token else f"http:{host}"


def since_ns(moment: datetime) -> int:
    """Return a time of a query in nanoseconds since 1970; UTC when it names no zone.

    A database's integer holds nanoseconds until 2262; what lies beyond means then.
    """
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    since_epoch = aware - _EPOCH
    whole_s = since_epoch.days * 86_400 + since_epoch.seconds
    return max(-_LATEST, min(_LATEST, whole_s * NS_PER_S + since_epoch.microseconds * 1000))


def spelled(symbol: str) -> str:
    """Forgive lower case and nothing else: upper case makes an S of a long s."""
    return symbol.upper() if symbol.isascii() else symbol


async def _turn(request: Request) -> asyncio.Lock:
    """Return what lets one run of the graph after another: each takes milliseconds of the loop."""
    turn: asyncio.Lock = request.app.state.turn
    return turn


Engine = Annotated[Controls, Depends(_controls)]
Journal = Annotated[Reader, Depends(_reader)]
Events = Annotated[Stream, Depends(_stream)]
Turn = Annotated[asyncio.Lock, Depends(_turn)]
Actor = Annotated[str, Depends(_actor)]


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list is asked for."""

    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = DEFAULT_PAGE
    after: Annotated[str | None, Query(description="`next` of the page before.")] = None
    symbol: Annotated[str | None, Query(max_length=32, examples=["BTC/USD"])] = None


Page = Annotated[Paging, Depends()]
