"""Every refusal of order entry, in the venue's own words."""

import pytest

from exchange.errors import VenueRefusal
from exchange.matching.registry import OrderSearch


def refused(market, **body):
    """Return status and body of the refusal; None stands for a field left out."""
    fields = {"symbol": "AAPL", "qty": 1, "side": "buy", "type": "market", "time_in_force": "day"}
    seen = len(market.events)
    with pytest.raises(VenueRefusal) as caught:
        market.venue.submit({k: v for k, v in (fields | body).items() if v is not None})
    assert len(market.events) == seen, "a refusal makes no event"
    return caught.value.status, caught.value.body


def plain(status, code, message):
    return (status, {"code": code, "message": message})


SUB_PENNY = "sub-penny increment does not fulfill minimum pricing criteria"
FIELDS = [
    ({"symbol": None}, 40010001, "symbol is required"),
    ({"qty": None}, 40010001, "qty or notional is required"),
    ({"notional": 5}, 40010001, "only one of qty or notional is accepted"),
    ({"qty": 0}, 40010001, "qty must be > 0"),
    ({"qty": "-1"}, 40010001, "qty must be > 0"),
    ({"qty": "ten"}, 40010001, "qty must be a number"),
    ({"qty": "NaN"}, 40010001, "qty must be a number"),
    ({"qty": "1e400"}, 40010001, "qty must be a number"),
    ({"qty": True}, 40010001, "qty must be a number"),
    ({"side": "hold"}, 40010001, "invalid side"),
    ({"type": "iceberg"}, 40010001, "invalid type"),
    ({"time_in_force": None}, 40010001, "invalid time_in_force"),
    ({"order_class": "pair"}, 40010001, "invalid order_class"),
    ({"order_class": ["oco"]}, 40010001, "order_class must be a string"),
    ({"extended_hours": "yes"}, 40010001, "extended_hours must be a boolean"),
    ({"client_order_id": 7}, 40010001, "client_order_id must be a string"),
    ({"position_intent": "buy_to_hold"}, 40010001, "invalid position_intent"),
    ({"type": "limit"}, 40010001, "limit orders require a limit price"),
    ({"limit_price": 99}, 40010001, "market orders require no limit price"),
    ({"type": "stop"}, 40010001, "stop orders require a stop price"),
    (
        {"type": "trailing_stop"},
        40010001,
        "trailing stop orders must specify one of trail_price or trail_percent",
    ),
    (
        {"order_class": "bracket", "take_profit": {"limit_price": 110}},
        40010001,
        "bracket orders require take_profit and stop_loss",
    ),
    (
        {"order_class": "bracket", "take_profit": {"limit_price": 110}, "stop_loss": {}},
        40010001,
        "stop_loss.stop_price is required",
    ),
    (
        {"order_class": "bracket", "take_profit": {"limit_price": 110}, "stop_loss": 95},
        40010001,
        "invalid stop_loss",
    ),
    (
        {"stop_loss": {"stop_price": 95}},
        40010001,
        "take_profit and stop_loss require an advanced order_class",
    ),
    ({"order_class": "oto"}, 40010001, "oto orders require one of take_profit or stop_loss"),
    (
        {"client_order_id": "x" * 129},
        40010001,
        "client_order_id must be no more than 128 characters",
    ),
    ({"symbol": "GONE"}, 40010001, "asset GONE is not active"),
    ({"symbol": "ZZZZ"}, 42210000, 'asset "ZZZZ" not found'),
    ({"symbol": "AAPL261218C00100000"}, 42210000, 'asset "AAPL261218C00100000" not found'),
    ({"symbol": "LOCK"}, 42210000, 'asset "LOCK" is not tradable'),
    ({"order_class": "mleg"}, 42210000, "multi-leg orders are only allowed for options"),
    (
        {"type": "limit", "limit_price": 290.123},
        42210000,
        f"invalid limit_price 290.123. {SUB_PENNY}",
    ),
    (
        {"type": "stop", "stop_price": "101.001"},
        42210000,
        f"invalid stop_price 101.001. {SUB_PENNY}",
    ),
    (
        {"symbol": "PENY", "type": "limit", "limit_price": "0.50005"},
        42210000,
        f"invalid limit_price 0.50005. {SUB_PENNY}",
    ),
    ({"qty": 1.5, "time_in_force": "gtc"}, 42210000, "fractional orders must be DAY orders"),
    (
        {
            "qty": 1.5,
            "order_class": "bracket",
            "take_profit": {"limit_price": 110},
            "stop_loss": {"stop_price": 95},
        },
        42210000,
        "fractional orders must be simple orders",
    ),
    ({"qty": "1.0000000001"}, 42210000, "qty must be limited to 9 decimal places"),
    (
        {"qty": None, "notional": "10.005"},
        42210000,
        "notional value must be limited to 2 decimal places",
    ),
    ({"side": "sell", "symbol": "HARD"}, 42210000, 'asset "HARD" cannot be sold short'),
    ({"side": "sell", "qty": 0.5}, 42210000, "fractional orders cannot be sold short"),
    (
        {"type": "stop", "stop_price": 101, "time_in_force": "ioc"},
        42210000,
        "stop orders must be day or gtc orders",
    ),
    (
        {"extended_hours": True},
        42210000,
        "extended hours order must be DAY or GTC limit orders",
    ),
    (
        {"time_in_force": "opg"},
        42210000,
        "opg orders are not accepted at this time",
    ),
    (
        {"position_intent": "buy_to_close"},
        42210000,
        "position intent mismatch, inferred: buy_to_open, specified: buy_to_close",
    ),
]


