"""Cancel working entries and nothing else, with the standard library alone.

The dead-man's hands. alpaca-py brings pandas and 120 MB with it; a child that waits beside the bot
must be small and must start when memory is short. It holds no method that places or changes an
order, and it takes only entries for its own: what protects a position is never listed.
"""

from __future__ import annotations

import http.client
import json
import os
import ssl
import threading
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import certifi

from domain.errors import BrokerRefused, OutcomeUnknown, RateLimited

PAPER_URL, LIVE_URL = "https://paper-api.alpaca.markets", "https://api.alpaca.markets"

_PAGE = 500
_WORKING = frozenset(
    {
        "new",
        "accepted",
        "pending_new",
        "partially_filled",
        "accepted_for_bidding",
        "pending_replace",
    }
)
"""States in which a cancel is asked for; one already pending is the venue's to finish."""

_ENDING = frozenset({"pending_cancel"})
_ENDED = frozenset({404, 422})
"""The venue knows of no such order, or it can be cancelled no more (its error table)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkingEntry:
    """An entry that may still fill, by the venue's name and by ours."""

    venue_order_id: str
    client_order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelerConfig:
    """Say where the venue is. The secret never prints. `url` is without `/v2`."""

    url: str
    key: str
    secret: str = field(repr=False)
    timeout_s: float = 5.0


class AlpacaCanceler:
    """List entries of ours and cancel one; a connection of its own for each thread."""

    def __init__(self, config: CancelerConfig) -> None:
        self._config = config
        self._local = threading.local()
        self._headers = {
            "APCA-API-KEY-ID": config.key,
            "APCA-API-SECRET-KEY": config.secret,
            "Accept": "application/json",
        }

    def working_entries(self) -> list[WorkingEntry]:
        """List our entries that may still fill; raises `BrokerError`.

        Not nested: children of a bracket then stand as orders of their own, under names that are
        not ours, and a parent that has filled is not listed. Newest first: entries are young.
        """
        orders = self._ask("GET", f"/v2/orders?status=open&limit={_PAGE}&direction=desc")
        if not isinstance(orders, list):
            raise BrokerRefused("The venue's answer is not a list of orders.")
        return [
            WorkingEntry(venue_order_id=str(raw["id"]), client_order_id=raw["client_order_id"])
            for raw in orders
            if _is_entry(raw)
        ]

    def cancel(self, venue_order_id: str) -> None:
        """Ask for a cancel; an order that has ended is no failure. Raises `BrokerError`."""
        self._ask("DELETE", f"/v2/orders/{quote(venue_order_id, safe='')}")

    def _ask(self, method: str, path: str) -> Any:
        """Ask once, on a new connection when the kept one was closed meanwhile."""
        status, body, retry_after = self._answer(method, path)
        if status == http.client.TOO_MANY_REQUESTS:
            raise RateLimited("The venue asks to wait.", retry_after_s=retry_after)
        if method == "DELETE" and status in _ENDED:
            return None
        if status >= http.client.BAD_REQUEST:
            raise BrokerRefused(f"The venue answered HTTP {status}.", status=status)
        try:
            return json.loads(body) if body else None
        except ValueError as error:
            raise BrokerRefused("The venue's answer is not JSON.", status=status) from error

    def _answer(self, method: str, path: str) -> tuple[int, bytes, float]:
        try:
            try:
                return self._exchange(method, path)
            except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
                return self._exchange(method, path)
        except (OSError, http.client.HTTPException) as error:
            raise OutcomeUnknown(f"The venue does not answer ({type(error).__name__}).") from error

    def _exchange(self, method: str, path: str) -> tuple[int, bytes, float]:
        connection = self._connection()
        try:
            connection.request(method, path, headers=self._headers)
            answer = connection.getresponse()
            asked = answer.headers.get("Retry-After", "")
            return answer.status, answer.read(), float(asked) if asked.isdecimal() else 1.0
        except (OSError, http.client.HTTPException):
            connection.close()
            self._local.connection = None
            raise

    def _connection(self) -> http.client.HTTPConnection:
        connection: http.client.HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = _connect(self._config)
        return connection


def _is_entry(raw: dict[str, Any]) -> bool:
    """Tell an entry of ours by its name (`ah-{origin}-entry-{n}`) that may still fill."""
    parts = str(raw.get("client_order_id") or "").split("-")
    is_ours = len(parts) >= 4 and parts[0] == "ah" and parts[-2] == "entry"  # noqa: PLR2004 - law 3
    return is_ours and raw.get("status") in _WORKING | _ENDING


def _connect(config: CancelerConfig) -> http.client.HTTPConnection:
    """Open nothing yet: the first request connects, through the environment's proxy if any."""
    parts = urlsplit(config.url)
    host, port, timeout = parts.hostname or "", parts.port, config.timeout_s
    if parts.scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=timeout)
    trust = ssl.create_default_context()
    trust.load_verify_locations(os.environ.get("REQUESTS_CA_BUNDLE") or certifi.where())
    proxy = None if proxy_bypass(host) else getproxies().get("https")
    if proxy is None:
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=trust)
    way = urlsplit(proxy)
    tunnel = http.client.HTTPSConnection(
        way.hostname or "", way.port, timeout=timeout, context=trust
    )
    tunnel.set_tunnel(host, port or 443)
    return tunnel
