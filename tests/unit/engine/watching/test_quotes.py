"""A stale quote is asked for once over REST before the gate denies it."""

from types import SimpleNamespace

import pytest

from domain.errors import FeedError
from domain.limits import Limits
from domain.market import Quote
from domain.records import NS_PER_S
from engine.clock import ManualClock
from engine.watching.quotes import FreshQuotes
from feeds.store import Glance

NOW = 1_791_468_000 * NS_PER_S


def quote_of(age_s):
    ts = NOW - int(age_s * NS_PER_S)
    return Quote("AAPL", 99.0, 1.0, 100.0, 1.0, ts, ts)


class Renewed:
    """A store and a venue, as far as a quote needs them."""

    def __init__(self, quote, *, is_stale=False, answer=None, error=None):
        self.asked = []
        self.applied = []
        self.answer, self.error = answer, error
        seen = Glance(quote, is_stale, is_halted=False)
        self.fresh = FreshQuotes(
            ask=self.ask,
            glance=lambda _symbol: seen,
            sink=SimpleNamespace(apply=self.applied.extend),
            limits=Limits(quote_max_age_s=10.0),
            clock=ManualClock(NOW),
        )

    async def ask(self, symbol):
        self.asked.append(symbol)
        if self.error is not None:
            raise self.error
        return self.answer


async def test_an_old_quote_on_a_living_link_is_asked_for_once():
    """A quiet symbol is not a broken one."""
    answer = quote_of(0)
    renewed = Renewed(quote_of(11), answer=answer)
    await renewed.fresh.renew("AAPL")
    assert (renewed.asked, renewed.applied) == (["AAPL"], [answer])


@pytest.mark.parametrize(
    "renewed",
    [Renewed(quote_of(9)), Renewed(quote_of(11), is_stale=True)],
    ids=["young", "link down"],
)
async def test_a_young_quote_and_a_dead_link_ask_nothing(renewed):
    """The stream's word stands; and a dead link is FEED_STALE, which REST does not heal."""
    await renewed.fresh.renew("AAPL")
    assert renewed.asked == []


@pytest.mark.parametrize("error", [None, FeedError("no answer")])
async def test_no_answer_changes_nothing(error):
    """The gate then denies with QUOTE_STALE."""
    renewed = Renewed(None, error=error)
    await renewed.fresh.renew("AAPL")
    assert renewed.applied == []


async def test_before_an_entry_the_venue_is_asked_whatever_the_stream_says():
    """A stream that lies about window and quote alike was contradicted by nothing."""
    renewed = Renewed(quote_of(0), answer=quote_of(0))
    assert renewed.fresh.said("AAPL") is None
    await renewed.fresh.confirm("AAPL")
    assert (renewed.asked, renewed.applied) == (["AAPL"], [])
    assert renewed.fresh.said("AAPL") == 99.5


@pytest.mark.parametrize(
    "answer", [None, Quote("AAPL", 0.0, 0.0, 100.0, 1.0, NOW, NOW)], ids=["none", "one-sided"]
)
async def test_what_the_venue_does_not_say_is_not_known(answer):
    """An answer of before does not stand for the one that is missing."""
    renewed = Renewed(quote_of(0), answer=quote_of(0))
    await renewed.fresh.confirm("AAPL")
    renewed.answer = answer
    await renewed.fresh.confirm("AAPL")
    assert renewed.fresh.said("AAPL") is None
