"""Load the symbols of a tape."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from domain.errors import ConfigError
from exchange.market.played.reader import TapeHeader, TapeReader
from exchange.market.played.recording import Recording, RecordingBuilder
from exchange.market.records import Article
from exchange.market.stamps import from_rfc3339

_MARKET_CHANNELS = frozenset({"stocks", "crypto"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tape:
    """A tape's header, its symbols by name, and one line about its cut tail if it has one."""

    header: TapeHeader
    recordings: dict[str, Recording]
    complaint: str = ""


def load_tape(path: Path, symbols: Collection[str] | None = None) -> Tape:
    """Read a tape, all its symbols or some; raises `ConfigError` naming the line or the symbol."""
    reader = TapeReader(path)
    builders: dict[str, RecordingBuilder] = {}
    articles: list[Article] = []
    for number, line in reader:
        try:
            for message in line.f:
                if line.c in _MARKET_CHANNELS:
                    symbol = message["S"]
                    if symbol not in builders:
                        builders[symbol] = RecordingBuilder(symbol)
                    builders[symbol].add(message, line.r)
                elif line.c == "news":
                    articles.append(_article(message, line.r))
        except (KeyError, TypeError, ValueError) as error:
            reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
            raise ConfigError(
                f"Tape {path}, line {number}: not a message of Alpaca: {reason}."
            ) from error
    _file_articles(builders, articles)
    built = {symbol: builder.build() for symbol, builder in builders.items()}
    found = {symbol: recording for symbol, recording in built.items() if recording}
    return Tape(
        header=reader.header, recordings=_chosen(path, found, symbols), complaint=reader.complaint
    )


def _chosen(
    path: Path, found: dict[str, Recording], symbols: Collection[str] | None
) -> dict[str, Recording]:
    missing = sorted(set(symbols or ()) - set(found))
    if missing or not found:
        raise ConfigError(
            f"Tape {path} has no trades of {', '.join(missing) or 'any symbol'}.",
            remedy=f"It holds {', '.join(sorted(found)) or 'none'}.",
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
