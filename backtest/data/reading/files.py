"""Open a CSV or Parquet file as columns of text or numbers, with the line each row stands on."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa  # type: ignore[import-untyped] # it ships no types
import pyarrow.compute as pc  # type: ignore[import-untyped] # likewise
import pyarrow.parquet as pq  # type: ignore[import-untyped] # likewise
import zstandard
from pyarrow import csv

from backtest.data.reading.times import Texts
from backtest.records import Floats, Ints
from domain.errors import ConfigError

T = TypeVar("T")

ENDINGS = {
    ".csv": "csv",
    ".csv.gz": "csv",
    ".csv.zst": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".zst": "tape",
}
"""What a file holds by its ending; the first that fits counts."""

_DELIMITERS = ",;\t|"
_MISSING = frozenset({"", "nan", "na", "null", "none"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RawTable:
    """A file's cells. `rows` count from 1: a CSV's header is line 1, Parquet has none."""

    file: str
    rows: Ints
    cells: Any

    @property
    def columns(self) -> list[str]:
        """Return the columns' names as the file spells them."""
        return list(self.cells.column_names)

    def where(self, at: int) -> str:
        """Name a row for a person."""
        return f"{self.file} row {self.rows[at]}"

    def texts(self, column: str) -> Texts:
        """Return a column as text; what is missing is empty."""
        cells = self.cells.column(column)
        if pa.types.is_timestamp(cells.type):
            return _stamps(cells)
        filled = pc.fill_null(self._cast(column, pa.string()), "")
        return np.char.strip(filled.to_numpy().astype(np.str_))

    def with_texts(self, column: str, texts: Texts) -> RawTable:
        """Return the table with another text in a column."""
        at = self.cells.column_names.index(column)
        cells = self.cells.set_column(at, column, pa.array(texts, pa.string()))
        return replace(self, cells=cells)

    def numbers(self, column: str) -> Floats:
        """Return a column as floats, NaN where it is empty; raises `ConfigError` for other text."""
        cells = self.cells.column(column)
        if not pa.types.is_string(cells.type):
            return np.asarray(self._cast(column, pa.float64()).to_numpy(), dtype=np.float64)
        trimmed = pc.utf8_trim_whitespace(cells)
        known = pc.if_else(pc.equal(trimmed, ""), None, trimmed)
        try:
            return np.asarray(pc.cast(known, pa.float64()).to_numpy(), dtype=np.float64)
        except pa.ArrowInvalid:
            return self._read_one_by_one(column)

    def _cast(self, column: str, to: Any) -> Any:
        cells = self.cells.column(column)
        try:
            return pc.cast(cells, to)
        except pa.ArrowException as error:
            raise ConfigError(
                f"{self.file}: the column {column} holds {cells.type}, which is no {to}.",
                remedy="Write it as plain numbers or text.",
                code="COLUMN_UNREADABLE",
            ) from error

    def _read_one_by_one(self, column: str) -> Floats:
        read = []
        for at, text in enumerate(self.texts(column).tolist()):
            try:
                read.append(np.nan if text.lower() in _MISSING else float(text.replace("_", "x")))
            except ValueError:
                raise ConfigError(
                    f"{self.where(at)}: {column} is {text!r}, which is no number.",
                    remedy="Write plain numbers with a point (1234.5).",
                    code="NUMBER_UNREADABLE",
                ) from None
        return np.array(read, dtype=np.float64)


def read_csv(path: Path) -> RawTable:
    """Read a CSV file, packed by gzip or zstd where its name ends so.

    Raises `ConfigError` (`DATA_UNREADABLE`, `ROW_BROKEN`, `ONE_ROW`).
    """
    content = _opened(path, path.read_bytes)
    try:
        return csv_table(_unpacked(path, content), path.name)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError) as error:
        raise _unreadable(path.name, f"it is no whole {path.suffix[1:]} file ({error})") from error


def kind_of(path: Path) -> str | None:
    """Tell by a file's ending what it holds: `csv`, `parquet`, `tape`, or none of these."""
    name = path.name.lower()
    return next((kind for ending, kind in ENDINGS.items() if name.endswith(ending)), None)


