"""What every market data request passes: keys, budget, faults, record."""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import msgspec
from fastapi import Request as HttpRequest
from fastapi import Response

from exchange.data.query import DataQuery
from exchange.data.refusals import too_many_requests
from exchange.errors import VenueRefusal
from exchange.faults import Answer, Request
from exchange.record import RequestRecord
from exchange.rest.limiter import RateLimiter
from exchange.rest.wire import reset
from exchange.streams.keys import TOKEN_KEYS, keys_from_headers
from exchange.venue import Venue

Action = Callable[[DataQuery, dict[str, str]], Awaitable[Any]]
"""Answer a query and path parameters with a JSON value; raises `VenueRefusal`."""


class DataGate:
    """Let a request through to its action, or answer it before, as the trading API's gate does."""

    def __init__(self, venue: Venue, limiter: RateLimiter) -> None:
        self._venue = venue
        self._limiter = limiter

    async def pass_through(self, http: HttpRequest, action: Action, *, is_public: bool) -> Response:
        """Answer one request; a public one needs no keys."""
        request = Request(
            method=http.method,
            path=http.url.path,
            query=http.url.query,
            body=None,
            at_ns=self._venue.clock.now_ns(),
        )
        answer = await self._answer(http, request, action, is_public=is_public)
        self._venue.record.add(
            RequestRecord(
                at_ns=request.at_ns,
                method=request.method,
                path=request.path,
                query=request.query,
                body=None,
                status=answer.status,
                faults=tuple(request.struck),
            )
        )
        if answer.is_cut:
            return reset(http)
        content = answer.body if isinstance(answer.body, bytes) else _encode(answer.body)
        return Response(
            content,
            status_code=answer.status,
            headers=answer.headers,
            media_type=answer.media_type,
        )

    async def _answer(
        self, http: HttpRequest, request: Request, action: Action, *, is_public: bool
    ) -> Answer:
        faults = self._venue.faults
        headers = {"X-Request-ID": uuid.uuid4().hex}
        try:
            if not is_public:
                self._check_keys(http)
            budget = self._limiter.take()
            headers |= budget.headers
            if not budget.allowed:
                raise too_many_requests()
            answer = await faults.before_request(request)
            if answer is None:
                query = DataQuery(http.query_params, now_ns=request.at_ns)
                answer = Answer(status=200, body=await action(query, dict(http.path_params)))
        except VenueRefusal as refused:
            answer = Answer(status=refused.status, body=refused.body)
        answer = replace(answer, headers=headers | answer.headers)
        return await faults.after_request(request, answer)

    def _check_keys(self, http: HttpRequest) -> None:
        """Raise the venue's refusal without the account's keys, or a token that is its secret."""
        key, secret = keys_from_headers(http.headers) or (None, None)
        known = self._venue.credentials.key
        self._venue.check_keys(known if key in TOKEN_KEYS else key, secret)


def _encode(body: Any) -> bytes:
    return msgspec.json.encode(body)
