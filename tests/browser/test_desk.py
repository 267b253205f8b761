"""A person looks at a bot and steers it, in a real browser, through the real door."""

from __future__ import annotations

import json
import re

import pytest
from playwright.async_api import expect

from api.proving.house import until
from domain.decisions import Outcome
from engine.control import SessionState

pytestmark = pytest.mark.asyncio(loop_scope="session")

SYMBOL = "AAPL"
PAIR = "BTC/USD"
WAIT_MS = 20_000
SETTINGS = {"MAX_CONSECUTIVE_LOSSES": 0}


async def started(desk):
    """Have the session run and trading be active, whichever tests ran before this one."""
    bot = desk.process.bot
    if desk.status.trading != "active" and desk.status.trading_code == "OPERATOR":
        await bot.resume(actor="test", code="OPERATOR")
    await bot.start(actor="test")
    await desk.house.warm(desk.process)


async def holding(desk):
    """Have a position with its stop."""
    await started(desk)
    desk.model.wants[SYMBOL] = "buy"
    await until(lambda: desk.house.resting_stop(SYMBOL), what="a position with its stop")
    desk.model.wants[SYMBOL] = "hold"


SAID = {
    "Start": "The session runs.",
    "Stop": "The session is stopped",
    "Reduce": "Reducing: nothing opens",
    "Resume": "Trading is active.",
    "Cancel all": "cancelled.",
    "Flatten": re.compile("Flat: no position|Closing goes on"),
}


async def confirm(page, verb, *, word=None):
    dialog = page.get_by_role("dialog")
    if word:
        await dialog.get_by_label(f"Type {word}").fill(word)
    else:
        await dialog.get_by_label("Reason").fill("a test")
    await dialog.get_by_role("button", name=verb, exact=True).click()
    await expect(dialog).to_have_count(0)


async def press(page, name, **confirming):
    """Press a control, confirm it, and wait until the page says that it is done."""
    await page.locator(".deed").get_by_role("button", name=name, exact=True).click()
    await confirm(page, name, **confirming)
    await expect(page.locator("#notes .note", has_text=SAID[name]).last).to_be_visible()


async def test_a_bot_that_never_started_says_so_and_is_started_from_the_page(desk, watcher):
    """The first thing a new person sees is what to do; the market then fills in by itself."""
    page = await watcher.open(desk.url)
    await expect(page.locator("#troubles")).to_contain_text("NEVER_STARTED")
    await expect(page.locator(".blank").first).to_contain_text("Start the session")
    await page.get_by_role("link", name="Controls").click()
    await page.locator(".deed").get_by_role("button", name="Start", exact=True).click()
    await confirm(page, "Start")
    await expect(page.locator("#state")).to_contain_text("trading active", timeout=WAIT_MS)
    assert desk.status.session is SessionState.RUNNING
    await desk.house.warm(desk.process)
    await page.goto(f"{desk.url}/#/market")
    await expect(page.locator("#troubles p")).to_have_count(0, timeout=WAIT_MS)
    await expect(page.locator("tbody tr", has_text="BTC/USD").first).to_contain_text("live")


async def test_a_trade_is_seen_among_the_candles_and_opens_its_decision(desk, watcher):
    """Fill, stop and target stand where they happened; a mark tells, and leads to its story."""
    await started(desk)
    page = await watcher.open(f"{desk.url}/#/market/{SYMBOL}")
    await expect(page.locator(".chart .wicks path")).to_have_attribute("d", re.compile("M"))
    await expect(page.locator(".legend span").first).to_have_text(re.compile(r"^\d\d:\d\d:\d\d$"))
    await holding(desk)
    fill = page.locator(".marks a", has=page.locator("path.buy")).first
    await expect(fill).to_be_attached()
    await expect(page.locator(".tag.stop")).to_contain_text("stop")
    await expect(page.locator("p.held")).to_contain_text("protected by venue")
    await fill.hover(force=True)
    await expect(page.locator(".hint")).to_contain_text("filled")
    await expect(page.locator("div.live")).to_contain_text("bps")
    await fill.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator(".graph")).to_be_visible()
    assert "#/decisions/" in page.url


