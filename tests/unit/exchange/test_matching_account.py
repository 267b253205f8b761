"""Cash, positions, margin, fees and activities."""

import re

import pytest

from exchange.errors import VenueRefusal
from exchange.matching.account.activities import Search


def money(market):
    account = market.venue.account()
    return account["cash"], account["equity"], account["buying_power"]


def test_a_round_trip_pays_the_spread_and_nothing_else(market):
    market.order("buy", 10)
    assert money(market) == ("99000", "99999.9", "398999.7")
    market.order("sell", 10)
    assert money(market)[:2] == ("99999.8", "99999.8")
    assert market.venue.positions() == []


@pytest.mark.parametrize(
    ("multiplier", "power", "after"),
    [(1, "100000", "90001"), (2, "200000", "190001"), (4, "400000", "390001")],
)
def test_an_open_buy_reduces_buying_power_at_once(new_market, multiplier, power, after):
    market = new_market(multiplier=multiplier).open_with()
    assert money(market)[2] == power
    order = market.limit("buy", 101, 99)
    assert money(market)[2] == after
    market.venue.cancel(order["id"])
    assert money(market)[2] == power


def test_a_market_buy_reserves_its_collar(new_market):
    market = new_market().open_with()
    market.venue.set_status("AAPL", halted=True)
    market.order("buy", 100)
    assert money(market)[2] == "389750", "2.5 % above 100 dollars, a hundred times"


def test_a_sale_adds_nothing_until_it_has_filled(new_market):
    market = new_market(multiplier=1).open_with()
    market.order("buy", 100)
    before = money(market)[2]
    market.limit("sell", 100, 101)
    assert money(market)[2] == before
    market.quote("AAPL", 101.0, 101.1)
    assert float(money(market)[2]) == float(before) + 10_100


def test_a_short_sale_reserves_three_per_cent_above_the_ask(market):
    market.limit("sell", 100, 100.5)
    assert money(market)[2] == "389700"


def test_a_short_position_is_negative_and_gains_when_the_price_falls(market):
    market.order("sell", 10)
    market.quote("AAPL", 89.98, 90.0)
    market.trade("AAPL", 90.0)
    position = market.venue.position("AAPL")
    assert (position["qty"], position["side"], position["qty_available"]) == ("-10", "short", "-10")
    assert (position["market_value"], position["unrealized_pl"]) == ("-900", "99.8")
    account = market.venue.account()
    assert (account["cash"], account["short_market_value"]) == ("100999.8", "-900")


def test_buying_back_more_than_the_short_is_refused(market):
    market.order("sell", 10)
    with pytest.raises(VenueRefusal, match=r"insufficient qty available .*requested: 11"):
        market.order("buy", 11)


def test_non_marginable_power_is_cash_and_not_margin(market):
    market.order("buy", 600)
    account = market.venue.account()
    assert (account["non_marginable_buying_power"], account["cash"]) == ("40000", "40000")
    market.order("buy", 600)
    account = market.venue.account()
    assert (account["non_marginable_buying_power"], account["cash"]) == ("0", "-20000")


def test_an_open_crypto_order_takes_its_whole_value_of_either_power(market):
    market.limit("buy", "1", 40_000, symbol="BTC/USD", time_in_force="gtc")
    account = market.venue.account()
    assert (account["non_marginable_buying_power"], account["buying_power"]) == ("60000", "240000")


def test_crypto_fees_come_out_of_what_is_received(market):
    market.order("buy", "1", "BTC/USD")
    assert market.venue.position("BTCUSD")["qty"] == "0.9975"
    assert money(market)[0] == "50000"
    market.order("sell", "0.9975", "BTC/USD")
    received = 49_990 * 0.9975 * (1 - 0.0025)
    assert float(money(market)[0]) == pytest.approx(50_000 + received, abs=0.01)


def test_a_resting_crypto_order_pays_the_makers_fee(market):
    market.limit("buy", "1", 49_000, symbol="BTC/USD", time_in_force="gtc")
    market.quote("BTC/USD", 48_900.0, 48_950.0)
    assert market.venue.position("BTCUSD")["qty"] == "0.9985"


def test_an_open_sell_reserves_the_coins(market):
    market.order("buy", "1", "BTC/USD")
    order = {"type": "stop_limit", "stop_price": 45_000, "limit_price": 44_900}
    market.order("sell", "0.9975", "BTC/USD", **order)
    assert market.venue.position("BTCUSD")["qty_available"] == "0"
    with pytest.raises(VenueRefusal, match="insufficient balance for BTC"):
        market.limit("sell", "0.9975", 60_000, symbol="BTC/USD", time_in_force="gtc")


def test_two_closing_sales_by_amount_cannot_outgrow_the_position(new_market):
    market = new_market(at="2026-10-08T15:00:00+00:00").open_with()
    market.order("buy", 10)
    market.venue.set_status("AAPL", halted=True)
    market.order("sell", None, notional=600)
    with pytest.raises(VenueRefusal, match="insufficient qty available"):
        market.order("sell", None, notional=600)
    market.venue.set_status("AAPL", halted=False)
    market.quote("AAPL", 98.0, 98.1)
    assert float(market.venue.position("AAPL")["qty"]) == pytest.approx(10 - 600 / 99.98, abs=1e-6)


