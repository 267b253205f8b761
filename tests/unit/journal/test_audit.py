"""Tampering is found, and the first bad entry is named."""

import asyncio
import contextlib
import json
import shutil
import sqlite3

import pytest

from api.cli.main import app, run
from domain.decisions import Decision, Outcome
from domain.errors import JournalError
from domain.ports import Entry, EntryKind
from domain.records import digest, plain
from journal.audit.database import AuditOptions
from journal.reads.reader import Reader
from journal.sql import SqlJournal

WINDOW = {"symbol": "AAPL", "as_of": "2026-01-05T15:00:00Z"}


@pytest.fixture
async def written(config, path, clock, alert):
    """A closed journal: alerts 1 to 5, a decision at 6, alerts 7 and 8, the anchor at 9."""
    decision = Decision(
        id="d1",
        symbol="AAPL",
        window_digest=digest(WINDOW),
        analyst="rules",
        outcome=Outcome.HELD,
        reason_code="HOLD",
        as_of="2026-01-05T15:00:00Z",
        graph_version="1",
    )
    body = {"decision": plain(decision), "window": WINDOW, "prompts": {"p": "What now?"}}
    async with SqlJournal(config, clock) as journal:
        for n in range(1, 6):
            await journal.append(alert(n))
        await journal.append(Entry(kind=EntryKind.DECISION, ref="d1", body=body))
        await journal.append(alert(7), alert(8))
    return path


def tamper(path, *statements):
    """Change the database as someone who knows SQL would."""
    with contextlib.closing(sqlite3.connect(path)) as raw:
        raw.execute("DROP TRIGGER entries_no_update")
        raw.execute("DROP TRIGGER entries_no_delete")
        for statement in statements:
            assert raw.execute(statement).rowcount != 0
        raw.commit()


async def verdict(config):
    async with Reader(config) as reader:
        return await reader.verify_chain()


async def test_an_untouched_journal_is_sound(config, written):
    """Every entry, content and anchor is counted."""
    found = await verdict(config)
    assert found.is_sound
    assert (found.entries, found.contents, found.anchors) == (9, 1, 2)


async def test_a_flipped_byte_in_the_file_names_its_entry(config, written):
    """Not through SQL: one bit of the file itself."""
    content = bytearray(written.read_bytes())
    place = content.index(b'"n":3')
    content[place + 4] ^= 1
    written.write_bytes(content)
    found = await verdict(config)
    assert found.first_bad.seq == 3
    assert found.entries == 2


@pytest.mark.parametrize(
    ("change", "first_bad"),
    [
        ("UPDATE entries SET ts = ts + 1 WHERE seq = 2", 2),
        ("UPDATE entries SET ref = 'other' WHERE seq = 4", 4),
        ("UPDATE entries SET kind = 'session' WHERE seq = 1", 1),
        ("UPDATE entries SET prev_hash = zeroblob(32) WHERE seq = 5", 5),
        ("DELETE FROM entries WHERE seq = 1", 1),
        ("DELETE FROM entries WHERE seq = 5", 5),
        ("DELETE FROM entries WHERE seq = 9", 9),
        ("DELETE FROM entries WHERE seq >= 7", 7),
        ("DELETE FROM entries", 1),
        ("DELETE FROM contents", 6),
        ("UPDATE contents SET content = zeroblob(9)", 6),
        ("UPDATE contents SET content = substr(content, 1, length(content) - 1)", 6),
    ],
)
async def test_a_change_by_sql_names_the_first_bad_entry(config, written, change, first_bad):
    """Rows changed, removed at the start, in the middle or at the end, or content lost."""
    tamper(written, change)
    found = await verdict(config)
    assert not found.is_sound
    assert found.first_bad.seq == first_bad
    assert found.first_bad.reason


