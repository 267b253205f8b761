"""Reset a client's TCP connection in place of an answer, which ASGI knows no word for."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

from fastapi import Request as HttpRequest
from fastapi import Response
from uvicorn.protocols.http.auto import AutoHTTPProtocol

_TRANSPORT = "exchange.transport"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for 0 s: close sends RST, not FIN
_NEVER_SENT = 500


class ResettableProtocol(AutoHTTPProtocol):  # type: ignore[valid-type, misc]  # chosen at import
    """Uvicorn's HTTP protocol, with the connection's transport among the request's extensions."""

    app: Any

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Give every request of the connection its transport."""
        super().connection_made(transport)
        inner: Any = self.app

        async def app(scope: dict[str, Any], receive: Any, send: Any) -> None:
            extensions = scope.get("extensions") or {}
            await inner(
                scope | {"extensions": {**extensions, _TRANSPORT: transport}}, receive, send
            )

        self.app = app


def reset(http: HttpRequest) -> Response:
    """Reset the connection that a request came by; what is returned reaches nobody.

    Without `ResettableProtocol` the connection cannot be reached: then it is a plain 500.
    """
    transport = http.scope.get("extensions", {}).get(_TRANSPORT)
    if transport is not None:
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    return Response(status_code=_NEVER_SENT)
