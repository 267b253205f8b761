"""The spool remembers protection while the journal cannot."""

import subprocess
import sys

import pytest

from domain.errors import JournalError
from journal.spool import ROOM_BYTES, Spool


@pytest.fixture
def spool(tmp_path):
    return Spool(tmp_path / "deep" / "journal.spool")


def refs(spool):
    return [line.body["n"] for line in spool.read()[0]]


def test_a_missing_spool_is_empty(spool):
    """Reading creates nothing."""
    assert spool.read() == ([], 0)
    assert not spool.path.exists()


def test_entries_come_back_in_order_with_names_of_their_own(spool, alert):
    """The same entry twice is two lines: replay tells them apart by name."""
    spool.append([alert(1), alert(2)], 5)
    spool.append([alert(2)], 6)
    lines, _ = spool.read()
    assert [(line.ts, line.entry) for line in lines] == [
        (5, alert(1)),
        (5, alert(2)),
        (6, alert(2)),
    ]
    assert len({line.id for line in lines}) == 3


def test_its_room_on_the_disk_is_taken_beforehand(spool, alert):
    """A full disk cannot refuse it: the blocks are there, and appending allocates none."""
    spool.reserve()
    taken = spool.path.stat()
    assert taken.st_size == ROOM_BYTES
    assert taken.st_blocks * 512 >= ROOM_BYTES
    spool.append([alert(n) for n in range(100)], 1)
    assert spool.path.stat().st_size == ROOM_BYTES
    assert refs(spool) == list(range(100))


def test_it_grows_past_its_room(spool, alert):
    """More than was reserved still goes in while the disk has space."""
    spool.reserve()
    big = alert(1)
    big.body["message"] = "x" * ROOM_BYTES
    spool.append([big], 1)
    spool.append([alert(2)], 1)
    assert refs(spool) == [1, 2]


def test_reserving_keeps_what_waits(spool, alert):
    """A restart takes the room again without losing lines."""
    spool.append([alert(1)], 1)
    spool.reserve()
    spool.append([alert(2)], 1)
    assert refs(spool) == [1, 2]


def test_a_torn_last_line_was_never_acknowledged(spool, alert):
    """A crash in the middle of a write leaves the lines before it, and room for the next."""
    spool.reserve()
    spool.append([alert(1)], 1)
    spool.append([alert(2)], 1)
    _, size = spool.read()
    with spool.path.open("r+b") as file:
        file.seek(size - 20)
        file.write(bytes(20))
    assert refs(spool) == [1]
    spool.append([alert(3)], 1)
    assert refs(spool) == [1, 3]


def test_clearing_empties_it(spool, alert):
    """What is journaled is spooled no more."""
    spool.reserve()
    spool.append([alert(1)], 1)
    spool.clear(spool.read()[1])
    assert spool.read() == ([], 0)
    spool.append([alert(2)], 1)
    assert refs(spool) == [2]


def test_clearing_keeps_lines_that_came_meanwhile(spool, alert):
    """The command line's emergency halt may write while the engine replays."""
    spool.append([alert(1)], 1)
    _, size = spool.read()
    spool.append([alert(2)], 1)
    spool.clear(size)
    assert refs(spool) == [1, 2]


def test_processes_append_side_by_side(spool):
    """No line of one tears a line of another."""
    spool.reserve()
    code = (
        "import sys; from pathlib import Path; from journal.spool import Spool;"
        "from domain.ports import Entry, EntryKind\n"
        "spool = Spool(Path(sys.argv[1]))\n"
        "for n in range(50):\n"
        "    body = {'code': sys.argv[2] * 50, 'message': 'm', 'n': n}\n"
        "    spool.append([Entry(kind=EntryKind.ALERT, ref='x', body=body)], n)\n"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(spool.path), name]) for name in "ab"
    ]
    assert [child.wait(30) for child in children] == [0, 0]
    lines, _ = spool.read()
    for name in "ab":
        ours = [line.body["n"] for line in lines if line.body["code"] == name * 50]
        assert ours == list(range(50))


def test_a_line_that_is_no_entry_is_named(spool, alert):
    """A file changed by hand is not guessed at."""
    spool.append([alert(1)], 1)
    with spool.path.open("ab") as file:
        file.write(b'{"id": 1}\n')
    with pytest.raises(JournalError, match="not an entry") as caught:
        spool.read()
    assert "\n" not in caught.value.line


def test_a_spool_that_cannot_be_written_says_so(tmp_path, alert):
    """Without journal and spool no order may be sent."""
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(JournalError, match="spool cannot be used") as caught:
        Spool(blocked / "journal.spool").append([alert()], 1)
    assert "\n" not in caught.value.line
