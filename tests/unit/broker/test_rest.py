"""What the line to the venue does when the venue resets, hangs, is away, or answers anything."""

import asyncio
import socket
import threading
import time

import pytest

from broker.errors import Ask
from broker.rest import Question, RestConfig, RestLine
from domain.errors import (
    BrokerRefused,
    NotSent,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
)

SUBMIT = Question(method="POST", path="/orders", data={"qty": "1"}, ask=Ask.SUBMIT)
EXIT = Question(method="POST", path="/orders", data={}, ask=Ask.SUBMIT, is_urgent=True)
ASK = Question(method="GET", path="/account")


def line_to(url, **settings):
    return RestLine(RestConfig(key="K", secret="S", url=url, **settings))


@pytest.fixture
def line(venue):
    running = line_to(venue.url)
    yield running
    running.close()


async def test_an_answer_comes_back_as_plain_json(venue, line):
    """What was posted is what we said: strings for decimals, nothing added."""
    venue.answer(venue.reply(body={"id": "1"}))
    assert await line.ask(SUBMIT) == {"id": "1"}
    assert (venue.asked[0].method, venue.asked[0].path) == ("POST", "/v2/orders")
    assert venue.asked[0].body == {"qty": "1"}


async def test_an_empty_answer_is_none(venue, line):
    """A cancel is answered by 204 without a body."""
    venue.answer(venue.reply(204))
    assert await line.ask(Question(method="DELETE", path="/orders/1", ask=Ask.CANCEL)) is None


@pytest.mark.parametrize("status", [429, 504])
async def test_a_post_is_never_repeated_behind_our_back(venue, line, status):
    """alpaca-py repeats POSTs on 429 and 504: the order of a 504 was live."""
    venue.answer(venue.reply(status, {"message": "later"}))
    with pytest.raises(RateLimited if status == 429 else OutcomeUnknown):
        await line.ask(SUBMIT)
    assert len(venue.asked) == 1


async def test_a_reset_after_the_request_was_read_leaves_the_outcome_unknown(venue, line):
    """The venue read the order; what it did nobody says."""
    venue.answer(venue.RESET)
    with pytest.raises(OutcomeUnknown):
        await line.ask(SUBMIT)
    assert len(venue.asked) == 1


async def test_a_venue_that_never_answers_costs_no_more_than_the_deadline(venue):
    """alpaca-py has no time-out at all: a silent venue would hold the thread for ever."""
    venue.answer(venue.HANG)
    line = line_to(venue.url, deadline_s=0.2)
    started = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        await line.ask(SUBMIT)
    with pytest.raises(BrokerRefused):
        await line.ask(ASK)
    assert time.monotonic() - started < 20
    line.close()


async def test_nobody_listening_means_that_nothing_was_sent():
    """A refused connection is safe to retry with the same id."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        line = line_to(f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(NotSent):
            await line.ask(SUBMIT)
        line.close()


@pytest.mark.parametrize("body", [b"<html>", b"{", b"\xff{}", b'"', b"[" * 50_000])
async def test_a_success_that_cannot_be_read_leaves_the_outcome_unknown(venue, line, body):
    """200 with a page of a proxy: the order may be live."""
    venue.answer(venue.reply(200, body))
    with pytest.raises(OutcomeUnknown):
        await line.ask(SUBMIT)
    with pytest.raises(BrokerRefused):
        await line.ask(ASK)


async def test_a_refusal_without_json_does_not_trip_the_reader(venue, line):
    """alpaca-py's APIError raises KeyError and JSONDecodeError on such bodies."""
    venue.answer(
        venue.reply(401, {"message": "unauthorized."}),
        venue.reply(401, b"<html>"),
        venue.reply(503, b"[" * 50_000),
    )
    for _ in range(2):
        with pytest.raises(BrokerRefused) as refused:
            await line.ask(ASK)
        assert refused.value.status == 401
    with pytest.raises(BrokerRefused):
        await line.ask(ASK)


async def test_a_rejected_order_carries_the_venues_words(venue, line):
    """The reason is what the venue said, the status what it answered."""
    venue.answer(venue.reply(403, {"code": 40310000, "message": "insufficient buying power"}))
    with pytest.raises(OrderRejected) as rejected:
        await line.ask(SUBMIT)
    assert (rejected.value.reason, rejected.value.status) == ("insufficient buying power", 403)


async def test_hung_questions_do_not_hold_an_exit_up(venue):
    """Exits have threads of their own: each ordinary one may be stuck in a dead connection."""
    venue.answer(*[venue.HANG] * 3, venue.reply(body={"id": "out"}))
    line = line_to(venue.url, workers=3)
    stuck = [asyncio.create_task(line.ask(ASK)) for _ in range(3)]
    async with asyncio.timeout(60):
        await venue.was_asked(3)
        assert await line.ask(EXIT) == {"id": "out"}
        assert not any(task.done() for task in stuck)
    venue.released.set()
    for result in await asyncio.gather(*stuck, return_exceptions=True):
        assert isinstance(result, BrokerRefused)
    line.close()


async def test_a_request_that_never_got_a_thread_was_not_sent(venue):
    """All threads are busy: the deadline passes in our own queue, so nothing left."""
    line = line_to(venue.url, workers=1, deadline_s=0.2)
    is_done = threading.Event()
    line._workers.submit(is_done.wait, 5)
    with pytest.raises(NotSent):
        await line.ask(SUBMIT)
    is_done.set()
    line.close()
    assert venue.asked == []


async def test_a_spent_request_budget_means_not_sent_for_entries_and_nothing_for_exits(venue):
    """Entries wait for room up to their deadline, exits never wait."""
    venue.answer(venue.reply(body={"id": "1"}))
    line = line_to(venue.url, requests_per_minute=4, deadline_s=0.3)
    for _ in range(3):
        await line.ask(SUBMIT)
    with pytest.raises(NotSent):
        await line.ask(SUBMIT)
    assert await line.ask(EXIT) == {"id": "1"}
    line.close()


async def test_a_closed_line_sends_nothing_and_keeps_no_thread(venue):
    """Closing leaves no thread that waits for work."""
    before = set(threading.enumerate())
    line = line_to(venue.url)
    venue.answer(venue.reply(body={}))
    await line.ask(ASK)
    mine = set(threading.enumerate()) - before
    line.close()
    with pytest.raises(NotSent):
        await line.ask(SUBMIT)
    assert mine
    for thread in mine:
        await asyncio.to_thread(thread.join, 5)
        assert not thread.is_alive()


def test_the_secret_does_not_print():
    """A configuration may end in a log or a traceback."""
    assert "hidden" not in repr(RestConfig(key="K", secret="hidden"))
