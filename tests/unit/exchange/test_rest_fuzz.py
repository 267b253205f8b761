"""Whatever a stranger sends, the venue answers in its own words and never breaks."""

import asyncio
import json

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import example, given, settings
from hypothesis import strategies as st

from exchange.errors import VenueRefusal
from exchange.rest.trading import trading_router

JUNK = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["1e999999999999", "-0", "0.1e-30", "9" * 400, "\ud800", "NaN", "1,5"]),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2)
    ),
    max_leaves=4,
)
REAL = {
    "symbol": ["AAPL", "BTC/USD"],
    "qty": [1, "0.5", 10],
    "notional": [100, None],
    "side": ["buy", "sell"],
    "type": ["market", "limit", "stop", "stop_limit", "trailing_stop"],
    "time_in_force": ["day", "gtc", "ioc", "fok", "opg", "cls"],
    "limit_price": [100, "99.5"],
    "stop_price": [101],
    "trail_price": [1],
    "trail_percent": ["2.5"],
    "extended_hours": [True, False],
    "client_order_id": ["mine"],
    "order_class": ["simple", "bracket", "oco", "oto", ""],
    "take_profit": [{"limit_price": 110}],
    "stop_loss": [{"stop_price": 95}, {"stop_price": 95, "limit_price": 94}],
    "position_intent": ["buy_to_open", "sell_to_close"],
}
BODIES = st.fixed_dictionaries(
    {}, optional={name: st.sampled_from(values) | JUNK for name, values in REAL.items()}
)
PATHS = st.sampled_from(
    [
        "/v2/orders",
        "/v2/orders:by_client_order_id",
        "/v2/account/activities",
        "/v2/account/activities/FILL",
        "/v2/assets",
        "/v2/calendar",
        "/v2/positions",
        "/v2/clock",
    ]
)
NAMES = st.sampled_from(
    [
        "status", "limit", "after", "until", "direction", "nested", "symbols", "side",
        "asset_class", "after_order_id", "before_order_id", "activity_types", "category", "date",
        "page_size", "page_token", "order_id", "start", "end", "client_order_id", "attributes",
    ]
)  # fmt: skip
VALUES = st.text(max_size=12) | st.sampled_from(
    ["9" * 5000, "-1", "0001-01-01", "9999-12-31", "2026-10-08T25:00:00Z", "١٢", "NaN", "all"]
)


@given(body=BODIES)
@example(body={"symbol": "AAPL", "qty": "1" * 13 + ".5", "side": "buy", "type": "market"})
@settings(max_examples=400, deadline=None)
def test_any_fields_make_an_order_or_a_refusal(new_market, body):
    market = new_market().open_with()
    answer = answered(market, body)
    if isinstance(answer, VenueRefusal):
        assert answer.status in (403, 422)
        assert answer.message
        assert market.events == []
    else:
        json.dumps(answer)
        assert market.venue.order(answer["id"])["client_order_id"] == answer["client_order_id"]


def answered(market, body):
    try:
        return market.venue.submit(body)
    except VenueRefusal as refused:
        return refused


@given(path=PATHS, query=st.dictionaries(NAMES, VALUES, max_size=3))
@settings(max_examples=200, deadline=None)
def test_any_query_is_answered_or_refused(new_market, path, query):
    app = FastAPI()
    app.include_router(trading_router(new_market().open_with().venue))
    keys = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}

    async def ask():
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://venue") as http:
            return await http.get(path, params=query, headers=keys)

    answer = asyncio.run(ask())
    assert answer.status_code in (200, 404, 422), answer.text
    assert answer.status_code == 200 or answer.json()["message"]


@pytest.mark.parametrize(
    "number", ["1e99999999999999999999", "9" * 5000, "Infinity", "-Infinity", "NaN", "1e-400"]
)
async def test_monstrous_numbers_are_refused_before_arithmetic(market, number):
    app = FastAPI()
    app.include_router(trading_router(market.venue))
    body = f'{{"symbol": "AAPL", "qty": {number}, "side": "buy", "type": "market"'
    headers = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://venue") as http:
        answer = await http.post(
            "/v2/orders", content=body + ', "time_in_force": "day"}', headers=headers
        )
    assert answer.status_code in (400, 422)
