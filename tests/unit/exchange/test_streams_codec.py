"""The exchange's encoders, read back by other people's decoders."""

import json
from collections import Counter

import msgpack
import pytest

from exchange.config import ExchangeConfig, seeded_crypto, seeded_stock
from exchange.market.records import (
    Article,
    Band,
    Cancellation,
    Candle,
    Correction,
    Depth,
    Halt,
    Print,
    TopOfBook,
)
from exchange.server import ExchangeServer
from exchange.streams.codec import JSON, MSGPACK, codec_for, read_request
from exchange.streams.messages import listed, told
from exchange.streams.record import FrameLog, FrameRecord

T = 1_790_000_000_123_456_780
ORIGIN_NS = 1_790_000_000_000_000_000


def decoded(codec, frame):
    return json.loads(frame) if codec.is_text else msgpack.unpackb(frame, timestamp=0)


@pytest.mark.parametrize("codec", [JSON, MSGPACK])
@pytest.mark.parametrize("count", [0, 1, 15, 16, 300, 70_000])
def test_frames_are_arrays_of_any_length(codec, count):
    parts = [codec.encode({"n": n}) for n in range(count)]
    assert decoded(codec, codec.frame(parts)) == [{"n": n} for n in range(count)]


@pytest.mark.parametrize("ts", [0, 1, T, (1 << 34) * 10**9 - 1, (1 << 34) * 10**9 + 5, -1])
def test_msgpack_stamps_keep_every_nanosecond(ts):
    packed = MSGPACK.encode({"t": MSGPACK.stamp(ts)})
    assert msgpack.unpackb(packed)["t"].to_unix_nano() == ts


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (None, "json"),
        ("application/json", "json"),
        ("text/plain", "json"),
        ("application/msgpack", "msgpack"),
        ("Application/MsgPack; charset=binary", "msgpack"),
    ],
)
def test_the_content_type_chooses_the_codec(header, name):
    assert codec_for(header).name == name


@pytest.mark.parametrize("data", [b'{"a": 1}', '{"a": 1}', msgpack.packb({"a": 1})])
def test_requests_are_read_in_either_codec(data):
    assert read_request(data) == {"a": 1}


@pytest.mark.parametrize("data", ["", "[]", "{", b"\xc1", b"\x93", msgpack.packb({1: 2}), "9" * 99])
def test_a_request_that_is_no_map_is_refused(data):
    with pytest.raises(ValueError, match="not a map"):
        read_request(data)


REGULAR = ("@",)
MESSAGES = {
    "t": (Print("A", T, T, 1.5, 100.0, 7, "V", REGULAR, "C"),
          {"i": 7, "x": "V", "p": 1.5, "s": 100, "c": ["@"], "z": "C"}),
    "t crypto": (Print("A/B", T, T, 1.5, 0.25, 7, taker="S"),
                 {"i": 7, "p": 1.5, "s": 0.25, "tks": "S"}),
    "q": (TopOfBook("A", T, T, 1.0, 100.0, 2.0, 0.0, "K", "Q", ("R",), "C"),
          {"bx": "K", "bp": 1.0, "bs": 100, "ax": "Q", "ap": 2.0, "as": 0, "c": ["R"], "z": "C"}),
    "q crypto": (TopOfBook("A/B", T, T, 1.0, 0.5, 2.0, 0.25),
                 {"bp": 1.0, "bs": 0.5, "ap": 2.0, "as": 0.25}),
    "b": (Candle("A", T, T, "b", 1.0, 4.0, 0.5, 2.0, 300.0, 3, 1.25),
          {"o": 1.0, "h": 4.0, "l": 0.5, "c": 2.0, "v": 300, "n": 3, "vw": 1.25}),
    "u": (Candle("A/B", T, T, "u", 1.0, 4.0, 0.5, 2.0, 0.0, 0, 0.0),
          {"o": 1.0, "h": 4.0, "l": 0.5, "c": 2.0, "v": 0.0, "n": 0, "vw": 0.0}),
    "d": (Candle("A", T, T, "d", 1.0, 4.0, 0.5, 2.0, 300.0, 3, 1.25),
          {"o": 1.0, "h": 4.0, "l": 0.5, "c": 2.0, "v": 300, "n": 3, "vw": 1.25}),
    "s": (Halt("A", T, T, True, "T12", "why", "A"),
          {"sc": "2", "sm": "Trading Halt", "rc": "T12", "rm": "why", "z": "A"}),
    "s resumed": (Halt("A", T, T, False, "C11", "on", "C"),
          {"sc": "T", "sm": "Trading Resumption", "rc": "C11", "rm": "on", "z": "C"}),
    "l": (Band("A", T, T, 2.0, 1.0, "C"), {"u": 2.0, "d": 1.0, "i": "B", "z": "C"}),
    "x": (Cancellation("A", T, T, 7, 1.5, 100.0, "V", "C"),
          {"i": 7, "x": "V", "p": 1.5, "s": 100, "a": "C", "z": "C"}),
    "c": (Correction("A", T, T, 7, 1.5, 100.0, REGULAR, 8, 1.75, 50.0, REGULAR, "V", "C"),
          {"x": "V", "oi": 7, "op": 1.5, "os": 100, "oc": ["@"],
           "ci": 8, "cp": 1.75, "cs": 50, "cc": ["@"], "z": "C"}),
    "o": (Depth("A/B", T, T, ((1.0, 2.0),), ((3.0, 0.0),), True),
          {"b": [{"p": 1.0, "s": 2.0}], "a": [{"p": 3.0, "s": 0.0}], "r": True}),
}  # fmt: skip


