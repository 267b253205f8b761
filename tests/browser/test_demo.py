"""The demo as a stranger starts it: it runs, decides, reads well to everybody, and is pictured.

`DESK_PICTURES=docs/pictures python -m pytest tests/browser/test_demo.py` makes the README's
pictures anew; without it they are made all the same, and thrown away.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from api.proving.house import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).parents[2]
PICTURES = os.environ.get("DESK_PICTURES")
FILLS = 6
"""How many entries have filled before the first picture: a page without trades shows little."""
PAGES = ("market", "decisions", "decision", "money", "controls", "health")
READY = {
    "market": "p.held > *",
    "decisions": "tbody tr.leads",
    "decision": ".graph .lit",
    "money": ".plot .curve",
    "controls": ".waits > *",
    "health": "tbody tr",
}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
PHONE = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 1.5,
    "is_mobile": True,
    "has_touch": True,
}
ALL = [
    (device, theme, options | {"color_scheme": theme})
    for device, options in (("desktop", DESKTOP), ("phone", PHONE))
    for theme in ("light", "dark")
]
LOOKS = ALL if PICTURES else [ALL[0], ALL[-1]]
"""Each device and each theme once; all four for pictures that are kept."""
NAMES = [f"{device}-{theme}" for device, theme, _ in LOOKS]
HARM = {"serious", "critical"}


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def demo(chromium, tmp_path_factory):
    """Run `autohedge demo` as a child; yields its address once its session runs."""
    del chromium
    url = f"http://127.0.0.1:{(port := free_port())}"
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", "demo", "--port", str(port)),
        cwd=tmp_path_factory.mktemp("demo"),
        env=os.environ | {"PYTHONPATH": str(ROOT), "DEADMAN_S": "0"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with httpx.AsyncClient(base_url=url) as http:
            await until(lambda: _runs(http), 90.0, what="the demo's session runs")
        yield url
    finally:
        child.send_signal(signal.SIGINT)
        await child.wait()


async def _runs(http):
    try:
        return (await http.get("/health")).json()["session"] == "running"
    except httpx.HTTPError:
        return False


async def decided(url):
    """Return the decision to be shown; for pictures that are kept, one whose order has filled."""
    async with httpx.AsyncClient(base_url=url) as http:

        async def newest():
            return (await http.get("/decisions")).json()["items"]

        async def filled():
            fills = (await http.get("/fills")).json()["items"]
            entries = [each["fill"] for each in fills if each["fill"]["leg"] == "entry"]
            return entries if len(entries) >= FILLS else None

        if not PICTURES:
            return (await until(newest, 60.0, what="a decision"))[0]
        (fill, *_) = await until(filled, 280.0, what=f"{FILLS} entries that filled")
        return {"id": fill["client_order_id"].split("-")[1], "symbol": fill["symbol"]}


def address(name, made):
    """Return a page's address within the desk; the market is the one that was decided upon."""
    if name == "market":
        return f"#/market/{made['symbol'].replace('/', '%2F')}"
    return f"#/decisions/{made['id']}" if name == "decision" else f"#/{name}"


async def test_the_demo_runs_and_its_decisions_appear(demo, watcher):
    """Nothing is clicked and nothing is reloaded: the first decisions come by themselves."""
    page = await watcher.open(f"{demo}/#/decisions")
    await expect(page.locator("#state")).to_contain_text("demo")
    await expect(page.locator("tbody tr.leads").first).to_be_visible(timeout=60_000)
    await expect(page.locator(".funnel .step", has_text="due").locator("b")).not_to_have_text("0")
    await page.get_by_role("link", name="HTTP", exact=True).click()
    await expect(page.get_by_text("/decisions/{decision_id}").first).to_be_visible()
    await expect(page.locator("summary", has_text="/halt")).to_contain_text("/halt Forbid")


@pytest.mark.parametrize(("device", "theme", "options"), LOOKS, ids=NAMES)
async def test_every_page_reads_well_to_everybody(demo, watcher, tmp_path, device, theme, options):
    """Whoever sees little, no colours, or uses a keyboard or a phone: axe finds nothing serious."""
    made = await decided(demo)
    folder = ROOT / PICTURES if PICTURES else tmp_path
    page, told = await watcher.open(demo, **options), []
    for name in PAGES:
        await page.goto(f"{demo}/{address(name, made)}")
        await expect(page.locator(READY[name]).first).to_be_attached()
        await expect(page.locator("#equity")).to_contain_text("$")
        await page.evaluate("document.fonts.ready")
        await page.screenshot(path=folder / f"{name}-{device}-{theme}.png", animations="disabled")
        wide = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(wide) <= 0, f"{name} is wider than a {device}"
        found = await Axe().run(page)
        harm = [each for each in found.response["violations"] if each["impact"] in HARM]
        told += [(name, each["id"], each["nodes"][0]["html"][:160]) for each in harm]
    assert told == []
    assert len(list(folder.glob(f"*-{device}-{theme}.png"))) == len(PAGES)
