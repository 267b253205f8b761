"""The trading state: anyone may lower it, a person raises it, and it is written down."""

import asyncio

import pytest

from domain.errors import JournalError
from domain.limits import TradingState
from domain.records import parse
from engine.control import ControlRefused
from engine.killswitch.mark import HaltMark, HaltOrder
from engine.trading import EMPTY, NEVER_STARTED, OPERATOR, STOPPED, Standing, TradingGate


class Book:
    """A journal that keeps entries in memory, or fails."""

    def __init__(self):
        self.entries = []
        self.is_down = False

    async def append(self, *entries):
        if self.is_down:
            raise JournalError("the disk is full")
        self.entries += entries
        return len(self.entries)

    def trace(self, *entries):
        self.entries += entries


@pytest.fixture
def book():
    return Book()


@pytest.fixture
def gate(book):
    return TradingGate(book, lambda _kind, _body: None, EMPTY)


async def active(gate):
    await gate.raise_to_active(code=NEVER_STARTED, actor="ann", reason="first start")
    return gate


def test_an_empty_journal_means_halted(gate):
    """Nothing trades before a person has said so once."""
    assert gate.state is TradingState.HALTED
    assert gate.standing.code == NEVER_STARTED


async def test_raising_needs_the_code_that_lowered(gate):
    """A person who resumes has to have seen why it stands."""
    with pytest.raises(ControlRefused, match="NEVER_STARTED") as refused:
        await gate.raise_to_active(code=OPERATOR, actor="ann", reason="")
    assert refused.value.code == "RESUME_CODE_MISMATCH"
    assert gate.state is TradingState.HALTED


async def test_a_raise_that_cannot_be_written_down_does_not_happen(gate, book):
    """After a crash the journal decides: memory must never be ahead of it upwards."""
    book.is_down = True
    with pytest.raises(JournalError):
        await active(gate)
    assert gate.state is TradingState.HALTED


async def test_lowering_binds_at_once_and_is_written(gate, book):
    """The very next order meets the lower state, whatever the disk does."""
    await active(gate)
    assert gate.lower(TradingState.REDUCING, code="DAILY_LOSS_REACHED", reason="", actor="code")
    assert gate.state is TradingState.REDUCING
    assert book.entries[-1].body["code"] == "DAILY_LOSS_REACHED"


async def test_nothing_but_a_person_raises(gate):
    """A fault after a halt does not turn the halt into something softer, nor its reason."""
    await active(gate)
    gate.lower(TradingState.HALTED, code=OPERATOR, reason="lunch", actor="ann")
    assert not gate.lower(TradingState.REDUCING, code="DAILY_LOSS_REACHED", reason="", actor="code")
    assert (gate.state, gate.standing.code) == (TradingState.HALTED, OPERATOR)


async def test_a_stopped_bot_can_still_be_halted(gate):
    """`/start` took a halt back that a person had ordered while the bot was stopped."""
    await active(gate)
    gate.lower(TradingState.HALTED, code=STOPPED, reason="stop", actor="ann")
    assert gate.lower(TradingState.HALTED, code=OPERATOR, reason="halt", actor="bob")
    assert gate.standing.code == OPERATOR
    assert not gate.lower(TradingState.HALTED, code=STOPPED, reason="stop", actor="ann")
    assert gate.standing.code == OPERATOR


async def test_losses_never_raise_a_stopped_bot(gate):
    """Reducing lies above halted: what lowers must not lift."""
    await active(gate)
    gate.lower(TradingState.HALTED, code=STOPPED, reason="stop", actor="ann")
    assert not gate.lower(TradingState.REDUCING, code="DAILY_LOSS_REACHED", reason="", actor="a")
    assert gate.state is TradingState.HALTED


async def test_a_halt_left_in_the_mark_counts_at_once(book, tmp_path):
    """The very next verdict sees it, before anybody has taken it up; a start does too."""
    mark = HaltMark(tmp_path / "halt")
    gate = await active(TradingGate(book, lambda _kind, _body: None, EMPTY, mark=mark))
    mark.set(HaltOrder(id="1", actor="ann", reason="lunch", ts=""))
    assert gate.state is TradingState.HALTED
    assert gate.standing.state is TradingState.ACTIVE
    assert gate.heed().actor == "ann"
    assert (gate.standing.state, gate.standing.code) == (TradingState.HALTED, OPERATOR)
    again = TradingGate(book, lambda _kind, _body: None, EMPTY, mark=mark)
    assert again.standing.code == OPERATOR


