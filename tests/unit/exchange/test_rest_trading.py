"""The trading API over HTTP; every answer is held against the official OpenAPI file."""

import base64
import json
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from exchange.faults import Answer, Faults
from exchange.matching.sessions import AlwaysOpen
from exchange.record import Record
from exchange.rest.limiter import RateLimiter
from exchange.rest.trading import trading_router
from exchange.venue import Venue

KEYS = {"APCA-API-KEY-ID": "key", "APCA-API-SECRET-KEY": "secret"}
ORDER = {"symbol": "AAPL", "qty": 10, "side": "buy", "type": "market", "time_in_force": "day"}


class Api:
    """Ask the routes of one market, holding each answer against the official schema."""

    def __init__(self, market, validate, limiter=None):
        app = FastAPI()
        app.include_router(trading_router(market.venue, limiter=limiter))
        self.market = market
        self._validate = validate
        self.http = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://venue", headers=KEYS
        )

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        answer = await self.http.request(method, path, json=body, params=query or None)
        content = answer.json() if answer.content else None
        self._validate("trading", method, path, answer.status_code, content)
        return answer

    async def get(self, path: str, **query: Any) -> Any:
        answer = await self.ask("GET", path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def order(self, **fields: Any) -> dict[str, Any]:
        answer = await self.ask("POST", "/v2/orders", ORDER | fields)
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
def make_api(validate):
    def make(market, **options) -> Api:
        return Api(market, validate, **options)

    return make


@pytest.fixture
def api(make_api, market):
    return make_api(market)


async def test_a_request_without_keys_is_401_without_a_code(api):
    for key, secret in (("", ""), ("key", ""), ("", "secret")):
        api.http.headers.update({"APCA-API-KEY-ID": key, "APCA-API-SECRET-KEY": secret})
        answer = await api.ask("GET", "/v2/account")
        assert (answer.status_code, answer.json()) == (401, {"message": "unauthorized."})


async def test_wrong_keys_are_403(api):
    api.http.headers["APCA-API-SECRET-KEY"] = "wrong"
    answer = await api.ask("GET", "/v2/account")
    assert (answer.status_code, answer.json()) == (403, {"message": "forbidden."})


async def test_basic_authentication_opens_too(api):
    del api.http.headers["APCA-API-KEY-ID"], api.http.headers["APCA-API-SECRET-KEY"]
    for pair, status in (("key:secret", 200), ("key:wrong", 403)):
        encoded = base64.b64encode(pair.encode()).decode()
        api.http.headers["Authorization"] = f"Basic {encoded}"
        assert (await api.ask("GET", "/v2/account")).status_code == status
    api.http.headers["Authorization"] = "Basic ???"
    assert (await api.ask("GET", "/v2/account")).status_code == 401


async def test_every_answer_tells_the_budget_and_the_last_is_429(make_api, market):
    now_s = [1_700_000_010.0]
    api = make_api(market, limiter=RateLimiter(3, wall=lambda: now_s[0]))
    left = []
    for _ in range(3):
        headers = (await api.ask("GET", "/v2/clock")).headers
        left.append(headers["X-RateLimit-Remaining"])
        assert headers["X-RateLimit-Limit"] == "3"
        assert headers["X-RateLimit-Reset"] == "1700000040"
        assert headers["X-Request-ID"]
    assert left == ["2", "1", "0"]
    refused = await api.ask("POST", "/v2/orders", ORDER)
    assert refused.status_code == 429
    assert refused.json() == {"code": 42910000, "message": "rate limit exceeded"}
    assert market.venue.orders() == []
    now_s[0] += 30
    assert (await api.ask("GET", "/v2/clock")).status_code == 200


@pytest.mark.parametrize("body", [b"{", b"[1", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_json_is_400(api, body):
    answer = await api.http.post("/v2/orders", content=body)
    expected = {"code": 40010000, "message": "request body format is invalid"}
    assert (answer.status_code, answer.json()) == (400, expected)


@pytest.mark.parametrize("body", [None, [], "order", 5])
async def test_a_body_that_is_no_object_is_422(api, body):
    assert (await api.ask("POST", "/v2/orders", body)).status_code == 422


async def test_a_new_order_answers_200_with_every_key_and_strings_for_decimals(api):
    order = await api.order(qty=1.5)
    assert order["qty"] == "1.5"
    assert order["filled_qty"] == "0"
    assert order["order_class"] == ""
    assert order["created_at"] == "2026-10-08T14:00:00Z"
    assert set(order) == {
        "id", "client_order_id", "created_at", "updated_at", "submitted_at", "filled_at",
        "expired_at", "expires_at", "canceled_at", "failed_at", "replaced_at", "replaced_by",
        "replaces", "asset_id", "symbol", "asset_class", "notional", "qty", "filled_qty",
        "filled_avg_price", "order_class", "order_type", "type", "side", "position_intent",
        "time_in_force", "limit_price", "stop_price", "status", "extended_hours", "legs",
        "trail_percent", "trail_price", "hwm", "subtag", "source",
    }  # fmt: skip


async def test_numbers_of_a_request_are_read_as_written(api):
    body = json.dumps(ORDER | {"type": "limit"}).replace("}", ', "limit_price": 99.10}')
    answer = await api.http.post("/v2/orders", content=body)
    assert answer.json()["limit_price"] == "99.1"
    body = json.dumps(ORDER | {"symbol": "BTC/USD", "time_in_force": "gtc"})
    answer = await api.http.post("/v2/orders", content=body.replace("10", "0.100000001"))
    assert answer.json()["qty"] == "0.100000001"


async def test_a_bracket_answers_with_legs_and_is_found_nested(api):
    exits = {"take_profit": {"limit_price": 110}, "stop_loss": {"stop_price": 95}}
    order = await api.order(order_class="bracket", **exits)
    assert len(order["legs"]) == 2
    plain = await api.get(f"/v2/orders/{order['id']}")
    nested = await api.get(f"/v2/orders/{order['id']}", nested="true")
    assert plain["legs"] is None
    assert [leg["group_role"] for leg in nested["legs"]] == ["take_profit", "stop_loss"]
    by_client = await api.get(
        "/v2/orders:by_client_order_id", client_order_id=order["client_order_id"]
    )
    assert by_client["id"] == order["id"]


async def test_orders_are_filtered_sorted_and_cut(api, market):
    first = await api.order(client_order_id="first")
    market.wait(minutes=1)
    second = await api.order(type="limit", limit_price=90, client_order_id="second")
    market.wait(minutes=1)
    body = {"symbol": "BTC/USD", "qty": "0.01", "time_in_force": "gtc"}
    third = await api.order(**body, client_order_id="third")

    async def found(**query):
        return [order["client_order_id"] for order in await api.get("/v2/orders", **query)]

    assert await found() == ["second"]
    assert await found(status="closed") == ["third", "first"]
    assert await found(status="all") == ["third", "second", "first"]
    assert await found(status="all", direction="asc", limit=2) == ["first", "second"]
    assert await found(status="all", after="2026-10-08T14:00:30Z") == ["third", "second"]
    assert await found(status="all", until="2026-10-08T10:01:30.5-04:00") == ["second", "first"]
    assert await found(status="all", after="2026-10-09") == []
    assert await found(status="all", symbols="BTCUSD,MSFT") == ["third"]
    assert await found(status="all", symbols="BTC/USD") == ["third"]
    assert await found(status="all", side="sell") == []
    assert await found(status="all", asset_class="crypto") == ["third"]
    assert await found(status="all", after_order_id=first["id"]) == ["third", "second"]
    assert await found(status="all", before_order_id=third["id"]) == ["second", "first"]
    assert await found(status="all", after_order_id=second["id"], direction="asc") == ["third"]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "half"},
        {"limit": "0"},
        {"limit": "many"},
        {"direction": "up"},
        {"after": "yesterday"},
        {"nested": "maybe"},
        {"side": "both"},
        {"asset_class": "stamps"},
    ],
)
async def test_a_wrong_query_is_422_and_names_its_parameter(api, query):
    answer = await api.ask("GET", "/v2/orders", **query)
    assert answer.status_code == 422
    assert next(iter(query)) in answer.json()["message"]


