"""A halt that outlives processes: written whole, found by everyone, cleared only by who took it."""

import pytest

from domain.errors import JournalError
from engine.killswitch.mark import HaltMark, HaltOrder


def order(name, **changes):
    return HaltOrder(id=name, actor="ann", reason="lunch", ts="2026-01-01T00:00:00Z", **changes)


@pytest.fixture
def mark(tmp_path):
    return HaltMark(tmp_path / "var" / "journal.sqlite3.halt")


def test_nothing_waits_where_nobody_halted(mark):
    """The usual case costs one look."""
    assert not mark.is_set
    assert mark.read() is None


def test_what_one_process_leaves_another_reads(mark, tmp_path):
    """The file is all that both know."""
    mark.set(order("a", flatten=True))
    other = HaltMark(tmp_path / "var" / "journal.sqlite3.halt")
    assert other.is_set
    assert other.read() == order("a", flatten=True)


def test_the_newest_halt_stands_and_leaves_no_draft(mark, tmp_path):
    """Two people halt: the later one's wish counts, and no half file lies about."""
    mark.set(order("a"))
    mark.set(order("b", protective=True))
    assert mark.read() == order("b", protective=True)
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["journal.sqlite3.halt"]


def test_clearing_takes_only_what_was_taken_up(mark):
    """A halt that came while the one before was taken up is not lost."""
    mark.set(order("a"))
    mark.set(order("b"))
    mark.clear(order("a"))
    assert mark.read() == order("b")
    mark.clear(order("b"))
    assert not mark.is_set


def test_a_halt_that_cannot_be_read_still_halts(mark):
    """In doubt, no trade."""
    mark.set(order("a"))
    next(iter(mark._path.parent.iterdir())).write_bytes(b"{torn")
    assert mark.read() is not None


def test_a_halt_that_cannot_be_written_says_what_to_do(tmp_path):
    """The person must know that nothing tells the bot."""
    (tmp_path / "var").write_text("a file where the folder should be")
    with pytest.raises(JournalError) as refused:
        HaltMark(tmp_path / "var" / "x.halt").set(order("a"))
    assert refused.value.code == "HALT_NOT_MARKED"
    assert "End the bot's process" in refused.value.line
