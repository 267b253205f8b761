"""Time a restart: a long journal, many working orders, and what of the time is the venue's.

The bot is a new interpreter each time. The venue's own time is that of the very requests that the
restart made, asked again one after the other; the rest is ours.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import httpx
import msgspec

from api.proving.campaign import Bar, Result, Scale, Table, Tell
from api.proving.child import Child
from api.proving.house import House, ScriptedModel, open_house, serving, until
from domain.ports import Entry, EntryKind
from domain.records import plain
from engine.clock import LiveClock
from exchange.config import seeded_crypto
from exchange.record import RequestRecord
from journal.database import JournalConfig
from journal.reads.reader import Reader
from journal.sql import SqlJournal

DECISIONS = 10_000
ORDERS = 50
TIMES = {True: 3, False: 10}
BAR_S = 5.0
FILLED_S = 120.0
_BATCH = 250
LOOKS = {"has_surprises": False, "volatility_bps": 2.0, "prints_per_s": 1.0, "quotes_per_s": 1.0}
SETTINGS = {
    "WARMUP_MIN_COUNT": 30,
    "STOP_DEFAULT_ATR": 80,
    "MAX_OPEN_ORDERS": 2 * ORDERS,
    "MAX_ORDERS_PER_MINUTE": 180,
    "MAX_ONE_WAY_FILLS": 0,
}


class RestartCampaign:
    """Restart to trading-ready with a long journal and many working orders."""

    name = "restart"
    title = f"Restart to trading-ready: {DECISIONS:,} journaled decisions, {ORDERS} working orders"

    async def run(self, scale: Scale, tell: Tell) -> Result:
        """Fill a journal and a venue, then restart some times."""
        times = TIMES[scale.is_short]
        symbols = [seeded_crypto(f"C{n:02}/USD", 100.0 + n, **LOOKS) for n in range(ORDERS)]
        with tempfile.TemporaryDirectory(prefix="autohedge-restart-") as folder:
            async with (
                serving(ScriptedModel()) as model,
                open_house(
                    *symbols, model=model, folder=Path(folder), seed=scale.seed, history_minutes=6
                ) as house,
            ):
                tell(0, times + 2)
                await _trade(house)
                tell(1, times + 2)
                written = await _remember(house.journal)
                tell(2, times + 2)
                taken = []
                for number in range(times):
                    taken.append(await _restart(house))
                    tell(number + 3, times + 2)
                working = len(house.orders("open"))
        return _result(taken, written, working)


async def _trade(house: House) -> None:
    """Let a bot open a position in every symbol, each behind its stop; then it is killed."""
    house.model.wants.update(dict.fromkeys(house.symbols, "buy"))
    child, _ = await Child.start(house.settings(**SETTINGS), _log(house))
    try:
        await until(lambda: len(house.orders("open")) >= ORDERS, FILLED_S, what="every stop rests")
    finally:
        house.model.wants.clear()
        await child.kill()


async def _remember(path: Path) -> int:
    """Append copies of the journal's own decisions until there are enough; return how many."""
    config = JournalConfig(url=f"sqlite:///{path}")
    async with Reader(config) as reader:
        page = await reader.decisions.page(limit=50)
        stories = [await reader.decisions.story(row.id) for row in page.items]
    bodies = [
        {"decision": plain(story.decision), "window": story.window, "prompts": story.prompts}
        for story in stories
        if story is not None
    ]
    async with SqlJournal(config, LiveClock()) as journal:
        for start in range(0, DECISIONS, _BATCH):
            numbers = range(start, min(start + _BATCH, DECISIONS))
            await journal.append(*(_copy(bodies[n % len(bodies)], n) for n in numbers))
    return DECISIONS


def _copy(body: dict[str, object], number: int) -> Entry:
    """Return a decision like `body` under a name of its own."""
    decision = dict(msgspec.to_builtins(body["decision"]), id=f"{number:024x}")
    return Entry(kind=EntryKind.DECISION, ref=decision["id"], body={**body, "decision": decision})


async def _restart(house: House) -> tuple[float, float]:
    """Return (seconds from the process's start to trading-ready, the venue's own seconds)."""
    record = house.exchange.venue.record
    before, began = len(record) + record.dropped, time.monotonic()
    child, _ = await Child.start(house.settings(**SETTINGS), _log(house), is_fresh=True)
    taken_s = time.monotonic() - began
    seen = list(record)[before - record.dropped :]
    asked = [each for each in seen if isinstance(each, RequestRecord) and each.method == "GET"]
    try:
        venue_s = await _ask_again(house, asked)
    finally:
        await child.kill()
    return taken_s, venue_s


async def _ask_again(house: House, requests: list[RequestRecord]) -> float:
    """Put the same questions to the venue, one after the other, and return the seconds."""
    headers = {
        "APCA-API-KEY-ID": house.exchange.key,
        "APCA-API-SECRET-KEY": house.exchange.secret,
    }
    async with httpx.AsyncClient(base_url=house.exchange.rest_url, headers=headers) as client:
        began = time.monotonic()
        for each in requests:
            await client.get(f"{each.path}?{each.query}")
        return time.monotonic() - began


def _log(house: House) -> Path:
    return house.journal.with_name("bot.log")


def _result(taken: list[tuple[float, float]], written: int, working: int) -> Result:
    ours = [whole - venue for whole, venue in taken]
    return Result(
        cases=len(taken),
        bars=(
            Bar(
                what="longest restart beyond the venue's own time",
                bar=f"at most {BAR_S:g} s",
                measured=f"{max(ours):.2f} s",
                is_met=max(ours) <= BAR_S,
                is_speed=True,
            ),
            Bar(
                what="working orders at the venue",
                bar=f"at least {ORDERS}",
                measured=str(working),
                is_met=working >= ORDERS,
            ),
        ),
        tables=(
            Table(
                title=f"Restarts on {written:,} more decisions, seconds",
                columns=("Figure", "Median", "Longest"),
                rows=(
                    _row("process start to trading-ready", [whole for whole, _ in taken]),
                    _row("of it the venue's own", [venue for _, venue in taken]),
                    _row("ours", ours),
                ),
            ),
        ),
    )


def _row(what: str, seconds: list[float]) -> tuple[str, str, str]:
    return what, f"{statistics.median(seconds):.2f}", f"{max(seconds):.2f}"