async def tripped(gate):
    await active(gate)
    gate.lower(TradingState.REDUCING, code="DRAWDOWN_REACHED", reason="a fall", actor="autohedge")
    return gate


@pytest.mark.parametrize("code", [STOPPED, OPERATOR])
async def test_a_stop_or_a_halt_does_not_take_a_trip_back(gate, code):
    """A loss limit vanished when the process was stopped: `/start` raised from `STOPPED`."""
    await tripped(gate)
    assert gate.lower(TradingState.HALTED, code=code, reason="", actor="ann")
    await gate.raise_to_active(code=code, actor="ann", reason="")
    assert (gate.state, gate.standing.code) == (TradingState.REDUCING, "DRAWDOWN_REACHED")
    await gate.raise_to_active(code="DRAWDOWN_REACHED", actor="ann", reason="seen")
    assert gate.state is TradingState.ACTIVE


async def test_a_halt_on_a_stop_on_a_trip_bares_the_trip(gate):
    """The stop gives way to the halt, the trip to neither."""
    await tripped(gate)
    gate.lower(TradingState.HALTED, code=STOPPED, reason="", actor="ann")
    assert gate.lower(TradingState.HALTED, code=OPERATOR, reason="", actor="bob")
    await gate.raise_to_active(code=OPERATOR, actor="bob", reason="")
    assert gate.standing.code == "DRAWDOWN_REACHED"


async def test_a_standing_is_written_whole(gate, book):
    """What stands under a stop is needed after the restart, so it is on disk with it."""
    await tripped(gate)
    gate.lower(TradingState.HALTED, code=STOPPED, reason="", actor="ann")
    assert parse(book.entries[-1].body, Standing) == gate.standing


async def test_a_trip_is_confirmed_by_the_commit_behind_it(gate, book):
    """The alert is written after the state, so its commit proves both."""
    await tripped(gate)
    await gate.confirm("DRAWDOWN_REACHED", "a fall")
    assert [entry.kind for entry in book.entries[-2:]] == ["trading_state", "alert"]


async def test_a_trip_with_the_journal_down_goes_to_the_spool(book):
    """The disk that fails is a bad time to forget that trading was lowered."""
    spooled = []
    gate = await tripped(
        TradingGate(book, lambda *_: None, EMPTY, spool=lambda *rows: spooled.extend(rows))
    )
    book.is_down = True
    await gate.confirm("DRAWDOWN_REACHED", "a fall")
    assert [entry.kind for entry in spooled] == ["trading_state", "alert"]
    assert spooled[0].body["code"] == "DRAWDOWN_REACHED"


class Slow(Book):
    """A journal whose commits a test lets through."""

    def __init__(self):
        super().__init__()
        self.may_commit = asyncio.Event()

    async def append(self, *entries):
        await self.may_commit.wait()
        return await super().append(*entries)


async def test_a_halt_while_a_raise_is_written_has_the_last_word():
    """Two people at once: the commit came back and set trading active over the halt."""
    book = Slow()
    halted = Standing(state=TradingState.HALTED, code=OPERATOR, reason="lunch", actor="ann")
    gate = TradingGate(book, lambda *_: None, halted)
    raising = asyncio.create_task(gate.raise_to_active(code=OPERATOR, actor="ann", reason=""))
    await asyncio.sleep(0)
    assert gate.lower(TradingState.HALTED, code=OPERATOR, reason="no", actor="bob")
    book.may_commit.set()
    with pytest.raises(ControlRefused, match="while it was raised"):
        await raising
    assert (gate.state, gate.standing.actor) == (TradingState.HALTED, "bob")
    assert book.entries[-1].body["actor"] == "bob"


async def test_what_listens_to_a_raise_hears_the_code_resolved(gate):
    """A rule resets its own counter, and no other."""
    heard = []
    gate.when_raised(heard.append)
    await tripped(gate)
    await gate.raise_to_active(code="DRAWDOWN_REACHED", actor="ann", reason="seen")
    assert heard == [NEVER_STARTED, "DRAWDOWN_REACHED"]


async def test_two_raises_at_once_are_one():
    """Five starts at the same moment: all but the first were told that trading was lowered."""
    book = Slow()
    gate = TradingGate(book, lambda *_: None, EMPTY)
    raises = [
        asyncio.create_task(gate.raise_to_active(code=NEVER_STARTED, actor=who, reason=""))
        for who in ("ann", "bob")
    ]
    await asyncio.sleep(0)
    book.may_commit.set()
    await asyncio.gather(*raises)
    assert gate.state is TradingState.ACTIVE
