"""Keep a unit as numbered Parquet files, each whole or not there, each knowing what comes next.

A part is written aside, synced and renamed, so a kill at any moment leaves whole parts alone. Its
metadata holds the token of the page after it: whoever comes next goes on from there.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pyarrow as pa  # type: ignore[import-untyped] # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # likewise

from backtest.data.fetching.columns import table_of
from backtest.data.fetching.plan import Unit
from domain.errors import ConfigError
from domain.records import Record
from feeds.pages import HistoryRecord, Kind

_KEY = b"autohedge"
_VERSION = 1


class PartNote(Record, frozen=True):
    """What a part says of itself. `token` asks for what comes after; none on a unit's last part."""

    version: int
    kind: Kind
    symbol: str
    interval_s: int
    start_ns: int
    end_ns: int
    token: str | None
    rows: int
    fetched_ns: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a unit has come: the next part's number, and the token to go on with."""

    n_parts: int = 0
    token: str | None = None
    is_done: bool = False


class Parts:
    """The parts of every unit below one folder: `<dataset>/<symbol>/<name>.<number>.parquet`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep another fetch out of the folder; raises `ConfigError` when one is at work."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / ".lock").open("w")
        except OSError as error:
            raise ConfigError(
                f"{self.folder} cannot be written: {error.strerror}.",
                remedy="Choose another folder with --out.",
                code="FETCH_UNWRITABLE",
            ) from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ConfigError(
                    f"Another fetch writes into {self.folder}.",
                    remedy="Wait for it, or choose another folder with --out.",
                    code="FETCH_RUNNING",
                ) from None
            yield

    def progress(self, unit: Unit) -> Progress:
        """Tell how far a unit has come; parts of another span, or damaged ones, are as none.

        A unit that ended "now" has another end later: whole, it is fetched anew; cut, it is gone
        on with, for a token says where it stands and not where it ends.
        """
        paths = self.paths(unit)
        expected = [self._path(unit, number) for number in range(len(paths))]
        note = read_note(paths[-1]) if paths and paths == expected else None
        asked = unit.question
        if note is None or note.start_ns != asked.start_ns or note.end_ns > asked.end_ns:
            return Progress()
        if note.token is None and note.end_ns != asked.end_ns:
            return Progress()
        return Progress(n_parts=len(paths), token=note.token, is_done=note.token is None)

    def write(
        self, unit: Unit, number: int, records: Sequence[HistoryRecord], note: PartNote
    ) -> None:
        """Write one part whole."""
        asked = unit.question
        table = table_of(asked.kind, asked.symbol, records)
        table = table.replace_schema_metadata({_KEY: msgspec.json.encode(note)})
        path = self._path(unit, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
        try:
            with partial.open("wb") as file:
                pq.write_table(table, file, compression="zstd")
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)

    def rows(self, unit: Unit) -> int:
        """Return how many rows of a unit are there."""
        notes = (read_note(path) for path in self.paths(unit))
        return sum(note.rows for note in notes if note is not None)

    def drop(self, unit: Unit) -> None:
        """Remove a unit's parts, the last first, so that what a kill leaves is a beginning."""
        for path in reversed(self.paths(unit)):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            self._folder(unit).rmdir()

    def paths(self, unit: Unit) -> list[Path]:
        """Return a unit's parts in their order."""
        return sorted(self._folder(unit).glob(f"{unit.name}.*.parquet"))

    def _folder(self, unit: Unit) -> Path:
        return self.folder / unit.dataset / unit.symbol.replace("/", "-")

    def _path(self, unit: Unit, number: int) -> Path:
        return self._folder(unit) / f"{unit.name}.{number:04d}.parquet"


def note_of(unit: Unit, *, token: str | None, rows: int, fetched_ns: int) -> PartNote:
    """Say what a part of a unit is."""
    asked = unit.question
    return PartNote(
        version=_VERSION,
        kind=asked.kind,
        symbol=asked.symbol,
        interval_s=asked.interval_s if asked.kind is Kind.BARS else 0,
        start_ns=asked.start_ns,
        end_ns=asked.end_ns,
        token=token,
        rows=rows,
        fetched_ns=fetched_ns,
    )


def read_note(path: Path) -> PartNote | None:
    """Return what a part says of itself; none for what is no whole part of ours."""
    with suppress(OSError, pa.ArrowException, msgspec.MsgspecError, KeyError):
        metadata = pq.read_schema(path).metadata or {}
        note = msgspec.json.decode(metadata[_KEY], type=PartNote)
        return note if note.version == _VERSION else None
    return None
