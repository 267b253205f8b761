"""The order stream, asked by a plain websocket client."""

import asyncio
import json
from contextlib import asynccontextmanager

import msgpack
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

from exchange.updates import OrderStream

AUTHENTICATE = {"action": "authenticate", "data": {"key_id": "key", "secret_key": "secret"}}
LISTEN = {"action": "listen", "data": {"streams": ["trade_updates"]}}
AUTHORIZED = {
    "stream": "authorization",
    "data": {"status": "authorized", "action": "authenticate"},
}
LISTENING = {"stream": "listening", "data": {"streams": ["trade_updates"]}}
DEADLINE_S = 60.0


@asynccontextmanager
async def served(market, **options):
    stream = OrderStream(market.venue, **options)
    async with serve(stream.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        yield f"ws://127.0.0.1:{port}/stream", stream


async def ask(link, message):
    await link.send(json.dumps(message))
    return await hear(link)


async def hear(link):
    return json.loads(await asyncio.wait_for(link.recv(), DEADLINE_S))


async def hear_all(link):
    while True:
        await link.recv()


async def test_json_comes_in_binary_frames(market):
    async with served(market) as (url, _), connect(url) as link:
        await link.send(json.dumps(AUTHENTICATE))
        frame = await asyncio.wait_for(link.recv(), DEADLINE_S)
        assert isinstance(frame, bytes)
        assert json.loads(frame) == AUTHORIZED


async def test_an_order_is_told_before_its_request_is_answered(market):
    async with served(market) as (url, _), connect(url) as link:
        assert await ask(link, AUTHENTICATE) == AUTHORIZED
        assert await ask(link, LISTEN) == LISTENING
        order = market.order("buy", 3)
        new, fill = await hear(link), await hear(link)
        assert [new["data"]["event"], fill["data"]["event"]] == ["new", "fill"]
        assert "price" not in new["data"]
        data = fill["data"]
        assert (data["price"], data["qty"], data["position_qty"]) == ("100", "3", "3")
        assert (data["order"]["id"], data["order"]["legs"]) == (order["id"], None)
        assert data["timestamp"] == "2026-10-08T14:00:00Z"
        assert new["data"]["execution_id"] != data["execution_id"]


async def test_the_short_form_of_authentication_works_too(market):
    async with served(market) as (url, _), connect(url) as link:
        message = {"action": "auth", "key": "key", "secret": "secret"}
        assert await ask(link, message) == AUTHORIZED


@pytest.mark.parametrize(
    "message",
    [
        {"action": "auth", "key": "key", "secret": "wrong"},
        {"action": "auth"},
        {"action": "authenticate", "data": "key"},
        {"action": "authenticate", "data": {"key_id": 1, "secret_key": None}},
    ],
)
async def test_wrong_keys_are_unauthorized_and_may_be_tried_again(market, message):
    async with served(market) as (url, _), connect(url) as link:
        answer = await ask(link, message)
        assert answer["data"] == {"status": "unauthorized", "action": "authenticate"}
        assert await ask(link, AUTHENTICATE) == AUTHORIZED


async def test_nobody_listens_before_showing_keys(market):
    async with served(market) as (url, _), connect(url) as link:
        answer = await ask(link, LISTEN)
        assert answer["data"] == {"status": "unauthorized", "action": "listen"}
        market.order("buy", 1)
        assert await ask(link, AUTHENTICATE) == AUTHORIZED


async def test_listening_twice_delivers_once_and_an_empty_list_stops(market):
    async with served(market) as (url, _), connect(url) as link:
        await ask(link, AUTHENTICATE)
        assert await ask(link, LISTEN) == await ask(link, LISTEN) == LISTENING
        market.limit("buy", 1, 90)
        assert (await hear(link))["data"]["event"] == "new"
        stopped = await ask(link, {"action": "listen", "data": {"streams": []}})
        assert stopped == {"stream": "listening", "data": {"streams": []}}
        market.limit("buy", 1, 91)
        assert (await ask(link, LISTEN)) == LISTENING


@pytest.mark.parametrize("frame", ["{", "[]", '"x"', b"\xc1", b"\x93\x01", '{"action": "dance"}'])
async def test_nonsense_gets_an_error_and_keeps_the_link(market, frame):
    async with served(market) as (url, _), connect(url) as link:
        await link.send(frame)
        answer = await hear(link)
        assert answer["action"] == "error"
        assert "unknown action" in answer["data"]["error_message"]
        assert await ask(link, AUTHENTICATE) == AUTHORIZED


async def test_a_msgpack_handshake_gets_msgpack(market):
    headers = {"Content-Type": "application/msgpack"}
    async with served(market) as (url, _), connect(url, additional_headers=headers) as link:
        for message, expected in ((AUTHENTICATE, AUTHORIZED), (LISTEN, LISTENING)):
            await link.send(msgpack.packb(message))
            assert msgpack.unpackb(await asyncio.wait_for(link.recv(), DEADLINE_S)) == expected
        market.order("buy", 1)
        event = msgpack.unpackb(await asyncio.wait_for(link.recv(), DEADLINE_S))
        assert (event["stream"], event["data"]["event"]) == ("trade_updates", "new")


async def test_a_client_that_shows_no_keys_is_sent_away(market):
    async with served(market, auth_timeout_s=0.05) as (url, _), connect(url) as link:
        with pytest.raises(ConnectionClosed) as closed:
            await asyncio.wait_for(link.recv(), DEADLINE_S)
        assert closed.value.rcvd.reason == "auth timeout"


async def test_each_of_two_clients_hears_everything(market):
    async with served(market) as (url, _), connect(url) as one, connect(url) as two:
        for link in (one, two):
            await ask(link, AUTHENTICATE)
            await ask(link, LISTEN)
        market.limit("buy", 1, 90)
        heard = [await hear(one), await hear(two)]
        assert heard[0] == heard[1]


async def test_a_client_that_left_is_forgotten(market):
    async with served(market) as (url, stream):
        async with connect(url) as link:
            await ask(link, AUTHENTICATE)
            await ask(link, LISTEN)
        async with connect(url) as link:
            await ask(link, AUTHENTICATE)
            await ask(link, LISTEN)
            market.limit("buy", 1, 90)
            assert (await hear(link))["data"]["event"] == "new"
    assert stream.cut_off == 0
    assert market.venue._subscribers == [market.events.append]


async def test_a_client_that_does_not_read_is_cut_off_and_others_are_not(market):
    async with served(market, queue_size=4) as (url, stream), connect(url) as link:
        await ask(link, AUTHENTICATE)
        await ask(link, LISTEN)
        for _ in range(5):
            market.limit("buy", 1, 90)
        with pytest.raises(ConnectionClosed):
            await asyncio.wait_for(hear_all(link), DEADLINE_S)
        async with connect(url) as other:
            assert await ask(other, AUTHENTICATE) == AUTHORIZED
    assert stream.cut_off == 1
