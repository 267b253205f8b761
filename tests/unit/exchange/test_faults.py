"""The fault plan itself: aim, count, chance, reading, the admin interface, the command's option."""

import asyncio
import contextlib
import json

import httpx
import pytest

from domain.errors import ConfigError
from exchange.config import ExchangeConfig, seeded_stock
from exchange.faults import (
    Fault,
    FaultKind,
    FaultPlan,
    Faults,
    Request,
    Where,
    load_plan,
    read_plan,
)
from exchange.market.records import TopOfBook
from exchange.server import ExchangeServer
from exchange.streams.endpoints import Stream

KEYS = {"APCA-API-KEY-ID": "LOCALKEY", "APCA-API-SECRET-KEY": "local-secret"}
ORDER = {
    "symbol": "AAPL",
    "side": "buy",
    "type": "limit",
    "time_in_force": "day",
    "qty": "1",
    "limit_price": "1",
}


def request(method="GET", path="/v2/account", body=None):
    return Request(method=method, path=path, query="", body=body, at_ns=1)


def post(leg="entry", n=1, **fields):
    body = ORDER | {"client_order_id": f"ah-d{n}-{leg}-1"} | fields
    return request("POST", "/v2/orders", body)


async def hits(plan, requests):
    """Return the numbers of the requests that the plan answered."""
    return [n for n, each in enumerate(requests, 1) if await plan.before_request(each)]


@contextlib.asynccontextmanager
async def exchange(**options):
    config = ExchangeConfig(symbols=(seeded_stock("AAPL", 190.0),), history_minutes=10)
    async with (
        ExchangeServer(config, **options) as server,
        httpx.AsyncClient(base_url=server.rest_url, headers=KEYS, timeout=60) as http,
    ):
        yield server, http


async def test_a_fault_strikes_at_the_nth_match_and_so_many_times():
    plan = FaultPlan([Fault(kind=FaultKind.REQUEST_500, nth=3, times=2)])
    assert await hits(plan, [request() for _ in range(6)]) == [3, 4]
    assert [strike.target for strike in plan.strikes] == ["GET /v2/account"] * 2


async def test_a_fault_without_times_strikes_until_it_is_cleared():
    plan = FaultPlan([Fault(kind=FaultKind.REQUEST_500, times=None)])
    assert await hits(plan, [request()] * 3) == [1, 2, 3]
    assert plan.clear() == 1
    assert await hits(plan, [request()] * 3) == []


@pytest.mark.parametrize(
    ("where", "struck"),
    [
        ({}, [1, 2, 3, 4]),
        ({"leg": "stop"}, [2]),
        ({"side": "sell"}, [2]),
        ({"symbol": "BTCUSD"}, [3]),
        ({"symbol": "BTC/USD", "leg": "stop"}, []),
        ({"method": "POST", "path": "/v2/ord*"}, [1, 2, 3]),
        ({"path": "/v2/account"}, [4]),
    ],
)
async def test_a_fault_is_aimed_by_leg_side_symbol_method_and_path(where, struck):
    plan = FaultPlan([Fault(kind=FaultKind.REQUEST_500, where=Where(**where), times=None)])
    requests = [
        post("entry"),
        post("stop", side="sell"),
        post("entry", n=3, symbol="BTC/USD"),
        request(),
    ]
    assert await hits(plan, requests) == struck


async def test_a_cancel_is_aimed_by_the_leg_of_the_order_that_it_names():
    plan = FaultPlan([Fault(kind=FaultKind.REQUEST_500, where=Where(leg="stop", method="DELETE"))])
    for leg in ("entry", "stop"):
        order = post(leg).body | {"id": f"venue-{leg}"}
        list(plan.before_event({"event": "new", "order": order}))
    cancels = [request("DELETE", f"/v2/orders/venue-{leg}") for leg in ("entry", "stop")]
    assert await hits(plan, cancels) == [2]


