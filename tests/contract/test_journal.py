"""Every journal keeps these promises, whatever database it stands on."""

import asyncio
import contextlib
import os
import random
import sys

import msgspec
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine

from domain.errors import InvariantBroken, JournalError, JournalTooNew
from domain.ports import EntryKind
from journal.anchors import Anchor, AnchorFile
from journal.database import address_of
from journal.reads.reader import Reader
from journal.sql import SqlJournal


async def until(condition, deadline_s=60.0):
    async with asyncio.timeout(deadline_s):
        while not await condition():  # noqa: ASYNC110 - another connection's view has no event
            await asyncio.sleep(0.005)


async def messages(journal):
    return [entry.body.get("n") for entry in await journal.reader.entries_after(0)]


async def test_append_returns_when_a_reader_can_see_the_entries(journal, make):
    """Act after commit: what append acknowledged is there for everyone."""
    seq = await journal.append(make.alert(1), make.alert(2))
    assert seq == 2
    stored = await journal.reader.entries_after(0)
    assert [(e.seq, e.kind, e.body["n"]) for e in stored] == [
        (1, EntryKind.ALERT, 1),
        (2, EntryKind.ALERT, 2),
    ]


async def test_append_of_nothing_returns_the_last_seq(journal, make):
    """An empty append writes nothing."""
    await journal.append(make.alert())
    assert await journal.append() == 1
    assert await journal.reader.last_seq() == 1


async def test_entries_carry_the_time_of_the_injected_clock(journal, make, clock):
    """The journal reads no other clock."""
    await journal.append(make.alert())
    [entry] = await journal.reader.entries_after(0)
    assert entry.ts == clock.now_ns()


async def test_a_trace_arrives_without_an_append_and_without_waiting(journal, make):
    """A trace rides along, or goes alone after a short delay."""
    journal.trace(make.alert(7))

    async def arrived():
        return await messages(journal) == [7]

    await until(arrived)


async def test_traces_and_appends_keep_the_order_they_were_handed_over(journal, make):
    """A decision that is traced stands before the intent that is appended after it."""
    journal.trace(make.alert(1))
    journal.trace(make.alert(2))
    await journal.append(make.alert(3))
    assert await messages(journal) == [1, 2, 3]


async def test_many_appends_at_once_share_commits_and_lose_none(journal, make):
    """Group commit: one transaction for all that waits."""
    sequences = await asyncio.gather(*(journal.append(make.alert(n)) for n in range(300)))
    entries = [e for e in await journal.reader.entries_after(0) if e.kind is EntryKind.ALERT]
    assert sorted(e.body["n"] for e in entries) == list(range(300))
    by_seq = {e.seq: e.body["n"] for e in entries}
    assert [by_seq[seq] for seq in sequences] == list(range(300))
    assert journal.status().commits < 100


async def test_what_was_written_is_read_after_a_reopening(config, clock, make):
    """The chain goes on where it ended, traces handed over before the end included."""
    async with SqlJournal(config, clock) as journal:
        await journal.append(make.alert(1))
        journal.trace(make.alert(2))
    async with SqlJournal(config, clock) as journal:
        await journal.append(make.alert(3))
        stored = await journal.reader.entries_after(0)
        assert [e.kind for e in stored] == ["alert", "alert", "anchor", "alert"]
        assert (await journal.reader.verify_chain()).is_sound


async def test_a_closed_journal_refuses_with_one_line_and_a_remedy(config, clock, make):
    """An append after the end fails; a trace is counted."""
    async with SqlJournal(config, clock) as journal:
        pass
    assert not journal.is_up
    with pytest.raises(JournalError, match="closed") as caught:
        await journal.append(make.alert())
    assert "\n" not in caught.value.line
    assert caught.value.remedy
    journal.trace(make.alert())
    assert journal.status().lost == {"alert": 1}


async def test_a_malformed_entry_fails_its_own_caller_and_no_one_else(journal, make):
    """A batch cannot be poisoned by one entry of the wrong shape."""
    good = asyncio.create_task(journal.append(make.alert(1)))
    with pytest.raises(InvariantBroken, match="intent"):
        await journal.append(make.plainly("intent", request={"symbol": "AAPL"}))
    journal.trace(make.plainly("fill", nothing=1))
    assert await good == 1
    assert journal.is_up
    assert journal.status().lost == {"malformed_fill": 1}


