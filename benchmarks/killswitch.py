"""Measure the kill switch: from trigger to the last cancel's answer, with 50 working entries.

Three ways: a running bot's `/halt`, `autohedge halt` beside a bot that is stopped, and the
dead-man. Each is also a ratio to the venue's own time for 50 cancels, sent one after another by a
bare client on one warm connection: below one means that asking at once pays.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx

from api.assembly.mapping import plan_of
from api.proving.house import House, ScriptedModel, open_house, serving, until
from api.settings import Config, known_variables
from benchmarks.figures import Figure, show
from domain.decisions import decision_id
from domain.orders import (
    Leg,
    OrderRequest,
    OrderType,
    Side,
    TimeInForce,
    client_order_id,
    to_alpaca,
)
from exchange.config import seeded_crypto

ENTRIES = 50
PAIR = "BTC/USD"
CALM = {"has_surprises": False, "volatility_bps": 1.0, "prints_per_s": 2.0, "quotes_per_s": 2.0}
ROOT = Path(__file__).parents[1]
BOT = ROOT / "tests" / "scenario" / "child.py"
SILENCE_S = 2


def payload(number: int) -> dict[str, Any]:
    """Return one entry that rests far below the market, under a name of ours."""
    origin = decision_id(
        account="bench", strategy="bench", symbol=PAIR, as_of=str(time.time_ns()), attempt=number
    )
    return to_alpaca(
        OrderRequest(
            decision_id=origin,
            leg=Leg.ENTRY,
            symbol=PAIR,
            side=Side.BUY,
            quantity=Decimal("0.001"),
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            reference_price=Decimal(60_000),
            limit_price=Decimal(60_000),
            valid_until="2100-01-01T00:00:00Z",
            client_order_id=client_order_id(origin, Leg.ENTRY, 1),
        )
    )


def venue(house: House) -> httpx.AsyncClient:
    """Return a bare client of the exchange."""
    keys = {"APCA-API-KEY-ID": house.exchange.key, "APCA-API-SECRET-KEY": house.exchange.secret}
    return httpx.AsyncClient(base_url=house.exchange.rest_url, headers=keys, trust_env=False)


async def rest_entries(house: House) -> list[str]:
    """Let the entries rest; return the venue's names for them."""
    async with venue(house) as client:
        answers = [await client.post("/v2/orders", json=payload(n)) for n in range(ENTRIES)]
    return [answer.raise_for_status().json()["id"] for answer in answers]


def working(house: House) -> int:
    return len([order for order in house.orders("open") if "-entry-" in order["client_order_id"]])


async def venues_own_time(house: House) -> float:
    """Return seconds for the cancels one after another on one connection."""
    names = await rest_entries(house)
    async with venue(house) as client:
        await client.get("/v2/clock")
        started = time.perf_counter()
        for name in names:
            (await client.delete(f"/v2/orders/{name}")).raise_for_status()
        return time.perf_counter() - started


@asynccontextmanager
async def bot(settings: dict[str, Any]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a bot in a process of its own."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        str(BOT),
        json.dumps(settings, default=str),
        stdout=asyncio.subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
    )
    assert child.stdout is not None
    try:
        await child.stdout.readline()
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def known_to_bot(settings: dict[str, Any]) -> None:
    """Wait until the bot has taken the entries up: it finds them by their names."""
    url = f"http://127.0.0.1:{settings['PORT']}/status"
    async with httpx.AsyncClient(trust_env=False) as client:

        async def has_all() -> bool:
            return (await client.get(url)).json()["orders_working"] >= ENTRIES

        await until(has_all, 60, what="the bot knows of every entry")


async def over_http(house: House, settings: dict[str, Any]) -> float:
    """Return seconds of `/halt`, by its own answer."""
    async with bot(settings):
        await rest_entries(house)
        await known_to_bot(settings)
        url = f"http://127.0.0.1:{settings['PORT']}/halt"
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            answer = (await client.post(url, json={"reason": "bench"})).json()
        assert working(house) == 0
        return float(answer["last_sweep"]["answered_in_s"])


async def from_outside(house: House, settings: dict[str, Any]) -> tuple[float, float]:
    """Return seconds of the cancels by `autohedge halt`, and of the whole command."""
    async with bot(settings) as child:
        await rest_entries(house)
        os.kill(child.pid, signal.SIGSTOP)
        kept = {k: v for k, v in os.environ.items() if k not in known_variables()}
        given = {name: str(value) for name, value in settings.items()}
        command = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "api.cli", "halt", "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**kept, **given, "PYTHONPATH": str(ROOT)},
        )
        out, _ = await command.communicate()
        answer = json.loads(out)
        assert working(house) == 0, answer
        return float(answer["answered_in_s"]), float(answer["took_s"])


async def by_dead_man(house: House, settings: dict[str, Any]) -> tuple[float, float]:
    """Return seconds by the dead-man's own line, and from the kill to the venue being clear."""
    async with bot(settings | {"DEADMAN_S": SILENCE_S}) as child:
        await rest_entries(house)
        killed = time.perf_counter()
        child.kill()
        await until(lambda: working(house) == 0, 60, what="the dead-man acted")
        clear_s = time.perf_counter() - killed
    path = plan_of(Config.for_demo(settings, {}), mode="paper").beside_journal(".deadman.log")
    await until(path.exists, 30, what="the dead-man's line")
    line = path.read_text(encoding="utf-8")
    return float(line.split("last cancel answered after ")[1].split(" s")[0]), clear_s


async def measured() -> list[Figure]:
    pair = seeded_crypto(PAIR, 86e3, **CALM)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            serving(ScriptedModel()) as model,
            open_house(pair, model=model, folder=Path(folder)) as house,
        ):
            own_s = await venues_own_time(house)
            http_s = await over_http(house, settings_for(house, "http"))
            outside_s, whole_s = await from_outside(house, settings_for(house, "outside"))
            dead_s, clear_s = await by_dead_man(house, settings_for(house, "dead"))
    return [
        Figure("kill switch: the venue's own time for 50 cancels", own_s * 1e3, " ms"),
        Figure("kill switch: /halt, trigger to last answer", http_s * 1e3, " ms"),
        Figure("kill switch: /halt against the venue's own time", http_s / own_s, " times", most=3),
        Figure("kill switch: autohedge halt, beside a stopped bot", outside_s * 1e3, " ms"),
        Figure(
            "kill switch: the same, against the venue's own", outside_s / own_s, " times", most=3
        ),
        Figure(
            "kill switch: the whole command, 2 s for HTTP to hang in it", whole_s, " s", most=10
        ),
        Figure("kill switch: dead-man, trigger to last answer", dead_s * 1e3, " ms"),
        Figure("kill switch: dead-man, against the venue's own", dead_s / own_s, " times", most=3),
        Figure("kill switch: dead-man, kill -9 until no entry works", clear_s, " s", most=5),
    ]


def settings_for(house: House, name: str) -> dict[str, Any]:
    """Return settings of a bot with a journal of its own, on a port that is known."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    journal = house.journal.with_name(f"{name}.sqlite3")
    limits = {"ENTRY_TTL_S": 3_600, "MAX_OPEN_ORDERS": 100}
    url = f"sqlite:///{journal}"
    return house.settings(PORT=port, DEADMAN_S=0, DATABASE_URL=url, **limits)


def main() -> None:
    show(asyncio.run(measured()))


if __name__ == "__main__":
    main()
