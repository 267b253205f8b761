"""One server: matching meets the market, ports and files fail in words, a long run stays right."""

import asyncio
import contextlib
import socket

import httpx
import pytest

from domain.errors import ConfigError
from exchange.config import (
    ExchangeConfig,
    TapeFile,
    bars_symbol,
    demo_config,
    seeded_crypto,
    seeded_stock,
    shipped_tape,
    tape_symbols,
)
from exchange.matching.listing import us_equity
from exchange.server import ExchangeServer, _bind
from exchange.tapes import ES_TAPE

ORIGIN_NS = 1_790_000_000_000_000_000
KEYS = {"APCA-API-KEY-ID": "LOCALKEY", "APCA-API-SECRET-KEY": "local-secret"}


def config(*symbols, **options):
    listed = symbols or (seeded_stock("AAPL", 190.0), seeded_crypto("BTC/USD", 60_000.0))
    return ExchangeConfig(
        symbols=listed, **{"origin_ns": ORIGIN_NS, "history_minutes": 30, **options}
    )


@contextlib.asynccontextmanager
async def asking(of):
    """A running exchange and a client of it."""
    async with (
        ExchangeServer(of) as server,
        httpx.AsyncClient(base_url=server.rest_url, headers=KEYS, timeout=60) as http,
    ):
        yield server, http


async def order(http, **fields):
    body = {"symbol": "AAPL", "side": "buy", "type": "market", "time_in_force": "day", "qty": "1"}
    answer = await http.post("/v2/orders", json={**body, **fields})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_orders_fill_at_the_quotes_that_the_market_plays():
    async with asking(config()) as (server, http):
        await order(http)
        quote = server.venue.quote("AAPL")
        (position,) = (await http.get("/v2/positions")).json()
    assert position["symbol"] == "AAPL"
    assert float(position["avg_entry_price"]) == pytest.approx(quote.ask, rel=0.002)


async def test_a_resting_limit_order_fills_once_the_market_comes_to_it():
    """Entered before the market moves, so that one seed has one story; ten minutes a second."""
    server = ExchangeServer(config(speed=600.0))
    events = []
    server.venue.subscribe_orders(events.append)
    price = round(server.venue.quote("AAPL").bid - 0.05, 2)
    body = {"symbol": "AAPL", "side": "buy", "type": "limit", "time_in_force": "gtc", "qty": "1"}
    server.venue.submit({**body, "limit_price": str(price)})
    assert [e["event"] for e in events] == ["new"]
    async with server, asyncio.timeout(60):
        while "fill" not in [e["event"] for e in events]:  # noqa: ASYNC110 -- polled
            await asyncio.sleep(0.01)
    fill = events[-1]
    assert float(fill["price"]) <= price


async def test_the_venue_can_trade_before_its_first_tick():
    server = ExchangeServer(config())
    assert server.venue.quote("AAPL").ask > server.venue.quote("AAPL").bid > 0
    assert server.venue.trade("BTC/USD").price > 0


async def test_the_end_of_a_tape_halts_matching_and_the_next_session_resumes_it():
    server = ExchangeServer(config(shipped_tape(start_minutes=389), speed=1.0))
    (source,) = server.board._sources.values()
    switch_ns = source.switch_ns
    seen = []
    now = ORIGIN_NS
    while now < switch_ns + 2_000_000_000:
        now += 1_000_000_000
        for message in server.board.advance(now):
            server._player._match(message)
        seen.append(server.venue.is_halted("ES"))
    changes = [
        after for before, after in zip([False, *seen], seen, strict=False) if before != after
    ]
    assert changes == [True, False]


async def test_the_clock_and_the_frames_tell_the_venues_time():
    async with asking(config(speed=60.0)) as (_server, http):
        told = (await http.get("/v2/clock")).json()["timestamp"]
        latest = (await http.get("/v2/stocks/quotes/latest?symbols=AAPL")).json()
    assert told.startswith("2026-09-21T10:")
    assert latest["quotes"]["AAPL"]["t"] > "2026-09-21T14:13:20Z"