async def test_cancelling_answers_204_then_422_then_404(api):
    order = await api.order(type="limit", limit_price=90)
    path = f"/v2/orders/{order['id']}"
    assert (await api.ask("DELETE", path)).status_code == 204
    again = await api.ask("DELETE", path)
    assert again.json() == {"code": 42210000, "message": 'order is already in "canceled" state'}
    unknown = await api.ask("DELETE", "/v2/orders/3f1c2b7e-8d4a-4c6e-9f2a-5b7d1e0c9a84")
    assert (unknown.status_code, unknown.json()["code"]) == (404, 40410000)


async def test_cancelling_all_answers_207_with_each_id(api):
    ids = {(await api.order(type="limit", limit_price=price))["id"] for price in (90, 91)}
    answer = await api.ask("DELETE", "/v2/orders")
    assert answer.status_code == 207
    assert {each["id"] for each in answer.json()} == ids
    assert {each["status"] for each in answer.json()} == {200}
    assert await api.get("/v2/orders") == []


async def test_a_patch_answers_with_the_new_order(api):
    order = await api.order(type="limit", limit_price=90)
    answer = await api.ask("PATCH", f"/v2/orders/{order['id']}", {"limit_price": "91", "qty": 4})
    new = answer.json()
    assert (new["replaces"], new["limit_price"], new["qty"]) == (order["id"], "91", "4")


