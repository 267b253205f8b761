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
    return f"http:{request.client.host if request.client else 'local'}"


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
