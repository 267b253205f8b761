"""Make the sources that an exchange's configuration asks for."""

from pathlib import Path
from typing import assert_never

from exchange.config import BarsFile, ExchangeConfig, SymbolConfig, TapeFile
from exchange.market.hours import Hours
from exchange.market.played.bars import load_bars
from exchange.market.played.source import PlayedSource
from exchange.market.played.tapes import Tape, load_tape
from exchange.market.seeded.profile import SeededProfile
from exchange.market.seeded.source import SeededSource
from exchange.market.source import Source
from exchange.matching.sessions import AlwaysOpen, Sessions

FAKEPACA = "FAKEPACA"
_FAKEPACA_LOOKS = SeededProfile(
    start_price=134.0,
    volatility_bps=30.0,
    spread_bps=120.0,
    prints_per_s=0.25,
    quotes_per_s=0.2,
    has_surprises=False,
)


class Sources:
    """All sources of an exchange, and one line for each that has something to complain about."""

    def __init__(self, config: ExchangeConfig, *, sessions: Sessions, origin_ns: int) -> None:
        self._config = config
        self._sessions = sessions
        self._origin_ns = origin_ns
        self._tapes: dict[Path, Tape] = {}
        self.complaints: list[str] = []
        self.listed: list[Source] = [self._source(symbol) for symbol in config.symbols]
        self._tapes.clear()

    def test(self) -> Source:
        """Return the test stream's one symbol, which always trades and that no one can order."""
        return self._seeded(FAKEPACA, _FAKEPACA_LOOKS, AlwaysOpen())

    def _source(self, symbol: SymbolConfig) -> Source:
        match symbol.source:
            case SeededProfile() as looks:
                return self._seeded(symbol.symbol, looks, self._sessions)
            case TapeFile(path=path, start_minutes=start):
                recording = self._tape(path).recordings[symbol.symbol]
            case BarsFile(path=path, start_minutes=start):
                recording = load_bars(path, symbol.symbol)
            case other:
                assert_never(other)
        hours = Hours(is_crypto=symbol.listing.is_crypto, sessions=self._sessions)
        return PlayedSource(recording, hours=hours, origin_ns=self._origin_ns, start_minutes=start)

    def _seeded(self, symbol: str, looks: SeededProfile, sessions: Sessions) -> SeededSource:
        return SeededSource(
            symbol,
            looks,
            seed=self._config.seed,
            hours=Hours(is_crypto="/" in symbol, sessions=sessions),
            origin_ns=self._origin_ns,
            history_minutes=self._config.history_minutes,
        )

    def _tape(self, path: Path) -> Tape:
        """Load a tape once for all its symbols."""
        if path not in self._tapes:
            wanted = [
                symbol.symbol
                for symbol in self._config.symbols
                if isinstance(symbol.source, TapeFile) and symbol.source.path == path
            ]
            self._tapes[path] = load_tape(path, wanted)
            if complaint := self._tapes[path].complaint:
                self.complaints.append(complaint)
        return self._tapes[path]
