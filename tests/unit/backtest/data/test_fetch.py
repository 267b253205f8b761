"""Alpaca's history on the disk: over real HTTP, through pauses and kills, each row once."""

import asyncio
import json
import threading
from collections import deque
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import numpy as np
import pyarrow.parquet as pq
import pytest

from backtest.data import Reading, load, stream
from backtest.data.fetching import Fetcher, Parts, Wanted, units_of
from backtest.data.fetching.fetcher import PATIENCE
from backtest.data.fetching.pace import Pace
from domain.errors import ConfigError, FeedError, FeedRefused
from domain.market import NewsItem, Quote, Trade
from domain.records import NS_PER_S, format_ns, parse_ns
from engine.clock import ManualClock
from exchange.config import ExchangeConfig, seeded_crypto, seeded_stock
from exchange.faults import Fault, FaultKind, FaultPlan, Where
from exchange.server import ExchangeServer
from feeds.historical import AlpacaHistory, HistoryConfig
from feeds.pages import HistoryPages, Kind

NOON = parse_ns("2024-07-10T16:00:00Z")
"""A Wednesday: 12:00 in New York."""
DAY_NS = 86_400 * NS_PER_S


class QuickClock(ManualClock):
    """Let a wait be over at once, and remember it."""

    def __init__(self, now_ns):
        super().__init__(now_ns)
        self.waits = []

    async def sleep(self, seconds):
        self.waits.append(seconds)
        self._now += round(seconds * NS_PER_S)
        await asyncio.sleep(0)


def wanted(*symbols, kinds=(Kind.BARS,), start="2024-07-09", end="2024-07-10", **more):
    return Wanted(
        symbols=symbols,
        kinds=tuple(kinds),
        start_ns=parse_ns(f"{start}T00:00:00Z"),
        end_ns=parse_ns(f"{end}T00:00:00Z") + DAY_NS,
        **{"interval_s": 60, "feed": "iex", **more},
    )


@pytest.fixture(scope="module")
def plan():
    return FaultPlan()


@pytest.fixture(scope="module")
def running(plan):
    """Run one exchange for all of these tests, in a thread of its own."""
    config = ExchangeConfig(
        symbols=(
            seeded_stock("AAPL", 228.0, prints_per_s=0.05, quotes_per_s=0.05),
            seeded_crypto("BTC/USD", 58_000.0, prints_per_s=0.02, quotes_per_s=0.02),
        ),
        seed=5,
        origin_ns=NOON,
        data_requests_per_minute=100_000,
        history_minutes=1_000,
    )
    started, ends = threading.Event(), []

    async def serve():
        async with ExchangeServer(config, faults=plan) as server:
            stop = asyncio.Event()
            ends.extend([server, asyncio.get_running_loop(), stop])
            started.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert started.wait(60)
    server, loop, stop = ends
    yield server
    loop.call_soon_threadsafe(stop.set)
    thread.join(30)


@pytest.fixture
def exchange(running, plan):
    yield running
    plan.clear()


@pytest.fixture
def clock():
    return QuickClock(NOON)


@pytest.fixture
def fetching(exchange, tmp_path, clock):
    """Open a fetcher: pages of so many rows, parts of so many pages."""

    @asynccontextmanager
    async def opened(folder=tmp_path, *, page=10_000, per_minute=1_000, pages_a_part=10):
        config = HistoryConfig(
            key=exchange.key,
            secret=exchange.secret,
            url=exchange.rest_url,
            workers=1,
            page_tries=1,
        )
        history = AlpacaHistory(config, clock)
        pages = HistoryPages(history, feed="iex", limit=page)
        try:
            yield Fetcher(
                pages, Parts(folder), clock, per_minute=per_minute, pages_a_part=pages_a_part
            )
        finally:
            await history.aclose()

    return opened


def nobody(done, of):
    """Hear nothing."""


