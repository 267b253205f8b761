"""When shares trade, and what orders do at openings and closings."""

from datetime import UTC, date, datetime

import pytest

from exchange.errors import VenueRefusal
from exchange.matching.sessions import AlwaysOpen, RegularSessions, in_new_york, to_ns


def ns(text):
    return to_ns(datetime.fromisoformat(text))


HOLIDAYS = [
    "2025-01-01", "2025-01-20", "2025-02-17", "2025-04-18", "2025-05-26", "2025-06-19",
    "2025-07-04", "2025-09-01", "2025-11-27", "2025-12-25",
    "2026-07-03", "2026-06-19", "2027-12-24", "2027-06-18", "2027-07-05", "2028-04-14",
]  # fmt: skip


@pytest.mark.parametrize("day", HOLIDAYS)
def test_the_exchange_keeps_its_holidays(day):
    assert RegularSessions().on(date.fromisoformat(day)) is None


@pytest.mark.parametrize("day", ["2021-12-31", "2021-06-18", "2027-12-31", "2026-07-02"])
def test_days_that_look_like_holidays_trade(day):
    """A New Year's Day on a Saturday is not made up for; Juneteenth counts since 2022."""
    assert RegularSessions().on(date.fromisoformat(day)) is not None


@pytest.mark.parametrize("day", ["2025-07-03", "2025-11-28", "2025-12-24", "2026-11-27"])
def test_the_early_closings_are_at_one(day):
    session = RegularSessions().on(date.fromisoformat(day))
    assert f"{in_new_york(session.close_ns):%H:%M}" == "13:00"


def test_a_year_has_the_sessions_it_had():
    days = RegularSessions().between(date(2024, 1, 1), date(2024, 12, 31))
    assert len(days) == 252


def test_daylight_saving_moves_the_session_in_utc():
    sessions = RegularSessions()
    opens = [sessions.on(date(2026, month, 2)).open_ns for month in (3, 4)]
    assert opens == [ns("2026-03-02T14:30:00+00:00"), ns("2026-04-02T13:30:00+00:00")]


def test_edges_belong_to_the_session_at_its_open_and_not_at_its_close():
    sessions = RegularSessions()
    session = sessions.on(date(2026, 10, 8))
    assert [sessions.is_open(session.open_ns + shift) for shift in (-1, 0)] == [False, True]
    assert [sessions.is_open(session.close_ns + shift) for shift in (-1, 0)] == [True, False]


def test_extended_hours_run_five_nights_a_week():
    sessions = RegularSessions()
    assert sessions.is_extended(ns("2026-10-05T00:30:00+00:00")), "Sunday evening"
    assert sessions.is_extended(ns("2026-10-08T07:00:00+00:00")), "Thursday night"
    assert not sessions.is_extended(ns("2026-10-10T00:30:00+00:00")), "Friday evening"
    assert not sessions.is_extended(ns("2026-10-04T20:00:00+00:00")), "Sunday afternoon"


def test_always_open_never_closes():
    sessions, moment = AlwaysOpen(), datetime(2026, 10, 10, 3, tzinfo=UTC)
    assert sessions.is_open(to_ns(moment))
    assert sessions.is_extended(to_ns(moment))


def test_a_day_order_expires_at_the_close_even_without_a_tick(market):
    order = market.limit("buy", 1, 90)
    assert order["expires_at"] == "2026-10-08T20:00:00Z"
    market.wait(hours=5, minutes=59)
    assert market.status(order) == "new"
    market.wait(minutes=1)
    ended = market.venue.order(order["id"])
    assert (ended["status"], ended["expired_at"]) == ("expired", "2026-10-08T20:00:00Z")


def test_a_quote_after_the_close_fills_nothing(market):
    order = market.limit("buy", 1, 99, time_in_force="gtc")
    market.wait(hours=7)
    market.quote("AAPL", 98.0, 98.1)
    assert market.status(order) == "new"
    market.wait(hours=16, minutes=31)
    market.quote("AAPL", 98.0, 98.1)
    assert market.status(order) == "filled"


def test_a_gtc_order_lives_ninety_days(market):
    order = market.limit("buy", 1, 90, time_in_force="gtc")
    market.wait(days=89)
    assert market.status(order) == "new"
    market.wait(days=2)
    assert market.status(order) == "expired"