async def test_a_market_too_fast_for_the_machine_lags_and_does_not_freeze():
    async with asking(config(speed=1e6)) as (_server, http):
        for _ in range(3):
            assert (await http.get("/v2/clock")).status_code == 200


async def test_the_demo_plays_real_ticks_beside_seeded_markets_and_says_which_is_which():
    demo = demo_config()
    labels = {symbol.symbol: symbol.label for symbol in demo.symbols}
    assert "real ticks" in labels.pop("ES")
    assert all("seeded market, no real prices" in label for label in labels.values())
    assert {"/" in symbol for symbol in labels} == {True, False}
    async with asking(demo) as (_server, http):
        assets = {a["symbol"]: a["name"] for a in (await http.get("/v2/assets")).json()}
        assert "real ticks" in assets["ES"]
        assert (await http.get("/v2/clock")).json()["is_open"] is True


def test_the_secret_never_prints():
    assert "local-secret" not in repr(config())


async def test_a_taken_port_is_named():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for name, options in (("REST", {"rest_port": port}), ("stream", {"stream_port": port})):
            with pytest.raises(ConfigError, match=f"{name} port {port}") as error:
                async with ExchangeServer(config(**options)):
                    pass
            assert "another port" in error.value.remedy


def test_answers_do_not_wait_for_an_acknowledgement():
    """A socket that named no protocol got no TCP_NODELAY: each answer came 40 ms late."""
    with contextlib.closing(_bind("127.0.0.1", 0, "REST")) as bound:
        assert bound.proto == socket.IPPROTO_TCP


async def test_ports_are_free_again_after_the_end():
    async with ExchangeServer(config()) as server:
        rest, stream = (int(url.rpartition(":")[2]) for url in (server.rest_url, server.stream_url))
    async with ExchangeServer(config(rest_port=rest, stream_port=stream)) as again:
        assert again.rest_url.endswith(str(rest))


async def test_an_exchange_can_be_served_from_one_task_and_closed_from_another():
    """As fixtures do it."""
    server = ExchangeServer(config())
    await asyncio.create_task(server.__aenter__())
    await asyncio.create_task(server.__aexit__(None, None, None))
    await server.wait()


def test_an_exchange_lists_each_symbol_once():
    with pytest.raises(ConfigError, match="each symbol once"):
        config(seeded_stock("AAPL", 1.0), seeded_stock("AAPL", 2.0))


def test_every_symbol_of_a_tape_is_listed_under_its_source():
    (listed,) = tape_symbols(ES_TAPE)
    assert listed.symbol == "ES"
    assert "mlfinpy" in listed.label


async def test_bars_of_a_file_trade_as_a_symbol(tmp_path):
    rows = [
        f"2024-01-02T14:{m:02}:00Z,{100 + m},{101 + m},{99 + m},{100.5 + m},1200" for m in range(60)
    ]
    path = tmp_path / "b.csv"
    path.write_text("\n".join(["t,o,h,l,c,v", *rows]))
    listed = bars_symbol(path, "TSLA")
    assert "synthesised" in listed.label
    async with asking(config(listed, speed=60.0)) as (_server, http):
        past = await http.get("/v2/stocks/bars?symbols=TSLA&timeframe=1Min&start=2026-09-21")
        closes = [bar["c"] for bar in past.json()["bars"]["TSLA"]]
    assert len(closes) >= 29
    assert closes[:29] == sorted(closes[:29])


def test_a_cut_tape_is_complained_about_in_one_line(tmp_path):
    path = tmp_path / "cut.tape.zst"
    path.write_bytes(ES_TAPE.read_bytes()[:200_000])
    listed = shipped_tape()
    listing, source = listed.listing, TapeFile(path=path)
    server = ExchangeServer(config(type(listed)(listing=listing, source=source)))
    (complaint,) = server.complaints
    assert "cut.tape.zst is cut at line" in complaint
    missing = type(listed)(listing=us_equity("MSFT"), source=source)
    with pytest.raises(ConfigError, match="no trades of MSFT"):
        ExchangeServer(config(missing))