async def test_a_removed_end_is_found_also_when_the_anchor_table_went_with_it(config, written):
    """The side file remembers."""
    tamper(written, "DELETE FROM entries WHERE seq >= 8", "DELETE FROM anchors")
    assert (await verdict(config)).first_bad.seq == 8


async def test_a_chain_forged_from_a_copy_meets_its_anchor(config, written, clock, alert, path):
    """A whole new chain is sound in itself, but not the one that was anchored."""
    anchors = path.with_name(path.name + ".anchors")
    kept = anchors.read_bytes()
    for file in (path, anchors):
        file.unlink()
    async with SqlJournal(config, clock) as journal:
        for n in range(20):
            await journal.append(alert(n))
    anchors.write_bytes(kept)
    found = await verdict(config)
    assert found.first_bad.seq == 9
    assert "anchor" in found.first_bad.reason


async def test_entries_put_in_between_are_found(config, written):
    """A forged entry does not follow the one before it."""
    tamper(
        written,
        "UPDATE entries SET seq = seq + 100 WHERE seq > 4",
        "INSERT INTO entries SELECT 5, ts, kind, ref, body, prev_hash, hash FROM entries"
        " WHERE seq = 4",
    )
    assert (await verdict(config)).first_bad.seq == 5


async def test_an_empty_journal_is_sound(config, clock):
    """Nothing was said, nothing was changed."""
    async with SqlJournal(config, clock) as journal:
        assert (await journal.reader.verify_chain()).is_sound


async def test_a_copy_taken_elsewhere_verifies(config, written, tmp_path):
    """An auditor gets the file and its anchors."""
    other = tmp_path / "copy.sqlite3"
    shutil.copy(written, other)
    shutil.copy(f"{written}.anchors", f"{other}.anchors")
    found = await verdict(type(config)(url=f"sqlite:///{other}"))
    assert found.is_sound


async def test_a_copy_older_than_its_anchors_does_not_open(config, written, clock, alert):
    """Orders acknowledged since are forgotten in it: a person must decide."""
    copy = written.read_bytes()
    async with SqlJournal(config, clock) as journal:
        await journal.append(alert(10))
    written.write_bytes(copy)
    with pytest.raises(JournalError, match="missing") as caught:
        await SqlJournal(config, clock).open()
    assert f"{written}.anchors" in caught.value.remedy


SWAP = (
    "UPDATE entries SET seq = -3 WHERE seq = 3",
    "UPDATE entries SET seq = 3 WHERE seq = 5",
    "UPDATE entries SET seq = 5 WHERE seq = -3",
)


@pytest.mark.parametrize(
    ("changes", "seq", "kind", "what"),
    [
        (["UPDATE entries SET body = body || ' ' WHERE seq = 3"], 3, "alert", "content is not"),
        (["UPDATE entries SET hash = zeroblob(32) WHERE seq = 4"], 4, "alert", "hash was changed"),
        (["UPDATE entries SET prev_hash = zeroblob(32) WHERE seq = 4"], 4, "alert", "it follows"),
        (["DELETE FROM entries WHERE seq = 6"], 6, "", "the next one is 7"),
        (SWAP, 3, "alert", "it is entry 5, moved here"),
        (["DELETE FROM entries WHERE seq = 9"], 9, "", "anchor"),
        (["DELETE FROM decisions"], 6, "decision", "its row decisions[6] is missing"),
        (["UPDATE decisions SET tokens_in = 'many'"], 6, "decision", "decisions[6].tokens_in is"),
        (["UPDATE decisions SET outcome = 'ordered'"], 6, "decision", "decisions[6].outcome is"),
        (["INSERT INTO spooled VALUES ('x')"], 0, "", ""),
        (
            ["INSERT INTO trading_state VALUES (8, 1, 'active', '', '', 'nobody')"],
            *(8, "alert", "trading_state[8] follows from no entry"),
        ),
    ],
)
async def test_the_finding_says_what_was_done(config, written, changes, seq, kind, what):
    """An auditor reads the number, the kind and the change; a row of no entry is one too."""
    tamper(written, *changes)
    found = (await verdict(config)).first_bad
    if not seq:
        assert found is None
        return
    assert (found.seq, found.kind) == (seq, kind)
    assert what in found.reason
    assert "\n" not in found.line