@pytest.mark.parametrize(("body", "code", "message"), FIELDS)
def test_a_wrong_order_in_shares_is_refused_by_name(market, body, code, message):
    assert refused(market, **body) == plain(422, code, message)


CRYPTO = [
    ({"time_in_force": "day"}, "invalid crypto time_in_force"),
    ({"time_in_force": "fok"}, "invalid crypto time_in_force"),
    ({"type": "stop", "stop_price": 60_000}, "invalid order type for crypto order"),
    ({"type": "trailing_stop", "trail_percent": 1}, "invalid order type for crypto order"),
    (
        {
            "order_class": "bracket",
            "take_profit": {"limit_price": 60_000},
            "stop_loss": {"stop_price": 40_000},
        },
        "crypto orders not allowed for advanced order_class: otoco",
    ),
    (
        {"order_class": "oto", "stop_loss": {"stop_price": 40_000}},
        "crypto orders not allowed for advanced order_class: oto",
    ),
    (
        {"type": "limit", "limit_price": "50000.001"},
        "invalid limit_price 50000.001. must be a multiple of 0.01",
    ),
    ({"qty": "0.0000000001"}, "qty must be a multiple of 0.000000001"),
]


@pytest.mark.parametrize(("body", "message"), CRYPTO)
def test_a_wrong_order_in_crypto_is_refused_by_name(market, body, message):
    fields = {"symbol": "BTC/USD", "qty": "0.01", "time_in_force": "gtc"} | body
    assert refused(market, **fields) == plain(422, 42210000, message)


def test_a_share_that_has_no_fractions_is_refused_with_403(market):
    expected = plain(403, 40310000, 'asset "HARD" is not fractionable')
    assert refused(market, symbol="HARD", qty=0.5) == expected


def test_too_small_amounts_name_the_minimum_of_their_class(market):
    for body, least in (
        ({"symbol": "BTC/USD", "qty": "0.0001", "time_in_force": "gtc"}, 10),
        ({"qty": None, "notional": "0.99"}, 1),
    ):
        expected = plain(403, 40310000, f"cost basis must be >= minimal amount of order {least}")
        assert refused(market, **body) == expected


def test_a_client_order_id_is_taken_for_ever(market):
    for _ in range(2):
        if not market.events:
            market.order("buy", 1, client_order_id="mine")
    market.order("sell", 1, client_order_id="other")
    market.events.clear()
    expected = plain(422, 40010001, "client_order_id must be unique")
    assert refused(market, client_order_id="mine") == expected


