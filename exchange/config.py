"""Say what an exchange lists, how its market is made, and how it serves."""

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from domain.errors import ConfigError
from exchange.market.played.tapes import load_tape
from exchange.market.seeded.profile import SeededProfile
from exchange.matching.knobs import Knobs
from exchange.matching.listing import Listing, crypto_pair, us_equity
from exchange.streams.endpoints import StreamLimits
from exchange.tapes import ES_NAME, ES_SYMBOL, ES_TAPE

_SEEDED = "seeded market, no real prices"
_BARS = "prints synthesised inside the bars of"
_DEMO_START_MINUTES = 315  # of the shipped tape: a quarter of an hour before the cash open


@dataclass(frozen=True, slots=True, kw_only=True)
class TapeFile:
    """Play a symbol's recording; `start_minutes` into it, by default after 256 one-minute bars."""

    path: Path
    start_minutes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BarsFile:
    """Play prints synthesised inside the bars of a CSV file (t, o, h, l, c, v)."""

    path: Path
    start_minutes: float | None = None


MarketSource = SeededProfile | TapeFile | BarsFile


@dataclass(frozen=True, slots=True, kw_only=True)
class SymbolConfig:
    """One listed symbol and what makes its market. The listing's name says which it is."""

    listing: Listing
    source: MarketSource

    @property
    def symbol(self) -> str:
        """Return the symbol."""
        return self.listing.symbol

    @property
    def label(self) -> str:
        """Return what a person must know about the symbol's prices."""
        return self.listing.name


@dataclass(frozen=True, slots=True, kw_only=True)
class ExchangeConfig:
    """Everything about one exchange. The account's cash, fills and fees are in `knobs`.

    `seed` makes markets, ids and fills reproducible, given the same `origin_ns` (None: now).
    `speed` is venue seconds a wall second. Port 0 takes a free one. `step_s` is how often the
    market moves, in wall seconds: what falls into one step shares frames.
    """

    symbols: tuple[SymbolConfig, ...]
    seed: int = 0
    origin_ns: int | None = None
    speed: float = 1.0
    host: str = "127.0.0.1"
    rest_port: int = 0
    stream_port: int = 0
    key: str = "LOCALKEY"
    secret: str = field(default="local-secret", repr=False)
    always_open: bool = True
    knobs: Knobs = field(default_factory=Knobs)
    limits: StreamLimits = field(default_factory=StreamLimits)
    data_requests_per_minute: int = 200
    history_minutes: int = 420
    step_s: float = 0.01

    def __post_init__(self) -> None:
        """Refuse two listings of one symbol, and none at all."""
        names = [symbol.symbol for symbol in self.symbols]
        if not names or len(set(names)) != len(names):
            raise ConfigError(f"An exchange lists each symbol once, not {names}.")


def seeded_stock(symbol: str, start_price: float, **looks: float) -> SymbolConfig:
    """List a share with a seeded market; `looks` are fields of `SeededProfile`."""
    listing = us_equity(symbol, name=f"{symbol} ({_SEEDED})")
    return SymbolConfig(listing=listing, source=_profile(listing, start_price, looks))


def seeded_crypto(symbol: str, start_price: float, **looks: float) -> SymbolConfig:
    """List a crypto pair with a seeded market; `looks` are fields of `SeededProfile`."""
    listing = crypto_pair(symbol, name=f"{symbol} ({_SEEDED})")
    return SymbolConfig(listing=listing, source=_profile(listing, start_price, looks))


def tape_symbols(path: Path, *, start_minutes: float | None = None) -> tuple[SymbolConfig, ...]:
    """List every symbol that a tape has trades of; raises `ConfigError` naming a broken line."""
    tape = load_tape(path)
    source = TapeFile(path=path, start_minutes=start_minutes)
    return tuple(
        SymbolConfig(listing=_listing(symbol, f"{symbol} ({tape.header.source})"), source=source)
        for symbol in sorted(tape.recordings)
    )


def bars_symbol(path: Path, symbol: str, *, start_minutes: float | None = None) -> SymbolConfig:
    """List one symbol that plays a file of bars."""
    listing = _listing(symbol, f"{symbol} ({_BARS} {path.name})")
    return SymbolConfig(listing=listing, source=BarsFile(path=path, start_minutes=start_minutes))


def shipped_tape(*, start_minutes: float | None = None) -> SymbolConfig:
    """List the symbol of the tape that comes with the exchange: real ticks of 2013."""
    listing = us_equity(ES_SYMBOL, name=ES_NAME)
    source = TapeFile(path=ES_TAPE, start_minutes=start_minutes)
    return SymbolConfig(listing=listing, source=source)


def demo_config(*, seed: int = 7, speed: float = 1.0) -> ExchangeConfig:
    """Return the demo's exchange: one symbol of real ticks, seeded shares and pairs beside it.

    The market never closes and no plan limits what the bot may watch.
    """
    return ExchangeConfig(
        symbols=(
            shipped_tape(start_minutes=_DEMO_START_MINUTES),
            seeded_stock("AAPL", 228.0),
            seeded_stock("NVDA", 176.0, volatility_bps=12.0, prints_per_s=2.0),
            seeded_stock("SPY", 665.0, volatility_bps=5.0, spread_bps=0.6),
            seeded_crypto("BTC/USD", 86_000.0, volatility_bps=9.0),
            seeded_crypto("ETH/USD", 2_800.0, volatility_bps=12.0),
        ),
        seed=seed,
        speed=speed,
        limits=StreamLimits(symbols=None),
    )


def _profile(listing: Listing, start_price: float, looks: dict[str, float]) -> SeededProfile:
    defaults = {"tick": float(listing.price_increment), "start_price": start_price}
    return SeededProfile(**(defaults | looks))  # type: ignore[arg-type]  # its one flag is a bool


def _listing(symbol: str, name: str) -> Listing:
    if "/" in symbol:
        return crypto_pair(symbol, name=name, price_increment=Decimal("0.01"))
    return us_equity(symbol, name=name)