def _unpacked(path: Path, content: bytes) -> bytes:
    match path.suffix.lower():
        case ".gz":
            return gzip.decompress(content)
        case ".zst":
            return b"".join(_frames(content))
        case _:
            return content


def _frames(content: bytes) -> Iterator[bytes]:
    """Unpack zstd's frames; a stream reader would take one that is cut off for its end."""
    while content:
        frame = zstandard.ZstdDecompressor().decompressobj()
        yield frame.decompress(content)
        if not frame.eof:
            raise EOFError("it ends in the middle of a frame")
        content = frame.unused_data


def csv_table(content: bytes, file: str) -> RawTable:
    """Read the bytes of a CSV file whose first line names the columns."""
    if b"\0" in content:
        raise _unreadable(file, "it holds bytes that are no text in UTF-8")
    header = content[: content.find(b"\n")] if b"\n" in content else content
    delimiter = max(_DELIMITERS, key=lambda each: header.count(each.encode()))
    broken: list[Any] = []

    def note(row: Any) -> str:
        broken.append(row)
        return "skip"

    try:
        names = header.decode("utf-8-sig").strip().split(delimiter)
        cells = csv.read_csv(
            io.BytesIO(content),
            read_options=csv.ReadOptions(use_threads=False),
            parse_options=csv.ParseOptions(
                delimiter=delimiter, invalid_row_handler=note, ignore_empty_lines=False
            ),
            convert_options=csv.ConvertOptions(
                column_types={name.strip('"'): pa.string() for name in names},
                strings_can_be_null=False,
            ),
        )
    except (pa.ArrowInvalid, UnicodeDecodeError) as error:
        raise _unreadable(file, str(error).splitlines()[0]) from error
    _none_broken(file, [row for row in broken if row.text.strip()])
    return _without_blanks(file, cells, {row.number for row in broken})


def read_parquet(path: Path) -> RawTable:
    """Read a Parquet file; raises `ConfigError` (`DATA_UNREADABLE`)."""
    try:
        cells = _opened(path, lambda: pq.read_table(path))
    except pa.ArrowInvalid as error:
        raise _unreadable(path.name, str(error).splitlines()[0]) from error
    return RawTable(file=path.name, rows=np.arange(1, len(cells) + 1), cells=cells)


def _opened(path: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except OSError as error:
        raise _unreadable(str(path), error.strerror or "it is no such file") from error


def _without_blanks(file: str, cells: Any, skipped: set[int]) -> RawTable:
    """Number the rows by their lines and leave out those without any cell."""
    lines = np.arange(2, 2 + len(cells) + len(skipped))
    rows = lines[~np.isin(lines, sorted(skipped))]
    is_full = np.zeros(len(cells), dtype=bool)
    for column in cells.columns:
        is_full |= np.asarray(pc.not_equal(column.cast(pa.string()), "").to_numpy(), dtype=bool)
    return RawTable(file=file, rows=rows[is_full], cells=cells.filter(pa.array(is_full)))


def _none_broken(file: str, broken: list[Any]) -> None:
    if broken:
        row = broken[0]
        raise ConfigError(
            f"{file} row {row.number} has {row.actual_columns} cells where the first row has "
            f"{row.expected_columns}: {row.text[:80]!r}.",
            remedy="Mend or remove that row.",
            code="ROW_BROKEN",
        )


def _unreadable(file: str, why: str) -> ConfigError:
    return ConfigError(
        f"{file} cannot be read: {why.rstrip('.')}.",
        remedy="Give a CSV file with a header, or a Parquet file.",
        code="DATA_UNREADABLE",
    )


def _stamps(cells: Any) -> Texts:
    """Write Arrow's stamps as text: UTC when the column has a zone, bare when it has none."""
    whole = pc.cast(cells, pa.timestamp("ns", tz=cells.type.tz), safe=False)
    bare = whole.to_numpy().astype("datetime64[ns]")
    texts = np.datetime_as_string(bare, unit="ns")
    return np.char.add(texts, "Z" if cells.type.tz else "").astype(np.str_)
