"""Another process writes to a journal whose bot runs, hangs or is gone."""

import asyncio
import contextlib
import sqlite3
import sys

import msgspec
import pytest

from domain.errors import InvariantBroken
from domain.ports import Entry, EntryKind
from journal.aside import append_aside
from journal.database import address_of
from journal.sql import SqlJournal


@pytest.fixture
def halt(make):
    """What `autohedge halt` writes."""
    return (
        make.plainly("operator_action", action="halt", actor="ann", reason="enough"),
        make.plainly("trading_state", state="halted", code="OPERATOR", actor="ann"),
    )


@pytest.fixture
def soon(config):
    """A journal that looks for others' entries all the time."""
    return msgspec.structs.replace(config, look_every_s=0.02)


@contextlib.contextmanager
def hung(request, config):
    """The database answers nobody: SQLite is locked by a stopped process, the server hangs."""
    path = address_of(config.url).path
    if path is None:
        server = request.getfixturevalue("postgresql_server")
        server.hold()
        try:
            yield
        finally:
            server.release()
        return
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        yield


class Told:
    """Who is told of others' entries; can be waited for."""

    def __init__(self):
        self.entries = []
        self._changed = asyncio.Event()

    def __call__(self, entries):
        self.entries += entries
        self._changed.set()

    async def wait(self, count):
        async with asyncio.timeout(60):
            while len(self.entries) < count:
                self._changed.clear()
                await self._changed.wait()


async def test_a_halt_goes_in_while_the_bot_holds_the_journal(journal, config, clock, make, halt):
    """The bot's lock says who runs; it does not keep an operator out."""
    await journal.append(make.alert(1))
    done = await append_aside(config, clock, *halt)
    assert (done.seq, done.reason) == (3, "")
    assert await journal.append(make.alert(2)) == 4
    assert (await journal.reader.states.trading()).state == "halted"
    assert (await journal.reader.verify_chain()).is_sound


async def test_an_idle_bot_is_told_of_a_halt(soon, clock, make, halt):
    """Nothing has to be written for the bot to see it."""
    told = Told()
    async with SqlJournal(soon, clock, on_others=told):
        await append_aside(soon, clock, *halt)
        await told.wait(2)
    assert tuple(told.entries) == halt


async def test_no_append_returns_before_a_halt_that_stands_before_it_was_told(
    config, clock, make, halt
):
    """An order's write-ahead that was overtaken by a halt must not be acted upon unknowing."""
    seldom = msgspec.structs.replace(config, look_every_s=3600.0)
    told = Told()
    async with SqlJournal(seldom, clock, on_others=told) as journal:
        await journal.append(make.alert(1))
        await append_aside(config, clock, *halt)
        assert told.entries == []
        assert await journal.append(make.alert(2)) == 4
        assert tuple(told.entries) == halt


CHILD = """
import asyncio, sys
from pathlib import Path
from domain.ports import Entry, EntryKind
from engine.clock import LiveClock
from journal.aside import append_aside
from journal.database import JournalConfig

async def main():
    url, anchors, spool = sys.argv[1:]
    config = JournalConfig(url=url, anchor_file=Path(anchors), spool_file=Path(spool))
    for n in range(20):
        body = {"code": "TEST", "message": "aside", "n": 1000 + n}
        entry = Entry(kind=EntryKind.ALERT, ref="aside", body=body)
        assert (await append_aside(config, LiveClock(), entry, deadline_s=30.0)).seq

asyncio.run(main())
"""


async def test_who_listens_late_is_told_of_what_came_before(soon, clock, halt):
    """Between the opening and the engine's first breath nothing is missed."""
    told = Told()
    async with SqlJournal(soon, clock) as journal:
        await append_aside(soon, clock, *halt)
        await journal.append()
        journal.hear_others(told)
        await told.wait(2)
    assert tuple(told.entries) == halt


async def test_two_processes_that_append_at_once_make_one_chain(config, clock, make):
    """Whoever finds its place taken reads the end again: nothing forks, nothing is lost."""
    told = Told()
    async with SqlJournal(config, clock, on_others=told) as journal:
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CHILD),
            *(config.url, str(config.anchor_file), str(config.spool_file)),
        )
        ending = asyncio.create_task(child.wait())
        n = 0
        while not ending.done():
            await journal.append(make.alert(n))
            n += 1
            await asyncio.sleep(0)
        assert await ending == 0
        await journal.append(make.alert(n))
        found, seq = [], 0
        while page := await journal.reader.entries_after(seq):
            found += [e.body["n"] for e in page if e.kind is EntryKind.ALERT]
            seq = page[-1].seq
        assert [x for x in found if x < 1000 or x > 1019] == [
            x for x in range(n + 1) if x < 1000 or x > 1019
        ]
        assert [e.body["n"] for e in told.entries] == list(range(1000, 1020))
        assert (await journal.reader.verify_chain()).is_sound


async def test_a_hung_database_sends_a_halt_to_the_spool_and_the_bot_takes_it_in(
    request, soon, clock, make, halt
):
    """The kill switch waits for no database; the bot learns of it as soon as it can."""
    told = Told()
    async with SqlJournal(soon, clock, on_others=told) as journal:
        await journal.append(make.alert(1))
        with hung(request, soon):
            done = await append_aside(soon, clock, *halt, deadline_s=0.5)
            assert done.seq is None
            assert done.reason
        await told.wait(2)
        assert tuple(told.entries) == halt
        assert (await journal.reader.states.trading()).state == "halted"
        assert journal._spool.read() == ([], 0)
        assert (await journal.reader.verify_chain()).is_sound


async def test_a_halt_without_a_bot_is_there_at_its_next_start(config, clock, make, halt):
    """Nobody runs: the entry is in the chain all the same."""
    async with SqlJournal(config, clock) as journal:
        await journal.append(make.alert(1))
    assert (await append_aside(config, clock, *halt)).seq == 4
    told = Told()
    async with SqlJournal(config, clock, on_others=told) as journal:
        assert (await journal.reader.states.trading()).state == "halted"
        await journal.append(make.alert(2))
        assert told.entries == []
        assert (await journal.reader.verify_chain()).is_sound


async def test_a_halt_before_the_first_start_waits_in_the_spool(config, clock, halt):
    """There is no journal yet: the first start begins halted."""
    assert (await append_aside(config, clock, *halt)).seq is None
    async with SqlJournal(config, clock) as journal:
        assert (await journal.reader.states.trading()).state == "halted"


async def test_a_commit_whose_answer_was_lost_is_not_taken_for_another_process(config, clock, make):
    """The end of the chain is known by its hash: what stands there is our own."""
    told = Told()
    async with SqlJournal(config, clock, on_others=told) as journal:
        await journal.append(make.alert(1))
        store = journal._store
        store._acknowledged, store._head = 0, None
        await journal.append(make.alert(2))
        assert told.entries == []


async def test_aside_writes_no_anchor_and_nothing_malformed(config, clock):
    """What the journal refuses of its own bot it refuses of others."""
    for wrong in (EntryKind.ANCHOR, EntryKind.FILL):
        with pytest.raises(InvariantBroken):
            await append_aside(config, clock, Entry(kind=wrong, ref="x", body={}))
