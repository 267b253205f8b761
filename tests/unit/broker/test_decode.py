from datetime import UTC, datetime
from decimal import Decimal

import pytest

from broker import decode
from domain.market import AssetClass
from domain.orders import OrderState, OrderType, Side

ORDER = {
    "id": "7b7653c4-7468-494a-aeb3-d5f255789473",
    "client_order_id": "ah-0123-entry-1",
    "submitted_at": "2024-07-24T07:56:53.639713735Z",
    "updated_at": "2024-07-24T07:56:54.6Z",
    "symbol": "AAPL",
    "asset_class": "us_equity",
    "qty": "3",
    "filled_qty": "1",
    "filled_avg_price": "105.8988475",
    "order_class": "bracket",
    "type": "limit",
    "side": "buy",
    "time_in_force": "gtc",
    "limit_price": "106",
    "stop_price": None,
    "status": "partially_filled",
    "legs": None,
}

POSITION = {
    "symbol": "BTCUSD",
    "asset_class": "crypto",
    "qty": "0.119784",
    "qty_available": "0",
    "side": "long",
    "avg_entry_price": "64000.5",
    "current_price": "64100",
    "unrealized_pl": "11.9",
}

ACCOUNT = {
    "id": "e6fe16f3",
    "account_number": "PA3717PJAYWN",
    "status": "ACTIVE",
    "equity": "103820.56",
    "cash": "50000",
    "buying_power": "200000",
    "non_marginable_buying_power": "49990",
    "last_equity": "103529.24",
    "multiplier": "4",
    "shorting_enabled": True,
}

ASSET = {
    "class": "us_equity",
    "symbol": "AAPL",
    "name": "Apple Inc. Common Stock",
    "status": "active",
    "tradable": True,
    "shortable": True,
    "fractionable": True,
}


def test_an_order_keeps_every_number_as_the_venue_wrote_it():
    """Money is Decimal from the first byte on."""
    report = decode.order_report(ORDER)
    assert (report.quantity, report.filled_quantity) == (Decimal(3), Decimal(1))
    assert report.average_price == Decimal("105.8988475")
    assert report.state is OrderState.PARTIALLY_FILLED
    assert report.side is Side.BUY
    assert report.ts_submitted == "2024-07-24T07:56:53.639713735Z"
    assert report.ts_updated == "2024-07-24T07:56:54.600000000Z"


def test_the_legs_of_a_bracket_know_their_parent():
    """Children come with names of the venue's making: only their parent ties them to us."""
    legs = [
        {**ORDER, "id": "tp", "client_order_id": "u1", "side": "sell"},
        {**ORDER, "id": "sl", "client_order_id": "u2", "side": "sell", "type": "stop"},
    ]
    report = decode.order_report({**ORDER, "legs": legs})
    assert [leg.parent_venue_order_id for leg in report.legs] == [ORDER["id"]] * 2
    assert report.legs[1].order_type is OrderType.STOP


def test_words_we_do_not_know_do_not_lose_an_order():
    """One new enum value makes alpaca-py's models refuse a whole list."""
    report = decode.order_report(
        {**ORDER, "status": "contemplating", "type": "iceberg", "side": "sell_short", "new": 1}
    )
    assert report.state is OrderState.UNKNOWN
    assert report.order_type is None
    assert report.side is Side.SELL


def test_an_order_by_amount_has_no_quantity_but_what_filled():
    """A foreign order by notional has a null quantity."""
    assert decode.order_report({**ORDER, "qty": None}).quantity == Decimal(1)


@pytest.mark.parametrize(
    "broken",
    [
        {"id": None},
        {"symbol": ""},
        {"status": None},
        {"side": "hold"},
        {"filled_qty": "NaN"},
        {"filled_qty": "many"},
        {"qty": "Infinity"},
    ],
)
def test_an_order_without_what_counts_is_unreadable(broken):
    """A list with a hole in it must not pass as the whole."""
    with pytest.raises(ValueError):
        decode.order_report({**ORDER, **broken})


