"""What leaves the journal can be read by others and still be verified."""

import asyncio
import json

import pyarrow.parquet as pq
import pytest

from api.cli.main import app, run
from domain.errors import ConfigError, JournalError
from domain.ports import EntryKind
from journal.export.verifying import verify_export
from journal.export.writing import ExportOptions, Format, export
from journal.sql import SqlJournal


@pytest.fixture
async def filled(config, clock, make):
    """A closed journal: a decision with its order, and 700 alerts, a minute after."""
    asked = make.request()
    async with SqlJournal(config, clock) as journal:
        await journal.append(make.decided(make.decision(1)))
        await journal.append(make.gate(asked), make.intent(asked), *make.filled(asked))
        await clock.advance(60)
        await journal.append(*(make.alert(n) for n in range(700)))
    return config


async def entries_of(config, clock):
    async with SqlJournal(config, clock) as journal:
        found = []
        while page := await journal.reader.entries_after(found[-1].seq if found else 0):
            found += page
        return found


@pytest.mark.parametrize("written", list(Format))
async def test_an_export_holds_every_entry_and_verifies(filled, clock, tmp_path, written):
    """Bodies and hashes as they are kept, in both formats, streamed in chunks."""
    options = ExportOptions(folder=tmp_path / "out", format=written)
    told = []
    manifest = await export(filled, options, lambda done, of: told.append((done, of)))
    verdict = verify_export(options.folder)
    assert verdict.is_sound, verdict.first_bad
    assert verdict.anchor == manifest.anchor
    kept = [e for e in await entries_of(filled, clock) if e.seq <= manifest.last]
    assert (verdict.entries, told[-1]) == (len(kept), (len(kept), len(kept)))
    if written is Format.JSONL:
        lines = (options.folder / "entries.jsonl").read_text().splitlines()
        assert [json.loads(line)["body"] for line in lines] == [e.body for e in kept]
    else:
        table = pq.read_table(options.folder / "entries.parquet")
        assert [json.loads(body.as_py()) for body in table["body"]] == [e.body for e in kept]


async def test_a_span_of_time_and_of_kinds(filled, clock, tmp_path):
    """A span has no gaps; kinds leave entries out, and what is left verifies one by one."""
    start = clock.now_ns() - 60_000_000_000
    late = ExportOptions(folder=tmp_path / "late", since_ns=start + 1)
    manifest = await export(filled, late)
    assert manifest.first > 1
    assert verify_export(late.folder).is_sound
    kinds = frozenset({EntryKind.INTENT, EntryKind.FILL})
    money = ExportOptions(folder=tmp_path / "money", kinds=kinds)
    assert (await export(filled, money)).entries == 2
    assert verify_export(money.folder).is_sound
    none = ExportOptions(folder=tmp_path / "none", until_ns=1)
    assert (await export(filled, none)).entries == 0
    assert verify_export(none.folder).is_sound


async def test_contents_come_in_a_file_of_their_own(filled, make, tmp_path):
    """What the model saw and was asked."""
    options = ExportOptions(folder=tmp_path / "out", has_contents=True)
    await export(filled, options)
    [line] = (options.folder / "contents.jsonl").read_text().splitlines()
    content = json.loads(line)["content"]
    assert content["window"] == make.window(1)
    assert list(content["prompts"].values()) == ["What now, AAPL?"]


CHANGES = [
    (lambda lines: [line.replace('"n":41', '"n":42') for line in lines], "content is not"),
    (lambda lines: lines[:100] + lines[101:], "it is missing"),
    (lambda lines: lines[:-1], "anchor names entry"),
    (lambda lines: [*lines[:50], lines[51], lines[50], *lines[52:]], "it is missing"),
    (lambda lines: [*lines[:50], "no entry\n", *lines[50:]], "no entry"),
    (lambda lines: [*lines[:9], lines[9].replace("{", "{ ", 1), *lines[10:]], "manifest"),
]


@pytest.mark.parametrize(("change", "what"), CHANGES)
async def test_a_changed_export_names_its_first_bad_entry(filled, tmp_path, change, what):
    """Changed, removed, cut, swapped, put in, or only written otherwise."""
    options = ExportOptions(folder=tmp_path / "out")
    await export(filled, options)
    file = options.folder / "entries.jsonl"
    file.write_text("".join(change(file.read_text().splitlines(keepends=True))))
    verdict = verify_export(options.folder)
    assert what in verdict.first_bad.reason


async def test_an_export_never_writes_over_another(filled, tmp_path):
    """Evidence is not replaced in passing; what is no export is named."""
    options = ExportOptions(folder=tmp_path / "out")
    with pytest.raises(JournalError, match="no export"):
        verify_export(options.folder)
    await export(filled, options)
    with pytest.raises(ConfigError, match="already"):
        await export(filled, options)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        await export(filled, ExportOptions(folder=tmp_path / "file" / "out"))


async def test_the_commands_export_and_verify(filled, tmp_path, capsys):
    """Exit codes: 0, a setting 2, a missing journal 4, a finding 1."""

    def told(*arguments):
        return asyncio.to_thread(run, lambda: app([*arguments]))

    place, url = str(tmp_path / "out"), filled.url
    to = ("export", "--database", url, "--to", place)
    assert await told(*to, "--format", "csv") == 2
    assert await told(*to, "--kinds", "dreams") == 2
    assert await told(*to, "--format", "parquet", "--since", "2020-01-01") == 0
    assert await told("audit", "--export", place) == 0
    assert "Sound: 706 entries" in capsys.readouterr().out
    assert await told(*to) == 2
    capsys.readouterr()
    elsewhere = ("export", "--database", url, "--to", f"{place}-json", "--json")
    assert await told(*elsewhere) == 0
    assert json.loads(capsys.readouterr().out)["entries"] == 706
    missing = ("--database", f"sqlite:///{tmp_path}/nothing.sqlite3", "--to", f"{place}-2")
    assert await told("export", *missing) == 4
    (tmp_path / "out" / "entries.parquet").write_bytes(b"nothing")
    assert await told("audit", "--export", place) == 1
