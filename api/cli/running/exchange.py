"""Run the local Alpaca alone and print where it is."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from domain.errors import ConfigError
from exchange.config import (
    ExchangeConfig,
    SymbolConfig,
    bars_symbol,
    demo_config,
    seeded_crypto,
    seeded_stock,
    tape_symbols,
)
from exchange.faults import load_plan
from exchange.server import ExchangeServer

# fmt: off
_STOCKS = (
    "MSFT", "AMZN", "GOOG", "META", "TSLA", "AVGO", "JPM", "LLY", "V", "XOM",
    "UNH", "MA", "COST", "HD", "PG", "JNJ", "ABBV", "BAC", "NFLX", "KO",
    "CRM", "AMD", "PEP", "ADBE", "TMO", "LIN", "MCD", "CSCO", "ABT", "GE",
    "ACN", "INTU", "QCOM", "IBM", "TXN", "CAT", "VZ", "AMGN", "PFE", "ISRG",
)
# fmt: on
_PAIRS = ("SOL/USD", "LTC/USD", "DOGE/USD", "LINK/USD")


@dataclass(frozen=True, kw_only=True)
class ExchangeOptions:
    """What the command line asks for; `port` 0 takes free ones."""

    tape: Path | None
    bars: Path | None
    symbol: str
    seed: int
    speed: float
    port: int
    symbols: int
    json: bool
    tied: bool
    faults: Path | None = None


def config_of(options: ExchangeOptions) -> ExchangeConfig:
    """Choose the exchange: a tape, bars, or the demo's markets; raises `ConfigError`."""
    if options.tape is not None and options.bars is not None:
        raise ConfigError("--tape and --bars were both given.", remedy="Give one of them.")
    if options.speed <= 0:
        raise ConfigError(f"--speed is {options.speed}.", remedy="Give a number above 0.")
    config = demo_config(seed=options.seed, speed=options.speed)
    if options.tape is not None:
        config = replace(config, symbols=tape_symbols(options.tape))
    elif options.bars is not None:
        config = replace(config, symbols=(bars_symbol(options.bars, options.symbol),))
    else:
        config = replace(config, symbols=some(config.symbols, options.symbols))
    stream = options.port + 1 if options.port else 0
    return replace(config, rest_port=options.port, stream_port=stream)


def some(listed: tuple[SymbolConfig, ...], count: int) -> tuple[SymbolConfig, ...]:
    """Return so many symbols: the demo's own first, then more seeded ones."""
    most = len(listed) + len(_STOCKS) + len(_PAIRS)
    if not 1 <= count <= most:
        raise ConfigError(f"--symbols is {count}.", remedy=f"Give 1 to {most}.")
    stocks = [seeded_stock(name, 40.0 + 17.0 * n) for n, name in enumerate(_STOCKS)]
    pairs = [seeded_crypto(name, 10.0 + 40.0 * n) for n, name in enumerate(_PAIRS)]
    return (*listed, *pairs, *stocks)[:count]


def run_exchange(options: ExchangeOptions) -> None:
    """Serve until interrupted."""
    config = config_of(options)
    asyncio.run(_serve(config, options))


async def _serve(config: ExchangeConfig, options: ExchangeOptions) -> None:
    plan = None if options.faults is None else load_plan(options.faults)
    async with ExchangeServer(config, faults=plan) as server:
        _print(server, as_json=options.json)
        await _until_told(tied=options.tied)


async def _until_told(*, tied: bool) -> None:
    """Wait for Ctrl-C or SIGTERM; when tied, also for the parent to go (our stdin closes)."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if tied:
        loop.add_reader(sys.stdin.fileno(), stop.set)
    await stop.wait()


def _print(server: ExchangeServer, *, as_json: bool) -> None:
    symbols = {symbol.symbol: symbol.label for symbol in server.config.symbols}
    if as_json:
        body = {
            "rest_url": server.rest_url,
            "stream_url": server.stream_url,
            "key": server.key,
            "secret": server.secret,
            "symbols": symbols,
        }
        print(json.dumps(body), flush=True)  # noqa: T201 - this line is the command's answer
        return
    out = Console(highlight=False)
    out.print(
        "A local Alpaca is running. No real prices but where a symbol says so; no real money."
    )
    out.print(f"  APCA_API_BASE_URL={server.rest_url}")
    out.print(f"  APCA_DATA_URL={server.rest_url}")
    out.print(f"  APCA_STREAM_URL={server.stream_url}")
    out.print(f"  APCA_API_KEY_ID={server.key}")
    out.print(f"  APCA_API_SECRET_KEY={server.secret}")
    table = Table("symbol", "what it plays")
    for symbol, label in symbols.items():
        table.add_row(symbol, label)
    out.print(table)
    out.print(f"  {len(server.plan.armed)} faults armed: {server.rest_url}/admin/faults")
    for line in server.complaints:
        out.print(line)
    out.print("Ctrl-C ends it.")