def test_buying_beyond_the_account_says_what_there_is(market):
    assert refused(market, qty=5000, type="limit", limit_price=100) == (
        403,
        {
            "code": 40310000,
            "message": "insufficient buying power",
            "buying_power": "400000",
            "cost_basis": "500000",
        },
    )


def test_selling_more_than_is_left_names_the_orders_that_hold_it(market):
    market.order("buy", 17)
    holder = market.limit("sell", 13, 120)
    market.events.clear()
    assert refused(market, side="sell", qty=10, type="limit", limit_price=121) == (
        403,
        {
            "code": 40310000,
            "message": "insufficient qty available for order (requested: 10, available: 4)",
            "available": "4",
            "existing_qty": "17",
            "held_for_orders": "13",
            "related_orders": [holder["id"]],
            "symbol": "AAPL",
        },
    )


def test_selling_more_coin_than_is_left_is_a_balance_in_the_quote_currency(market):
    market.order("buy", "0.12", "BTC/USD")
    market.events.clear()
    body = {"symbol": "BTC/USD", "side": "sell", "qty": "0.12", "time_in_force": "gtc"}
    assert refused(market, **body) == (
        403,
        {
            "code": 40310000,
            "message": "insufficient balance for BTC (requested: 0.12, available: 0.1197)",
            "available": "0.1197",
            "balance": "0.1197",
            "symbol": "USD",
        },
    )


def test_buying_more_coin_than_there_is_cash_for_ignores_margin(market):
    body = {"symbol": "BTC/USD", "qty": None, "notional": 150_000, "time_in_force": "gtc"}
    status, answer = refused(market, **body)
    assert (status, answer["message"]) == (
        403,
        "insufficient balance for USD (requested: 150000, available: 100000)",
    )


def test_crypto_is_never_sold_short(market):
    body = {"symbol": "BTC/USD", "side": "sell", "qty": "0.01", "time_in_force": "gtc"}
    status, answer = refused(market, **body)
    assert (status, answer["available"]) == (403, "0")


def test_a_market_order_never_meets_an_open_order_on_the_other_side(market):
    resting = market.limit("buy", 1, 90)
    market.events.clear()
    assert refused(market, side="sell") == (
        403,
        {
            "code": 40310000,
            "message": "potential wash trade detected. use complex orders",
            "existing_order_id": resting["id"],
            "reject_reason": "opposite side market/stop order exists",
        },
    )


def test_a_resting_stop_sell_blocks_every_further_buy(market):
    market.order("buy", 5)
    market.order("sell", 5, type="stop", stop_price=95)
    market.events.clear()
    status, answer = refused(market, type="limit", limit_price=90)
    assert (status, answer["reject_reason"]) == (403, "opposite side market/stop order exists")


def test_limits_that_would_cross_are_a_wash_and_limits_apart_are_not(market):
    market.order("buy", 5)
    resting = market.limit("sell", 5, 105)
    market.limit("buy", 1, 99)
    market.events.clear()
    assert refused(market, type="limit", limit_price=105) == (
        403,
        {
            "code": 40310000,
            "message": "potential wash trade detected. use complex orders",
            "existing_order_id": resting["id"],
            "reject_reason": "sell order exists, buy limit price should be less than "
            "existing sell limit price",
            "buy_limit_price": "105",
            "sell_limit_price": "105",
        },
    )


def test_complex_orders_are_exempt_from_the_wash_rule(market):
    market.order("buy", 5)
    market.limit("sell", 5, 105)
    exits = {"take_profit": {"limit_price": 110}, "stop_loss": {"stop_price": 95}}
    assert market.status(market.order("buy", 5, order_class="bracket", **exits)) == "filled"


def test_switches_of_the_account_forbid_orders(market):
    market.venue.configurations({"no_shorting": True})
    assert refused(market, side="sell")[1]["message"] == "account is not allowed to short"
    market.venue.configurations({"fractional_trading": False})
    assert refused(market, qty=0.5)[0] == 403
    market.venue.configurations({"suspend_trade": True})
    assert refused(market)[1]["message"] == "new orders are rejected by user request"


