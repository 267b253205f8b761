"""The trading state: anyone may lower it, a person raises it, and it is written down."""

import pytest

from domain.errors import JournalError
from domain.limits import TradingState
from engine.control import ControlRefused
from engine.killswitch.mark import HaltMark, HaltOrder
from engine.trading import EMPTY, NEVER_STARTED, OPERATOR, STOPPED, TradingGate


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