def rows(folder, dataset, symbol):
    paths = sorted((folder / dataset / symbol).glob("*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


async def test_every_kind_is_kept_and_read_back(fetching, tmp_path, clock):
    asked = wanted("AAPL", "BTC/USD", kinds=Kind)
    async with fetching() as fetcher:
        done = await fetcher.run(units_of(asked, NOON), nobody)
    assert (done.units, done.was_there) == (12, 0)
    assert done.requests >= 12, "news comes in pages of fifty"
    folders = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.glob("*/*"))
    assert folders == [
        "bars-1m-crypto/BTC-USD",
        "bars-1m-iex-split/AAPL",
        "news/AAPL",
        "news/BTC-USD",
        "quotes-crypto/BTC-USD",
        "quotes-iex/AAPL",
        "trades-crypto/BTC-USD",
        "trades-iex/AAPL",
    ]
    series, _ = load(f"alpaca:{tmp_path}")
    assert {each.symbol for each in series} == {"AAPL", "BTC/USD"}
    assert all(len(each.ts_ns) > 200 and each.interval_s == 60 for each in series)
    assert {each.source for each in series} == {
        "Alpaca market data, bars-1m-iex-split",
        "Alpaca market data, bars-1m-crypto",
    }
    (hours,), _ = load(f"alpaca:{tmp_path}", ("BTC/USD",), how=Reading(interval_s=3_600))
    assert hours.interval_s == 3_600
    moments = list(stream(f"alpaca:{tmp_path}", ("BTC/USD",), "2024-07-10", "2024-07-10"))
    assert [moment.ts_ns for moment in moments] == sorted({moment.ts_ns for moment in moments})
    events = [event for moment in moments for event in moment.events]
    assert {Trade, Quote} <= {type(event) for event in events} <= {Trade, Quote, NewsItem}


async def test_what_is_there_is_not_asked_for_again(fetching, clock):
    units = units_of(wanted("BTC/USD", kinds=(Kind.TRADES,), end="2024-07-09"), NOON)
    async with fetching() as fetcher:
        first = await fetcher.run(units, nobody)
    async with fetching() as fetcher:
        again = await fetcher.run(units, nobody)
    assert (first.requests, first.was_there) == (1, 0)
    assert (again.requests, again.was_there) == (0, 1)


async def test_today_is_fetched_anew_for_it_has_grown(fetching, tmp_path):
    async with fetching() as fetcher:
        await fetcher.run(units_of(wanted("BTC/USD"), NOON - 3_600 * NS_PER_S), nobody)
    before = rows(tmp_path, "bars-1m-crypto", "BTC-USD")
    async with fetching() as fetcher:
        done = await fetcher.run(units_of(wanted("BTC/USD"), NOON), nobody)
    after = rows(tmp_path, "bars-1m-crypto", "BTC-USD")
    assert done.was_there == 0
    assert after[: len(before)] == before
    assert len(after) == len(before) + 60


async def test_the_bar_that_is_being_made_is_left_out(fetching, tmp_path, clock):
    """Its close would be known before it was."""
    now_ns = NOON - 90 * NS_PER_S
    clock._now = now_ns
    async with fetching() as fetcher:
        await fetcher.run(units_of(wanted("BTC/USD"), now_ns), nobody)
    last = rows(tmp_path, "bars-1m-crypto", "BTC-USD")[-1]["time"]
    assert last.value == NOON - 180 * NS_PER_S


class Cut(Exception):
    """The process died here."""


class Mortal:
    """Pass pages on, and die at one of them, as a kill would between two instructions."""

    def __init__(self, source, lives):
        self.source = source
        self.lives = lives

    async def page(self, question, token):
        if self.lives == 0:
            raise Cut
        self.lives -= 1
        return await self.source.page(question, token)


@pytest.mark.parametrize("lives", [0, 1, 3, 4])
async def test_a_fetch_that_dies_anywhere_is_gone_on_with_and_no_row_comes_twice(
    fetching, tmp_path, lives
):
    units = units_of(wanted("BTC/USD", kinds=(Kind.TRADES,)), NOON)
    small = {"page": 200, "pages_a_part": 2}
    async with fetching(tmp_path / "whole", **small) as fetcher:
        whole = await fetcher.run(units, nobody)
    async with fetching(tmp_path / "cut", **small) as fetcher:
        fetcher._source = Mortal(fetcher._source, lives)
        with pytest.raises(Cut):
            await fetcher.run(units, nobody)
        died = fetcher.done
    async with fetching(tmp_path / "cut", **small) as fetcher:
        done = await fetcher.run(units, nobody)
    found = [rows(tmp_path / folder, "trades-crypto", "BTC-USD") for folder in ("cut", "whole")]
    assert found[0] == found[1]
    assert len({row["trade_id"] for row in found[0]}) == len(found[0])
    assert died.rows + done.rows == whole.rows
    assert lives + done.requests <= whole.requests + 1, "at most one page was asked for again"


async def test_a_429_is_waited_out_to_the_letter(fetching, plan, clock, tmp_path):
    where = Where(path="/v1beta3/crypto/us/bars")
    plan.add(Fault(kind=FaultKind.REQUEST_429, where=where, seconds=7.0, times=2))
    async with fetching() as fetcher:
        done = await fetcher.run(units_of(wanted("BTC/USD"), NOON), nobody)
    assert done.limited == 2
    assert clock.waits == [7.0, 7.0]
    assert done.requests == 3
    assert len(rows(tmp_path, "bars-1m-crypto", "BTC-USD")) == done.rows > 200


async def test_failures_that_pass_are_asked_through(fetching, plan, clock):
    kinds = (FaultKind.REQUEST_500, FaultKind.REQUEST_RESET, FaultKind.REQUEST_HTML)
    where = Where(path="/v1beta3/crypto/us/bars")
    plan.add(*(Fault(kind=kind, where=where, times=1) for kind in kinds))
    async with fetching() as fetcher:
        done = await fetcher.run(units_of(wanted("BTC/USD"), NOON), nobody)
    assert done.requests == 4
    assert clock.waits == [1.0, 2.0, 4.0]


# -- answers that the exchange does not give


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        status, body = self.server.answers.popleft()
        self.server.asked.append(self.path)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """Say nothing."""


@pytest.fixture
def answering():
    servers = []

    def serve(*answers):
        server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        server.daemon_threads = True
        server.answers = deque((status, json.dumps(body).encode()) for status, body in answers)
        server.asked = []
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return server

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


async def fetch_from(server, units, folder, clock, **more):
    url = f"http://127.0.0.1:{server.server_port}"
    config = HistoryConfig(key="K", secret="S", url=url, workers=1, page_tries=1)
    history = AlpacaHistory(config, clock)
    pages = HistoryPages(history, feed="iex")
    fetcher = Fetcher(pages, Parts(folder), clock, **{"per_minute": 1_000, **more})
    try:
        return await fetcher.run(units, nobody)
    finally:
        await history.aclose()


def trade(n):
    return {"t": format_ns(NOON - DAY_NS + n), "p": 1.0, "s": 1.0, "i": n, "tks": "B"}


def page(*trades, token=None):
    return 200, {"trades": {"BTC/USD": list(trades)}, "next_page_token": token}


async def test_a_venue_that_stays_down_ends_in_one_line_and_a_later_run_goes_on(
    answering, tmp_path, clock
):
    units = units_of(wanted("BTC/USD", kinds=(Kind.TRADES,), end="2024-07-09"), NOON)
    down = [(500, {})] * PATIENCE
    server = answering(page(trade(1), token="a"), *down, page(trade(2), token="b"), page(trade(3)))
    with pytest.raises(FeedError) as told:
        await fetch_from(server, units, tmp_path, clock, pages_a_part=1)
    assert told.value.code == "HISTORY_FAILED"
    assert "goes on where it stopped" in told.value.line
    assert sum(clock.waits) == 2**PATIENCE - 1
    done = await fetch_from(server, units, tmp_path, clock, pages_a_part=1)
    assert (done.resumed, done.was_there, done.rows) == (1, 0, 2)
    assert [row["trade_id"] for row in rows(tmp_path, "trades-crypto", "BTC-USD")] == [1, 2, 3]


async def test_a_day_that_was_cut_is_gone_on_with_though_it_has_grown(answering, tmp_path, clock):
    asked = wanted("BTC/USD", kinds=(Kind.TRADES,), start="2024-07-10")
    server = answering(page(trade(1), token="old"), (401, {}), page(trade(2)))
    with pytest.raises(FeedRefused):
        await fetch_from(server, units_of(asked, NOON), tmp_path, clock, pages_a_part=1)
    later = units_of(asked, NOON + 60 * NS_PER_S)
    done = await fetch_from(server, later, tmp_path, clock, pages_a_part=1)
    assert (done.resumed, done.rows) == (1, 1)
    assert "page_token=old" in server.asked[2]
    assert [row["trade_id"] for row in rows(tmp_path, "trades-crypto", "BTC-USD")] == [1, 2]


async def test_a_token_that_the_venue_forgot_starts_its_unit_anew(answering, tmp_path, clock):
    units = units_of(wanted("BTC/USD", kinds=(Kind.TRADES,), end="2024-07-09"), NOON)
    refusal = 400, {"message": "invalid page_token"}
    server = answering(page(trade(1), token="old"), (401, {}), refusal, page(trade(1), trade(2)))
    with pytest.raises(FeedRefused):
        await fetch_from(server, units, tmp_path, clock, pages_a_part=1)
    done = await fetch_from(server, units, tmp_path, clock, pages_a_part=1)
    assert done.resumed == 1
    assert [row["trade_id"] for row in rows(tmp_path, "trades-crypto", "BTC-USD")] == [1, 2]
    assert [("page_token=old" in path) for path in server.asked] == [False, True, True, False]


async def test_a_question_that_the_venue_refuses_is_asked_once(answering, tmp_path, clock):
    units = units_of(wanted("ZZZZ"), NOON)
    server = answering((400, {"message": "invalid symbol: ZZZZ"}))
    with pytest.raises(FeedError) as told:
        await fetch_from(server, units, tmp_path, clock)
    assert told.value.code == "HISTORY_QUESTION_REFUSED"
    assert "invalid symbol: ZZZZ" in told.value.line
    assert len(server.asked) == 1


async def test_a_stocks_question_names_feed_and_adjustment(answering, tmp_path, clock):
    day = wanted("AAPL", interval_s=86_400, adjustment="all", start="2024-01-01", end="2024-01-02")
    server = answering((200, {"bars": {}, "next_page_token": None}))
    await fetch_from(server, units_of(day, NOON), tmp_path, clock)
    (asked,) = server.asked
    assert asked.startswith("/v2/stocks/bars?symbols=AAPL&")
    for field in ("feed=iex", "adjustment=all", "timeframe=1Day", "limit=10000", "sort=asc"):
        assert field in asked
    assert "start=2024-01-01T05%3A00%3A00.000000000Z" in asked, "New York's year"


async def test_an_article_is_known_when_it_was_last_changed(answering, tmp_path, clock):
    """The venue keeps the last version alone: dated by its first, it would tell the future."""
    article = {"id": 1, "headline": "h", "summary": "s", "source": "x", "symbols": ["AAPL"]}
    times = {"created_at": "2024-07-09T12:00:00Z", "updated_at": "2024-07-09T15:30:00Z"}
    server = answering((200, {"news": [{**article, **times}], "next_page_token": None}))
    units = units_of(wanted("AAPL", kinds=(Kind.NEWS,)), NOON)
    await fetch_from(server, units, tmp_path, clock)
    (moment,) = stream(f"alpaca:{tmp_path}")
    assert moment.ts_ns == parse_ns(times["updated_at"])
    assert [item.headline for item in moment.events] == ["h"]


# -- what is to be fetched


def test_a_stocks_ticks_are_asked_for_on_sessions_alone():
    """July 4th was a Thursday, the 6th and 7th a weekend; a coin trades on all of them."""
    span = {"kinds": (Kind.TRADES,), "start": "2024-07-03", "end": "2024-07-08"}
    stock = [unit.name for unit in units_of(wanted("AAPL", **span), NOON)]
    coin = [unit.name for unit in units_of(wanted("BTC/USD", **span), NOON)]
    assert stock == ["2024-07-03", "2024-07-05", "2024-07-08"]
    assert len(coin) == 6


def test_units_leave_no_time_out_and_overlap_nowhere():
    for kinds, interval_s in (((Kind.BARS,), 60), ((Kind.BARS,), 86_400), ((Kind.QUOTES,), 60)):
        asked = wanted("BTC/USD", kinds=kinds, interval_s=interval_s, start="2023-11-15")
        units = units_of(asked, NOON)
        edges = [(unit.question.start_ns, unit.question.end_ns) for unit in units]
        assert edges[0][0] <= asked.start_ns
        assert edges[-1][1] == NOON
        assert all(one[1] == other[0] for one, other in pairwise(edges))


def test_the_last_minutes_of_sip_are_left_for_later():
    (unit,) = units_of(wanted("AAPL", start="2024-07-10", feed="sip"), NOON)
    assert NOON - unit.question.end_ns == 16 * 60 * NS_PER_S


@pytest.mark.parametrize("symbol", ["../etc", "aapl", "", "A B", "BTC/", "AAPL/../.."])
def test_what_is_no_symbol_names_no_folder(symbol):
    with pytest.raises(ConfigError) as told:
        units_of(wanted(symbol), NOON)
    assert told.value.code == "SYMBOL_INVALID"


def test_a_period_in_which_nothing_trades_is_refused():
    for asked in (
        wanted("AAPL", start="2030-01-01", end="2030-01-02"),
        wanted("AAPL", kinds=(Kind.TRADES,), start="2024-07-06", end="2024-07-07"),
    ):
        with pytest.raises(ConfigError) as told:
            units_of(asked, NOON)
        assert told.value.code == "PERIOD_EMPTY"


async def test_no_minute_holds_more_requests_than_allowed(clock):
    pace, sent = Pace(5, clock), []
    for n in range(23):
        await pace.turn()
        sent.append(clock.now_ns())
        clock._now += (n % 4) * NS_PER_S
    times = np.array(sent)
    within = [int(((times >= ts) & (times < ts + 60 * NS_PER_S)).sum()) for ts in sent]
    assert max(within) == 5
    assert pace.waited_s == pytest.approx(sum(clock.waits))


def test_two_fetches_do_not_write_into_one_folder(tmp_path):
    with Parts(tmp_path).locked(), pytest.raises(ConfigError) as told, Parts(tmp_path).locked():
        pass
    assert told.value.code == "FETCH_RUNNING"


async def test_a_damaged_part_is_fetched_anew_and_refused_by_a_reader(fetching, tmp_path):
    units = units_of(wanted("BTC/USD", end="2024-07-09"), NOON)
    async with fetching() as fetcher:
        await fetcher.run(units, nobody)
    (path,) = Parts(tmp_path).paths(units[0])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ConfigError) as told:
        load(f"alpaca:{tmp_path}")
    assert told.value.code == "CACHE_DAMAGED"
    assert path.name in told.value.line
    async with fetching() as fetcher:
        done = await fetcher.run(units, nobody)
    assert (done.was_there, done.requests) == (0, 1)


async def test_ticks_whose_pages_are_damaged_are_refused_by_their_part(
    answering, tmp_path, clock, refused
):
    """The footer may be whole where the middle is not."""
    units = units_of(wanted("BTC/USD", kinds=(Kind.TRADES,), end="2024-07-09"), NOON)
    await fetch_from(answering(page(*map(trade, range(500)))), units, tmp_path, clock)
    (path,) = Parts(tmp_path).paths(units[0])
    content = bytearray(path.read_bytes())
    content[8:400] = bytes(392)
    path.write_bytes(content)
    error = refused(f"alpaca:{tmp_path}")
    assert error.code == "CACHE_DAMAGED"
    assert path.name in error.line


def test_a_folder_without_history_says_how_to_fetch_some(tmp_path, refused):
    assert "autohedge fetch" in refused(f"alpaca:{tmp_path}").line
    assert refused(f"alpaca:{tmp_path / 'none'}").code == "CACHE_EMPTY"
