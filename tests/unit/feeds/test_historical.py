"""History over REST: the local exchange's answers typed, and every failure named."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from domain.errors import FeedError, FeedLimited, FeedRefused
from domain.market import AssetClass, Bar, SessionPhase
from domain.records import parse_ns
from engine.clock import ManualClock, ScaledClock
from exchange.config import ExchangeConfig, seeded_crypto, seeded_stock
from exchange.server import ExchangeServer
from exchange.streams.endpoints import StreamLimits
from feeds.alpaca.wire import stamp_ns
from feeds.backfill import GapFiller, Lack
from feeds.historical import AlpacaHistory, HistoryConfig, Span

S = 1_000_000_000
MINUTE = 60 * S
SECRET = "do-not-print-me"


@pytest.fixture
async def exchange():
    config = ExchangeConfig(
        symbols=(
            seeded_stock("AAPL", 228.0),
            seeded_stock("MSFT", 420.0, prints_per_s=0.05),
            seeded_crypto("BTC/USD", 86_000.0),
        ),
        seed=3,
        speed=1.0,
        limits=StreamLimits(symbols=None),
        data_requests_per_minute=10_000,
        history_minutes=1_500,
    )
    async with ExchangeServer(config) as server:
        yield server


@pytest.fixture
def clock(exchange):
    return ScaledClock(exchange.venue.clock.now_ns, speed=1.0)


@pytest.fixture
async def history(exchange, clock):
    config = HistoryConfig(key=exchange.key, secret=exchange.secret, url=exchange.rest_url)
    history = AlpacaHistory(config, clock)
    yield history
    await history.aclose()


@pytest.mark.parametrize("symbols", [("AAPL", "MSFT"), ("BTC/USD",)])
async def test_bars_come_by_symbol_oldest_first_in_our_records(history, clock, symbols):
    found = await history.bars(symbols, 1, Span(start_ns=clock.now_ns() - 30 * MINUTE))
    assert set(found) == set(symbols)
    for symbol, bars in found.items():
        assert all(isinstance(bar, Bar) and bar.symbol == symbol for bar in bars)
        starts = [bar.ts_event for bar in bars]
        assert starts == sorted(starts)
        assert 20 <= len(bars) <= 31
        assert all(start % MINUTE == 0 for start in starts)


async def test_the_newest_are_asked_for_and_still_come_oldest_first(history, clock):
    span = Span(start_ns=clock.now_ns() - 1_000 * MINUTE, limit=100, is_newest_first=True)
    bars = (await history.bars(["AAPL"], 1, span))["AAPL"]
    assert len(bars) == 100
    assert bars[0].ts_event < bars[-1].ts_event
    assert clock.now_ns() - bars[-1].ts_event < 3 * MINUTE


@pytest.mark.parametrize(("minutes", "step"), [(5, 300), (30, 1_800), (60, 3_600)])
async def test_bars_of_other_lengths_have_their_interval(history, clock, minutes, step):
    span = Span(start_ns=clock.now_ns() - 10 * step * S)
    bars = (await history.bars(["BTC/USD"], minutes, span))["BTC/USD"]
    assert {bar.interval_s for bar in bars} == {step}
    assert all(bar.ts_event % (step * S) == 0 for bar in bars)


@pytest.mark.parametrize("symbol", ["AAPL", "BTC/USD"])
async def test_prints_and_quotes_are_those_of_the_stream(history, clock, symbol):
    since = clock.now_ns() - 3 * MINUTE
    trades = (await history.trades([symbol], Span(start_ns=since)))[symbol]
    assert len(trades) > 10
    assert all(since - S < stamp_ns(m.t) <= clock.now_ns() for m in trades)
    assert [stamp_ns(m.t) for m in trades] == sorted(stamp_ns(m.t) for m in trades)
    quote = await history.latest_quote(symbol)
    assert 0 < quote.bid <= quote.ask
    assert quote.ts_recv >= quote.ts_event
    assert set(await history.latest_quotes([symbol])) == {symbol}


async def test_crypto_has_its_past_quotes(history, clock):
    span = Span(start_ns=clock.now_ns() - MINUTE, limit=50)
    quotes = (await history.crypto_quotes(["BTC/USD"], span))["BTC/USD"]
    assert 10 < len(quotes) <= 50


async def test_news_is_dated_and_names_its_symbols(history, clock):
    span = Span(start_ns=clock.now_ns() - 1_500 * MINUTE, limit=50, is_newest_first=True)
    items = await history.news(["AAPL", "BTC/USD"], span)
    assert items
    assert [item.ts_event for item in items] == sorted(item.ts_event for item in items)
    assert {symbol for item in items for symbol in item.symbols} <= {"AAPL", "BTCUSD"}


async def test_a_symbol_that_nobody_quotes_has_no_quote(answering):
    history = asking(answering(body=b'{"quotes": {}}'))
    assert await history.latest_quote("ZZZZ") is None
    await history.aclose()


# -- what the venue may answer instead


class Answers(BaseHTTPRequestHandler):
    """Give every question the same answer."""

    status, body, delay, lost = 200, b"{}", None, ()

    def do_GET(self):
        self.server.asked.append(self.path)
        if self.delay is not None:
            self.delay.wait(10)
        self.send_response(503 if len(self.server.asked) in self.lost else self.status)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *args):
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A server whose clients may leave early."""

    daemon_threads = True

    def handle_error(self, *args):
        """Say nothing."""


