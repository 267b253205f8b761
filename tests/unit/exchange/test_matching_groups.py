"""Brackets, ocos and otos: which sibling sleeps, wakes, shrinks or goes."""

import pytest

from exchange.errors import VenueRefusal
from exchange.matching.knobs import FillSize
from exchange.matching.registry import OrderSearch


def bracket(market, qty=10, **fields):
    return market.order(
        "buy",
        qty,
        order_class="bracket",
        take_profit={"limit_price": 110},
        stop_loss={"stop_price": 95},
        **fields,
    )


def oco(market, qty=10, **fields):
    body = {"take_profit": {"limit_price": 110}, "stop_loss": {"stop_price": 95}}
    return market.order("sell", qty, order_class="oco", type="limit", **body | fields)


def legs(market, order):
    return {
        leg["group_role"]: leg for leg in market.venue.order(order["id"], nested=True)["legs"] or []
    }


def test_a_bracket_answers_with_its_legs_held_and_one_group(market):
    order = bracket(market, type="limit", limit_price=99)
    roles = [leg["group_role"] for leg in order["legs"]]
    assert roles == ["take_profit", "stop_loss"]
    assert {leg["status"] for leg in order["legs"]} == {"held"}
    assert {leg["group_id"] for leg in order["legs"]} == {order["group_id"]}
    assert {leg["side"] for leg in order["legs"]} == {"sell"}


def test_exits_wake_when_the_entry_has_filled(market):
    order = bracket(market)
    assert market.story() == ["new entry", "fill entry", "new take_profit", "held stop_loss"]
    assert [leg["status"] for leg in legs(market, order).values()] == ["new", "held"]
    assert all(event["order"]["legs"] is None for event in market.events)


def test_exits_sleep_while_the_entry_is_only_part_filled(new_market):
    market = new_market(fill_size=FillSize.DISPLAYED).open_with()
    market.quote("AAPL", 99.98, 100.0, size=4)
    bracket(market)
    assert market.story() == ["new entry", "partial_fill entry"]
    market.trade("AAPL", 90.0)
    market.quote("AAPL", 111.0, 111.1, size=4)
    assert market.venue.position("AAPL")["qty"] == "4"


def test_a_target_that_fills_cancels_its_stop(market):
    bracket(market)
    market.events.clear()
    market.quote("AAPL", 110.0, 110.1)
    assert market.story() == ["fill take_profit", "canceled stop_loss"]
    assert market.venue.positions() == []


def test_a_stop_that_triggers_cancels_its_target_first(market):
    bracket(market)
    market.events.clear()
    market.quote("AAPL", 94.9, 95.0)
    market.trade("AAPL", 94.9)
    assert market.story() == ["canceled take_profit", "new stop_loss", "fill stop_loss"]
    assert market.venue.positions() == []


def test_a_target_filled_in_part_shrinks_its_stop(new_market):
    market = new_market(fill_size=FillSize.DISPLAYED).open_with()
    order = bracket(market)
    market.quote("AAPL", 110.0, 110.1, size=3)
    assert legs(market, order)["stop_loss"]["qty"] == "7"
    market.quote("AAPL", 94.0, 94.1, size=100)
    market.trade("AAPL", 94.0)
    assert market.venue.positions() == []


@pytest.mark.parametrize("role", ["take_profit", "stop_loss"])
def test_cancelling_one_exit_cancels_the_other(market, role):
    order = bracket(market)
    market.venue.cancel(legs(market, order)[role]["id"])
    assert {leg["status"] for leg in legs(market, order).values()} == {"canceled"}
    assert market.venue.position("AAPL")["qty_available"] == "10"


def test_cancelling_a_part_filled_entry_cancels_the_group_and_keeps_the_shares(new_market):
    market = new_market(fill_size=FillSize.DISPLAYED).open_with()
    market.quote("AAPL", 99.98, 100.0, size=4)
    order = bracket(market)
    market.venue.cancel(order["id"])
    assert market.story()[-3:] == ["canceled entry", "canceled take_profit", "canceled stop_loss"]
    assert market.venue.position("AAPL")["qty_available"] == "4"


def test_the_bracket_of_a_short_sale_buys_back(market):
    market.order(
        "sell",
        10,
        order_class="bracket",
        take_profit={"limit_price": 90},
        stop_loss={"stop_price": 105},
    )
    market.quote("AAPL", 105.4, 105.5)
    market.trade("AAPL", 105.5)
    assert market.story()[-1] == "fill stop_loss"
    assert market.venue.positions() == []


def test_an_oco_hangs_its_stop_under_its_target_and_holds_the_position_once(market):
    market.order("buy", 10)
    order = oco(market)
    assert (order["group_role"], order["limit_price"]) == ("take_profit", "110")
    assert [leg["group_role"] for leg in order["legs"]] == ["stop_loss"]
    assert market.venue.position("AAPL")["qty_available"] == "0"
    market.quote("AAPL", 94.0, 94.1)
    market.trade("AAPL", 94.0)
    assert market.story()[-3:] == ["canceled take_profit", "new stop_loss", "fill stop_loss"]


def test_an_oco_without_a_position_is_refused(market):
    with pytest.raises(VenueRefusal, match="oco orders must be exit orders"):
        oco(market)


