"""The frame of `autohedge top`: whatever the bot says, it fits and says the worst first."""

import msgspec
import pytest

from api import examples
from api.cli.top.asking import words_of
from api.cli.top.drawing import draw
from api.cli.top.snapshot import Budget, DecisionLine, Happening, Snapshot
from domain.limits import TradingState
from engine.control import Notice, PositionView, Status

STATUS = msgspec.convert(examples.STATUS, Status, strict=False)
POSITION = msgspec.convert(examples.POSITION, PositionView, strict=False)
DECISION = msgspec.convert(examples.DECISION, DecisionLine, strict=False)


def snapshot(**changes):
    """A bot of 50 symbols, one of which has lost its feed, with more of everything than fits."""
    (one, *_) = STATUS.symbols
    many = [msgspec.structs.replace(one, symbol=f"SYM{n}") for n in range(49)]
    lost = msgspec.structs.replace(one, symbol="LOST", is_stale=True)
    notices = [
        Notice(code="C", message="a\x1b[2Jb", ts=one.last_decision_at or "2026") for _ in "12"
    ]
    fields = {"symbols": (*many, lost), "notices": tuple(notices), **changes}
    shown = Snapshot(
        url="http://127.0.0.1:3000",
        status=msgspec.structs.replace(STATUS, **fields),
        positions=(POSITION,) * 12,
        decisions=(DECISION,) * 30,
        budget=Budget(spent_usd=1.5, usd_per_day=5.0),
        fault="",
    )
    shown.happenings.append(Happening(at="12:00:00", kind="fill_received", words="SYM1"))
    return shown


def text(shown, width=80, height=24, **options):
    return [line.plain for line in draw(shown, width=width, height=height, **options)]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 12), (20, 6), (200, 60)])
@pytest.mark.parametrize("is_help", [True, False])
def test_a_frame_never_passes_its_terminal(width, height, is_help):
    """Neither in lines nor in columns, and no line of it can move the cursor."""
    lines = text(snapshot(), width, height, is_help=is_help)
    assert len(lines) == height
    assert max(map(len, lines)) <= width
    assert all(line.isprintable() for line in lines)


def test_what_needs_a_look_stands_first_and_the_rest_is_counted():
    """One symbol of fifty is stale: it is the first, and how many more there are is said."""
    lines = text(snapshot())
    symbols = next(n for n, line in enumerate(lines) if line.startswith("SYMBOL"))
    assert lines[symbols + 1].startswith("LOST")
    assert any("more" in line and "and 4" in line for line in lines)
    assert any("$1.50/5" in line for line in lines)


def test_state_and_reason_are_words():
    """Colours only repeat them."""
    lines = text(
        snapshot(
            trading=TradingState.HALTED,
            trading_code="DAILY_LOSS_REACHED",
            trading_reason="lost 3 %",
            is_journal_up=False,
        )
    )
    assert "HALTED DAILY_LOSS_REACHED" in lines[1]
    assert "journal DOWN" in lines[2]
    assert "lost 3 %" in lines[3]


def test_an_old_answer_says_that_it_is_old():
    """A frozen screen that looks live is worse than none."""
    shown = snapshot()
    shown.fault = "No answer (ConnectError): is it running?"
    assert text(shown)[1] == "NOT CONNECTED: what follows is old"
    shown.status = None
    assert "Waiting for a bot at http://127.0.0.1:3000" in text(shown)


def test_an_event_is_said_in_a_few_words():
    """Of whom, and what."""
    assert words_of({"symbol": "A", "code": "PRICE_MOVED", "value": "9"}) == "A PRICE_MOVED"
    assert words_of({"request": {"symbol": "B"}, "state": "filled"}) == "B filled"
