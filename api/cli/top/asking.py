"""Keep a snapshot fresh: ask every second, at once when something happens, and come back always."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

import httpx
import msgspec

from api.cli.top.snapshot import Budget, DecisionLine, Happening, Snapshot
from domain.records import Record
from engine.control import PositionView, Status

PERIOD_S = 1.0
_LEAST_S = 0.25
_TIMEOUT_S = 3.0
_RECONNECT_S = 1.0
_SILENCE_S = 60.0
"""The stream says something every 15 s; one that is silent for so long is lost."""
_SHOWN = 30
_QUIET = frozenset({"quote_updated", "bar_closed", "decision_started", "reconciled"})
"""What happens all the time, or says nothing that the tables do not."""

T = TypeVar("T")


class _Page(Record, frozen=True):
    items: tuple[Any, ...]


class Asker:
    """Ask one bot; `changed` is called whenever the snapshot is another."""

    def __init__(
        self, snapshot: Snapshot, token: str | None, changed: Callable[[], None] = lambda: None
    ) -> None:
        self.snapshot = snapshot
        self._changed = changed
        self._wake = asyncio.Event()
        self._last_id = ""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._client = httpx.AsyncClient(
            base_url=snapshot.url, headers=headers, timeout=_TIMEOUT_S, trust_env=False
        )

    async def run(self) -> None:
        """Ask and listen until cancelled."""
        async with self._client, asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            while True:
                await self.look()
                await asyncio.sleep(_LEAST_S)
                with suppress(TimeoutError):
                    async with asyncio.timeout(PERIOD_S - _LEAST_S):
                        await self._wake.wait()
                self._wake.clear()

    async def once(self) -> None:
        """Ask one time."""
        async with self._client:
            await self.look()

    async def look(self) -> None:
        """Ask for everything; what fails is told in the snapshot, which keeps the last answers."""
        shown = self.snapshot
        try:
            shown.status = await self._get("/status", Status)
            shown.positions = await self._list("/positions", PositionView)
            shown.decisions = await self._list(f"/decisions?limit={_SHOWN}", DecisionLine)
            shown.budget = await self._budget()
        except httpx.HTTPStatusError as error:
            shown.fault = _refused(error.response.status_code)
        except httpx.HTTPError as error:
            shown.fault = f"No answer ({type(error).__name__}): is it running?"
        except msgspec.MsgspecError:
            shown.fault = "What listens there is no bot of this version: check --url."
        else:
            shown.fault, shown.heard_at = "", asyncio.get_running_loop().time()
        self._changed()

    async def _budget(self) -> Budget | None:
        """Return what the model may cost; none of a bot that does not tell."""
        answer = await self._client.get("/vitals")
        if answer.status_code == httpx.codes.NOT_FOUND:
            return None
        answer.raise_for_status()
        return msgspec.convert(msgspec.json.decode(answer.content)["budget"], Budget)

    async def _get(self, path: str, kind: type[T]) -> T:
        answer = await self._client.get(path)
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=kind)

    async def _list(self, path: str, kind: type[T]) -> tuple[T, ...]:
        page = await self._get(path, _Page)
        return tuple(msgspec.convert(item, kind, strict=False) for item in page.items)

    async def _listen(self) -> None:
        """Hear what happens, from where the last connection ended; come back for ever."""
        while True:
            headers = {"Last-Event-ID": self._last_id} if self._last_id else {}
            patience = httpx.Timeout(_TIMEOUT_S, read=_SILENCE_S)
            with suppress(httpx.HTTPError, msgspec.MsgspecError):
                async with self._client.stream(
                    "GET", "/events", headers=headers, timeout=patience
                ) as answer:
                    answer.raise_for_status()
                    async for fields in _events(answer):
                        self._hear(fields)
            await asyncio.sleep(_RECONNECT_S)

    def _hear(self, fields: dict[str, str]) -> None:
        self._last_id = fields.get("id", self._last_id)
        kind = fields.get("event", "")
        if not kind or kind in _QUIET:
            return
        data = msgspec.json.decode(fields.get("data", "{}"))
        now = f"{datetime.now(UTC):%H:%M:%S}"
        self.snapshot.happenings.append(Happening(at=now, kind=kind, words=words_of(data)))
        self._wake.set()


def words_of(data: dict[str, Any]) -> str:
    """Say an event in a few words: of whom, and what."""
    order = data.get("request") or data.get("order") or {}
    names = ("code", "outcome", "reason_code", "action", "state", "session", "message", "dropped")
    said = [str(data.get("symbol") or order.get("symbol") or "")]
    said += [str(data[name]) for name in names if data.get(name) not in {None, ""}]
    return " ".join(word for word in said if word)


def _refused(status: int) -> str:
    if status in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        return "The bot refuses us: set API_TOKEN_READ to its token."
    return f"The bot answers HTTP {status}."


async def _events(answer: httpx.Response) -> AsyncIterator[dict[str, str]]:
    """Yield the fields of each event of a `text/event-stream` (HTML standard, 9.2.6)."""
    fields: dict[str, str] = {}
    async for line in answer.aiter_lines():
        if not line:
            if fields:
                yield fields
            fields = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