async def test_without_its_file_of_anchors_a_journal_is_not_sound(config, written):
    """Who removes the last entries removes their anchors too: that file must be missed."""
    written.with_name(written.name + ".anchors").unlink()
    found = (await verdict(config)).first_bad
    assert (found.seq, found.kind) == (9, "anchor")
    assert "file of anchors" in found.reason


async def test_the_last_entries_removed_with_every_anchor_meet_the_one_a_person_kept(
    config, written
):
    """Database and file were both cut back: only what is kept elsewhere knows."""
    async with Reader(config) as reader:
        kept = await reader.verify_chain()
    tamper(written, "DELETE FROM entries WHERE seq >= 8", "DELETE FROM anchors")
    written.with_name(written.name + ".anchors").write_bytes(b"")
    options = AuditOptions(expected={kept.last: kept.head})
    async with Reader(config) as reader:
        found = (await reader.verify_chain(options)).first_bad
    assert (found.seq, "anchor names entry 9" in found.reason) == (8, True)


async def test_a_journal_that_lost_its_file_of_anchors_makes_a_new_witness_at_its_next_start(
    config, written, clock
):
    """From there on a shortened chain is found again."""
    written.with_name(written.name + ".anchors").unlink()
    async with SqlJournal(config, clock) as journal:
        found = await journal.reader.verify_chain()
        assert found.is_sound
        assert found.witnessed_from == 10


async def test_time_alone_makes_an_anchor_due(config, clock, alert):
    """A quiet day leaves no hour without a witness."""
    async with SqlJournal(config, clock) as journal:
        await journal.append(alert(1))
        await clock.advance(61)
        await journal.append(alert(2))
        assert (await journal.reader.verify_chain()).anchors == 2


async def test_the_audit_tells_how_far_it_is(config, written):
    """For a progress bar: done, of how many."""
    told = []
    async with Reader(config) as reader:
        await reader.verify_chain(tell=lambda done, of: told.append((done, of)))
    assert told[-1] == (9, 9)


def _told(*arguments):
    """Run the command line in this process; returns its exit code."""
    return run(lambda: app(list(arguments)))


async def test_the_command_says_sound_with_0_a_finding_with_1_and_unreadable_with_4(
    config, written, capsys
):
    """Scripts read the code, people the line."""
    url = config.url
    told = await asyncio.to_thread(_told, "audit", "--database", url)
    shown = capsys.readouterr().out
    assert (told, "Sound: 9 entries" in shown) == (0, True)
    anchor = shown.split()[-1]
    assert await asyncio.to_thread(_told, "audit", "--database", url, "--expect", anchor) == 0
    wrong = f"9:{'0' * 64}"
    assert await asyncio.to_thread(_told, "audit", "--database", url, "--expect", wrong) == 1
    assert await asyncio.to_thread(_told, "audit", "--database", url, "--expect", "x") == 2
    tamper(written, "UPDATE entries SET body = body || ' ' WHERE seq = 3")
    capsys.readouterr()
    assert await asyncio.to_thread(_told, "audit", "--database", url) == 1
    assert "Entry 3 (alert): its content is not what was hashed." in capsys.readouterr().out
    assert await asyncio.to_thread(_told, "audit", "--database", url, "--json") == 1
    assert json.loads(capsys.readouterr().out)["first_bad"]["seq"] == 3
    written.write_bytes(b"no database" * 1000)
    assert await asyncio.to_thread(_told, "audit", "--database", url) == 4
    written.unlink()
    assert await asyncio.to_thread(_told, "audit", "--database", url) == 4
    assert "There is no journal" in capsys.readouterr().err
