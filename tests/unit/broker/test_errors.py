"""Recorded answers of the venue (and of proxies before it) against our tree of errors."""

import pytest
import requests

from broker.errors import Ask, clean, is_duplicate, of_answer, of_failure, pause_s
from domain.errors import (
    BrokerRefused,
    NotSent,
    OrderRejected,
    OutcomeUnknown,
    RateLimited,
)

HTML = "<html><head><title>504 Gateway Time-out</title></head></html>"

REFUSALS = [
    (403, '{"buying_power":"607.24","code":40310000,"message":"insufficient buying power"}'),
    (403, '{"available":"4","code":40310000,"message":"insufficient qty available for order"}'),
    (403, '{"code":40310000,"message":"cost basis must be >= minimal amount of order 10"}'),
    (403, '{"code":40310000,"message":"potential wash trade detected. use complex orders"}'),
    (422, '{"code":40010001,"message":"qty or notional is required"}'),
    (422, '{"code":42210000,"message":"invalid limit_price 290.123. sub-penny increment"}'),
    (422, '{"code":42210000,"message":"invalid crypto time_in_force"}'),
    (404, '{"code":40410000,"message":"position does not exist"}'),
    (400, '{"code":40010000,"message":"request body format is invalid"}'),
]


@pytest.mark.parametrize(("status", "body"), REFUSALS)
def test_a_refusal_in_the_venues_envelope_is_final_and_keeps_its_words(status, body):
    """One code covers many refusals, so the message is what we keep."""
    error = of_answer(Ask.SUBMIT, status, body, {})
    assert isinstance(error, OrderRejected)
    assert error.status == status
    assert error.reason in body


@pytest.mark.parametrize("ask", [Ask.SUBMIT, Ask.CANCEL])
@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 409])
@pytest.mark.parametrize("body", [HTML, "", '{"message":"backend request timeout"}', "null", "[1]"])
def test_an_answer_that_proves_nothing_leaves_the_outcome_unknown(ask, status, body):
    """A 504 was recorded for orders that were accepted: it must never count as a refusal."""
    assert isinstance(of_answer(ask, status, body, {}), OutcomeUnknown)


@pytest.mark.parametrize("status", [400, 403, 404, 422])
def test_a_page_of_some_proxy_is_no_refusal_of_the_order(status):
    """Only the venue's own envelope proves a refusal."""
    assert isinstance(of_answer(Ask.SUBMIT, status, HTML, {}), OutcomeUnknown)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, '{"message":"unauthorized."}'),
        (401, HTML),
        (401, ""),
        (403, '{"message":"forbidden."}'),
    ],
)
@pytest.mark.parametrize("ask", list(Ask))
def test_a_wrong_key_says_what_to_mend(ask, status, body):
    """The recorded 401 has no code: alpaca-py's own `.code` raises KeyError on it."""
    error = of_answer(ask, status, body, {})
    assert isinstance(error, BrokerRefused)
    assert "APCA_API_KEY_ID" in error.line


@pytest.mark.parametrize("ask", list(Ask))
def test_a_rate_limit_says_when_to_come_back(ask):
    """Whatever was asked, 429 means that it was not done."""
    error = of_answer(ask, 429, '{"code":42910000,"message":"rate limit exceeded"}', {})
    assert isinstance(error, RateLimited)
    assert error.retry_after_s == 5.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"X-RateLimit-Reset": "1000000020", "Date": "Sun, 09 Sep 2001 01:46:45 GMT"}, 15.0),
        ({"X-RateLimit-Reset": "1000000020", "Date": "nonsense"}, 5.0),
        ({"X-RateLimit-Reset": "1000000020"}, 5.0),
        ({"Retry-After": "nan"}, 5.0),
        ({"Retry-After": "-3"}, 0.5),
        ({"Retry-After": "1e9"}, 60.0),
        ({}, 5.0),
    ],
)
def test_the_pause_after_a_429_is_the_venues_and_bounded(headers, seconds):
    """The reset is held against the answer's own date, so our clock's error stays out of it."""
    assert pause_s(headers) == seconds


@pytest.mark.parametrize("code", [40010001, 42210000])
def test_a_reused_id_is_known_by_its_message_whatever_its_code(code):
    """The same refusal was recorded with two codes."""
    body = f'{{"code":{code},"message":"client_order_id must be unique"}}'
    error = of_answer(Ask.SUBMIT, 422, body, {})
    assert isinstance(error, OrderRejected)
    assert is_duplicate(error)


def test_another_refusal_about_the_id_is_no_duplicate():
    """Too long an id is a plain rejection."""
    body = '{"code":40010001,"message":"client_order_id must be no more than 128 characters"}'
    error = of_answer(Ask.SUBMIT, 422, body, {})
    assert isinstance(error, OrderRejected)
    assert not is_duplicate(error)


def test_a_question_that_fails_is_refused_and_never_an_unknown_outcome():
    """Nothing moves by asking."""
    for status in (400, 404, 422, 500, 504):
        error = of_answer(Ask.QUESTION, status, HTML, {})
        assert isinstance(error, BrokerRefused)
        assert error.status == status
    assert isinstance(of_failure(Ask.QUESTION, requests.ReadTimeout()), BrokerRefused)


@pytest.mark.parametrize(
    "error",
    [requests.ReadTimeout(), requests.ConnectionError("aborted"), ValueError("no JSON"), OSError()],
)
def test_a_failure_that_may_follow_the_sending_leaves_the_outcome_unknown(error):
    """Only failures that come before the first byte prove that nothing was sent."""
    assert isinstance(of_failure(Ask.SUBMIT, error), OutcomeUnknown)


@pytest.mark.parametrize("error", [requests.ConnectTimeout(), requests.exceptions.ProxyError()])
def test_a_failure_before_the_sending_is_safe_to_retry(error):
    """No connection, no order."""
    assert isinstance(of_failure(Ask.SUBMIT, error), NotSent)


def test_a_strangers_text_becomes_one_short_printable_line():
    """Refusals are shown to people and journaled: no control characters, no walls of text."""
    assert clean("a\r\n\tb\x1b[31m\x00c") == "a b [31m c"
    assert len(clean("x" * 10_000)) == 300


def test_whoever_cannot_reach_the_venue_is_told_what_to_do():
    """Two lines stood without a remedy: they were the ones people saw first."""
    away = of_failure(Ask.QUESTION, requests.ConnectTimeout())
    fast = of_answer(Ask.QUESTION, 429, "{}", {})
    for error in (away, fast):
        assert error.line.startswith(str(error))
        assert error.remedy
        assert "\n" not in error.line