def test_an_order_after_hours_is_accepted_and_meets_the_first_quote_of_the_opening(new_market):
    market = new_market(at="2026-10-08T22:00:00+00:00").open_with()
    order = market.order("buy", 1)
    assert (order["status"], market.events) == ("accepted", [])
    market.wait(hours=15, minutes=30)
    assert market.story() == ["new buy"], "the quote of the evening before is not traded on"
    market.quote("AAPL", 119.9, 120.0)
    assert market.events[-1]["price"] == "120", "its collar is set by the opening"


def test_an_accepted_order_holds_its_buying_power_and_can_be_cancelled(new_market):
    market = new_market(at="2026-10-08T22:00:00+00:00", multiplier=1).open_with()
    order = market.limit("buy", 100, 100)
    assert market.venue.account()["buying_power"] == "90000"
    market.venue.cancel(order["id"])
    assert market.venue.account()["buying_power"] == "100000"
    market.wait(hours=16)
    assert market.story() == ["canceled buy"]


def test_extended_hours_trade_limits_that_ask_for_it_alone(new_market):
    market = new_market(at="2026-10-08T21:00:00+00:00").open_with()
    plain = market.limit("buy", 1, 101)
    extended = market.limit("buy", 1, 101, extended_hours=True)
    assert (market.status(plain), market.status(extended)) == ("accepted", "filled")
    resting = market.limit("buy", 1, 90, extended_hours=True)
    assert resting["expires_at"] == "2026-10-09T00:00:00Z"


def test_an_opening_order_takes_the_first_quote_or_nothing(new_market):
    market = new_market(at="2026-10-08T23:30:00+00:00").open_with()
    taken = market.order("buy", 1, time_in_force="opg")
    missed = market.limit("buy", 1, 90, time_in_force="opg")
    market.wait(hours=14)
    assert market.story() == ["new buy", "new buy"]
    market.quote("AAPL", 101.0, 101.1)
    assert (market.status(taken), market.status(missed)) == ("filled", "canceled")


def test_a_closing_order_takes_the_last_price_of_the_session(market):
    taken = market.order("buy", 1, time_in_force="cls")
    missed = market.limit("buy", 1, 95, time_in_force="cls")
    market.trade("AAPL", 104.0)
    market.wait(hours=6)
    assert (market.status(taken), market.status(missed)) == ("filled", "canceled")
    assert market.venue.order(taken["id"])["filled_avg_price"] == "104"


@pytest.mark.parametrize(
    ("lifetime", "at", "allowed"),
    [
        ("opg", "2026-10-08T13:27:00+00:00", True),
        ("opg", "2026-10-08T13:28:00+00:00", False),
        ("opg", "2026-10-08T23:00:00+00:00", True),
        ("cls", "2026-10-08T19:49:00+00:00", True),
        ("cls", "2026-10-08T19:50:00+00:00", False),
        ("cls", "2026-11-27T17:50:00+00:00", False),
    ],
)
def test_auction_orders_come_in_time(new_market, lifetime, at, allowed):
    market = new_market(at=at).open_with()
    if allowed:
        assert market.order("buy", 1, time_in_force=lifetime)["time_in_force"] == lifetime
    else:
        with pytest.raises(VenueRefusal, match="not accepted at this time"):
            market.order("buy", 1, time_in_force=lifetime)


def test_crypto_trades_on_sunday(new_market):
    market = new_market(at="2026-10-11T14:00:00+00:00").open_with()
    assert market.status(market.order("buy", "0.01", "BTC/USD")) == "filled"


def test_an_always_open_venue_fills_shares_on_sunday(new_market):
    market = new_market(at="2026-10-11T14:00:00+00:00", sessions=AlwaysOpen()).open_with()
    order = market.order("buy", 1)
    assert market.status(order) == "filled"
    assert market.limit("buy", 1, 90)["expires_at"] == "2026-10-12T04:00:00Z"


def test_the_venue_says_when_the_next_thing_falls_due(market):
    market.limit("buy", 1, 90)
    assert market.venue.advance() == 6 * 3600.0


def test_a_late_tick_first_does_what_fell_due_before_it(market):
    order = market.limit("buy", 1, 99)
    after_close_ns = market.venue.clock.now_ns() + 7 * 3600 * 1_000_000_000
    market.venue.on_quote("AAPL", 98.0, 10.0, 98.1, 10.0, after_close_ns)
    assert market.status(order) == "expired"
    stop = market.order(
        "buy", 1, "BTC/USD", type="stop_limit", stop_price=51_000, limit_price=51_000
    )
    ninety_days_on = after_close_ns + 91 * 86_400 * 1_000_000_000
    market.venue.on_trade("BTC/USD", 51_000.0, 1.0, ninety_days_on)
    assert market.status(stop) == "expired"