@pytest.fixture
def answering():
    """Serve one answer to everything, over a real socket."""
    servers = []

    def serve(status=200, body=b"{}", delay=None, lost=()):
        fields = {"status": status, "body": body, "delay": delay, "lost": lost}
        server = Server(("127.0.0.1", 0), type("Given", (Answers,), fields))
        server.asked = []
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def asking(server, **changes):
    url = f"http://127.0.0.1:{server.server_port}"
    config = HistoryConfig(key="K", secret=SECRET, url=url, **changes)
    return AlpacaHistory(config, ManualClock())


SIP = b'{"code":42210000,"message":"subscription does not permit querying recent SIP data"}'


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (401, b'{"message":"unauthorized."}', (FeedRefused, "HISTORY_REFUSED")),
        (403, b'{"message":"forbidden."}', (FeedRefused, "HISTORY_REFUSED")),
        (403, SIP, (FeedRefused, "HISTORY_NOT_IN_PLAN")),
        (429, b"too many requests", (FeedLimited, "HISTORY_LIMITED")),
        (500, b"<html>oops</html>", (FeedError, "HISTORY_FAILED")),
        (504, b"", (FeedError, "HISTORY_FAILED")),
        (200, b"<html>hello</html>", (FeedError, "HISTORY_UNREACHABLE")),
        (200, b'{"surprise": 1}', (FeedError, "HISTORY_MALFORMED")),
        (200, b'{"trades": null, "next_page_token": null}', (FeedError, "HISTORY_MALFORMED")),
    ],
)
async def test_each_failure_has_its_code_and_is_asked_no_longer(answering, status, body, told):
    """alpaca-py would ask four times and sleep nine seconds for a 429 or a 504.

    What the venue means is asked once; what it fails at, three times within a second.
    """
    server = answering(status, body)
    history = asking(server)
    kind, code = told
    with pytest.raises(FeedError) as failed:
        await history.trades(["AAPL"], Span(start_ns=S))
    assert type(failed.value) is kind
    assert failed.value.code == code
    assert (failed.value.remedy != "") == (kind is FeedRefused)
    assert "\n" not in failed.value.line
    assert len(server.asked) == (3 if status in {500, 504} else 1)
    await history.aclose()


async def test_a_page_that_is_lost_costs_only_itself(answering):
    """One answer of twenty lost began the whole back-fill anew: at the soak's speed it never ended.

    Pages two and four fail once each; nothing before them is asked for again.
    """
    row = {"t": "2026-03-02T15:04:05.5Z", "x": "V", "p": 1.5, "s": 2, "i": 3, "c": ["@"], "z": "C"}
    page = {"trades": {"AAPL": [row]}, "next_page_token": "more"}
    server = answering(body=json.dumps(page).encode(), lost=(2, 4))
    history = asking(server)
    found = await history.trades(["AAPL"], Span(start_ns=S, limit=6))
    assert (len(found["AAPL"]), len(server.asked)) == (6, 8)
    await history.aclose()


async def test_a_server_that_never_answers_is_left_in_time(answering):
    silence = threading.Event()
    server = answering(delay=silence)
    history = asking(server, read_timeout_s=0.2)
    with pytest.raises(FeedError) as failed:
        await asyncio.wait_for(history.trades(["AAPL"], Span(start_ns=S)), 60)
    assert failed.value.code == "HISTORY_UNREACHABLE"
    assert len(server.asked) == 1, "silence is waited for once"
    silence.set()
    await history.aclose()


async def test_an_answer_of_endless_pages_is_left_in_time(answering):
    page = {"trades": {"AAPL": []}, "next_page_token": "more"}
    server = answering(body=json.dumps(page).encode())
    history = asking(server, deadline_s=0.3, workers=1)
    with pytest.raises(FeedError) as failed:
        await asyncio.wait_for(history.trades(["AAPL"], Span(start_ns=S)), 60)
    assert failed.value.code == "HISTORY_SILENT"
    await history.aclose()
    await asyncio.sleep(0.1)
    n_asked = len(server.asked)
    await asyncio.sleep(0.1)
    assert len(server.asked) == n_asked


