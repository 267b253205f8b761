"""Whether, when and at what price orders fill against the quote."""

from decimal import Decimal

import pytest

from exchange.matching.knobs import FillSize


def fills(market):
    return [
        (event["event"], event["qty"], event["price"])
        for event in market.events
        if event["event"] in ("fill", "partial_fill")
    ]


def test_a_market_buy_pays_the_ask_and_a_market_sell_gets_the_bid(market):
    market.order("buy", 10)
    market.order("sell", 10)
    assert fills(market) == [("fill", "10", "100"), ("fill", "10", "99.98")]


def test_the_answer_to_a_post_is_older_than_its_events(market):
    answer = market.order("buy", 1)
    assert answer["status"] == "pending_new"
    assert market.story() == ["new buy", "fill buy"]


def test_a_limit_rests_until_the_quote_reaches_it_and_then_gets_its_own_price(market):
    order = market.limit("buy", 5, 99.5)
    market.quote("AAPL", 99.5, 99.51)
    assert market.status(order) == "new"
    market.quote("AAPL", 99.0, 99.2)
    assert fills(market) == [("fill", "5", "99.5")]


def test_a_marketable_limit_takes_the_better_touch(market):
    market.limit("buy", 5, 101)
    assert fills(market) == [("fill", "5", "100")]


def test_prints_alone_never_fill_a_limit(market):
    order = market.limit("buy", 5, 99)
    market.trade("AAPL", 98.0)
    assert market.status(order) == "new"


@pytest.mark.parametrize(("bid", "ask"), [(0.0, 0.0), (float("nan"), float("nan")), (-1.0, -2.0)])
def test_a_missing_or_broken_quote_fills_nothing(market, bid, ask):
    order = market.limit("buy", 5, 99)
    market.quote("AAPL", bid, ask)
    assert market.status(order) == "new"


def test_an_ioc_that_is_not_marketable_is_cancelled_at_once(market):
    order = market.limit("buy", 5, 99, time_in_force="ioc")
    assert market.status(order) == "canceled"
    assert market.story() == ["new buy", "canceled buy"]


def test_an_ioc_keeps_what_it_filled(new_market):
    market = new_market(fill_size=FillSize.DISPLAYED).open_with()
    market.quote("AAPL", 99.98, 100.0, size=4)
    order = market.limit("buy", 10, 100, time_in_force="ioc")
    ended = market.venue.order(order["id"])
    assert (ended["status"], ended["filled_qty"]) == ("canceled", "4")
    assert market.story() == ["new buy", "partial_fill buy", "canceled buy"]


def test_a_fok_fills_whole_or_not_at_all(new_market):
    market = new_market(fill_size=FillSize.DISPLAYED).open_with()
    market.quote("AAPL", 99.98, 100.0, size=4)
    assert market.status(market.order("buy", 5, time_in_force="fok")) == "canceled"
    assert market.status(market.order("buy", 4, time_in_force="fok")) == "filled"


def test_displayed_size_is_shared_by_orders_until_the_next_quote(new_market):
    market = new_market(fill_size=FillSize.DISPLAYED).open_with()
    market.quote("AAPL", 99.98, 100.0, size=6)
    first, second = market.order("buy", 4), market.order("buy", 4)
    assert (market.status(first), market.status(second)) == ("filled", "partially_filled")
    market.quote("AAPL", 99.98, 100.0, size=6)
    assert market.status(second) == "filled"


def test_one_fill_in_ten_is_a_seeded_part_and_the_rest_follows(new_market):
    def play(seed):
        market = new_market(partial_rate=0.1, seed=seed).open_with()
        for n in range(200):
            market.order("buy", 5, client_order_id=f"order-{n}")
        market.quote("AAPL", 99.98, 100.0)
        return fills(market)

    first = play(7)
    partial = [fill for fill in first if fill[0] == "partial_fill"]
    assert 8 <= len(partial) <= 40
    assert all(Decimal(qty) % 1 == 0 for _, qty, _ in partial)
    assert first == play(7)
    assert first != play(8)


def test_a_partial_fill_depends_on_its_own_order_alone(new_market):
    def parts(others):
        market = new_market(partial_rate=0.5).open_with()
        for n in range(others):
            market.order("buy", 1, client_order_id=f"other-{n}")
        market.events.clear()
        market.order("buy", 1000, client_order_id="mine")
        return fills(market)

    assert parts(0) == parts(5)


def test_a_market_order_waits_outside_its_collar(market):
    market.trade("AAPL", 100.0)
    market.quote("AAPL", 0.0, 0.0)
    waiting = market.order("buy", 1)
    market.quote("AAPL", 120.0, 121.0)
    assert market.status(waiting) == "new"
    market.quote("AAPL", 99.0, 102.0)
    assert market.status(waiting) == "filled"


def test_a_notional_order_buys_what_the_amount_pays_for(market):
    order = market.order("buy", None, notional="150.50")
    done = market.venue.order(order["id"])
    assert (done["status"], done["qty"], done["filled_qty"]) == ("filled", None, "1.505")


