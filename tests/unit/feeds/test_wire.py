"""Frames: both codecs, nanoseconds, unknown things, and bad messages among good ones."""

import msgpack
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.market import (
    Bar,
    NewsItem,
    Quote,
    StatusChanged,
    Trade,
    TradeCanceled,
    TradeCorrected,
)
from domain.records import format_ns, parse_ns
from feeds.alpaca.decoder import FrameDecoder
from feeds.alpaca.events import to_event
from feeds.alpaca.wire import stamp_ns, text_stamp, to_stamp

T0 = "2026-03-02T15:04:05.123456789Z"
T0_NS = parse_ns(T0)
QUOTE = {"T": "q", "S": "AAPL", "bx": "V", "bp": 99.5, "bs": 100, "ax": "V", "ap": 100.5, "as": 200,
         "c": ["R"], "z": "C", "t": T0}  # fmt: skip
TRADE = {
    "T": "t",
    "S": "AAPL",
    "i": 7,
    "x": "V",
    "p": 100,
    "s": 5,
    "c": ["@", "I"],
    "z": "C",
    "t": T0,
}
CRYPTO = {"T": "t", "S": "BTC/USD", "p": 60000.5, "s": 0.01, "i": 2**62, "tks": "B", "t": T0}
BAR = {"T": "b", "S": "AAPL", "o": 1, "h": 3, "l": 1, "c": 2, "v": 10, "n": 2, "vw": 1.5,
       "t": "2026-03-02T15:04:00Z"}  # fmt: skip
HALT = {
    "T": "s",
    "S": "AAPL",
    "sc": "H",
    "sm": "Trading Halt",
    "rc": "T12",
    "rm": "x",
    "t": T0,
    "z": "C",
}
FIX = {"T": "c", "S": "AAPL", "x": "V", "oi": 1, "op": 9.0, "os": 2, "oc": ["@"], "ci": 2,
       "cp": 8.0, "cs": 3, "cc": ["@"], "z": "C", "t": T0}  # fmt: skip
CANCEL = {"T": "x", "S": "AAPL", "i": 1, "x": "V", "p": 9.0, "s": 2, "a": "C", "z": "C", "t": T0}
NEWS = {"T": "n", "id": 42, "headline": "Apples", "summary": "ripe", "author": "a",
        "source": "wire", "created_at": T0, "updated_at": T0, "url": None, "content": "",
        "symbols": ["AAPL"]}  # fmt: skip
EVERYTHING = [QUOTE, TRADE, CRYPTO, BAR, BAR | {"T": "u"}, HALT, FIX, CANCEL, NEWS]


def packed(messages):
    """Pack as the venue does, by the reference library and not by ours."""

    def stamped(message):
        times = {k: v for k, v in message.items() if k in ("t", "created_at", "updated_at") and v}
        stamps = {k: msgpack.Timestamp(*divmod(parse_ns(v), 10**9)) for k, v in times.items()}
        return message | stamps

    return msgpack.packb([stamped(m) if isinstance(m, dict) else m for m in messages])


def text(messages):
    return msgspec.json.encode(messages)


def events_of(messages):
    return [to_event(message, 5) for message in messages]


@pytest.fixture
def decoder():
    return FrameDecoder()


def test_both_codecs_say_the_same(decoder):
    """MessagePack and JSON frames of every kind become equal records."""
    binary = events_of(decoder.decode(packed(EVERYTHING)))
    assert binary == events_of(decoder.decode_text(text(EVERYTHING)))
    assert not decoder.rejects


def test_every_kind_becomes_its_record(decoder):
    quote, trade, crypto, bar, updated, halt, fix, cancel, news = events_of(
        decoder.decode(packed(EVERYTHING))
    )
    assert quote == Quote("AAPL", 99.5, 100.0, 100.5, 200.0, T0_NS, 5)
    assert trade == Trade("AAPL", 100.0, 5.0, T0_NS, 5, 7, "V", ("@", "I"), "C")
    assert crypto == Trade("BTC/USD", 60000.5, 0.01, T0_NS, 5, 2**62)
    start = parse_ns("2026-03-02T15:04:00Z")
    assert bar == updated == Bar("AAPL", 60, start, 1.0, 3.0, 1.0, 2.0, 10.0, 2, 1.5)
    assert halt == StatusChanged("AAPL", T0_NS, is_halted=True, code="H", reason="T12")
    assert fix == TradeCorrected("AAPL", T0_NS, 1, 9.0, 2.0, 2, 8.0, 3.0, ("@",))
    assert cancel == TradeCanceled("AAPL", T0_NS, 1, 9.0, 2.0)
    assert news == NewsItem("42", T0_NS, "Apples", "ripe", "wire", ("AAPL",))


@given(st.integers(0, 2**34 * 10**9 - 1))
def test_nanoseconds_survive_both_codecs(ts_ns):
    stamp = msgpack.Timestamp(*divmod(ts_ns, 10**9))
    assert stamp_ns(msgspec.msgpack.Ext(-1, stamp.to_bytes())) == ts_ns
    assert stamp_ns(to_stamp(ts_ns)) == ts_ns
    if ts_ns < parse_ns("9999-01-01T00:00:00Z"):
        assert stamp_ns(text_stamp(format_ns(ts_ns))) == ts_ns


@pytest.mark.parametrize(
    "time",
    ["2024-07-24T07:56:53.6Z", "2024-07-24T07:56:53Z", "2024-07-24T03:56:53.639713735-04:00"],
)
def test_times_of_any_length_and_zone_are_read(time):
    assert stamp_ns(text_stamp(time)) == parse_ns(time)