async def test_one_seed_and_the_same_requests_give_the_same_faults():
    """Another fault beside it, or other requests between, do not change a fault's luck."""
    dice = Fault(kind=FaultKind.REQUEST_500, where=Where(leg="entry"), chance=0.3, times=None)
    other = Fault(kind=FaultKind.REQUEST_HTML, where=Where(path="/v2/account"), times=None)
    requests = [post(n=n) for n in range(200)]
    first = await hits(FaultPlan([dice], seed=7), requests)
    assert 30 < len(first) < 90
    assert await hits(FaultPlan([dice], seed=7), requests) == first
    mixed = [each for one in requests for each in (one, request())]
    both = FaultPlan([dice, other], seed=7)
    await hits(both, mixed)
    targets = [s.target for s in both.strikes if s.kind is FaultKind.REQUEST_500]
    assert targets == [f"POST /v2/orders AAPL buy ah-d{n - 1}-entry-1" for n in first]
    assert await hits(FaultPlan([dice], seed=8), requests) != first


async def test_the_same_requests_over_the_socket_meet_the_same_faults():
    """What the client gets, run twice against two exchanges of one plan."""

    async def statuses():
        chance = {"chance": 0.4, "times": None, "where": {"path": "/v2/orders*"}}
        kinds = ("request_500", "answer_504", "request_429")
        plan = read_plan({"seed": 3, "faults": [{"kind": kind, **chance} for kind in kinds]})
        async with exchange(faults=plan) as (_, http):
            answers = [
                await http.post("/v2/orders", json=ORDER | {"client_order_id": f"ah-d{n}-entry-1"})
                for n in range(20)
            ]
        return [answer.status_code for answer in answers]

    first = await statuses()
    assert len(set(first)) == 4
    assert await statuses() == first


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"kind": "gremlins"}, "Kinds are link_closed, "),
        ({}, "Kinds are link_closed, "),
        ({"kind": "halt", "wher": {}}, "may hold kind, where, nth"),
        ({"kind": "halt", "where": {"leg": "stop"}}, "halt cannot be aimed by leg: use channel"),
        ({"kind": "halt", "where": {"color": "red"}}, "A where may hold method, path, event"),
        ({"kind": "halt", "nth": 0}, "nth and times must be 1 or more"),
        ({"kind": "halt", "chance": 1.5}, "chance must be above 0 and at most 1"),
        ({"kind": "halt", "seconds": -1}, "seconds must be 0 or more"),
        ("halt", "Expected `object`, got `str`"),
    ],
)
async def test_a_wrong_fault_is_refused_in_one_line_that_says_what_is_allowed(written, said):
    with pytest.raises(ConfigError) as refused:
        read_plan({"faults": [written]})
    assert said in refused.value.line
    async with exchange() as (server, http):
        answer = await http.post("/admin/faults", json=[{"kind": "halt"}, written])
        assert answer.status_code == 422
        assert said in answer.json()["message"]
        assert "\n" not in answer.json()["message"]
        assert server.plan.armed == [], "nothing is armed when one fault of a list is wrong"


async def test_faults_are_armed_listed_and_cleared_over_http():
    async with exchange() as (_, http):
        armed = await http.post("/admin/faults", json={"kind": "request_500", "times": None})
        assert (armed.status_code, armed.json()) == (201, {"numbers": [1]})
        more = await http.post("/admin/faults", json={"faults": [{"kind": "halt"}]})
        assert more.json() == {"numbers": [2]}
        assert (await http.get("/v2/account")).status_code == 500
        listed = (await http.get("/admin/faults")).json()
        assert set(listed["kinds"]) == set(FaultKind)
        (first, second) = listed["armed"]
        assert (first["struck"], first["fault"]["kind"]) == (1, "request_500")
        assert second["fault"]["times"] == 1
        assert (await http.delete("/admin/faults/1")).status_code == 204
        assert (await http.delete("/admin/faults/1")).status_code == 404
        assert (await http.get("/v2/account")).status_code == 200
        assert (await http.delete("/admin/faults")).status_code == 204
        assert (await http.get("/admin/faults")).json()["armed"] == []


