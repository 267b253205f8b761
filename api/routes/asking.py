"""Name what routes are given: the engine's controls, the journal's reader, who asks, which page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request

from api.stream import Stream
from engine.control import Controls
from journal.reads.reader import Reader

DEFAULT_PAGE = 50
LARGEST_PAGE = 500


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


def spelled(symbol: str) -> str:
    """Forgive lower case and nothing else: upper case makes an S of a long s."""
    return symbol.upper() if symbol.isascii() else symbol


Engine = Annotated[Controls, Depends(_controls)]
Journal = Annotated[Reader, Depends(_reader)]
Events = Annotated[Stream, Depends(_stream)]
Actor = Annotated[str, Depends(_actor)]


@dataclass(frozen=True, slots=True)
class Paging:
    """Which part of a list is asked for."""

    limit: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = DEFAULT_PAGE
    after: Annotated[str | None, Query(description="`next` of the page before.")] = None
    symbol: Annotated[str | None, Query(max_length=32, examples=["BTC/USD"])] = None


Page = Annotated[Paging, Depends()]