def test_a_timestamp_of_twelve_bytes_is_read():
    stamp = msgpack.Timestamp(2**34 + 5, 7)
    assert stamp_ns(msgspec.msgpack.Ext(-1, stamp.to_bytes())) == (2**34 + 5) * 10**9 + 7


def test_another_extension_is_no_time(decoder):
    (message,) = decoder.decode(msgpack.packb([TRADE | {"t": msgpack.ExtType(5, b"12345678")}]))
    with pytest.raises(ValueError, match="type 5"):
        stamp_ns(message.t)


BAD = {
    "kind_unknown": {"T": "zz", "S": "AAPL"},
    "no_kind": {"S": "AAPL", "p": 1.0},
    "wrong_type": TRADE | {"p": "100"},
    "missing": {"T": "t", "S": "AAPL", "p": 100.0},
    "null": QUOTE | {"bp": None},
    "bad_time": TRADE | {"t": "yesterday"},
    "not_a_map": 17,
    "a_list": [1, 2],
}


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("codec", ["binary", "text"])
def test_one_bad_message_never_costs_its_neighbours(decoder, name, codec):
    frame = [QUOTE, BAD[name], TRADE]
    if codec == "text":
        messages = decoder.decode_text(text(frame))
    else:
        messages = decoder.decode(packed_loosely(frame))
    assert [type(m).__name__ for m in messages] == ["QuoteMessage", "TradeMessage"]
    assert sum(decoder.rejects.values()) == 1


def packed_loosely(messages):
    """Pack, leaving as it is what is no good time."""
    return b"".join(
        [msgpack.Packer().pack_array_header(len(messages))]
        + [packed([m])[1:] if m is not BAD["bad_time"] else msgpack.packb(m) for m in messages]
    )


def test_reasons_tell_unknown_kinds_from_malformed_ones(decoder):
    decoder.decode_text(text([BAD["kind_unknown"], BAD["wrong_type"], BAD["not_a_map"]]))
    assert decoder.rejects == {"kind_unknown": 1, "message_malformed": 1, "message_unreadable": 1}


@pytest.mark.parametrize("cut", [1, 10, -1])
def test_a_truncated_frame_is_counted_and_dropped(decoder, cut):
    assert not decoder.decode(packed(EVERYTHING)[:cut])
    assert not decoder.decode_text(text(EVERYTHING)[:cut])
    assert decoder.rejects["frame_unreadable"] == 2


def test_text_in_no_encoding_costs_only_its_message(decoder):
    bad = msgpack.packb({"T": "t", "S": b"\xff\xfe", "p": 1.0}, use_bin_type=False)
    frame = msgpack.Packer().pack_array_header(2) + bad + packed([TRADE])[1:]
    assert len(decoder.decode(frame)) == 1


def test_unknown_keys_and_kinds_of_no_use_are_skipped(decoder):
    extra = TRADE | {"r": T0, "new": {"deep": [1, 2]}}
    unused = [{"T": kind, "S": "AAPL", "t": T0} for kind in "dlio"]
    messages = decoder.decode_text(text([extra, *unused]))
    assert [to_event(m, 0) is not None for m in messages] == [True, False, False, False, False]
    assert not decoder.rejects


@given(st.binary(max_size=200))
def test_no_bytes_at_all_can_raise(data):
    decoder = FrameDecoder()
    decoder.decode(data)
    decoder.decode_text(data)


plain = st.sampled_from([None, True, -1, 2**70, 1e400, float("nan"), "", "t", [], [[]], {}, T0])
keys = st.sampled_from([*TRADE, "bp", "id", "headline", "created_at"])


@given(st.lists(st.dictionaries(keys, plain, max_size=5), max_size=5), st.sampled_from("qtbucxsn"))
def test_no_values_at_all_can_raise(changes, kind):
    """Good messages with any of their fields replaced by anything."""
    whole = {m["T"]: m for m in EVERYTHING}[kind]
    FrameDecoder().decode_plain([whole | change for change in changes])


def test_a_number_too_big_for_the_wire_costs_only_its_message(decoder):
    frame = b"[" + b",".join(map(msgspec.json.encode, [TRADE, QUOTE])) + b"]"
    frame = frame.replace(b'"i":7', b'"i":%d' % 2**80)
    assert len(decoder.decode_text(frame)) == 1
    assert decoder.rejects == {"message_malformed": 1}


def test_a_map_with_a_list_for_a_key_costs_only_itself(decoder):
    frame = msgpack.Packer().pack_array_header(2) + b"\x81\x91\x01\x01" + packed([TRADE])[1:]
    assert len(decoder.decode(frame)) == 1


def test_bottomless_nesting_is_counted_and_dropped(decoder):
    assert not decoder.decode(b"\x91" * 100_000)
    assert not decoder.decode_text(b"[" * 100_000)
    assert decoder.rejects["frame_unreadable"] == 2


@pytest.mark.parametrize(
    ("code", "is_halted"),
    [("2", True), ("H", True), ("P", True), ("F", True), ("3", False), ("T", False)],
)
def test_status_codes_of_both_tapes_halt_and_resume(decoder, code, is_halted):
    (event,) = events_of(decoder.decode_text(text([HALT | {"sc": code}])))
    assert event.is_halted is is_halted


def test_a_status_that_neither_halts_nor_resumes_is_no_event(decoder):
    assert events_of(decoder.decode_text(text([HALT | {"sc": "Q"}]))) == [None]