@pytest.mark.parametrize("raw", [None, [], "order", 7])
def test_what_is_no_object_is_unreadable(raw):
    """An HTML page decodes to nothing, null decodes to None."""
    with pytest.raises(ValueError):
        decode.order_report(raw)


@pytest.mark.parametrize(
    ("spelling", "asset_class", "ours"),
    [
        ("BTCUSD", "crypto", "BTC/USD"),
        ("BTC/USD", "crypto", "BTC/USD"),
        ("SOLUSDT", "crypto", "SOL/USDT"),
        ("ETHBTC", "crypto", "ETH/BTC"),
        ("USDTUSD", "crypto", "USDT/USD"),
        ("AAPL", "us_equity", "AAPL"),
        ("ARKUSD", "us_equity", "ARKUSD"),
        ("USD", "crypto", "USD"),
    ],
)
def test_btcusd_in_positions_and_btc_usd_in_settings_are_one_symbol(spelling, asset_class, ours):
    """The published code never matched them: real positions looked like ghosts, bought again."""
    assert decode.symbol_of(spelling, asset_class) == ours


def test_a_position_is_read_in_our_spelling_with_what_is_free():
    """What an open sell reserves is not available."""
    position = decode.position(POSITION)
    assert position.symbol == "BTC/USD"
    assert position.quantity == Decimal("0.119784")
    assert position.available == 0


@pytest.mark.parametrize(
    ("quantity", "side"), [("-5", "short"), ("5", "short"), ("-5", None), ("-5", "long")]
)
def test_a_short_position_is_negative_however_it_is_told(quantity, side):
    """The sign of a position is money: no reading may turn a short into a long."""
    raw = {**POSITION, "symbol": "AAPL", "asset_class": "us_equity", "qty": quantity, "side": side}
    position = decode.position({**raw, "qty_available": quantity})
    assert position.quantity == position.available == Decimal(-5)


def test_a_position_without_a_basis_is_still_a_position():
    """Paper was seen to report a basis of zero."""
    position = decode.position({**POSITION, "avg_entry_price": "0", "current_price": None})
    assert position.average_price == 0
    assert position.market_price is None


def test_the_account_is_read_without_the_fields_that_alpaca_dropped():
    """Pattern-day-trader fields are gone since July 2026."""
    account = decode.account(ACCOUNT)
    assert account.account_id == "PA3717PJAYWN"
    assert account.equity == Decimal("103820.56")
    assert account.non_marginable_buying_power == Decimal(49990)
    assert not account.is_blocked


@pytest.mark.parametrize(
    "flag",
    [
        {"trading_blocked": True},
        {"account_blocked": True},
        {"trade_suspended_by_user": True},
        {"status": "ACCOUNT_CLOSED"},
    ],
)
def test_any_flag_against_trading_blocks_the_account(flag):
    """Fail closed."""
    assert decode.account({**ACCOUNT, **flag}).is_blocked


def test_crypto_buying_power_falls_back_to_the_smaller_number():
    """A missing field must never allow more."""
    raw = {**ACCOUNT, "non_marginable_buying_power": None}
    assert decode.account(raw).non_marginable_buying_power == Decimal(50000)


def test_an_asset_is_read_without_easy_to_borrow():
    """Without it alpaca-py's model refuses the whole list (deprecated 2026-06)."""
    stock = decode.instrument(ASSET)
    assert (stock.tick, stock.lot) == (Decimal("0.01"), Decimal("0.000000001"))
    assert stock.tradable
    assert not decode.instrument({**ASSET, "status": "inactive"}).tradable
    assert decode.instrument({**ASSET, "fractionable": False}).lot == 1


def test_a_crypto_pair_brings_its_own_increments():
    """Ticks and lots of crypto are the asset's, its least and largest order the venue's."""
    pair = decode.instrument(
        {
            **ASSET,
            "class": "crypto",
            "symbol": "BTC/USD",
            "min_order_size": "0.000013",
            "min_trade_increment": "0.000000001",
            "price_increment": "0.5",
        }
    )
    assert pair.asset_class is AssetClass.CRYPTO
    assert pair.tick == Decimal("0.5")
    assert pair.min_quantity == Decimal("0.000013")
    assert (pair.min_notional, pair.max_notional) == (Decimal(10), Decimal(200_000))
    assert not pair.shortable


