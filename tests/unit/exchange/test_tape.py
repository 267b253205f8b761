"""Tapes and bars: what is recorded plays again, now, and what is broken is named."""

import json

import pytest
import zstandard

from domain.errors import ConfigError
from exchange.market.hours import Hours
from exchange.market.minute import NS_PER_MINUTE, NS_PER_S
from exchange.market.played.bars import load_bars
from exchange.market.played.source import START_BARS, PlayedSource
from exchange.market.played.tapes import load_tape
from exchange.market.records import Article, Cancellation, Halt, Print, TopOfBook
from exchange.market.stamps import to_rfc3339
from exchange.matching.sessions import AlwaysOpen
from exchange.tapes import ES_SYMBOL, ES_TAPE

RECORDED_NS = 1_500_000_000 * NS_PER_S
ORIGIN_NS = 1_790_000_000 * NS_PER_S
FOREVER = 1 << 62
HEADER = {"tape": 1, "source": "test", "licence": "none", "origin_ns": RECORDED_NS}


def trade(second, price=100.0, *, symbol="AAPL", **fields):
    at = to_rfc3339(RECORDED_NS + int(second * NS_PER_S))
    told = {"T": "t", "S": symbol, "i": int(second * 10) + 1, "x": "V", "p": price, "s": 100}
    return {**told, "c": ["@"], "z": "C", "t": at, **fields}


def line(second, *messages, channel="stocks"):
    return {"r": RECORDED_NS + int(second * NS_PER_S), "c": channel, "f": list(messages)}


def write(path, lines, header=HEADER):
    raw = b"".join(json.dumps(entry).encode() + b"\n" for entry in [header, *lines])
    path.write_bytes(zstandard.compress(raw))
    return path


def played(recording, **options):
    hours = Hours(is_crypto="/" in recording.symbol, sessions=AlwaysOpen())
    return PlayedSource(recording, hours=hours, origin_ns=ORIGIN_NS, **options)


