"""A backtest's report in a real browser: offline, without errors, by day and by night."""

from __future__ import annotations

import os
import shutil

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import async_playwright

from backtest.report import write_html
from tests.unit.backtest.report.conftest import HOSTILE, given_report

# Thousands of elements each, all of them the library's.
BESIDE_THE_PLOTS = {"exclude": [[".js-plotly-plot"]]}
DEADLINE_S = 90.0
MISSING = "Chromium is not installed: apt-get install chromium"


@pytest.fixture
async def browser():
    """The system's own Chromium; where it is missing CI fails and others skip."""
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail(f"{MISSING} (.ci/run does it)", pytrace=False)
        pytest.skip(MISSING)
    asked = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    async with async_playwright() as playwright:
        opened = await playwright.chromium.launch(
            executable_path=path, args=asked, timeout=DEADLINE_S * 1000
        )
        yield opened
        await opened.close()


async def test_the_page_opens_offline_and_draws_whatever_strangers_wrote(browser, tmp_path, until):
    """No request leaves, nothing fails, no text runs; another symbol is drawn when it is chosen."""
    path = tmp_path / "report.html"
    write_html(path, given_report())
    context = await browser.new_context(viewport={"width": 360, "height": 800}, offline=True)
    context.set_default_timeout(DEADLINE_S * 1000)
    page = await context.new_page()
    asked, failed = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: failed.append(message.text))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.on("dialog", lambda dialog: failed.append(dialog.message))
    await page.goto(path.as_uri())
    await page.wait_for_selector("html[data-drawn=yes]")
    assert asked == [path.as_uri()]

    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= 360, "a phone would scroll sideways"
    await page.set_viewport_size({"width": 1280, "height": 900})
    await page.select_option("#symbol", "price-1")
    shown = await page.evaluate("document.getElementById('price-1').data.length")
    assert shown > 3
    assert await page.locator("#price-0").is_hidden()

    told = await page.evaluate("JSON.stringify(document.getElementById('price-1').data)")
    assert "&lt;script&gt;alert" in told
    assert HOSTILE[:20] not in told
    assert not failed

    ink = "getComputedStyle(document.querySelector('#equity .xtick text')).fill"
    by_day = await page.evaluate(ink)
    await _is_accessible(page)
    await page.emulate_media(color_scheme="dark")
    at_night = f"{ink} !== {by_day!r}"
    await until(lambda: page.evaluate(at_night), DEADLINE_S, what="the plots change by night")
    await _is_accessible(page)
    await context.close()


async def _is_accessible(page):
    found = await Axe().run(page, context=BESIDE_THE_PLOTS)
    assert not found.response["violations"], found.generate_report()
