"""Answer a request in the venue's place, or take its answer away."""

from __future__ import annotations

import time
from dataclasses import replace
from http import HTTPStatus

from exchange import errors
from exchange.faults.fault import Fault
from exchange.faults.kinds import FaultKind
from exchange.faults.seam import UNANSWERED, Answer, Request

_TRADING = ("/v2/account", "/v2/orders", "/v2/positions", "/v2/assets", "/v2/clock", "/v2/calendar")
_PAGE = b"<html><head><title>%s</title></head><body><center><h1>%s</h1></center></body></html>"

CUT = Answer(status=UNANSWERED, body=None, is_cut=True)
"""No answer: the connection is reset."""

WAITS = frozenset({FaultKind.REQUEST_HANGS, FaultKind.REQUEST_SLOW})


def refused(fault: Fault, request: Request) -> Answer | None:
    """Return what a request is answered with that never has an effect; None when it goes on."""
    match fault.kind:
        case FaultKind.REQUEST_RESET | FaultKind.REQUEST_HANGS:
            return CUT
        case FaultKind.REQUEST_429:
            return _too_many(fault, request)
        case FaultKind.REQUEST_500:
            return Answer(status=500, body={"message": "internal server error"})
        case FaultKind.REQUEST_HTML:
            return page(HTTPStatus.BAD_GATEWAY)
        case _:
            return None


def taken(fault: Fault, answer: Answer) -> Answer:
    """Return what goes out in place of the answer to a request that has had its effect."""
    match fault.kind:
        case FaultKind.ANSWER_504:
            body = {"message": "backend request timeout"}
            return replace(answer, status=504, body=body, media_type="application/json")
        case FaultKind.ANSWER_500:
            return replace(page(HTTPStatus.INTERNAL_SERVER_ERROR), headers=answer.headers)
        case FaultKind.ANSWER_RESET | FaultKind.ANSWER_HANGS:
            return CUT
        case _:
            return answer


def page(status: HTTPStatus) -> Answer:
    """Return a proxy's page."""
    title = f"{status} {status.phrase}".encode()
    return Answer(status=status, body=_PAGE % (title, title), media_type="text/html")


def not_found(client_order_id: str) -> Answer:
    """Return the miss of an order that is there and cannot be seen yet."""
    miss = errors.not_found(f"order not found for {client_order_id}")
    return Answer(status=miss.status, body=miss.body)


def _too_many(fault: Fault, request: Request) -> Answer:
    """Refuse as the host of the path does; the wait is wall time, as a client's budget is."""
    is_trading = request.path.startswith(_TRADING)
    body = errors.rate_limited().body if is_trading else {"message": "too many requests."}
    headers = {
        "X-RateLimit-Limit": "200",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(time.time() + fault.lasts_s) + 1),
        "Retry-After": str(max(1, round(fault.lasts_s))),
    }
    return Answer(status=HTTPStatus.TOO_MANY_REQUESTS, body=body, headers=headers)
