"""Ask the venue over alpaca-py's blocking client without blocking, hanging or retrying."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from requests.adapters import HTTPAdapter

from broker.budget import RequestBudget
from broker.errors import CLOSED_REMEDY, ROOM_REMEDY, Ask, of_answer, of_failure
from domain.errors import BrokerError, BrokerRefused, NotSent, OutcomeUnknown, RateLimited
from domain.records import Record

_ANSWERS_KEPT = 256

_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_UNREADABLE = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
    ValueError,
    RecursionError,
)
"""What a lost or garbled answer raises; JSON that is nested without end is the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RestConfig:
    """Say where the venue is and how long to wait for it. The secret never prints.

    `url` of none means Alpaca's own paper or live host. `deadline_s` bounds every request whole,
    waiting for room in the request budget included.
    """

    key: str
    secret: str = field(repr=False)
    paper: bool = True
    url: str | None = None
    connect_timeout_s: float = 3.0
    deadline_s: float = 10.0
    requests_per_minute: int = 180
    workers: int = 3
    urgent_workers: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One request: what it is about decides its error classes, its purpose its urgency."""

    method: str
    path: str
    data: Mapping[str, Any] | None = None
    ask: Ask = Ask.QUESTION
    is_urgent: bool = False


class LineUse(Record, frozen=True):
    """The requests of the last minute, of how many, and the last answers' seconds."""

    requests: int
    requests_per_minute: int
    answered_s: tuple[float, ...]


class RestLine:
    """Run requests on a few threads, one client each, under a deadline and a request budget.

    alpaca-py has no time-out, repeats even POSTs on 429 and 504, and its session is not promised to
    be thread-safe (its source, 0.44): so a time-out is mounted, its retries are set to none, and
    each thread has its own client. Urgent requests have threads of their own: hung questions cannot
    hold them up.
    """

    def __init__(self, config: RestConfig) -> None:
        self._config = config
        self._budget = RequestBudget(per_minute=config.requests_per_minute)
        self._answered_s: deque[float] = deque(maxlen=_ANSWERS_KEPT)
        self._local = threading.local()
        self._sessions: list[requests.Session] = []
        self._workers = self._pool(config.workers, "broker")
        self._urgent_workers = self._pool(config.urgent_workers, "broker-urgent")

    @property
    def use(self) -> LineUse:
        """Return how much of the request rate is used, and how long the last answers took."""
        return LineUse(
            requests=self._budget.used,
            requests_per_minute=self._config.requests_per_minute,
            answered_s=tuple(self._answered_s),
        )

    async def ask(self, question: Question) -> Any:
        """Return the answer's JSON, none when it is empty; raises `BrokerError`."""
        running: Future[Any] | None = None
        try:
            async with asyncio.timeout(self._config.deadline_s):
                await self._budget.admit(is_urgent=question.is_urgent)
                pool = self._urgent_workers if question.is_urgent else self._workers
                running, began = self._start(pool, question), time.monotonic()
                answer = await asyncio.wrap_future(running)
                self._answered_s.append(time.monotonic() - began)
                return answer
        except TimeoutError:
            raise self._too_late(question, running) from None
        except asyncio.CancelledError:
            if _is_ours_to_end():
                raise
            raise NotSent(
                "The broker was closed before the request was sent.", remedy=CLOSED_REMEDY
            ) from None
        except RateLimited as limited:
            self._budget.pause(limited.retry_after_s)
            raise

    def close(self) -> None:
        """Drop what has not started and close idle connections; a request under way ends alone."""
        for pool in (self._workers, self._urgent_workers):
            pool.shutdown(wait=False, cancel_futures=True)
        for session in self._sessions:
            session.close()

    def _start(self, pool: ThreadPoolExecutor, question: Question) -> Future[Any]:
        try:
            return pool.submit(self._perform, question)
        except RuntimeError:
            raise NotSent("The broker is closed.", remedy=CLOSED_REMEDY) from None

    def _too_late(self, question: Question, running: Future[Any] | None) -> BrokerError:
        """Say what a passed deadline means: a request that never got a thread was not sent."""
        after = f"after {self._config.deadline_s:g} s"
        if running is None or running.cancel():
            return NotSent(f"No room in our own request budget {after}.", remedy=ROOM_REMEDY)
        if question.ask is Ask.QUESTION:
            return BrokerRefused(f"The venue did not answer {after}.")
        return OutcomeUnknown(f"The venue did not answer {after} and may have acted.")

    def _perform(self, question: Question) -> Any:
        """Send once, on a worker's thread."""
        client: TradingClient = self._local.client
        data = dict(question.data) if question.data is not None else None
        try:
            return _SENDERS[question.method](client, question.path, data)
        except APIError as error:
            raise _refusal(question.ask, error) from error
        except _UNREADABLE as e:
            raise of_failure(question.ask, e) from e

    def _pool(self, threads: int, name: str) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(threads, thread_name_prefix=name, initializer=self._add_client)

    def _add_client(self) -> None:
        """Give the calling thread its client."""
        config = self._config
        client = TradingClient(
            config.key,
            config.secret,
            paper=config.paper,
            raw_data=True,
            url_override=config.url,
        )
        client._retry = 0  # noqa: SLF001 - TradingClient exposes no retry setting (0.44)
        session: requests.Session = client._session  # noqa: SLF001 - nor a time-out
        session.trust_env = not _is_loopback(config.url)
        adapter = _TimedAdapter(timeout=(config.connect_timeout_s, config.deadline_s))
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        self._local.client = client
        self._sessions.append(session)


class _TimedAdapter(HTTPAdapter):
    """Send with a time-out where alpaca-py gives none."""

    def __init__(self, *, timeout: tuple[float, float]) -> None:
        super().__init__()
        self._timeout = timeout

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        """Put (connect, read) seconds in."""
        if options.get("timeout") is None:
            options["timeout"] = self._timeout
        return super().send(request, **options)


_SENDERS: dict[str, Callable[[TradingClient, str, dict[str, Any] | None], Any]] = {
    "GET": TradingClient.get,
    "POST": TradingClient.post,
    "DELETE": TradingClient.delete,
}


def _refusal(ask: Ask, error: APIError) -> BrokerError:
    """Map an HTTP error; `.code` and `.message` are not touched, they raise on such bodies."""
    response = error.response
    if response is None:
        return of_failure(ask, error)
    return of_answer(ask, response.status_code, response.text, response.headers)


def _is_ours_to_end() -> bool:
    """Tell a cancelled caller from a request that closing took out of the queue."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _is_loopback(url: str | None) -> bool:
    """Tell the local exchange: a proxy of the environment must not stand between us and it."""
    return url is not None and urlsplit(url).hostname in _LOOPBACK
