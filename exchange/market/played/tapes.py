"""Load the symbols of a tape."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.errors import ConfigError
from domain.market import TapeLine
from exchange.market.played.reader import TapeHeader, TapeReader
from exchange.market.played.recording import Recording, RecordingBuilder
from exchange.market.records import Article
from exchange.market.stamps import from_rfc3339

_MARKET_CHANNELS = frozenset({"stocks", "crypto"})
_CONTROL = frozenset({"success", "error", "subscription"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """A tape's header, its symbols by name, and one line about what of it cannot be played."""

    header: TapeHeader
    recordings: dict[str, Recording]
    complaint: str = ""


def load_tape(path: Path, symbols: Collection[str] | None = None) -> Tape:
    """Read a tape, all its symbols or some.

    Raises `ConfigError` for a file that is no tape or lacks a symbol. A cut tail and messages that
    are not Alpaca's are left out and complained about: recorders keep what they do not understand.
    """
    reader = TapeReader(path)
    loader = _Loader()
    for number, line in reader:
        loader.take(number, line)
    found = loader.recordings()
    complaint = " ".join(filter(None, (reader.complaint, loader.complaint(path))))
    chosen = _chosen(path, found, symbols, complaint)
    return Tape(header=reader.header, recordings=chosen, complaint=complaint)


class _Loader:
    """Sort a tape's messages by symbol, and count those that make no sense."""

    def __init__(self) -> None:
        self._builders: dict[str, RecordingBuilder] = {}
        self._articles: list[Article] = []
        self._left_out = 0
        self._first = ""

    def take(self, number: int, line: TapeLine) -> None:
        """Take one line, whatever is in it."""
        for message in line.f:
            try:
                self._take(line.c, message, line.r)
            except (KeyError, TypeError, ValueError) as error:
                self._left_out += 1
                reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
                self._first = self._first or f"line {number}: {reason}"

    def recordings(self) -> dict[str, Recording]:
        """Return what can be played."""
        _file_articles(self._builders, self._articles)
        built = {symbol: builder.build() for symbol, builder in self._builders.items()}
        return {symbol: recording for symbol, recording in built.items() if recording}

    def complaint(self, path: Path) -> str:
        """Return one line about what was left out, empty when nothing was."""
        if not self._left_out:
            return ""
        return f"Tape {path}: {self._left_out} messages left out, the first at {self._first}."

    def _take(self, channel: str, message: dict[str, Any], received_ns: int) -> None:
        if message["T"] in _CONTROL:
            return
        if channel == "news":
            self._articles.append(_article(message, received_ns))
        elif channel in _MARKET_CHANNELS:
            symbol = message["S"]
            if symbol not in self._builders:
                self._builders[symbol] = RecordingBuilder(symbol)
            self._builders[symbol].add(message, received_ns)


def _chosen(
    path: Path, found: dict[str, Recording], symbols: Collection[str] | None, complaint: str
) -> dict[str, Recording]:
    missing = sorted(set(symbols or ()) - set(found))
    if missing or not found:
        lacking = ", ".join(missing) or "any symbol"
        raise ConfigError(
            f"Tape {path} has no trades of {lacking}. {complaint}".strip(),
            remedy=f"It holds {', '.join(sorted(found)) or 'none'}.",
            code="TAPE_SYMBOL_MISSING",
        )
    return {symbol: found[symbol] for symbol in symbols or found}


def _article(message: dict[str, Any], received_ns: int) -> Article:
    symbols = tuple(message["symbols"])
    return Article(
        symbol=symbols[0] if symbols else "",
        ts_event=from_rfc3339(message["created_at"]),
        published_ns=received_ns,
        article_id=message["id"],
        headline=message["headline"],
        summary=message["summary"],
        content=message["content"],
        author=message["author"],
        source=message["source"],
        url=message["url"],
        symbols=symbols,
    )


def _file_articles(builders: dict[str, RecordingBuilder], articles: list[Article]) -> None:
    """Give each article to one symbol that it names, or to the first, so it is played once."""
    by_compact = {symbol.replace("/", ""): builder for symbol, builder in builders.items()}
    for article in articles:
        named = [by_compact[s] for s in article.symbols if s in by_compact]
        for builder in (named or list(by_compact.values()))[:1]:
            builder.add_article(article)
