"""Activities, ids and the account's body: cheaper than they were, and the same."""

from __future__ import annotations

import uuid
from decimal import Decimal
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.clock import VenueClock
from exchange.errors import VenueRefusal
from exchange.matching.account.activities import Activities, Search
from exchange.matching.account.ledger import Execution, Fee
from exchange.matching.knobs import Knobs
from exchange.matching.listing import crypto_pair, us_equity
from exchange.matching.orders import Side
from exchange.matching.registry import random_id
from exchange.venue import Credentials, Venue

NOON = 1_791_468_000 * 1_000_000_000
BTC = crypto_pair("BTC/USD")


def posted(times):
    """Post a fee at each time, as they come; returns the activities, and each by its dollars."""
    activities, at = Activities(seed=1), {}
    for number, time in enumerate(times, 1):
        execution = Execution(
            listing=BTC,
            side=Side.SELL,
            qty=Decimal(1),
            price=Decimal(1),
            is_maker=False,
            at_ns=NOON,
        )
        fee = Fee(execution=execution, qty=Decimal(0), amount=Decimal(number))
        activities.fee(fee, NOON + time)
        at[str(-number)] = NOON + time
    return activities, at


@given(data=st.data(), times=st.lists(st.integers(0, 9), max_size=12), is_ascending=st.booleans())
def test_a_page_is_what_a_look_at_every_activity_finds(data, times, is_ascending):
    """After a time, before another, behind a token, in either order; times may go back."""
    activities, at = posted(times)
    everything = activities.search(Search(ascending=True))
    moments = [at[row["net_amount"]] for row in everything]
    assert moments == sorted(at.values())
    after, until = (data.draw(st.none() | st.integers(NOON - 1, NOON + 10)) for _ in range(2))
    token = data.draw(st.none() | st.sampled_from([row["id"] for row in everything] or [None]))
    size = data.draw(st.integers(1, 12))
    expected = everything if is_ascending else everything[::-1]
    if token is not None:
        expected = expected[[row["id"] for row in expected].index(token) + 1 :]
    expected = [
        row
        for row in expected
        if (after is None or at[row["net_amount"]] > after)
        and (until is None or at[row["net_amount"]] < until)
    ]
    wanted = Search(
        ascending=is_ascending, after_ns=after, until_ns=until, page_token=token, page_size=size
    )
    assert activities.search(wanted) == expected[:size]


def test_activities_of_one_time_stay_in_the_order_in_which_they_came():
    """Also beside one that was posted late."""
    activities, _ = posted([5, 5, 9, 5])
    rows = activities.search(Search(ascending=True))
    assert [row["net_amount"] for row in rows] == ["-1", "-2", "-4", "-3"]


def test_a_token_of_before_the_time_asked_after_is_still_known():
    """The time cuts what is listed, not which tokens there are."""
    activities, _ = posted([0, 1, 2])
    first, _, last = activities.search(Search(ascending=True))
    later = Search(after_ns=NOON + 1, page_token=first["id"], ascending=True)
    assert activities.search(later) == [last]
    with pytest.raises(VenueRefusal, match="page_token"):
        activities.search(Search(after_ns=NOON, page_token="19990101::x"))


@given(st.integers(0, 2**64))
def test_a_drawn_id_is_a_uuid_of_version_four(seed):
    """To the letter what the standard library makes of the same bits."""
    found = random_id(Random(seed))
    assert found == str(uuid.UUID(int=Random(seed).getrandbits(128), version=4))


def venue(seed):
    """A venue of one seed."""
    return Venue(
        clock=VenueClock(origin_ns=NOON, wall=lambda: 0),
        listings=[us_equity("AAPL")],
        credentials=Credentials(key="key", secret="secret"),
        knobs=Knobs(seed=seed),
    )


def test_an_accounts_name_is_its_seeds_and_nobody_elses():
    """Names are made once a seed, not once a process; a body that was handed out may be changed."""
    for seed in (1, 2, 1):
        body = venue(seed).account()
        assert body["id"] == str(uuid.uuid5(uuid.NAMESPACE_OID, f"account:{seed}"))
        number = uuid.uuid5(uuid.NAMESPACE_OID, str(seed)).hex[:10].upper()
        assert body["account_number"] == f"PA{number}"
        body["id"] = body["equity"] = "spoilt"
        assert venue(seed).account()["id"] != "spoilt"
