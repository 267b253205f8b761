"""Tapes: what is recorded is what came, and what is damaged is named by its line."""

import json

import msgspec
import pytest
import zstandard
from msgspec.msgpack import Ext

from domain.errors import ConfigError
from domain.market import Quote, TapeLine, Trade
from engine.clock import LiveClock
from exchange.tapes import ES_TAPE
from feeds.tape import TapeFeed, TapeHeader, TapeRecorder, plain_frame, read_tape

STAMP = Ext(-1, ((639713735 << 34) | 1_721_807_813).to_bytes(8, "big"))
TEXT = "2024-07-24T07:56:53.639713735Z"
QUOTE = {"T": "q", "S": "AAPL", "bp": 1.0, "bs": 2, "ap": 1.1, "as": 3, "c": ["R"], "z": "C"}


class Heard:
    """A sink that keeps what it is given."""

    def __init__(self):
        self.events = []

    def apply(self, events):
        self.events += events

    def link_lost(self, symbols, reason):
        raise AssertionError

    def link_restored(self, symbols):
        raise AssertionError


async def recorded(path, *frames):
    async with TapeRecorder(path, source="test", licence="none", clock=LiveClock()) as recorder:
        for channel, frame, is_text in frames:
            recorder.record(channel, frame, is_text=is_text)
    return recorder


async def test_a_tape_keeps_nanoseconds_of_both_codecs(tmp_path):
    """The wire's codec leaves no trace on the tape, and no nanosecond is lost."""
    packed = msgspec.msgpack.encode([{**QUOTE, "t": STAMP}])
    text = json.dumps([{**QUOTE, "t": TEXT}]).encode()
    await recorded(tmp_path / "a.tape.zst", ("stocks", packed, False), ("stocks", text, True))
    (_, header), (_, first), (_, second) = read_tape(tmp_path / "a.tape.zst")
    assert isinstance(header, TapeHeader)
    assert isinstance(first, TapeLine)
    assert first.f == second.f == [{**QUOTE, "t": TEXT}]


async def test_a_played_tape_gives_the_events_that_were_recorded(tmp_path):
    """What a sink hears of a tape is what it would have heard of the wire."""
    packed = msgspec.msgpack.encode([{**QUOTE, "t": STAMP}])
    await recorded(tmp_path / "a.tape.zst", ("stocks", packed, False))
    heard = Heard()
    await TapeFeed(tmp_path / "a.tape.zst", LiveClock(), speed=None).run(heard)
    (quote,) = heard.events
    assert isinstance(quote, Quote)
    assert (quote.symbol, quote.bid, quote.ts_event) == ("AAPL", 1.0, 1_721_807_813_639_713_735)


async def test_the_shipped_tape_plays_to_its_end():
    """The real ticks that the demo shows can be read by the feed as by the exchange."""
    heard = Heard()
    feed = TapeFeed(ES_TAPE, LiveClock(), speed=None)
    await feed.run(heard)
    assert len(heard.events) > 10_000
    assert all(isinstance(event, Trade) for event in heard.events)
    assert not feed.rejects


async def test_a_cut_tape_names_the_line(tmp_path):
    """A recorder that died leaves a tape without its end: what is whole plays, then one line."""
    path = tmp_path / "cut.tape.zst"
    whole = ES_TAPE.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    heard = Heard()
    with pytest.raises(ConfigError, match=r"damaged at line \d+") as refused:
        await TapeFeed(path, LiveClock(), speed=None).run(heard)
    assert refused.value.code == "TAPE_DAMAGED"
    assert heard.events


@pytest.mark.parametrize("content", [b"", b"not a tape", zstandard.compress(b"{}\n")])
async def test_what_is_no_tape_is_refused_in_one_line(tmp_path, content):
    """Nothing of it is played, and the file is named."""
    path = tmp_path / "bad.tape.zst"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"bad\.tape\.zst"):
        await TapeFeed(path, LiveClock(), speed=None).run(Heard())


async def test_a_tape_of_another_version_is_refused_by_name(tmp_path):
    """A tape of tomorrow is not guessed at."""
    path = tmp_path / "new.tape.zst"
    header = TapeHeader(tape=2, source="", licence="", origin_ns=0)
    path.write_bytes(zstandard.compress(msgspec.json.encode(header) + b"\n"))
    with pytest.raises(ConfigError, match="version 2"):
        await TapeFeed(path, LiveClock(), speed=None).run(Heard())


async def test_a_frame_that_is_no_list_of_maps_is_counted(tmp_path):
    """Rubbish on the wire does not end the recording."""
    recorder = await recorded(
        tmp_path / "a.tape.zst", ("stocks", b"\x00", False), ("stocks", b"{", True)
    )
    assert (recorder.dropped, recorder.written) == (2, 0)
    assert plain_frame(b"[1]", is_text=True) is None


async def test_a_tape_never_overwrites_another(tmp_path):
    """A recording of hours is not lost by repeating a command."""
    await recorded(tmp_path / "a.tape.zst")
    with pytest.raises(ConfigError, match="cannot be written"):
        await recorded(tmp_path / "a.tape.zst")
