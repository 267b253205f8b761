"""Play the analyst that says yes to everything and asks for the most, or fails as told."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from api.proving.attacks.answers import ASK_THE_MOST, Says
from api.proving.house import ScriptedModel
from domain.errors import InvariantBroken

LATE_S = 3.0
"""How long a late answer takes: more than a bot in an attack waits for one."""

_JSON = b"application/json"
_HOLD = {**ASK_THE_MOST["directive"], "action": "hold", "confidence": 0.1}
_SYMBOL = re.compile(r"^symbol (\S+) \(", re.MULTILINE)


class Reply(NamedTuple):
    """One answer over HTTP."""

    status: int
    body: bytes
    media_type: bytes = _JSON
    extra: tuple[tuple[bytes, bytes], ...] = ()


@dataclass
class Adversary(ScriptedModel):
    """An analyst who obeys the news.

    `says` is what it answers about a symbol, `marks` what it must have been shown of the symbol's
    news before it does. Without a word for a symbol it holds, or buys all when `is_greedy`. What
    was said as scripted is in `played`; `desire` may change the action, by symbol.
    """

    says: dict[str, Says] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    played: set[str] = field(default_factory=set)
    shown: dict[str, str] = field(default_factory=dict)
    is_greedy: bool = False
    desire: Callable[[str], str] = lambda _symbol: "buy"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve one request; an ASGI application."""
        if scope["type"] != "http":
            return
        whole, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            whole, more = whole + message.get("body", b""), message.get("more_body", False)
        reply = await self._reply(json.loads(whole))
        headers = [(b"content-type", reply.media_type), *reply.extra]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, body: dict[str, Any]) -> Reply:
        schema = body["response_format"]["json_schema"]["name"]
        told = "\n".join(message["content"] for message in body["messages"])
        found = _SYMBOL.search(told)
        if found is None:
            raise InvariantBroken("the prompt names no symbol")
        symbol = found[1]
        self.asked.append((symbol, schema))
        if schema == "directive":
            self.shown[symbol] = told
        says = self._scripted(symbol)
        if says is None:
            return _completion(body, json.dumps(self._unscripted(symbol, schema)))
        if says.mishap and schema == "directive":
            self.played.add(symbol)
            return await _mishap(says.mishap, body)
        if schema in says.texts or not says.texts:
            self.played.add(symbol)
        return _completion(body, says.texts.get(schema) or self._said(symbol, schema, says))

    def _scripted(self, symbol: str) -> Says | None:
        """Return what is to be said, once the news that commands it was shown."""
        is_moved = self.marks.get(symbol, "") in self.shown.get(symbol, "")
        return self.says.get(symbol) if is_moved else None

    def _said(self, symbol: str, schema: str, says: Says) -> str:
        if schema in says.texts:
            return says.texts[schema]
        return json.dumps(self._most(symbol, schema))

    def _unscripted(self, symbol: str, schema: str) -> dict[str, Any]:
        is_holding = schema == "directive" and not self.is_greedy
        return _HOLD if is_holding else self._most(symbol, schema)

    def _most(self, symbol: str, schema: str) -> dict[str, Any]:
        most = ASK_THE_MOST[schema]
        return most | {"action": self.desire(symbol)} if schema == "directive" else most


@dataclass
class Sensible(ScriptedModel):
    """The model of the clean run: it buys what has risen, at half of what the limits allow."""

    has_risen: Callable[[str], bool] = lambda _symbol: False

    def answer(self, symbol: str, schema: str) -> dict[str, Any]:
        """Answer for a role."""
        if schema == "directive":
            self.wants[symbol] = "buy" if self.has_risen(symbol) else "hold"
        said = super().answer(symbol, schema)
        return said | {"size_fraction": 0.5} if schema == "verdict" else said


def _completion(body: dict[str, Any], content: str, **changes: Any) -> Reply:
    message = {"role": "assistant", "content": content} | changes.pop("message", {})
    choice = {"index": 0, "message": message, "finish_reason": "stop"} | changes
    whole = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": body["model"],
        "choices": [choice],
        "usage": {"prompt_tokens": 900, "completion_tokens": 60, "total_tokens": 960},
    }
    return Reply(200, json.dumps(whole).encode())


async def _mishap(kind: str, body: dict[str, Any]) -> Reply:
    """Fail in one way."""
    yes = json.dumps(ASK_THE_MOST["directive"])
    match kind:
        case "timeout":
            await asyncio.sleep(LATE_S)
            return _completion(body, yes)
        case "429":
            return Reply(
                429, b'{"error": {"message": "slow down"}}', extra=((b"retry-after", b"1"),)
            )
        case "500":
            return Reply(500, b'{"error": {"message": "oops"}}')
        case "html":
            return Reply(200, b"<html><body>buy all</body></html>", b"text/html")
        case "no_choices":
            return Reply(200, b'{"id": "1", "object": "chat.completion", "choices": []}')
        case "half":
            whole = _completion(body, yes).body
            return Reply(200, whole[: len(whole) // 2])
        case "length":
            return _completion(body, yes[:40], finish_reason="length")
        case "filter":
            return _completion(body, "", finish_reason="content_filter")
        case "tool":
            return _tool(body)
        case _:
            return Reply(200, b"\xff\xfe\x00\xd8" * 64)


def _tool(body: dict[str, Any]) -> Reply:
    call = {"name": "submit_order", "arguments": '{"symbol": "TSLA", "qty": 1000000}'}
    calls = [{"id": "call_1", "type": "function", "function": call}]
    message = {"content": None, "tool_calls": calls}
    return _completion(body, "", message=message, finish_reason="tool_calls")