def test_a_bracket_that_would_close_a_position_is_refused(market):
    market.order("sell", 5)
    with pytest.raises(VenueRefusal, match="bracket orders must be entry orders"):
        bracket(market, 5)


def test_exits_of_shares_already_promised_are_rejected(new_market):
    market = new_market(fill_size=FillSize.DISPLAYED).open_with()
    market.quote("AAPL", 99.98, 100.0, size=4)
    bracket(market, type="limit", limit_price=100)
    market.limit("sell", 4, 120)
    market.quote("AAPL", 99.98, 100.0, size=100)
    assert market.story()[-3:] == ["fill entry", "rejected take_profit", "rejected stop_loss"]
    assert market.venue.position("AAPL")["qty_available"] == "6"


def test_a_symbol_is_opened_one_way_at_a_time(market):
    market.limit("buy", 5, 90)
    with pytest.raises(VenueRefusal, match="cannot open a short sell while a long buy order"):
        market.limit("sell", 5, 110)


def test_an_oto_wakes_its_one_exit_as_new(market):
    order = market.order("buy", 10, order_class="oto", stop_loss={"stop_price": 95})
    assert market.story() == ["new entry", "fill entry", "new stop_loss"]
    assert legs(market, order)["stop_loss"]["status"] == "new"
    market.quote("AAPL", 94.0, 94.1)
    market.trade("AAPL", 94.5)
    assert market.venue.positions() == []


def test_a_replaced_target_keeps_its_place_in_the_group(market):
    order = bracket(market)
    old = legs(market, order)["take_profit"]
    new = market.venue.replace(old["id"], {"limit_price": 105})
    assert (new["replaces"], new["group_id"]) == (old["id"], order["group_id"])
    assert legs(market, order)["take_profit"]["id"] == new["id"]
    market.quote("AAPL", 105.0, 105.1)
    assert market.story()[-2:] == ["fill take_profit", "canceled stop_loss"]


def test_a_replaced_stop_stays_held_and_still_protects(market):
    order = bracket(market)
    old = legs(market, order)["stop_loss"]
    new = market.venue.replace(old["id"], {"stop_price": 98})
    assert new["status"] == "held"
    market.quote("AAPL", 97.5, 97.6)
    market.trade("AAPL", 98.0)
    assert market.story()[-3:] == ["canceled take_profit", "new stop_loss", "fill stop_loss"]


def test_a_sleeping_exit_can_be_repriced_before_its_entry_fills(market):
    order = bracket(market, type="limit", limit_price=99)
    market.venue.replace(legs(market, order)["stop_loss"]["id"], {"stop_price": 97})
    market.quote("AAPL", 98.8, 98.9)
    assert legs(market, order)["stop_loss"]["stop_price"] == "97"
    market.quote("AAPL", 96.8, 96.9)
    market.trade("AAPL", 97.0)
    assert market.venue.positions() == []


def test_a_day_bracket_expires_as_one(market):
    order = bracket(market)
    market.wait(hours=7)
    assert {leg["status"] for leg in legs(market, order).values()} == {"expired"}
    assert market.venue.position("AAPL")["qty_available"] == "10"


def test_an_unfilled_day_entry_takes_its_sleeping_exits_with_it(market):
    order = bracket(market, type="limit", limit_price=99)
    market.wait(hours=7)
    assert market.status(order) == "expired"
    assert {leg["status"] for leg in legs(market, order).values()} == {"expired"}


def test_a_nested_list_shows_a_leg_once(market):
    order = bracket(market)
    nested = market.venue.orders(OrderSearch(status="all", nested=True))
    assert [each["id"] for each in nested] == [order["id"]]
    assert len(nested[0]["legs"]) == 2
    still_open = market.venue.orders(OrderSearch(status="open", nested=True))
    assert [each["group_role"] for each in still_open] == ["stop_loss", "take_profit"]


@pytest.mark.parametrize(
    ("exits", "message", "base"),
    [
        ((110, 100), "stop_loss.stop_price must be <= base_price - 0.01", "100"),
        ((100, 95), "take_profit.limit_price must be >= base_price + 0.01", "100"),
    ],
)
def test_exits_on_the_wrong_side_of_the_market_are_refused(market, exits, message, base):
    target, stop = exits
    with pytest.raises(VenueRefusal) as refused:
        market.order(
            "buy",
            1,
            order_class="bracket",
            take_profit={"limit_price": target},
            stop_loss={"stop_price": stop},
        )
    assert refused.value.body == {"code": 42210000, "message": message, "base_price": base}


def test_a_short_bracket_has_its_exits_mirrored(market):
    with pytest.raises(VenueRefusal, match=r"stop_loss.stop_price must be >= base_price \+ 0.01"):
        market.order(
            "sell",
            1,
            order_class="bracket",
            take_profit={"limit_price": 90},
            stop_loss={"stop_price": 95},
        )


def test_the_quantity_of_a_group_cannot_be_replaced(market):
    order = bracket(market, type="limit", limit_price=99)
    with pytest.raises(VenueRefusal, match="qty of bracket orders cannot be replaced"):
        market.venue.replace(order["id"], {"qty": 5})