async def test_a_decision_with_another_window_than_it_names_is_refused(journal, make):
    """Law 7: the window is stored, and its digest names it."""
    entry = make.decided(make.decision(1))
    entry.body["window"]["as_of"] = "later"
    with pytest.raises(InvariantBroken, match="digest"):
        await journal.append(entry)


async def test_no_one_else_writes_anchors(journal, make):
    """Anchors are made by the journal from its own end."""
    entry = make.plainly("anchor", seq=1, hash="00")
    with pytest.raises(InvariantBroken):
        await journal.append(entry)


async def test_a_full_queue_drops_traces_and_counts_them(config, clock, make):
    """The queue is bounded and says what it dropped."""
    small = msgspec.structs.replace(config, queue_entries=10)
    async with SqlJournal(small, clock) as journal:
        for n in range(25):
            journal.trace(make.alert(n))
        assert journal.status().lost == {"alert": 15}
        assert journal.status().queued == 10
        with pytest.raises(JournalError, match="behind"):
            await journal.append(make.alert())


async def test_a_cancelled_append_that_was_not_taken_is_not_written(journal, make):
    """Who gave up before the commit began left nothing behind."""
    task = asyncio.create_task(journal.append(make.alert(1)))
    await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await journal.append(make.alert(2))
    assert await messages(journal) == [2]


async def test_a_second_writer_is_refused_and_told_who_holds_the_journal(journal, config, clock):
    """One writer a database: two would tear the chain."""
    with pytest.raises(JournalError, match="Another process") as caught:
        await SqlJournal(config, clock).open()
    assert caught.value.code == "JOURNAL_LOCKED"
    assert config.url.startswith("postgresql") or str(os.getpid()) in caught.value.line
    assert journal.is_up


async def test_a_database_from_a_newer_version_is_named_and_left_alone(config, clock, make):
    """Nothing is written to a schema that this version does not know."""
    async with SqlJournal(config, clock) as journal:
        await journal.append(make.alert())
    engine = create_async_engine(address_of(config.url).reader_url)
    version = sa.text("SELECT version_num FROM alembic_version")
    async with engine.begin() as connection:
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = '0999'"))
    with pytest.raises(JournalTooNew, match="0999") as caught:
        await SqlJournal(config, clock).open()
    assert "\n" not in caught.value.line
    async with engine.begin() as connection:
        assert await connection.scalar(version) == "0999"
    await engine.dispose()
    async with Reader(config) as reader:
        with pytest.raises(JournalTooNew):
            await reader.last_seq()


async def test_an_approval_has_one_winner(journal, make):
    """Two people at the same moment: compare-and-set from pending, in the journal."""
    await journal.append(make.plainly("approval", decision_id="d1", status="pending"))
    answers = await asyncio.gather(
        journal.close_approval("d1", "approved", actor="ann"),
        journal.close_approval("d1", "rejected", actor="bob"),
        journal.close_approval("d1", "expired", actor="clock"),
    )
    assert answers == [True, False, False]
    approval = await journal.reader.states.approval("d1")
    assert (approval.status, approval.actor) == ("approved", "ann")
    entries = await journal.reader.entries_after(0, kinds=frozenset({EntryKind.APPROVAL}))
    assert [e.body["status"] for e in entries] == ["pending", "approved"]


async def test_an_approval_that_was_never_asked_for_cannot_be_given(journal):
    """Approving an unknown decision changes nothing."""
    assert not await journal.close_approval("d9", "approved", actor="ann")
    assert await journal.reader.last_seq() == 0


async def test_an_approval_asked_for_and_closed_in_one_batch_is_seen(journal, make):
    """The compare-and-set sees what stands before it in the same group."""
    asked = asyncio.create_task(
        journal.append(make.plainly("approval", decision_id="d1", status="pending"))
    )
    won = asyncio.create_task(journal.close_approval("d1", "rejected", actor="bob"))
    await asked
    assert await won


async def test_a_closed_approval_stays_closed_whatever_is_appended(journal, make):
    """A late entry does not reopen an approval."""
    await journal.append(make.plainly("approval", decision_id="d1", status="pending"))
    await journal.close_approval("d1", "expired", actor="clock")
    await journal.append(make.plainly("approval", decision_id="d1", status="approved"))
    assert (await journal.reader.states.approval("d1")).status == "expired"