async def test_a_decision_tells_everything_and_can_be_run_again(desk, watcher):
    """Lit way, four agents with prompt and cost, the gate, the order's life, replay and window."""
    await holding(desk)
    page_of = await desk.process.bot.reader().decisions.page(symbol=SYMBOL, limit=100)
    made = next(each for each in page_of.items if each.outcome == "ordered")
    granted = ["clipboard-read", "clipboard-write"]
    page = await watcher.open(f"{desk.url}/#/decisions/{made.id}", permissions=granted)
    await expect(page.locator(".graph .node.lit")).to_have_count(6)
    await expect(page.locator(".graph")).to_have_attribute(
        "aria-label", re.compile("director, quant")
    )
    director = page.locator(".agent", has_text="Director").first
    await expect(director).to_contain_text("The script says buy.")
    await expect(director).to_contain_text("900 tokens in, 60 out")
    await director.locator("summary").click()
    await expect(director.locator("pre").first).to_contain_text(f"symbol {SYMBOL}")
    gate = page.locator(".gate")
    await expect(gate).to_contain_text("authorized")
    await expect(gate.locator("tr", has_text="PRICE_MOVED")).to_contain_text("passed")
    await expect(gate.locator("tr", has_text="NOT_RECONCILED")).to_contain_text("reconciled: yes")
    await expect(gate).not_to_contain_text("True")
    await expect(page.locator(".timeline")).to_contain_text("entry filled")
    await page.get_by_role("button", name="Replay it").click()
    await expect(page.get_by_text("The replay is the same to the byte.")).to_be_visible()
    await page.get_by_role("button", name="Compare with rules").click()
    await expect(page.get_by_text("The rules")).to_be_visible()
    await page.get_by_role("button", name="Copy window for Studio").click()
    await expect(page.locator("#notes")).to_contain_text("The window is copied")
    copied = json.loads(await page.evaluate("navigator.clipboard.readText()"))
    assert (copied["schema"], copied["window"]["symbol"]) == (1, SYMBOL)


async def test_decisions_are_filtered_searched_and_counted(desk, watcher):
    """The funnel counts, its steps filter, and a word of a thesis finds its decision."""
    await holding(desk)
    page = await watcher.open(f"{desk.url}/#/decisions")
    rows = page.locator("tbody tr.leads")
    await expect(rows.first).to_be_visible()
    await page.locator(".funnel button", has_text="ordered").click()
    await expect(rows.first).to_contain_text("ordered")
    await expect(rows.filter(has_text="held")).to_have_count(0)
    await page.get_by_role("button", name="Clear").click()
    await page.get_by_label("Search in theses").fill("says BUY")
    await expect(rows.filter(has_text="hold")).to_have_count(0)
    await expect(rows.first).to_contain_text("buy")
    await page.get_by_label("Search in theses").fill("100% _ nothing")
    await expect(page.locator(".empty")).to_contain_text("No decision matches")
    await expect(page.locator(".funnel")).to_contain_text("filled")


async def test_money_shows_what_is_held_what_protects_it_and_the_limits(desk, watcher):
    """A position without a stop would be seen at a glance, and how near each limit is."""
    await holding(desk)
    page = await watcher.open(f"{desk.url}/#/money")
    held = page.locator("tbody tr", has_text=SYMBOL).first
    await expect(held).to_contain_text("stop at the venue")
    await expect(page.locator("tbody tr", has_text="stop").last).to_contain_text("accepted")
    for tile in ("Equity", "Today less model", "Drawdown"):
        await expect(page.locator(".tile", has_text=tile).first.locator("b")).to_contain_text(
            re.compile(r"\d")
        )
    meters = page.get_by_role("meter")
    await expect(meters.filter(visible=True).first).to_be_visible()
    await expect(page.get_by_role("meter", name=f"Position in {SYMBOL}")).to_be_visible()
    await expect(page.locator(".plot .curve")).to_be_attached()


async def test_on_a_phone_no_verdict_and_no_protection_lies_beyond_the_edge(desk, watcher):
    """Nobody scrolls sideways for what matters: rows are lines there, their figures with names."""
    await holding(desk)
    made = (await desk.process.bot.reader().decisions.page(outcome=Outcome.ORDERED)).items[0]
    page = await watcher.open(f"{desk.url}/#/money", viewport={"width": 390, "height": 844})
    held = page.locator("tbody tr", has_text=SYMBOL).first.locator("td").last
    await expect(held).to_contain_text("stop at the venue")
    await held.scroll_into_view_if_needed()
    await expect(held).to_be_in_viewport(ratio=1)
    await expect(page.locator("#state .badge").last).to_be_in_viewport(ratio=1)
    for address, met in (("decisions", "tr.leads"), (f"decisions/{made.id}", ".gate td")):
        await page.goto(f"{desk.url}/#/{address}")
        await expect(page.locator(met).first).to_be_visible()
        over = "tables => tables.map(each => each.scrollWidth - each.clientWidth)"
        assert set(await page.locator(".stacks").evaluate_all(over)) == {0}