def messages(source, lo_ns, hi_ns):
    minutes = range(lo_ns // NS_PER_MINUTE - 1, hi_ns // NS_PER_MINUTE + 1)
    found = [m for minute in minutes for m in source.minute(minute).messages(lo_ns, hi_ns)]
    return sorted(found, key=lambda m: m.published_ns)


@pytest.fixture(scope="module")
def es():
    return load_tape(ES_TAPE)


def test_the_shipped_tape_says_what_it_is_and_is_small(es):
    assert "real ticks" in es.header.source
    assert "mlfinpy" in es.header.source
    assert es.header.licence.startswith("MIT")
    assert es.complaint == ""
    assert ES_TAPE.stat().st_size < 1_000_000


def test_the_shipped_tape_holds_real_prices_on_the_quarter(es):
    rows = es.recordings[ES_SYMBOL].prints.rows
    assert len(rows) == 169_686
    assert ((rows["price"] * 4) % 1 == 0).all()
    assert (rows["price"].min(), rows["price"].max()) == (1642.25, 1650.0)


def test_the_shipped_tape_has_a_past_of_250_bars_and_two_hours_to_play(es):
    source = played(es.recordings[ES_SYMBOL])
    minutes = range(source.first_minute, ORIGIN_NS // NS_PER_MINUTE)
    bars = [bar for m in minutes if (bar := source.minute(m).candle(ORIGIN_NS))]
    assert len(bars) >= 250
    assert source.switch_ns - ORIGIN_NS > 2 * 60 * NS_PER_MINUTE


def test_frames_play_at_their_distance_from_the_start_point_stamped_anew(tmp_path):
    tape = write(tmp_path / "t", [line(s + 0.02, trade(s, 100 + s)) for s in range(10)])
    source = played(load_tape(tape).recordings["AAPL"], start_minutes=4 / 60)
    prints = [
        m for m in messages(source, ORIGIN_NS, ORIGIN_NS + NS_PER_MINUTE) if isinstance(m, Print)
    ]
    assert [p.price for p in prints] == [104, 105, 106, 107, 108, 109]
    assert [p.ts_event - ORIGIN_NS for p in prints] == [n * NS_PER_S for n in range(6)]
    assert {round((p.published_ns - p.ts_event) / 1e6) for p in prints} == {20}


def test_a_tape_without_quotes_gets_labelled_ones_a_tick_wide_around_each_print(tmp_path):
    """After a rise the print is at the offer, after a fall at the bid."""
    prices = (100.0, 100.25, 101.0, 101.0, 100.75, 100.75)
    tape = write(tmp_path / "t", [line(s, trade(s, p)) for s, p in enumerate(prices)])
    source = played(load_tape(tape).recordings["AAPL"], start_minutes=0)
    told = messages(source, ORIGIN_NS, ORIGIN_NS + NS_PER_MINUTE)
    quotes = [m for m in told if isinstance(m, TopOfBook)]
    assert [(q.bid, q.ask) for q in quotes] == [
        (99.75, 100.0),
        (100.0, 100.25),
        (100.75, 101.0),
        (100.75, 101.0),
        (100.75, 101.0),
        (100.75, 101.0),
    ]
    assert {(q.bid_exchange, q.ask_exchange) for q in quotes} == {("SYN", "SYN")}


def test_synthetic_quotes_of_shares_are_at_least_a_cent_wide(tmp_path):
    tape = write(tmp_path / "t", [line(s, trade(s, p)) for s, p in enumerate((10.0, 10.001))])
    rows = load_tape(tape).recordings["AAPL"].quotes.rows
    assert (rows["ask"] - rows["bid"]).round(9).tolist() == [0.01, 0.01]


def test_recorded_quotes_play_as_they_were(tmp_path):
    at = to_rfc3339(RECORDED_NS)
    quote = {"T": "q", "S": "AAPL", "bx": "K", "bp": 99.5, "bs": 3, "ax": "Q", "ap": 99.6, "as": 4}
    lines = [line(0, {**quote, "c": ["R"], "z": "C", "t": at}, trade(0)), line(1, trade(1))]
    source = played(load_tape(write(tmp_path / "t", lines)).recordings["AAPL"], start_minutes=0)
    first = source.minute(ORIGIN_NS // NS_PER_MINUTE).messages(0, FOREVER)[0]
    assert (first.bid, first.bid_size, first.ask, first.ask_size) == (99.5, 3, 99.6, 4)
    assert (first.bid_exchange, first.ask_exchange, first.conditions) == ("K", "Q", ("R",))


def test_crypto_halts_cancels_and_news_play_too(tmp_path):
    at = to_rfc3339(RECORDED_NS + 2 * NS_PER_S)
    halt = {
        "T": "s",
        "S": "AAPL",
        "sc": "H",
        "sm": "Halt",
        "rc": "T12",
        "rm": "",
        "z": "C",
        "t": at,
    }
    cancel = {
        "T": "x",
        "S": "AAPL",
        "i": 1,
        "x": "V",
        "p": 100,
        "s": 100,
        "a": "C",
        "z": "C",
        "t": at,
    }
    news = {
        "T": "n",
        "id": 5,
        "headline": "h",
        "summary": "",
        "author": "a",
        "url": "",
        "content": "",
        "created_at": at,
        "updated_at": at,
        "symbols": ["BTCUSD"],
        "source": "s",
    }
    coin = {"T": "t", "S": "BTC/USD", "i": 1, "p": 60_000, "s": 0.01, "tks": "S", "t": at}
    lines = [
        line(0, trade(0)),
        line(2, halt, cancel),
        line(3, coin, channel="crypto"),
        line(4, news, channel="news"),
        line(4, {"stream": "trade_updates"}, channel="orders"),
        line(9, trade(9)),
    ]
    tape = load_tape(write(tmp_path / "t", lines))
    share = played(tape.recordings["AAPL"], start_minutes=0)
    kinds = {type(m) for m in messages(share, ORIGIN_NS, ORIGIN_NS + 5 * NS_PER_S)}
    assert kinds == {Print, TopOfBook, Halt, Cancellation}
    pair = played(tape.recordings["BTC/USD"], start_minutes=0)
    assert [p.taker for p in pair.minute(ORIGIN_NS // NS_PER_MINUTE).known_prints(FOREVER)] == ["S"]
    assert any(isinstance(m, Article) for m in messages(pair, ORIGIN_NS, ORIGIN_NS + NS_PER_MINUTE))


def test_a_cancel_in_the_next_minute_takes_the_print_out_of_its_own_bar(tmp_path):
    into = NS_PER_MINUTE - ORIGIN_NS % NS_PER_MINUTE
    at = to_rfc3339(RECORDED_NS + into + NS_PER_S)
    cancel = {
        "T": "x",
        "S": "AAPL",
        "i": 11,
        "x": "V",
        "p": 200,
        "s": 1,
        "a": "C",
        "z": "C",
        "t": at,
    }
    lines = [line(0, trade(0)), line(1, trade(1, 200.0)), line(into / NS_PER_S + 1, cancel)]
    recording = load_tape(write(tmp_path / "t", [*lines, line(200, trade(200))])).recordings["AAPL"]
    minute = played(recording, start_minutes=0).minute(ORIGIN_NS // NS_PER_MINUTE)
    assert minute.candle(minute.start_ns + NS_PER_MINUTE).high == 200.0
    assert minute.candle(FOREVER).high == 100.0


def test_the_end_halts_the_symbol_and_a_new_session_resumes_it_with_the_same_past(tmp_path):
    tape = write(tmp_path / "t", [line(s, trade(s, 100 + s)) for s in range(0, 600, 5)])
    source = played(load_tape(tape).recordings["AAPL"], start_minutes=5)
    end_ns, switch_ns = ORIGIN_NS + 295 * NS_PER_S + 1, source.switch_ns
    (halt,) = [m for m in messages(source, ORIGIN_NS, switch_ns) if isinstance(m, Halt)]
    assert (halt.published_ns, halt.is_halted) == (end_ns, True)
    assert 10 * NS_PER_S <= switch_ns - end_ns <= 75 * NS_PER_S
    assert not [m for m in messages(source, halt.published_ns, switch_ns) if isinstance(m, Print)]
    source.switch()
    resume, *rest = messages(source, switch_ns, switch_ns + 2 * NS_PER_S)
    assert (resume.is_halted, resume.published_ns) == (False, switch_ns)
    assert [m.price for m in rest if isinstance(m, Print)] == [400.0]
    past = [
        m.price
        for m in messages(source, switch_ns - 60 * NS_PER_S, switch_ns)
        if isinstance(m, Print)
    ]
    assert past == [340 + 5 * n for n in range(12)]


def test_a_short_tape_starts_in_its_middle(tmp_path):
    tape = write(tmp_path / "t", [line(60 * n, trade(60 * n)) for n in range(20)])
    source = played(load_tape(tape).recordings["AAPL"])
    history = [source.minute(m) for m in range(source.first_minute, ORIGIN_NS // NS_PER_MINUTE)]
    assert sum(len(m.prints.rows) for m in history) == 10
    assert START_BARS >= 250


def test_a_cut_tail_plays_up_to_the_cut_and_names_the_line(tmp_path):
    path = write(tmp_path / "t", [line(n, trade(n)) for n in range(50)])
    raw = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    path.write_bytes(zstandard.compress(raw[:-40]))
    tape = load_tape(path)
    assert len(tape.recordings["AAPL"].prints.rows) == 49
    assert "cut at line 51" in tape.complaint


def test_a_tape_cut_inside_its_compression_plays_what_can_be_read(tmp_path):
    whole = ES_TAPE.read_bytes()
    path = tmp_path / "t"
    path.write_bytes(whole[: len(whole) // 4])
    tape = load_tape(path)
    assert 10_000 < len(tape.recordings[ES_SYMBOL].prints.rows) < 100_000
    assert "is cut at line" in tape.complaint


def test_a_tape_of_several_compressed_frames_is_read_whole(tmp_path):
    path = write(tmp_path / "t", [line(0, trade(0))])
    more = json.dumps(line(1, trade(1))).encode() + b"\n"
    path.write_bytes(path.read_bytes() + zstandard.compress(more))
    assert len(load_tape(path).recordings["AAPL"].prints.rows) == 2


@pytest.mark.parametrize(
    ("lines", "header", "complaint"),
    [
        ([], {**HEADER, "tape": 2}, "is of version 2"),
        ([], {"hello": 1}, "line 1: no header of a tape"),
        ([{"r": "x"}, line(1, trade(1))], HEADER, "line 2: .*"),
        ([], HEADER, "no trades of any symbol"),
        ([line(0, {"T": "t", "S": "AAPL"})], HEADER, "no trades of any.* line 2: it lacks 't'"),
    ],
)
def test_a_broken_tape_is_refused_naming_the_line(tmp_path, lines, header, complaint):
    path = write(tmp_path / "broken.tape.zst", lines, header)
    with pytest.raises(ConfigError, match=complaint) as error:
        load_tape(path)
    assert "broken.tape.zst" in error.value.line
    assert error.value.code.startswith("TAPE_")


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"T": "t", "S": "AAPL"}, "it lacks 't'"),
        ({"S": "AAPL"}, "it lacks 'T'"),
        ({"T": "t", "p": 1}, "it lacks 'S'"),
        (trade(0, -1.0), "price -1.0 and size 100 must be above zero"),
        (trade(0, s=0), "price 100.0 and size 0 must be above zero"),
        (trade(0, t="yesterday"), "not an RFC 3339 time: 'yesterday'"),
        (trade(0, p=None), "'<' not supported between instances of 'int' and 'NoneType'"),
        (trade(0, c=5), "'int' object is not iterable"),
    ],
)
def test_messages_that_make_no_sense_are_left_out_and_complained_about(tmp_path, message, reason):
    """A recorder keeps what its bot could not read; the rest of the tape is sound."""
    lines = [line(0, trade(0)), line(1, message, trade(1)), line(2, message)]
    tape = load_tape(write(tmp_path / "t", lines))
    assert len(tape.recordings["AAPL"].prints.rows) == 2
    assert tape.complaint.endswith(f"2 messages left out, the first at line 3: {reason}.")


def test_control_messages_on_a_tape_are_not_the_markets(tmp_path):
    control = [{"T": "success", "msg": "connected"}, {"T": "subscription", "trades": ["AAPL"]}]
    tape = load_tape(write(tmp_path / "t", [line(0, *control), line(1, trade(1))]))
    assert set(tape.recordings) == {"AAPL"}
    assert tape.complaint == ""


def test_a_file_that_is_no_tape_or_not_there_is_refused_in_one_line(tmp_path):
    path = tmp_path / "t"
    path.write_bytes(b"no zstd at all")
    with pytest.raises(ConfigError, match="cannot be decompressed"):
        load_tape(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        load_tape(tmp_path / "missing")
    path.write_bytes(b"")
    with pytest.raises(ConfigError, match="line 1: the file is empty"):
        load_tape(path)


def test_a_symbol_that_the_tape_lacks_is_named_with_those_it_has():
    with pytest.raises(ConfigError, match="no trades of MSFT") as error:
        load_tape(ES_TAPE, ["MSFT"])
    assert "ES" in error.value.remedy


BARS = (
    "t,o,h,l,c,v\n2024-01-02T14:30:00Z,10,12,9,11,1200\n2024-01-02T14:31:00Z,11,11.5,10.5,10.75,7\n"
)


def test_bars_play_as_prints_that_make_the_same_bars(tmp_path):
    path = tmp_path / "b.csv"
    path.write_text(BARS)
    recording = load_bars(path, "AAPL")
    shift = -recording.prints.rows["ts"][0] % NS_PER_MINUTE  # prints are off the minute's edge
    assert shift
    hours = Hours(is_crypto=False, sessions=AlwaysOpen())
    origin = ORIGIN_NS // NS_PER_MINUTE * NS_PER_MINUTE + NS_PER_MINUTE - int(shift)
    source = PlayedSource(recording, hours=hours, origin_ns=origin, start_minutes=0)
    bars = [source.minute(source.first_minute + n).candle(FOREVER) for n in range(2)]
    assert [(b.open, b.high, b.low, b.close, b.volume) for b in bars] == [
        (10.0, 12.0, 9.0, 11.0, 1200.0),
        (11.0, 11.5, 10.5, 10.75, 7.0),
    ]
    assert {label.exchange for label in recording.prints.labels} == {"SYN"}


def test_prints_inside_bars_have_no_more_decimals_than_the_file(tmp_path):
    path = tmp_path / "b.csv"
    path.write_text(BARS)
    prices = load_bars(path, "AAPL").prints.rows["price"]
    assert (prices.round(2) == prices).all()


def test_bars_of_one_file_always_make_the_same_prints(tmp_path):
    path = tmp_path / "b.csv"
    path.write_text(BARS)
    first, again = (load_bars(path, "BTC/USD").prints.rows for _ in range(2))
    assert (first == again).all()
    assert first["size"].sum() == pytest.approx(1207.0)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("t,o,h,l,c\n", "line 1: no column v"),
        ("t,o,h,l,c,v\n", "holds no bar"),
        ("t,o,h,l,c,v\n2024-01-02,1,2,1,x,5\n", "line 2: could not convert string to float: 'x'"),
        ("t,o,h,l,c,v\n2024-01-02,1,2,1.5,1.2,5\n", "line 2: low, open, close and high"),
        ("t,o,h,l,c,v\n2024-01-02,1,nan,1,1,5\n", "line 2: low, open, close and high"),
        ("t,o,h,l,c,v\n2024-01-02,1,1,1,1,-5\n", "line 2: volume -5"),
        ("t,o,h,l,c,v\nsoon,1,1,1,1,5\n", "line 2: not an RFC 3339 time: 'soon'"),
        ("t,o,h,l,c,v\n2024-01-02,1,1,1,1,5\n2024-01-01,1,1,1,1,5\n", "line 3: its time"),
        ("t,o,h,l,c,v\n2024-01-02,1,1,1,1,0\n", "no bar with volume"),
    ],
)
def test_broken_bars_are_refused_naming_the_line(tmp_path, text, complaint):
    path = tmp_path / "b.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load_bars(path, "AAPL")
