"""Measure the desk: what its pages cost the bot, and how soon a page answers a hand.

The exchange (50 symbols, 1,000 ticks a second) and the browser are processes of their own; the bot
and its HTTP are this one, so its processor time is the bot's. Each page shows the market and clicks
nothing while the share is taken; then a hand clicks through symbols and switches, and every click
is timed from its own time stamp to the frame after it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvicorn
from playwright.async_api import Page, async_playwright

from api.app import create_app, server_config
from api.assembly import running
from api.assembly.mapping import plan_of
from api.proving.house import until
from api.security import SecurityConfig
from api.settings import Config
from benchmarks.figures import Figure, show
from benchmarks.stage.pipeline import resident_mb
from exchange.config import ExchangeConfig, seeded_stock
from exchange.server import ExchangeServer
from exchange.streams.endpoints import StreamLimits

SYMBOLS = tuple(f"S{n:02}" for n in range(50))
TICKS_A_SECOND = 1000
SPAN_S = 15.0
CLICKS = 60
PAGES = (0, 1, 4)
UP_S = 150.0

_TIMED = """
window.took = [];
addEventListener("click", (event) => requestAnimationFrame(() => {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => window.took.push(performance.now() - event.timeStamp);
  port2.postMessage(0);
}), true);
"""


def exchange(ready: Any) -> None:
    """Run an exchange until killed; says where it is."""
    each = TICKS_A_SECOND / len(SYMBOLS) / 2
    listed = [seeded_stock(s, 100.0, prints_per_s=each, quotes_per_s=each) for s in SYMBOLS]
    config = ExchangeConfig(
        symbols=tuple(listed),
        limits=StreamLimits(symbols=None),
        data_requests_per_minute=10_000,
        history_minutes=8,
    )

    async def serve() -> None:
        async with ExchangeServer(config) as server:
            ready.put((server.rest_url, server.stream_url, server.key, server.secret))
            await asyncio.Event().wait()

    asyncio.run(serve())


def browser(url: str, commands: Any, answers: Any) -> None:
    """Drive a browser: open as many pages as asked, or click and return the times."""

    async def drive() -> None:
        async with async_playwright() as playwright:
            found = shutil.which("chromium")
            chromium = await playwright.chromium.launch(
                executable_path=found, args=["--no-sandbox"]
            )
            pages: list[Page] = []
            while (wanted := await asyncio.to_thread(commands.get)) is not None:
                while len(pages) < wanted:
                    page = await chromium.new_page()
                    await page.add_init_script(_TIMED)
                    await page.goto(f"{url}/#/market")
                    await page.locator(".chart .wicks path").wait_for(state="attached")
                    pages.append(page)
                answers.put(await _click(pages[0]) if wanted < 0 else [])

    asyncio.run(drive())


async def _click(page: Page) -> list[float]:
    for n in range(CLICKS):
        if n % 3 == 0:
            await page.locator("tbody a").nth(n % len(SYMBOLS)).click()
        else:
            await page.get_by_role("button", name=("EMA", "RSI")[n % 3 - 1], exact=True).click()
        await page.wait_for_timeout(100)
    await page.wait_for_timeout(500)
    took: list[float] = await page.evaluate("window.took")
    return took


def _settings(address: tuple[str, str, str, str], folder: str) -> dict[str, object]:
    rest, stream, key, secret = address
    return {
        "APCA_API_KEY_ID": key,
        "APCA_API_SECRET_KEY": secret,
        "APCA_API_BASE_URL": rest,
        "APCA_DATA_URL": rest,
        "APCA_STREAM_URL": stream,
        "APCA_REQUESTS_PER_MINUTE": 10_000,
        "TRADING_SYMBOLS": ",".join(SYMBOLS),
        "DATABASE_URL": f"sqlite:///{Path(folder, 'journal.sqlite3')}",
        "LIVE_TRADING": "no",
        "AUTOSTART": "no",
        "ANALYST": "rules",
        "BAR_INTERVAL_S": 5,
        "DEADMAN_S": 0,
        "PORT": 0,
    }


@asynccontextmanager
async def bot(settings: dict[str, object]) -> AsyncIterator[str]:
    """Run a bot and its door in this process; yields the address once every symbol is warm."""
    plan = plan_of(Config.for_demo(settings, {}), mode="paper", is_always_open=True)
    async with running(plan) as process:
        await process.bot.start(actor="benchmark")
        security = SecurityConfig()
        app = create_app(process.bot, security=security, bus=process.bus, registry=process.registry)
        server = uvicorn.Server(server_config(app, host="127.0.0.1", port=0))
        serving = asyncio.create_task(server.serve())
        await until(
            lambda: server.started and all(s.is_warm for s in process.bot.status().symbols), UP_S
        )
        try:
            yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
        finally:
            app.state.stream.close()
            server.should_exit = True
            await serving


async def _share() -> float:
    """Return which share of a core this process takes over a span of time, in per cent."""
    wall, used = time.monotonic(), time.process_time()
    await asyncio.sleep(SPAN_S)
    return (time.process_time() - used) / (time.monotonic() - wall) * 100


async def measure(folder: str) -> list[Figure]:
    """Put everything up and measure it."""
    context = multiprocessing.get_context("spawn")
    ready, commands, answers = context.Queue(), context.Queue(), context.Queue()
    market = context.Process(target=exchange, args=(ready,), daemon=True)
    market.start()
    shares: dict[int, float] = {}
    async with bot(_settings(await asyncio.to_thread(ready.get, timeout=UP_S), folder)) as url:
        driver = context.Process(target=browser, args=(url, commands, answers))
        driver.start()
        held = resident_mb()
        for wanted in PAGES:
            commands.put(wanted)
            await asyncio.to_thread(answers.get, timeout=UP_S)
            shares[wanted] = await _share()
        commands.put(-1)
        took = sorted(await asyncio.to_thread(answers.get, timeout=UP_S))
        grown = resident_mb() - held
        commands.put(None)
        await asyncio.to_thread(driver.join)
    market.terminate()
    each = (shares[PAGES[-1]] - shares[0]) / PAGES[-1]
    return [
        *(Figure(f"desk: the bot's share of a core, {n} pages", shares[n], " %") for n in PAGES),
        Figure("desk: of which a page", each, " %"),
        Figure(f"desk: memory that {PAGES[-1]} pages add to the bot", grown, " MB", most=20),
        Figure("desk: clicks", len(took), "", least=CLICKS),
        Figure("desk: click to paint, median", took[len(took) // 2], " ms"),
        Figure("desk: click to paint, 95 %", took[int(len(took) * 0.95)], " ms", most=100),
    ]


def main() -> None:
    if shutil.which("chromium") is None:
        print("Chromium is not installed: apt-get install chromium")
        sys.exit(1)
    with tempfile.TemporaryDirectory() as folder:
        show(asyncio.run(measure(folder)))


if __name__ == "__main__":
    main()