async def test_health_shows_every_part(desk, watcher):
    """Feeds by symbol, the queue by priority, the model by agent, budget, journal and venue."""
    await started(desk)
    page = await watcher.open(f"{desk.url}/#/health")
    await expect(page.locator("tbody tr", has_text=PAIR).first).to_contain_text("up")
    for word in ("scheduled", "director", "Clock skew", "Requests to the venue"):
        await expect(page.locator("#page")).to_contain_text(word)
    await expect(page.locator("tbody tr", has_text="director")).to_contain_text(re.compile(r"\d"))
    await expect(page.locator("ol.feed")).to_contain_text("decision finished")


async def test_every_control_works_and_is_on_record(desk, watcher):
    """Each asks first, says what came of it, and stands in the log with who and why."""
    bot = desk.process.bot
    await holding(desk)
    page = await watcher.open(f"{desk.url}/#/controls")
    state = page.locator("#state")
    await press(page, "Reduce")
    await expect(state).to_contain_text("trading reducing")
    await press(page, "Resume")
    await expect(state).to_contain_text("trading active")
    await press(page, "Cancel all")
    await page.locator(".deed").get_by_role("button", name="Reconcile").click()
    await page.get_by_role("dialog").get_by_role("button", name="Compare").click()
    await expect(page.get_by_text("books agree").first).to_be_visible(timeout=WAIT_MS)
    await page.get_by_role("button", name="Halt", exact=True).first.click()
    await confirm(page, "Halt")
    await expect(state).to_contain_text("trading halted")
    await expect(page.locator("#troubles")).to_contain_text("OPERATOR")
    await press(page, "Flatten", word="FLATTEN")
    await until(lambda: desk.house.held(SYMBOL) == 0, what="everything is sold")
    await press(page, "Resume")
    await expect(state).to_contain_text("trading active")
    await press(page, "Stop")
    await expect(page.locator("#troubles")).to_contain_text("STOPPED")
    assert bot.status().session is SessionState.STOPPED
    await press(page, "Start")
    await expect(state).to_contain_text("trading active", timeout=WAIT_MS)
    log = page.get_by_role("region", name="Who did what, newest first")
    for deed in ("start", "stop", "resume", "flatten", "halt", "cancel all", "reduce"):
        await expect(log.locator("tr", has_text=deed).first).to_contain_text("this machine")
    await expect(log.locator("tr", has_text="reduce").first).to_contain_text("a test")


async def test_a_page_comes_back_with_the_server_and_has_missed_nothing(desk, watcher):
    """The bot lives on while its door is shut; what happened meanwhile is told when it opens."""
    await started(desk)
    async with desk.door(desk.process) as url:
        page = await watcher.open(f"{url}/#/health")
        await expect(page.locator("body")).to_have_attribute("data-link", "up")
    await expect(page.locator("#troubles")).to_contain_text("does not answer", timeout=WAIT_MS)
    await page.get_by_role("link", name="Market").click()
    await expect(page.locator("tbody tr", has_text=SYMBOL)).to_contain_text("not heard")
    await expect(page.locator("div.live")).to_contain_text("last known")
    await page.get_by_role("link", name="Health").click()
    await desk.process.bot.halt(actor="ann", reason="while nobody saw")
    async with desk.door(desk.process, int(url.rpartition(":")[2])):
        await expect(page.locator("body")).to_have_attribute("data-link", "up", timeout=WAIT_MS)
        await expect(page.locator("#troubles")).to_contain_text("while nobody saw")
        await expect(page.locator("ol.feed")).to_contain_text("trading halted", timeout=WAIT_MS)
        await page.close()
    await desk.process.bot.resume(actor="ann", code="OPERATOR")
    watcher.forgive("ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_INCOMPLETE|ERR_CONNECTION_RESET")


async def test_a_token_is_asked_for_and_its_scope_said(desk, watcher):
    """A reader may look and is told, in a line, why a control is not his."""
    await started(desk)
    tokens = {"token": "f" * 24, "read_token": "r" * 24}
    async with desk.door(desk.process, **tokens) as url:
        page = await watcher.open(f"{url}/#/controls")
        await page.get_by_role("textbox", name="Token").fill("r" * 24)
        await page.get_by_role("button", name="Enter").click()
        await expect(page.locator("#state")).to_contain_text("trading active")
        await page.locator(".deed").get_by_role("button", name="Halt", exact=True).click()
        await confirm(page, "Halt")
        await expect(page.locator(".note.bad")).to_contain_text("API_TOKEN_READ")
        await page.close()
    assert desk.status.trading == "active"
    watcher.forgive("status of 40[13]")
