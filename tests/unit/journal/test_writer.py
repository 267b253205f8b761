"""The writer fails loudly, loses nothing it acknowledged, and comes back by itself."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys

import msgspec
import pytest

from domain.errors import JournalError
from domain.ports import EntryKind
from journal.sql import SqlJournal


class Changes:
    """Gather what the journal says about itself and wait for it."""

    def __init__(self):
        self.seen = []
        self._arrived = asyncio.Event()

    def __call__(self, failure):
        self.seen.append(failure)
        self._arrived.set()

    async def wait(self, *, is_up, deadline_s=5.0):
        async with asyncio.timeout(deadline_s):
            while not self.seen or (self.seen[-1] is None) is not is_up:
                self._arrived.clear()
                await self._arrived.wait()


@pytest.fixture
def changes():
    return Changes()


@contextlib.contextmanager
def locked(path):
    """Hold the database as another program would."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.execute("BEGIN IMMEDIATE")
        yield
        raw.execute("ROLLBACK")


async def numbers(journal):
    entries = await journal.reader.entries_after(0, kinds=frozenset({EntryKind.ALERT}))
    return [e.body["n"] for e in entries if e.body["code"] == "TEST"]


async def test_a_locked_database_fails_every_waiter_and_then_recovers(
    config, path, clock, alert, changes
):
    """Nothing may be opened meanwhile; when the lock is gone the journal goes on by itself."""
    async with SqlJournal(config, clock, on_change=changes) as journal:
        await journal.append(alert(1))
        with locked(path):
            results = await asyncio.gather(
                *(journal.append(alert(n)) for n in (2, 3)), return_exceptions=True
            )
            assert all(isinstance(r, JournalError) for r in results)
            assert "locked" in results[0].line
            assert "\n" not in results[0].line
            assert results[0].remedy
            assert not journal.is_up
            assert journal.status().reason == results[0].line
        await changes.wait(is_up=True)
        assert journal.is_up
        await journal.append(alert(4))
        assert await numbers(journal) == [1, 4]
        assert (await journal.reader.verify_chain()).is_sound


async def test_while_it_is_down_an_append_fails_at_once(config, path, clock, alert, changes):
    """The gateway learns it in no time, not after a time-out."""
    slow = msgspec.structs.replace(config, retry_first_s=60.0, append_timeout_s=60.0)
    async with SqlJournal(slow, clock, on_change=changes) as journal:
        with locked(path), pytest.raises(JournalError):
            await journal.append(alert(1))
        with pytest.raises(JournalError, match="locked"):
            async with asyncio.timeout(30):
                await journal.append(alert(2))


async def test_traces_handed_over_while_it_is_down_are_written_at_recovery(
    config, path, clock, alert, changes
):
    """What did not have to wait is kept, in order, as long as there is room."""
    async with SqlJournal(config, clock, on_change=changes) as journal:
        with locked(path):
            journal.trace(alert(1))
            await changes.wait(is_up=False)
            journal.trace(alert(2))
        await changes.wait(is_up=True)
        await journal.append(alert(3))
        assert await numbers(journal) == [1, 2, 3]
        assert journal.status().lost == {}


async def test_the_journal_itself_tells_that_it_was_down(config, path, clock, alert, changes):
    """A gap in the record is part of the record."""
    async with SqlJournal(config, clock, on_change=changes) as journal:
        with locked(path), pytest.raises(JournalError):
            await journal.append(alert(1))
        await changes.wait(is_up=True)
        last = await journal.reader.states.last(EntryKind.ALERT)
        assert last.body["code"] == "JOURNAL_RECOVERED"
        assert "locked" in last.body["message"]


async def test_what_was_spooled_while_it_was_down_enters_at_recovery(
    config, path, clock, alert, changes
):
    """Protection that went out meanwhile is in the chain before anything new."""
    async with SqlJournal(config, clock, on_change=changes) as journal:
        with locked(path):
            with pytest.raises(JournalError):
                await journal.append(alert(1))
            journal.spool(alert(2))
        await changes.wait(is_up=True)
        await journal.append(alert(3))
        assert await numbers(journal) == [2, 3]
        assert journal._spool.read() == ([], 0)