def test_a_switch_of_the_wrong_kind_changes_nothing(market):
    with pytest.raises(VenueRefusal, match="invalid no_shorting"):
        market.venue.configurations({"suspend_trade": True, "no_shorting": "yes"})
    assert market.venue.configurations()["suspend_trade"] is False


def test_both_spellings_of_a_pair_are_one_order_symbol(market):
    order = market.order("buy", "0.01", "BTCUSD", time_in_force="gtc")
    assert order["symbol"] == "BTC/USD"
    assert market.venue.positions()[0]["symbol"] == "BTCUSD"


def test_a_refused_order_leaves_no_trace(market):
    before = market.venue.account()
    refused(market, qty=5000)
    assert market.venue.account() == before
    assert market.venue.orders(OrderSearch(status="all")) == []


REPLACE = [
    ({}, "order parameters are not changed"),
    ({"limit_price": 99}, "order parameters are not changed"),
    ({"limit_price": "99.999"}, "invalid limit_price 99.999"),
    ({"qty": 1.5}, "qty of fractional orders cannot be replaced"),
    ({"stop_price": 90}, "limit orders require no stop price"),
    ({"qty": 100_000}, "insufficient buying power"),
]


@pytest.mark.parametrize(("changes", "message"), REPLACE)
def test_a_wrong_replacement_leaves_the_order_as_it_was(market, changes, message):
    order = market.limit("buy", 5, 99)
    with pytest.raises(VenueRefusal, match=message):
        market.venue.replace(order["id"], changes)
    assert market.status(order) == "new"
    assert len(market.venue.orders()) == 1


def test_an_ended_order_is_neither_cancelled_nor_replaced(market):
    order = market.order("buy", 5)
    for act in (
        lambda: market.venue.cancel(order["id"]),
        lambda: market.venue.replace(order["id"], {"qty": 6}),
    ):
        with pytest.raises(VenueRefusal) as caught:
            act()
        assert (caught.value.status, caught.value.body) == plain(
            422, 42210000, 'order is already in "filled" state'
        )


def test_an_accepted_order_cannot_be_replaced(new_market):
    market = new_market(at="2026-10-08T23:00:00+00:00").open_with()
    order = market.limit("buy", 5, 99)
    assert order["status"] == "accepted"
    with pytest.raises(VenueRefusal, match="unable to replace order in current state"):
        market.venue.replace(order["id"], {"limit_price": 98})


def test_a_replacement_is_a_new_order_linked_both_ways(market):
    old = market.limit("buy", 5, 99)
    new = market.venue.replace(old["id"], {"limit_price": 98, "client_order_id": "second"})
    assert (new["replaces"], new["client_order_id"], new["qty"]) == (old["id"], "second", "5")
    ended = market.venue.order(old["id"])
    assert (ended["status"], ended["replaced_by"]) == ("replaced", new["id"])
    assert market.story() == ["new buy", "replaced buy", "new buy"]


def test_a_replacement_frees_what_the_old_order_held(market):
    market.order("buy", 5)
    sell = market.limit("sell", 5, 110)
    market.venue.replace(sell["id"], {"limit_price": 108})
    assert market.venue.position("AAPL")["qty_available"] == "0"
    whole = market.limit("buy", 3900, 90)
    market.venue.replace(whole["id"], {"qty": 3901})


def test_orders_unknown_or_misspelt_are_told_apart(market):
    for order_id, status in (("nonsense", 422), ("3f1c2b7e-8d4a-4c6e-9f2a-5b7d1e0c9a84", 404)):
        with pytest.raises(VenueRefusal) as caught:
            market.venue.cancel(order_id)
        assert caught.value.status == status


def test_the_sleeping_exits_of_an_open_bracket_are_no_wash(market):
    exits = {"take_profit": {"limit_price": 110}, "stop_loss": {"stop_price": 90}}
    market.limit("buy", 5, 99, order_class="bracket", **exits)
    assert market.status(market.order("buy", 1)) == "filled"