async def test_a_miss_by_client_id_is_404(api):
    answer = await api.ask("GET", "/v2/orders:by_client_order_id", client_order_id="lost")
    assert (answer.status_code, answer.json()["message"]) == (404, "order not found for lost")
    assert (await api.ask("GET", "/v2/orders:by_client_order_id")).status_code == 422


@pytest.mark.parametrize("path", ["BTC/USD", "BTC%2FUSD", "BTCUSD"])
async def test_an_asset_is_found_by_every_spelling_clients_use(api, path):
    asset = await api.get(f"/v2/assets/{path}")
    assert (asset["symbol"], asset["exchange"], asset["class"]) == ("BTC/USD", "CRYPTO", "crypto")
    assert asset["min_trade_increment"] == "0.000000001"
    assert (await api.get(f"/v2/assets/{asset['id']}"))["symbol"] == "BTC/USD"


async def test_an_unknown_asset_is_404(api):
    answer = await api.ask("GET", "/v2/assets/ZZZZ")
    assert (answer.status_code, answer.json()["code"]) == (404, 40410000)


async def test_assets_are_shares_unless_asked_and_carry_both_borrow_fields(api):
    shares = await api.get("/v2/assets")
    assert [each["symbol"] for each in shares] == ["AAPL", "GONE", "HARD", "LOCK", "PENY"]
    by_symbol = {each["symbol"]: each for each in shares}
    assert by_symbol["AAPL"]["borrow_status"] == "easy_to_borrow"
    assert by_symbol["HARD"]["easy_to_borrow"] is False
    assert [each["symbol"] for each in await api.get("/v2/assets", status="inactive")] == ["GONE"]
    assert len(await api.get("/v2/assets", exchange="NYSE")) == 0
    pairs = await api.get("/v2/assets", asset_class="crypto")
    assert "borrow_status" not in pairs[0]
    overnight = await api.get("/v2/assets", attributes="overnight_tradable")
    assert "HARD" not in [each["symbol"] for each in overnight]


async def test_positions_spell_crypto_without_a_slash_and_miss_it_with_one(api):
    await api.order(symbol="BTC/USD", qty="0.01", time_in_force="gtc")
    await api.order()
    positions = await api.get("/v2/positions")
    assert {each["symbol"] for each in positions} == {"BTCUSD", "AAPL"}
    one = await api.get("/v2/positions/BTCUSD")
    assert (await api.get(f"/v2/positions/{one['asset_id']}"))["qty"] == one["qty"]
    for path in ("BTC%2FUSD", "BTC/USD", "MSFT"):
        answer = await api.ask("GET", f"/v2/positions/{path}")
        expected = {"code": 40410000, "message": "position does not exist"}
        assert (answer.status_code, answer.json()) == (404, expected)


