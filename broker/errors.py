"""Turn what the venue answers, or fails to answer, into our own tree of errors.

One venue code covers many refusals (40310000 at least six), so refusals are told apart by HTTP
status and message; bodies without a code, without JSON or without anything are all known to
happen. What is not a proven refusal of an order stays `OutcomeUnknown`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Any

import requests
import urllib3

from domain.errors import (
    BrokerError,
    BrokerRefused,
    NotSent,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
)

DUPLICATE_ID = "client_order_id must be unique"
KEY_REMEDY = (
    "Check APCA_API_KEY_ID and APCA_API_SECRET_KEY, and that paper keys meet the paper host."
)
REACH_REMEDY = "Check network, proxy and APCA_API_BASE_URL; `autohedge doctor` looks at them."
RATE_REMEDY = "End other programs on this account, or lower APCA_REQUESTS_PER_MINUTE."
ROOM_REMEDY = "Trade fewer symbols, or raise APCA_REQUESTS_PER_MINUTE if the account allows more."
CLOSED_REMEDY = "The process is ending; nothing left."
MAX_REASON = 300
DEFAULT_PAUSE_S = 5.0
MAX_PAUSE_S = 60.0

_UNAUTHORIZED, _FORBIDDEN, _TOO_MANY = 401, 403, 429
_CLIENT_ERRORS = range(400, 500)
# Answers below 500 that say nothing about what became of the request.
_UNPROVEN = frozenset({408, 409, 425})


class Ask(StrEnum):
    """What kind of request failed: it decides what may have moved."""

    QUESTION = "question"
    SUBMIT = "submit"
    CANCEL = "cancel"


def message_of(text: str) -> str | None:
    """Return the envelope's message, or none when the body is not the venue's JSON."""
    try:
        body: Any = json.loads(text)
    except (ValueError, RecursionError):
        return None
    message = body.get("message") if isinstance(body, dict) else None
    return clean(message) if isinstance(message, str) and message else None


def clean(text: str) -> str:
    """Return a stranger's text as one short printable line."""
    line = "".join(char if char.isprintable() else " " for char in text[: MAX_REASON * 2])
    return " ".join(line.split())[:MAX_REASON]


def is_duplicate(error: OrderRejected) -> bool:
    """Tell the refusal of a reused client order id: by status and message, never by its code.

    The same refusal was recorded with the codes 40010001 and 42210000.
    """
    return error.status == requests.codes.unprocessable and DUPLICATE_ID in error.reason.lower()


def of_answer(ask: Ask, status: int, text: str, headers: Mapping[str, str]) -> BrokerError:
    """Return the error that an HTTP status of 400 or more stands for."""
    message = message_of(text)
    shown = message or f"HTTP {status} without a readable message"
    if status == _TOO_MANY:
        wait_s = pause_s(headers)
        return RateLimited(
            "The venue's request rate is exceeded.", retry_after_s=wait_s, remedy=RATE_REMEDY
        )
    if status == _UNAUTHORIZED or (status == _FORBIDDEN and _is_about_keys(text)):
        return BrokerRefused(
            f"The venue refuses our key: {shown}", status=status, remedy=KEY_REMEDY
        )
    if ask is Ask.QUESTION:
        return BrokerRefused(f"The venue did not answer: {shown}", status=status)
    if message is not None and status in _CLIENT_ERRORS and status not in _UNPROVEN:
        return OrderRejected(f"The venue refused: {message}", reason=message, status=status)
    return OutcomeUnknown(f"The venue answered {status} and may have acted: {shown}")


def of_failure(ask: Ask, error: Exception) -> BrokerError:
    """Return the error that a broken connection or an unreadable answer stands for."""
    if was_not_sent(error):
        return NotSent(f"The venue cannot be reached: {type(error).__name__}.", remedy=REACH_REMEDY)
    if ask is Ask.QUESTION:
        return BrokerRefused(f"The venue's answer was lost: {type(error).__name__}.")
    return OutcomeUnknown(
        f"The venue's answer was lost and it may have acted: {type(error).__name__}."
    )


def was_not_sent(error: BaseException) -> bool:
    """Tell failures that come before the first byte of a request: no route, no name, no listener.

    Every other failure may have come after the venue read the request.
    """
    if isinstance(
        error,
        requests.ConnectTimeout
        | requests.exceptions.ProxyError
        | requests.exceptions.InvalidURL
        | requests.exceptions.InvalidHeader
        | requests.exceptions.MissingSchema
        | requests.exceptions.InvalidSchema,
    ):
        return True
    if isinstance(error, requests.ConnectionError) and error.args:
        reason = getattr(error.args[0], "reason", None)
        return isinstance(reason, urllib3.exceptions.NewConnectionError)
    return False


def pause_s(headers: Mapping[str, str]) -> float:
    """Return how long a 429 asks to wait: `Retry-After`, else reset minus the answer's own date.

    Both times of the subtraction are the venue's, so that our clock's error stays out of it.
    """
    after = _number(headers.get("Retry-After"))
    if after is None:
        reset, date = _number(headers.get("X-RateLimit-Reset")), headers.get("Date")
        sent = _http_date(date) if date else None
        after = reset - sent if reset is not None and sent is not None else DEFAULT_PAUSE_S
    return min(max(after, 0.5), MAX_PAUSE_S)


def _is_about_keys(text: str) -> bool:
    """Tell the 403 of a wrong key pair from refusals of an order: those carry a code."""
    try:
        body: Any = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(body, dict)
        and "code" not in body
        and clean(str(body.get("message", ""))).lower().rstrip(".") in {"forbidden", "unauthorized"}
    )


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if abs(value) < 1e12 else None  # noqa: PLR2004 - also excludes nan and inf


def _http_date(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None