async def test_the_record_tells_requests_events_and_strikes_in_pages():
    async with exchange() as (server, http):
        server.plan.add(Fault(kind=FaultKind.ANSWER_504, where=Where(method="POST")))
        for n in range(3):
            await http.post("/v2/orders", json=ORDER | {"client_order_id": f"ah-d{n}-entry-1"})
        await http.get("/v2/account")

        async def page(**query):
            answer = await http.get("/admin/record", params=query)
            assert answer.status_code == 200, answer.text
            return answer.json()

        first = await page(limit=2)
        assert [(e["number"], e["status"], e["faults"]) for e in first["entries"]] == [
            (1, 504, ["answer_504"]),
            (2, 200, []),
        ]
        assert first["entries"][0]["body"]["client_order_id"] == "ah-d0-entry-1"
        rest = await page(after=first["next"])
        assert [e["path"] for e in rest["entries"]] == ["/v2/orders", "/v2/account"]
        assert (await page(after=rest["next"]))["entries"] == []
        assert len((await page(method="POST", status=200))["entries"]) == 2
        assert len((await page(faults="answer_504"))["entries"]) == 1
        events = (await page(of="events"))["entries"]
        assert [e["event"]["event"] for e in events] == ["new"] * 3
        (strike,) = (await page(of="strikes", kind="answer_504"))["entries"]
        assert strike["target"] == "POST /v2/orders AAPL buy ah-d0-entry-1"
        assert strike["at_ns"] == first["entries"][0]["at_ns"]
        for query, said in (
            ({"of": "money"}, "use requests, events, frames, strikes"),
            ({"color": "red"}, "use at_ns, method, path"),
            ({"limit": "-1"}, "limit must be a whole number"),
        ):
            answer = await http.get("/admin/record", params=query)
            assert answer.status_code == 422
            assert said in answer.json()["message"]


async def test_a_halt_leaves_the_test_streams_symbol_alone():
    """It was struck first once, is listed nowhere, and took the whole exchange down."""
    async with exchange() as (server, _):
        fake = TopOfBook("FAKEPACA", 1, 1, 1.0, 1.0, 1.1, 1.0)
        server.plan.add(Fault(kind=FaultKind.HALT))
        assert server.plan.before_publish(Stream.TEST, [fake]) == [fake]
        assert server.plan.strikes == []


async def test_the_admin_interface_answers_no_browser_page():
    """A page that is open beside it could otherwise arm faults by a cross-site post."""
    async with exchange() as (_, http):
        answer = await http.get("/admin/faults", headers={"Origin": "https://evil.example"})
        assert answer.status_code == 403


async def test_faults_of_another_class_are_not_set_from_outside():
    async with exchange(faults=Faults()) as (_, http):
        answer = await http.post("/admin/faults", json={"kind": "halt"})
        assert answer.status_code == 409
        assert "faults of its own" in answer.json()["message"]
        assert (await http.get("/admin/record?of=requests")).status_code == 200


async def test_the_exchange_ends_while_an_answer_hangs():
    async with exchange() as (server, _):
        server.plan.add(Fault(kind=FaultKind.ANSWER_HANGS, seconds=3600))
        client = httpx.AsyncClient(base_url=server.rest_url, headers=KEYS, timeout=60)
        asking = asyncio.create_task(client.get("/v2/account"))
        while not server.plan.strikes:  # noqa: ASYNC110 -- polled, the strike is no event
            await asyncio.sleep(0.01)
    await asyncio.wait([asking], timeout=10)
    await client.aclose()
    assert isinstance(asking.exception(), httpx.ReadError)


def test_a_plan_is_read_from_a_file(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text(json.dumps({"seed": 5, "faults": [{"kind": "answer_504", "nth": 2}]}))
    plan = load_plan(path)
    assert (plan.seed, [each.fault.nth for each in plan.armed]) == (5, [2])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ('{"faults": 3}', 'Write {"seed": 7'),
        ('{"faults": [{"kind": "x"}]}', "Kinds are"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(tmp_path, text, said):
    path = tmp_path / "plan.json"
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        load_plan(path)
    assert said in refused.value.line
    with pytest.raises(ConfigError, match="cannot be read"):
        load_plan(tmp_path / "none.json")
