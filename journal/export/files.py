"""Read and write the files of an export: one entry a line, or a row."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import pyarrow as pa  # type: ignore[import-untyped] # it ships no types
import pyarrow.parquet as pq  # type: ignore[import-untyped] # likewise

from domain.records import Record, canonical
from journal.audit.walk import Link
from journal.chain import Line

MANIFEST = "manifest.json"
_ROWS = 2_000

_SCHEMA = pa.schema(
    [
        ("seq", pa.int64()),
        ("ts", pa.timestamp("ns", tz="UTC")),
        ("kind", pa.dictionary(pa.int8(), pa.string())),
        ("ref", pa.string()),
        ("body", pa.string()),
        ("prev_hash", pa.binary(32)),
        ("hash", pa.binary(32)),
    ]
)


class Manifest(Record, frozen=True):
    """What an export holds. `sha256` by file name; `kinds` is empty where none was left out.

    `anchor` is `seq:hash` of the last entry. Times in nanoseconds.
    """

    export: int
    file: str
    entries: int
    first: int
    last: int
    anchor: str
    kinds: tuple[str, ...]
    since_ns: int
    until_ns: int
    sha256: dict[str, str]


class _JsonLine(msgspec.Struct, frozen=True):
    """One line. `body` is the very bytes that were hashed."""

    seq: int
    ts: int
    kind: str
    ref: str
    body: msgspec.Raw
    prev_hash: str
    hash: str


class Sink(Protocol):
    """A file of entries that is being written."""

    def write(self, links: Sequence[Link]) -> None:
        """Add entries."""
        ...

    def close(self) -> None:
        """Finish the file."""
        ...


class JsonLines:
    """One JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._encoder = msgspec.json.Encoder()

    def write(self, links: Sequence[Link]) -> None:
        """Add entries."""
        self._file.write(self._encoder.encode_lines([_json_line(link) for link in links]))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


class Parquet:
    """Row groups of a few thousand entries, compressed; the body is a column of JSON text."""

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, _SCHEMA, compression="zstd")
        self._waiting: list[Link] = []

    def write(self, links: Sequence[Link]) -> None:
        """Add entries."""
        self._waiting += links
        if len(self._waiting) >= _ROWS:
            self._flush()

    def close(self) -> None:
        """Finish the file."""
        self._flush()
        self._writer.close()

    def _flush(self) -> None:
        links, self._waiting = self._waiting, []
        columns = {
            "seq": [link.line.seq for link in links],
            "ts": [link.line.ts for link in links],
            "kind": [link.line.kind for link in links],
            "ref": [link.line.ref for link in links],
            "body": [link.line.body.decode() for link in links],
            "prev_hash": [link.prev_hash for link in links],
            "hash": [link.hash for link in links],
        }
        if links:
            self._writer.write_table(pa.table(columns, schema=_SCHEMA))


def read_links(path: Path) -> Iterator[Link]:
    """Yield the entries of a file; raises `ValueError` where there is something else."""
    return _read_parquet(path) if path.suffix == ".parquet" else _read_lines(path)


def _read_lines(path: Path) -> Iterator[Link]:
    decoder = msgspec.json.Decoder(_JsonLine)
    with path.open("rb") as file:
        for text in file:
            said = decoder.decode(text)
            line = Line(said.seq, said.ts, said.kind, said.ref, bytes(said.body))
            yield Link(line, bytes.fromhex(said.prev_hash), bytes.fromhex(said.hash))


def _read_parquet(path: Path) -> Iterator[Link]:
    with pq.ParquetFile(path) as file:
        if not file.schema_arrow.equals(_SCHEMA):
            raise ValueError("its columns are not those of an export")
        for batch in file.iter_batches(_ROWS):
            stamps = batch.column("ts").cast(pa.int64())
            columns = [stamps if n == "ts" else batch.column(n) for n in _SCHEMA.names]
            for seq, ts, kind, ref, body, prev, own in zip(
                *(column.to_pylist() for column in columns), strict=True
            ):
                yield Link(Line(seq, ts, kind, ref, body.encode()), prev, own)


def _json_line(link: Link) -> _JsonLine:
    line = link.line
    return _JsonLine(
        seq=line.seq,
        ts=line.ts,
        kind=line.kind,
        ref=line.ref,
        body=msgspec.Raw(line.body),
        prev_hash=link.prev_hash.hex(),
        hash=link.hash.hex(),
    )


def sha256_of(path: Path) -> str:
    """Return a file's digest."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write what the folder holds, last of all: without it there is no export."""
    (folder / MANIFEST).write_bytes(msgspec.json.format(canonical(manifest)) + b"\n")