async def test_spooled_entries_enter_the_journal_once_at_the_next_start(config, clock, make):
    """Protection written while the journal was down is remembered, and only once."""
    asked = make.request()
    async with SqlJournal(config, clock) as journal:
        journal.spool(make.intent(asked), make.accepted(asked))
        lines = journal._spool.path.read_bytes()
    async with SqlJournal(config, clock) as journal:
        assert [o.state for o in await journal.reader.orders.open()] == ["accepted"]
        assert journal._spool.read() == ([], 0)
        journal._spool.path.write_bytes(lines)
    async with SqlJournal(config, clock) as journal:
        kinds = [e.kind for e in await journal.reader.entries_after(0)]
        assert kinds.count(EntryKind.INTENT) == 1
        assert (await journal.reader.verify_chain()).is_sound


async def test_anchors_are_written_every_so_many_entries_and_at_the_end(config, clock, make):
    """A shortened chain is found out, also when the journal was killed since."""
    async with SqlJournal(config, clock) as journal:
        for n in range(120):
            await journal.append(make.alert(n))
        verdict = await journal.reader.verify_chain()
        assert verdict.anchors == 4
        assert verdict.is_sound
    async with Reader(config) as reader:
        assert (await reader.verify_chain()).anchors == 6


CHILD = """
import asyncio, sys
from pathlib import Path
from domain.ports import Entry, EntryKind
from engine.clock import LiveClock
from journal.database import JournalConfig
from journal.sql import SqlJournal

async def write(journal, worker):
    for n in range(1_000_000):
        name = f"{worker}-{n}"
        body = {"code": "TEST", "message": name}
        await journal.append(Entry(kind=EntryKind.ALERT, ref=name, body=body))
        sys.stdout.write(name + "\\n")
        sys.stdout.flush()

async def main():
    url, anchors, spool = sys.argv[1:]
    config = JournalConfig(
        url=url, anchor_file=Path(anchors), spool_file=Path(spool), anchor_every=40
    )
    async with SqlJournal(config, LiveClock()) as journal, asyncio.TaskGroup() as group:
        for worker in range(8):
            group.create_task(write(journal, worker))

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 57, 200])
async def test_everything_acknowledged_survives_kill_9(config, clock, make, lines):
    """The writer is killed while it writes; what it called committed is there, in a sound chain."""
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", CHILD),
        *(config.url, str(config.anchor_file), str(config.spool_file)),
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        output = b"".join([await child.stdout.readline() for _ in range(lines)])
        child.kill()
        output += await child.stdout.read()
        await child.wait()
    said = set(output.decode().rpartition("\n")[0].split("\n"))
    assert len(said) >= lines
    async with SqlJournal(config, clock) as journal:
        kept, seq = set(), 0
        while entries := await journal.reader.entries_after(seq):
            kept |= {e.ref for e in entries}
            seq = entries[-1].seq
        assert said <= kept
        assert (await journal.reader.verify_chain()).is_sound
        await journal.append(make.alert())


@pytest.mark.parametrize("seed", range(8))
async def test_any_mixture_of_appends_and_traces_is_one_ordered_chain(journal, make, seed):
    """Whatever is handed over is there once, in order, in a chain that verifies."""
    chance = random.Random(seed)
    waiting = []
    number = 0
    for _ in range(chance.randint(1, 40)):
        entries = [make.alert(number + i) for i in range(chance.randint(1, 4))]
        number += len(entries)
        if chance.random() < 0.5:
            journal.trace(*entries)
        else:
            waiting.append(asyncio.ensure_future(journal.append(*entries)))
        await asyncio.sleep(chance.choice((0, 0, 0.002)))
    await asyncio.gather(*waiting)
    await journal.append(make.alert(number))
    stored = await journal.reader.entries_after(0, kinds=frozenset({EntryKind.ALERT}))
    assert [entry.body["n"] for entry in stored] == list(range(number + 1))
    assert (await journal.reader.verify_chain()).is_sound


async def test_a_journal_shorter_than_its_anchor_does_not_open(config, clock, make):
    """An older copy put in place of the journal would forget orders: a person must decide."""
    async with SqlJournal(config, clock) as journal:
        await journal.append(make.alert(1))
    AnchorFile(config.anchor_file).add(Anchor(seq=9, ts=1, hash="ab" * 32))
    with pytest.raises(JournalError, match="missing") as caught:
        await SqlJournal(config, clock).open()
    assert caught.value.code == "JOURNAL_BROKEN"
    assert str(config.anchor_file) in caught.value.remedy
    config.anchor_file.unlink()
    async with SqlJournal(config, clock) as journal:
        await journal.append(make.alert(3))