async def test_rows_that_are_no_prints_cost_only_themselves(answering):
    good = {"t": "2026-03-02T15:04:05.5Z", "x": "V", "p": 1.5, "s": 2, "i": 3, "c": ["@"], "z": "C"}
    rows = [good, {**good, "p": "1.5"}, {**good, "t": "soon"}, 17, None, {**good, "i": 4}]
    body = json.dumps({"trades": {"AAPL": rows}, "next_page_token": None}).encode()
    history = asking(answering(body=body))
    found = await history.trades(["AAPL"], Span(start_ns=S))
    assert [m.trade_id for m in found["AAPL"]] == [3, 4]
    assert stamp_ns(found["AAPL"][0].t) == parse_ns(good["t"])
    assert history.rejects == {"message_malformed": 2}
    await history.aclose()


def test_a_configuration_prints_no_secret():
    assert SECRET not in repr(HistoryConfig(key="K", secret=SECRET))


# -- what a store lacks


def interval_starts(backfill, step):
    return {stamp_ns(m.t) // step for m in backfill.trades}


@pytest.mark.parametrize("symbol", ["AAPL", "BTC/USD"])
@pytest.mark.parametrize("interval_s", [60, 120, 300])
async def test_a_start_brings_bars_enough_and_the_running_minute(
    history, clock, symbol, interval_s
):
    lack = Lack(interval_s, n_bars=100)
    (found,) = await GapFiller(history, lack, clock=clock).fetch([symbol], None)
    bars = found.minute_bars if interval_s == 60 else found.whole_bars
    assert len(bars) == 100
    assert {bar.interval_s for bar in bars} == {interval_s}
    assert bars[-1].ts_event + interval_s * S <= clock.now_ns()
    assert found.since_ns % MINUTE == 0
    assert found.quote is not None


@pytest.mark.parametrize("symbol", ["AAPL", "BTC/USD"])
@pytest.mark.parametrize("interval_s", [1, 7])
async def test_below_a_minute_prints_make_bars_enough(history, clock, symbol, interval_s):
    lack = Lack(interval_s, n_bars=60)
    (found,) = await GapFiller(history, lack, clock=clock).fetch([symbol], None)
    step = interval_s * S
    assert not found.minute_bars
    assert found.since_ns % step == 0
    assert all(stamp_ns(m.t) >= found.since_ns for m in found.trades)
    if symbol == "AAPL":
        assert len(interval_starts(found, step)) >= 60
    else:
        assert clock.now_ns() - found.since_ns >= 60 * step
        assert found.quotes


async def test_a_slow_symbol_is_asked_for_more_prints_until_they_suffice(history, clock):
    lack = Lack(1, n_bars=120)
    (found,) = await GapFiller(history, lack, clock=clock).fetch(["MSFT"], None)
    assert len(interval_starts(found, S)) >= 60


@pytest.mark.parametrize("interval_s", [60, 5])
async def test_a_gap_brings_what_lies_behind_the_cut_too(history, clock, interval_s):
    """The bar before the cut may have been updated, and prints may be reported late."""
    cut_ns = clock.now_ns() - 3 * MINUTE
    filler = GapFiller(history, Lack(interval_s), clock=clock)
    found = {each.symbol: each for each in await filler.fetch(["AAPL", "MSFT"], cut_ns)}
    assert set(found) == {"AAPL", "MSFT"}
    backfill = found["AAPL"]
    assert backfill.since_ns <= cut_ns - 10 * S
    if interval_s == 60:
        starts = [bar.ts_event for bar in backfill.minute_bars]
        assert starts[0] <= cut_ns - MINUTE
        assert starts[-1] + MINUTE <= clock.now_ns()


async def test_a_gap_longer_than_the_history_is_a_new_start(history, clock):
    lack = Lack(60, n_bars=30)
    filler = GapFiller(history, lack, clock=clock)
    (found,) = await filler.fetch(["AAPL"], clock.now_ns() - 100 * MINUTE)
    assert len(found.minute_bars) == 30


async def test_bars_outside_trading_hours_are_left_out(history, clock):
    opens = clock.now_ns() - clock.now_ns() % MINUTE - 20 * MINUTE

    class Short:
        def phase(self, asset_class, ts_ns):
            assert asset_class is AssetClass.STOCK
            return SessionPhase.OPEN if ts_ns >= opens else SessionPhase.CLOSED

    filler = GapFiller(history, Lack(60, n_bars=100), clock=clock, calendar=Short())
    (found,) = await filler.fetch(["AAPL"], None)
    assert 15 <= len(found.minute_bars) <= 21
    assert all(bar.ts_event >= opens for bar in found.minute_bars)