async def test_a_removed_database_halts_and_a_returned_one_goes_on(
    config, path, clock, alert, changes
):
    """SQLite would write on into a file no one can open again."""
    async with SqlJournal(config, clock, on_change=changes) as journal:
        await journal.append(alert(1))
        away = path.with_name("away")
        path.rename(away)
        with pytest.raises(JournalError, match="removed or replaced"):
            await journal.append(alert(2))
        assert not journal.is_up
        away.rename(path)
        await changes.wait(is_up=True)
        await journal.append(alert(3))
        assert await numbers(journal) == [1, 3]


async def test_a_replaced_database_never_gets_our_entries(config, path, clock, alert, changes):
    """Another file under the same name is not the journal."""
    async with SqlJournal(config, clock, on_change=changes) as journal:
        await journal.append(alert(1))
        path.rename(path.with_name("away"))
        path.write_bytes(b"")
        with pytest.raises(JournalError, match="replaced"):
            await journal.append(alert(2))
        await asyncio.gather(changes.wait(is_up=False))
        assert path.read_bytes() == b""
        path.unlink()
        path.with_name("away").rename(path)
        await changes.wait(is_up=True)


async def test_an_append_gives_up_on_a_disk_that_is_stuck(config, path, clock, alert):
    """Every wait has its deadline; what timed out and was not begun is not written."""
    stuck = msgspec.structs.replace(config, busy_timeout_s=1.0, append_timeout_s=0.05)
    async with SqlJournal(stuck, clock) as journal:
        with locked(path):
            with pytest.raises(JournalError, match=r"within 0\.05 s"):
                await journal.append(alert(1))
            with pytest.raises(JournalError, match="within"):
                await journal.append(alert(2))
        long = msgspec.structs.replace(stuck, append_timeout_s=5.0)
        journal._writer._config = long
        await journal.append(alert(3))
        assert 2 not in await numbers(journal)


async def test_closing_while_it_is_down_ends_soon_and_counts_what_is_lost(
    config, path, clock, alert, changes
):
    """A broken disk cannot keep the process from ending."""
    slow = msgspec.structs.replace(config, retry_first_s=60.0)
    journal = SqlJournal(slow, clock, on_change=changes)
    await journal.open()
    with locked(path):
        journal.trace(alert(1))
        await changes.wait(is_up=False)
        async with asyncio.timeout(30):
            await journal.close()
    assert journal.status().lost == {"alert": 1}


CHILD = """
import asyncio, resource, signal, sys
from domain.errors import JournalError
from domain.ports import Entry, EntryKind
from engine.clock import LiveClock
from journal.database import JournalConfig
from journal.sql import SqlJournal

def entry(n, size=0):
    body = {"code": "TEST", "message": "m" * size, "n": n}
    return Entry(kind=EntryKind.ALERT, ref="x", body=body)

async def main():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    recovered = asyncio.Event()
    def changed(failure):
        recovered.set() if failure is None else recovered.clear()
    config = JournalConfig(url=sys.argv[1], retry_first_s=0.01, retry_last_s=0.02)
    async with SqlJournal(config, LiveClock(), on_change=changed) as journal:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * 1024 * 1024, hard))
        acknowledged = []
        try:
            for n in range(1000):
                await journal.append(entry(n, 20_000))
                acknowledged.append(n)
        except JournalError as error:
            print("failed:", error.line)
        assert not journal.is_up
        journal.spool(entry(-1))
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        async with asyncio.timeout(60):
            await recovered.wait()
        await journal.append(entry(-2))
        kept, seq = [], 0
        while page := await journal.reader.entries_after(seq):
            kept += [e.body["n"] for e in page if e.kind == "alert" and e.body["code"] == "TEST"]
            seq = page[-1].seq
        assert 10 < len(acknowledged) < 1000
        assert kept == [*acknowledged, -1, -2], (len(acknowledged), kept[-5:])
        assert (await journal.reader.verify_chain()).is_sound
        print("sound")

asyncio.run(main())
"""


def test_a_full_disk_halts_loses_nothing_acknowledged_and_goes_on(config):
    """The operating system refuses to let the file grow; the spool has its room already."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, config.url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert any(line.startswith("failed: The journal's disk") for line in said)
    assert said[-1] == "sound"