async def test_closing_one_position_answers_with_its_order(api):
    await api.order()
    answer = await api.ask("DELETE", "/v2/positions/AAPL", qty="4")
    assert (answer.status_code, answer.json()["side"], answer.json()["qty"]) == (200, "sell", "4")
    both = await api.ask("DELETE", "/v2/positions/AAPL", qty="4", percentage="10")
    assert both.status_code == 422
    for query in ({"qty": "-1"}, {"percentage": "all"}, {"percentage": "101"}):
        assert (await api.ask("DELETE", "/v2/positions/AAPL", **query)).status_code in (403, 422)


async def test_closing_all_positions_answers_for_each(make_api, market):
    api = make_api(market)
    await api.order()
    await api.order(side="sell", type="limit", limit_price=120)
    await api.order(symbol="BTC/USD", qty="0.01", time_in_force="gtc")
    held = await api.http.delete("/v2/positions")
    assert {each["symbol"]: each["status"] for each in held.json()} == {"AAPL": 403, "BTCUSD": 200}
    freed = await api.ask("DELETE", "/v2/positions", cancel_orders="True")
    assert [(each["symbol"], each["status"]) for each in freed.json()] == [("AAPL", 200)]
    assert await api.get("/v2/positions") == []


async def test_the_clock_speaks_new_york(api):
    assert await api.get("/v2/clock") == {
        "timestamp": "2026-10-08T10:00:00-04:00",
        "is_open": True,
        "next_open": "2026-10-09T09:30:00-04:00",
        "next_close": "2026-10-08T16:00:00-04:00",
    }


async def test_the_clock_crosses_weekends_and_keeps_nanoseconds(make_api, new_market):
    api = make_api(new_market(at="2026-11-27T18:00:00.250000+00:00"))
    assert await api.get("/v2/clock") == {
        "timestamp": "2026-11-27T13:00:00.25-05:00",
        "is_open": False,
        "next_open": "2026-11-30T09:30:00-05:00",
        "next_close": "2026-11-30T16:00:00-05:00",
    }


async def test_the_calendar_lists_sessions_with_early_closings(api):
    days = await api.get("/v2/calendar", start="2026-11-25", end="2026-11-30")
    assert [(day["date"], day["close"]) for day in days] == [
        ("2026-11-25", "16:00"),
        ("2026-11-27", "13:00"),
        ("2026-11-30", "16:00"),
    ]
    assert days[0] == {
        "date": "2026-11-25",
        "open": "09:30",
        "close": "16:00",
        "session_open": "0400",
        "session_close": "2000",
        "settlement_date": "2026-11-27",
    }
    wrong = await api.ask("GET", "/v2/calendar", start="2026-11-30", end="2026-11-25")
    assert wrong.status_code == 422


async def test_an_always_open_calendar_has_every_day_whole(make_api, new_market):
    api = make_api(new_market(sessions=AlwaysOpen()))
    days = await api.get("/v2/calendar", start="2026-10-10", end="2026-10-11")
    assert [(day["open"], day["close"], day["settlement_date"]) for day in days] == [
        ("00:00", "23:59", "2026-10-11"),
        ("00:00", "23:59", "2026-10-12"),
    ]
    clock = await api.get("/v2/clock")
    assert clock["is_open"] is True


async def test_activities_are_a_bare_array(api, market):
    await api.order()
    await api.order(symbol="BTC/USD", qty="0.01", time_in_force="gtc")
    market.wait(days=1)
    everything = await api.get("/v2/account/activities")
    assert [each["activity_type"] for each in everything] == ["CFEE", "FILL", "FILL"]
    fills = await api.get("/v2/account/activities/FILL", direction="asc", page_size=1)
    assert fills[0]["symbol"] == "AAPL"
    rest = await api.get(
        "/v2/account/activities",
        activity_types="FILL,CFEE",
        direction="asc",
        page_token=fills[0]["id"],
    )
    assert [each["activity_type"] for each in rest] == ["FILL", "CFEE"]
    assert await api.get("/v2/account/activities", date="2026-10-07") == []
    trades = await api.get("/v2/account/activities", category="trade_activity", date="2026-10-08")
    assert len(trades) == 2