def test_a_halt_stops_fills_until_the_first_quote_after_it(market):
    market.venue.set_status("AAPL", halted=True)
    order = market.order("buy", 1)
    market.quote("AAPL", 99.0, 99.1)
    assert market.status(order) == "new"
    market.venue.set_status("AAPL", halted=False)
    market.quote("AAPL", 99.0, 99.1)
    assert market.status(order) == "filled"


def test_a_stop_in_shares_triggers_on_a_print_and_not_on_a_quote(market):
    market.order("buy", 10)
    stop = market.order("sell", 10, type="stop", stop_price=95)
    market.quote("AAPL", 90.0, 90.1)
    assert market.status(stop) == "new"
    market.trade("AAPL", 95.0)
    assert market.status(stop) == "filled"
    assert fills(market)[-1] == ("fill", "10", "90")


def test_a_crypto_stop_limit_triggers_on_the_quote_too(market):
    market.order("buy", "0.01", "BTC/USD")
    held = market.venue.position("BTCUSD")["qty_available"]
    stop = market.order(
        "sell", held, "BTC/USD", type="stop_limit", stop_price=48_000, limit_price=47_900
    )
    market.quote("BTC/USD", 47_950.0, 47_960.0)
    assert market.status(stop) == "filled"


def test_a_triggered_stop_limit_rests_at_its_limit(market):
    market.order("buy", 10)
    stop = market.order("sell", 10, type="stop_limit", stop_price=95, limit_price=94.5)
    market.quote("AAPL", 94.0, 94.1)
    market.trade("AAPL", 94.2)
    assert market.status(stop) == "new"
    market.quote("AAPL", 94.6, 94.7)
    assert fills(market)[-1] == ("fill", "10", "94.5")


def test_a_trailing_stop_follows_the_high_and_never_falls(market):
    market.trade("AAPL", 100.0)
    market.order("buy", 10)
    stop = market.order("sell", 10, type="trailing_stop", trail_percent=5)
    for price in (104.0, 102.0, 110.0, 106.0):
        market.trade("AAPL", price)
    trailing = market.venue.order(stop["id"])
    assert (trailing["hwm"], trailing["stop_price"]) == ("110", "104.5")
    market.quote("AAPL", 104.4, 104.5)
    market.trade("AAPL", 104.5)
    assert market.status(stop) == "filled"


def test_a_trailing_buy_follows_the_low(market):
    market.trade("AAPL", 100.0)
    stop = market.order("buy", 1, type="trailing_stop", trail_price=2)
    market.trade("AAPL", 95.0)
    market.trade("AAPL", 96.9)
    assert market.status(stop) == "new"
    market.quote("AAPL", 96.9, 97.0)
    market.trade("AAPL", 97.0)
    assert market.status(stop) == "filled"


def test_latency_lets_the_market_move_between_request_and_fill(new_market):
    market = new_market(latency_ns=5_000_000).open_with()
    order = market.order("buy", 1)
    assert market.status(order) == "pending_new"
    market.quote("AAPL", 100.48, 100.5)
    assert market.events == []
    market.wait(milliseconds=6)
    assert fills(market) == [("fill", "1", "100.5")]


def test_a_fill_can_beat_a_cancel_that_is_under_way(new_market):
    market = new_market(latency_ns=5_000_000).open_with()
    order = market.limit("buy", 1, 99)
    market.wait(milliseconds=6)
    market.venue.cancel(order["id"])
    assert market.status(order) == "pending_cancel"
    market.quote("AAPL", 98.0, 98.5)
    market.wait(milliseconds=6)
    assert market.status(order) == "filled"
    assert market.story() == ["new buy", "fill buy", "order_cancel_rejected buy"]


def test_average_price_and_quantities_accumulate_over_parts(new_market):
    market = new_market(fill_size=FillSize.DISPLAYED).open_with()
    market.quote("AAPL", 99.98, 100.0, size=4)
    order = market.limit("buy", 10, 101)
    market.quote("AAPL", 100.98, 101.0, size=100)
    done = market.venue.order(order["id"])
    assert (done["filled_qty"], done["filled_avg_price"]) == ("10", "100.6")
    assert [event.get("position_qty") for event in market.events] == [None, "4", "10"]


def test_a_part_filled_while_a_cancel_is_under_way_stays_pending_cancel(new_market):
    market = new_market(latency_ns=5_000_000, fill_size=FillSize.DISPLAYED).open_with()
    order = market.limit("buy", 10, 99)
    market.wait(milliseconds=6)
    market.venue.cancel(order["id"])
    market.quote("AAPL", 98.0, 98.5, size=4)
    assert market.status(order) == "pending_cancel"
    market.wait(milliseconds=6)
    ended = market.venue.order(order["id"])
    assert (ended["status"], ended["filled_qty"]) == ("canceled", "4")


def test_a_listener_may_trade_on_what_it_hears_and_events_stay_in_order(market):
    def protect(event):
        if event["event"] == "fill" and event["order"]["side"] == "buy":
            market.order("sell", event["qty"], type="stop", stop_price=95)

    market.venue.subscribe_orders(protect)
    late: list[str] = []
    market.venue.subscribe_orders(lambda event: late.append(event["event"]))
    market.order("buy", 5)
    assert market.story() == ["new buy", "fill buy", "new sell"]
    assert late == ["new", "fill", "new"]