def test_the_calendar_is_read_across_the_change_of_the_clocks():
    """Hours are New York's: 09:30 is 14:30 UTC in winter and 13:30 in summer."""
    winter = decode.session({"date": "2026-01-15", "open": "09:30", "close": "16:00"})
    summer = decode.session({"date": "2026-07-03", "open": "09:30", "close": "13:00"})
    assert winter == ("2026-01-15T14:30:00.000000000Z", "2026-01-15T21:00:00.000000000Z")
    assert summer == ("2026-07-03T13:30:00.000000000Z", "2026-07-03T17:00:00.000000000Z")


def test_the_clock_is_read_in_utc():
    """The venue answers with New York's offset."""
    raw = {
        "timestamp": "2025-06-24T15:59:59.5-04:00",
        "is_open": True,
        "next_open": "2025-06-25T09:30:00-04:00",
        "next_close": "2025-06-24T16:00:00-04:00",
    }
    assert decode.venue_time(raw).timestamp == "2025-06-24T19:59:59.500000000Z"
    assert decode.venue_time(raw).is_open


def test_a_msgpack_time_is_read_like_text():
    """msgpack carries times as an extension type."""
    assert (
        decode.time_text(datetime(2024, 7, 24, 7, 56, 53, 639713, UTC))
        == "2024-07-24T07:56:53.639713000Z"
    )


def test_a_fee_in_coins_moves_no_cash_and_one_in_dollars_does():
    """The venue posts them at the day's end, the pair without its slash."""
    coins = decode.activity(
        {
            "id": "20261008000000000::a",
            "activity_type": "CFEE",
            "date": "2026-10-08",
            "symbol": "BTCUSD",
            "qty": "-0.000025",
            "price": "86000",
            "net_amount": "0",
        }
    )
    assert (coins.symbol, coins.quantity, coins.cash) == ("BTC/USD", Decimal("0.000025"), 0)
    assert coins.ts == "2026-10-08T00:00:00.000000000Z"
    dollars = decode.activity(
        {
            "id": "20261008000000000::b",
            "activity_type": "FEE",
            "date": "2026-10-08",
            "net_amount": "-1.23",
        }
    )
    assert (dollars.cash, dollars.change) == (Decimal("-1.23"), 0)


@pytest.mark.parametrize("lacking", ["id", "activity_type", "qty", "price", "side"])
def test_an_execution_with_a_hole_in_it_is_unreadable(lacking):
    """Half an explanation would explain a difference away."""
    fill = {
        "id": "20261008000000000::c",
        "activity_type": "FILL",
        "transaction_time": "2026-10-08T14:00:00Z",
        "symbol": "AAPL",
        "qty": "1",
        "price": "100",
        "side": "buy",
        "order_id": "o",
    }
    assert decode.activity(fill).change == 1
    with pytest.raises(ValueError, match=r"missing|side"):
        decode.activity({key: value for key, value in fill.items() if key != lacking})


@pytest.mark.parametrize(
    "wrong",
    [
        {"filled_qty": "100"},
        {"filled_qty": "-1"},
        {"filled_avg_price": "0"},
        {"legs": 5},
        {"type": ["limit"], "status": "unheard", "side": None},
    ],
)
def test_an_order_that_cannot_be_is_unreadable(wrong):
    """Garbage once came as a TypeError, and as more filled than ordered; both are `ValueError`."""
    with pytest.raises(ValueError):
        decode.order_report(ORDER | wrong)


def test_a_strange_type_or_group_is_text_or_nothing():
    """What the journal keeps must be read back: a list where a text belongs once was not."""
    report = decode.order_report(ORDER | {"type": ["limit"], "group_id": 5})
    assert (report.order_type, report.group_id) == (None, "5")
