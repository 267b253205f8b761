"""Two people look at the same order that waits, and one word counts."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import expect

from api.proving.house import until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SYMBOL = "AAPL"
SETTINGS = {"APPROVAL": "always", "DECISION_MAX_AGE_S": 60, "COOLDOWN_S": 1}
WAIT_MS = 20_000


async def asked_once(desk):
    """Let the agents want one order, and wait until it waits."""
    bot = desk.process.bot
    if bot.status().session != "running":
        await bot.start(actor="test")
        await desk.house.warm(desk.process)
    desk.model.wants[SYMBOL] = "buy"
    (asked,) = await until(bot.reader().approvals.pending, what="an order waits")
    desk.model.wants[SYMBOL] = "hold"
    return asked.decision


async def say(page, word):
    await page.locator(".asked").get_by_role("button", name=word).click()
    await page.get_by_role("dialog").get_by_label("Reason").fill(f"{word} by a test")


async def test_an_order_rejected_on_the_page_is_never_sent(desk, watcher):
    """It waits with its thesis, what it is worth and the time it has; the no is on record."""
    decision = await asked_once(desk)
    page = await watcher.open(desk.url)
    await expect(page.locator("#troubles")).to_contain_text("One order waits for your word")
    await page.goto(f"{desk.url}/#/controls")
    box = page.locator(".asked")
    await expect(box).to_contain_text("The script says buy.")
    await expect(box.locator(".left")).to_have_text(re.compile(r"^\d:\d\d left$"))
    first = await box.locator(".left").inner_text()
    await expect(box.locator(".left")).not_to_have_text(first)
    await say(page, "Reject")
    await page.get_by_role("dialog").get_by_role("button", name="Reject").click()
    await expect(page.locator("#notes")).to_contain_text("Rejected: nothing is sent.")
    await expect(page.locator(".asked")).to_have_count(0)
    log = page.get_by_role("region", name="Who did what, newest first")
    await expect(log.locator("tr", has_text="rejected").first).to_contain_text("Reject by a test")
    assert not desk.house.orders()
    story = await desk.process.bot.reader().decisions.story(decision.id)
    assert story is not None
    assert story.approval is not None
    assert story.approval.status == "rejected"


async def test_two_people_approve_at_the_same_moment_and_one_wins(desk, watcher):
    """One order leaves; the other person is told who was first and when."""
    decision = await asked_once(desk)
    pages = [await watcher.open(f"{desk.url}/#/controls") for _ in range(2)]
    for page in pages:
        await say(page, "Approve")
    yes = [page.get_by_role("dialog").get_by_role("button", name="Approve") for page in pages]
    await asyncio.gather(*(button.click() for button in yes))
    for page in pages:
        await expect(page.locator("#notes .note")).not_to_have_count(0, timeout=WAIT_MS)
        await expect(page.locator(".asked")).to_have_count(0, timeout=WAIT_MS)
    said = " ".join([await page.locator("#notes").inner_text() for page in pages])
    assert len(re.findall(r"Approved[:,]", said)) == 1, said
    assert len(re.findall(r"approved it at", said)) == 1, said
    entries = [each for each in desk.house.orders() if "-entry-" in each["client_order_id"]]
    assert {each["client_order_id"] for each in entries} <= {decision.request.client_order_id}
    await pages[0].goto(f"{desk.url}/#/decisions/{decision.id}")
    await expect(pages[0].locator(".graph .node.lit")).to_have_count(7)
    await expect(pages[0].locator(".timeline")).to_contain_text("waits for a person")
    watcher.forgive("status of 409")
