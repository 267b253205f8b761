"""Read a tape line by line, in constant memory, and say which line is cut or wrong.

A tape is zstd of lines: a header `{"tape": 1, "source", "licence", "origin_ns"}`, then
`{"r": receive_ns, "c": channel, "f": [messages as Alpaca's JSON]}`.
"""

from collections.abc import Generator, Iterator
from contextlib import closing
from pathlib import Path
from typing import BinaryIO

import msgspec
import zstandard

from domain.errors import ConfigError
from domain.market import TapeLine

_CHUNK = 1 << 16
_VERSION = 1


class TapeHeader(msgspec.Struct, frozen=True):
    """Where a tape comes from and under which terms."""

    tape: int
    source: str
    licence: str
    origin_ns: int


class TapeReader:
    """Iterate over a tape's lines. After a cut tail `cut_at` is the number of the line it hit.

    Opening raises `ConfigError` when the file is no tape; iterating raises it for a broken line
    that is not the last. A cut last line ends the tape: what came before it is sound.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut_at: int | None = None
        with closing(self._lines()) as lines:
            number, text, is_whole = next(lines, (1, b"", False))
        if not is_whole:
            raise self._wrong(number, "the file is empty or cut before its header ends")
        self.header = self._read_header(text)

    @property
    def complaint(self) -> str:
        """Return one line about the cut tail, empty when the tape is whole."""
        if self.cut_at is None:
            return ""
        return f"Tape {self.path} is cut at line {self.cut_at}; the lines before it are played."

    def __iter__(self) -> Iterator[tuple[int, TapeLine]]:
        """Yield the number of each line after the header, and the line."""
        decoder = msgspec.json.Decoder(TapeLine)
        for number, text, is_whole in self._lines():
            if number == 1:
                continue
            try:
                line = decoder.decode(text)
            except msgspec.DecodeError as error:
                if is_whole:
                    raise self._wrong(number, str(error)) from error
                self.cut_at = number
            else:
                yield number, line

    def _read_header(self, text: bytes) -> TapeHeader:
        try:
            header = msgspec.json.decode(text, type=TapeHeader)
        except msgspec.DecodeError as error:
            raise self._wrong(1, f"no header of a tape ({error})") from error
        if header.tape != _VERSION:
            raise ConfigError(
                f"Tape {self.path} is of version {header.tape}, this program reads {_VERSION}.",
                code="TAPE_VERSION_UNKNOWN",
            )
        return header

    def _lines(self) -> Generator[tuple[int, bytes, bool], None, None]:
        """Yield the number and text of each line, and whether it is known to be whole."""
        number, rest = 0, b""
        with _opened(self.path) as file:
            for block in self._blocks(file):
                *lines, rest = (rest + block).split(b"\n")
                for number, line in enumerate(lines, start=number + 1):  # noqa: B020 -- one count over all blocks
                    yield number, line, True
        if rest:
            yield number + 1, rest, False

    def _blocks(self, file: BinaryIO) -> Iterator[bytes]:
        """Decompress; recorders flush in several zstd frames, and a crash leaves one open."""
        decompressor = zstandard.ZstdDecompressor().decompressobj()
        try:
            while chunk := file.read(_CHUNK):
                while chunk:
                    yield decompressor.decompress(chunk)
                    chunk = decompressor.unused_data
                    if decompressor.eof:
                        decompressor = zstandard.ZstdDecompressor().decompressobj()
        except zstandard.ZstdError as error:
            raise ConfigError(
                f"Tape {self.path} cannot be decompressed: {error}.",
                remedy="A tape is a zstd file, as `autohedge record` writes it.",
                code="TAPE_UNREADABLE",
            ) from error

    def _wrong(self, number: int, reason: str) -> ConfigError:
        return ConfigError(
            f"Tape {self.path}, line {number}: {reason}.",
            remedy="Record it again, or cut the file before that line.",
            code="TAPE_DAMAGED",
        )


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise ConfigError(
            f"Tape {path} cannot be read: {error.strerror}.", code="TAPE_UNREADABLE"
        ) from error