@pytest.mark.parametrize("codec", [JSON, MSGPACK])
@pytest.mark.parametrize("kind", MESSAGES)
def test_each_message_has_its_fields_under_alpacas_names(kind, codec):
    message, fields = MESSAGES[kind]
    (read,) = decoded(codec, codec.frame([codec.encode(told(message, codec.stamp))]))
    stamp = read.pop("t")
    assert stamp == (
        "2026-09-21T14:13:20.12345678Z" if codec is JSON else msgpack.Timestamp.from_unix_nano(T)
    )
    assert read == {"T": kind[0], "S": message.symbol, **fields}
    assert list(read)[:2] == ["T", "S"]
    assert {type(v) for v in read.values()} == {type(v) for v in ("", *fields.values())}


@pytest.mark.parametrize("codec", [JSON, MSGPACK])
def test_an_article_has_no_symbol_of_its_own_and_stamps_by_codec(codec):
    article = Article("A", T, T + 1, 5, "h", "s", "c", "a", "w", "u", ("A", "B"))
    (read,) = decoded(codec, codec.frame([codec.encode(told(article, codec.stamp))]))
    assert "S" not in read
    assert (read["T"], read["id"], read["symbols"], read["author"]) == ("n", 5, ["A", "B"], "a")
    assert isinstance(read["created_at"], str if codec is JSON else msgpack.Timestamp)


def test_rest_leaves_out_type_and_symbol_and_marks_what_was_taken_back():
    message, fields = MESSAGES["t"]
    assert set(listed(message, JSON.stamp)) == {*fields, "t"}
    canceled = Print("A", T, T, 1.5, 100.0, 7, "V", REGULAR, "C", update="canceled")
    assert listed(canceled, JSON.stamp)["u"] == "canceled"
    assert "u" not in told(canceled, JSON.stamp)


def exchange(seed=7):
    symbols = (seeded_stock("AAPL", 190.0), seeded_crypto("BTC/USD", 60_000.0))
    return ExchangeServer(ExchangeConfig(symbols=symbols, origin_ns=ORIGIN_NS, seed=seed))


@pytest.mark.parametrize("codec", [JSON, MSGPACK])
def test_one_seed_is_one_stream_to_the_byte(codec):
    def played(seed):
        messages = exchange(seed).board.advance(ORIGIN_NS + 180 * 10**9)
        return codec.frame([codec.encode(told(m, codec.stamp)) for m in messages])

    first = played(7)
    assert first == played(7)
    assert first != played(8)
    assert len(first) > 50_000


def test_the_log_of_frames_drops_the_oldest_past_its_bound():
    log = FrameLog(capacity_bytes=10)
    for n in range(5):
        log.add(FrameRecord(n, 1, "iex", "out", b"1234"))
    assert [record.at_ns for record in log] == [3, 4]
    assert (len(log), log.dropped) == (2, 3)


def test_every_kind_of_message_is_tested_here():
    assert Counter(kind[0] for kind in MESSAGES).keys() == set("tqbudslxco")