def test_the_day_begins_from_the_last_close(market):
    market.order("buy", 100)
    market.trade("AAPL", 105.0)
    assert market.venue.account()["last_equity"] == "100000"
    market.wait(hours=8)
    assert market.venue.account()["last_equity"] == "100000", "until midnight in New York"
    market.wait(hours=7)
    account, position = market.venue.account(), market.venue.position("AAPL")
    assert (account["last_equity"], account["last_maintenance_margin"]) == ("100500", "3150")
    assert (position["lastday_price"], position["change_today"]) == ("105", "0")
    market.trade("AAPL", 110.25)
    position = market.venue.position("AAPL")
    assert (position["change_today"], position["unrealized_intraday_pl"]) == ("0.05", "525")
    assert position["unrealized_pl"] == "1025"


def test_fills_are_activities_with_ids_in_new_york_time(market):
    order = market.order("buy", 10)
    (fill,) = market.venue.activities()
    assert re.fullmatch(r"20261008100000000::[0-9a-f-]{36}", fill.pop("id"))
    assert fill == {
        "activity_type": "FILL",
        "transaction_time": "2026-10-08T14:00:00Z",
        "type": "fill",
        "price": "100",
        "qty": "10",
        "side": "buy",
        "symbol": "AAPL",
        "leaves_qty": "0",
        "order_id": order["id"],
        "cum_qty": "10",
        "order_status": "filled",
    }


def test_crypto_fees_are_posted_at_the_end_of_the_day(market):
    market.order("buy", "0.01", "BTC/USD")
    market.order("sell", "0.005", "BTC/USD")
    assert {each["activity_type"] for each in market.venue.activities()} == {"FILL"}
    market.wait(hours=15)
    fees = market.venue.activities(Search(category="non_trade_activity", ascending=True))
    assert [(fee["activity_type"], fee["symbol"]) for fee in fees] == [
        ("CFEE", "BTCUSD"),
        ("FEE", "BTCUSD"),
    ]
    assert (fees[0]["qty"], fees[0]["price"]) == ("-0.000025", "50000")
    assert (fees[1]["net_amount"], fees[1]["date"]) == ("-0.62", "2026-10-08")


def test_activities_page_by_the_last_id_and_filter(market):
    for n in range(5):
        market.order("buy", n + 1)
        market.wait(minutes=1)
    first = market.venue.activities(Search(page_size=2))
    rest = market.venue.activities(Search(page_size=9, page_token=first[-1]["id"]))
    assert [each["qty"] for each in first + rest] == ["5", "4", "3", "2", "1"]
    one = market.venue.activities(Search(order_id=rest[0]["order_id"]))
    assert [each["qty"] for each in one] == ["3"]
    origin = market.venue.clock.origin_ns
    between = Search(after_ns=origin, until_ns=origin + 180_000_000_000, ascending=True)
    assert [each["qty"] for each in market.venue.activities(between)] == ["2", "3"]
    with pytest.raises(VenueRefusal, match="invalid page_token"):
        market.venue.activities(Search(page_token="20260101::x"))


def test_closing_a_position_sells_what_is_held_even_dust(market):
    market.order("buy", "0.01", "BTC/USD")
    market.order("sell", "0.00996", "BTC/USD")
    assert market.venue.close_position("BTCUSD")["qty"] == "0.000015"
    assert market.venue.positions() == []
    with pytest.raises(VenueRefusal, match="position does not exist"):
        market.venue.close_position("BTCUSD")


def test_a_part_of_a_position_closes_by_percentage(market):
    market.order("buy", 10)
    market.venue.close_position("AAPL", percentage=25)
    assert market.venue.position("AAPL")["qty"] == "7.5"


def test_day_trading_fields_come_back_by_a_knob(market, new_market):
    assert "daytrade_count" not in market.venue.account()
    assert new_market(pdt_fields=True).venue.account()["daytrade_count"] == 0


def test_overnight_positions_bound_the_next_days_buying_power(market):
    market.order("buy", 1000)
    market.trade("AAPL", 100.0)
    market.wait(hours=15)
    assert money(market)[2] == "280000", "four times what 30 % maintenance leaves of last equity"


def test_the_days_profit_follows_a_part_that_was_sold(market):
    market.order("buy", 100)
    market.order("sell", 40)
    market.trade("AAPL", 101.0)
    position = market.venue.position("AAPL")
    assert (position["unrealized_pl"], position["unrealized_intraday_pl"]) == ("60", "60")
    market.wait(hours=15)
    market.trade("AAPL", 103.0)
    assert market.venue.position("AAPL")["unrealized_intraday_pl"] == "120"


def test_a_trailing_buy_reserves_what_its_first_stop_may_cost(new_market):
    market = new_market(multiplier=1).open_with()
    market.trade("AAPL", 100.0)
    order = market.order("buy", 100, type="trailing_stop", trail_percent=10)
    assert money(market)[2] == "88725", "the stop at 110, and 2.5 % above it"
    market.quote("AAPL", 113.9, 114.0)
    market.trade("AAPL", 114.0)
    assert market.status(order) == "new", "it waits outside its collar"
    market.quote("AAPL", 112.0, 112.5)
    assert market.status(order) == "filled"