async def test_the_account_and_its_switches(api):
    account = await api.get("/v2/account")
    assert (account["buying_power"], account["multiplier"]) == ("400000", "4")
    body = {"suspend_trade": True, "max_margin_multiplier": "2"}
    patched = await api.ask("PATCH", "/v2/account/configurations", body)
    assert patched.json()["suspend_trade"] is True
    assert await api.get("/v2/account/configurations") == patched.json()
    account = await api.get("/v2/account")
    assert (account["trade_suspended_by_user"], account["multiplier"]) == (True, "2")
    assert (await api.ask("POST", "/v2/orders", ORDER)).status_code == 403
    wrong = await api.ask("PATCH", "/v2/account/configurations", {"max_margin_multiplier": "3"})
    assert wrong.status_code == 422


async def test_every_request_is_recorded_with_its_answer(api, market):
    await api.order(client_order_id="mine")
    await api.ask("GET", "/v2/orders", status="all")
    post, get = market.venue.record.requests()
    assert (post.method, post.path, post.status) == ("POST", "/v2/orders", 200)
    assert post.body["client_order_id"] == "mine"
    assert (get.query, get.body, get.at_ns) == ("status=all", None, market.venue.clock.origin_ns)
    assert [event["event"] for event in market.venue.record.events()] == ["new", "fill"]


async def test_a_fault_can_lose_an_answer_after_the_order_was_taken(make_api, market):
    class Lost(Faults):
        async def after_request(self, request, answer):
            if request.method == "POST":
                return Answer(status=504, body=b"<html>", media_type="text/html")
            return answer

    market.venue.faults = Lost()
    api = make_api(market)
    answer = await api.http.post("/v2/orders", json=ORDER | {"client_order_id": "mine"})
    assert (answer.status_code, answer.text) == (504, "<html>")
    assert (await api.get("/v2/orders", status="all"))[0]["client_order_id"] == "mine"
    assert market.venue.record.requests("POST")[0].status == 504


async def test_a_fault_can_answer_in_the_place_of_a_route(make_api, market):
    class Late(Faults):
        async def before_request(self, request):
            if "by_client_order_id" in request.path:
                return Answer(status=404, body={"code": 40410000, "message": "order not found"})
            return None

    market.venue.faults = Late()
    api = make_api(market)
    order = await api.order(client_order_id="mine")
    lost = await api.ask("GET", "/v2/orders:by_client_order_id", client_order_id="mine")
    assert lost.status_code == 404
    assert (await api.get(f"/v2/orders/{order['id']}"))["status"] == "filled"


def test_a_fault_can_send_an_event_twice(market):
    class Twice(Faults):
        def before_event(self, event):
            return (event, event)

    market.venue.faults = Twice()
    market.order("buy", 1)
    assert market.story() == ["new buy", "new buy", "fill buy", "fill buy"]
    assert len(market.venue.record.events()) == 2, "the record keeps what was true"


def test_a_venue_keeps_the_record_that_it_is_given(market):
    """An empty one was taken for none, and another put in its place."""
    given, other = Record(capacity=3), market.venue
    venue = Venue(
        clock=other.clock,
        listings=other.instruments.values(),
        credentials=other.credentials,
        record=given,
    )
    assert venue.record is given


def test_a_record_is_bounded_and_can_go_to_a_file(tmp_path, market):
    record = Record(capacity=3, path=tmp_path / "record.jsonl")
    market.venue.record = record
    for _ in range(2):
        market.order("buy", 1)
    record.close()
    assert (len(record), record.dropped) == (3, 1)
    lines = (tmp_path / "record.jsonl").read_text().splitlines()
    assert [json.loads(line)["event"]["event"] for line in lines] == ["new", "fill"] * 2
