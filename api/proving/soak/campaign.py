"""Play an hour of ticks at twenty times real speed, faults on, and measure what stays behind."""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

from api.proving.campaign import Bar, Result, Scale, Table, Tell
from api.proving.house import House, ScriptedModel, open_house, serving, until
from api.proving.soak.bot import Held, soak
from domain.records import Record
from exchange.config import seeded_crypto, seeded_stock
from exchange.faults import Fault, FaultKind, FaultPlan

SPEED = 20.0
PLAYED_S = {True: 180.0, False: 3600.0}
WARM_S = {True: 400.0, False: 1200.0}
"""Venue seconds before the first measure: rings of 300 s and of 250 bars must be full."""
A_SECOND = 20.0
STOCKS = tuple(f"S{n:02}" for n in range(6))
PAIRS = tuple(f"C{n:02}/USD" for n in range(6))
LOOKS = {"has_surprises": True, "volatility_bps": 3.0, "prints_per_s": 10.0, "quotes_per_s": 10.0}
MB_BAR, MB_NOISE = 1.0, 3.0
"""Growth per 100,000 ticks; and what a short run cannot tell from the allocator's noise."""
POOL = 5
"""The broker asks on five threads at most, each with a connection of its own."""
SAMPLES = 9
ANSWER_S = 60.0
SETTINGS = {
    "ANALYST": "rules",
    "BAR_INTERVAL_S": 5,
    "COOLDOWN_S": 20,
    "MAX_SKEW_S": 60,
    "MAX_LINK_LOSSES": 0,
    "MAX_CONSECUTIVE_LOSSES": 0,
    "MAX_CONSECUTIVE_REJECTIONS": 0,
    "MAX_ONE_WAY_FILLS": 0,
    "MAX_DAILY_LOSS": 0.5,
    "MAX_DRAWDOWN": 0.5,
}

FAULTS = (
    Fault(kind=FaultKind.LINK_ABORTED, chance=0.0002, times=None),
    Fault(kind=FaultKind.FRAME_LOST, chance=0.001, times=None),
    Fault(kind=FaultKind.FRAME_GARBLED, chance=0.001, times=None),
    Fault(kind=FaultKind.EVENT_TWICE, chance=0.1, times=None),
    Fault(kind=FaultKind.EVENT_LATE, chance=0.05, times=None),
    Fault(kind=FaultKind.REQUEST_500, chance=0.02, times=None),
    Fault(kind=FaultKind.ANSWER_504, chance=0.02, times=None),
    Fault(kind=FaultKind.ANSWER_RESET, chance=0.01, times=None),
    Fault(kind=FaultKind.LATE_TRADE, chance=0.001, times=None),
    Fault(kind=FaultKind.CORRECTION, chance=0.001, times=None),
)


class Seen(Record, frozen=True):
    """What the bot held: idle after a first session, around the played hour, stopped, ended."""

    idle: Held
    before: Held
    after: Held
    stopped: Held
    ended: Held

    def in_order(self) -> tuple[tuple[str, Held], ...]:
        """Return what was held with when it was."""
        return (
            ("idle, after a first session", self.idle),
            ("warm", self.before),
            ("at the end", self.after),
            ("session stopped", self.stopped),
            ("bot closed", self.ended),
        )


class SoakCampaign:
    """Memory, tasks and file handles after an hour at twenty times real speed."""

    name = "soak"
    title = "Soak: an hour of ticks at 20 times real speed, faults on"

    async def run(self, scale: Scale, tell: Tell) -> Result:
        """Warm up, measure, play, measure again, stop, and count what is left."""
        warm_s, played_s = WARM_S[scale.is_short], PLAYED_S[scale.is_short]
        whole = int(warm_s + played_s)
        plan = FaultPlan(FAULTS, seed=scale.seed)
        with tempfile.TemporaryDirectory(prefix="autohedge-soak-") as folder:
            async with _bot(Path(folder), plan, scale.seed) as bot:
                idle, _up = await bot.hear(), await bot.hear()
                await _play(warm_s, lambda done, _: tell(done, whole))
                before = await bot.measure()
                await _play(played_s, lambda done, _: tell(int(warm_s) + done, whole))
                after = await bot.measure()
                stopped, ended = await bot.ask("stop"), await bot.hear()
        seen = Seen(idle=idle, before=before, after=after, stopped=stopped, ended=ended)
        return _result(seen, played_s, len(plan.strikes) + plan.strikes_dropped)


class _Soaked:
    """The campaign's end of the bot."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    async def ask(self, word: str) -> Held:
        """Say a word and hear what the bot holds."""
        self._pipe.send(word)
        return await self.hear()

    async def hear(self) -> Held:
        """Wait for what the bot says by itself."""
        await until(self._pipe.poll, 2 * ANSWER_S, what="the bot answers")
        said: Held = self._pipe.recv()
        return said

    async def measure(self) -> Held:
        """Look some times, a moment apart, and return the middle one."""
        looks = []
        for _ in range(SAMPLES):
            looks.append(await self.ask("look"))
            await asyncio.sleep(1 / SPEED)
        middle = median(look.resident_mb for look in looks)
        return next(look for look in looks if look.resident_mb == middle)


@asynccontextmanager
async def _bot(folder: Path, faults: FaultPlan, seed: int) -> AsyncIterator[_Soaked]:
    """Open an exchange at speed and a bot beside it; the bot ends with the block."""
    symbols = (
        *(seeded_stock(name, 100.0 + 10 * n, **LOOKS) for n, name in enumerate(STOCKS)),
        *(seeded_crypto(name, 50.0 + 7 * n, **LOOKS) for n, name in enumerate(PAIRS)),
    )
    context: Any = multiprocessing.get_context("spawn")
    async with (
        serving(ScriptedModel()) as model,
        open_house(
            *symbols,
            model=model,
            folder=folder,
            faults=faults,
            seed=seed,
            speed=SPEED,
            history_minutes=25,
        ) as house,
    ):
        ours, theirs = context.Pipe()
        log = folder / "bot.log"
        process = context.Process(
            target=soak, args=(_settings(house), theirs, log, SPEED), daemon=True
        )
        await asyncio.to_thread(process.start)
        theirs.close()
        try:
            yield _Soaked(ours)
        except (AssertionError, EOFError) as error:
            raise AssertionError(f"{error}; the bot's last words: {_tail(log)}") from None
        finally:
            process.kill()
            await asyncio.to_thread(process.join)


def _settings(house: House) -> dict[str, Any]:
    return house.settings(**SETTINGS)


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]


async def _play(seconds: float, tell: Tell) -> None:
    """Let venue time pass, telling how much of it has."""
    for done in range(1, int(seconds) + 1):
        await asyncio.sleep(1 / SPEED)
        tell(done, int(seconds))


def _result(seen: Seen, played_s: float, strikes: int) -> Result:
    ticks = played_s * A_SECOND * (len(STOCKS) + len(PAIRS))
    grown = seen.after.resident_mb - seen.before.resident_mb
    slope = grown / ticks * 100_000
    tasks = seen.stopped.tasks - seen.idle.tasks
    handles = seen.stopped.handles - seen.idle.handles
    return Result(
        cases=int(ticks),
        bars=(
            Bar(
                what="growth per 100,000 ticks after warm-up",
                bar=f"at most {MB_BAR:g} MB (or {MB_NOISE:g} MB in all)",
                measured=f"{slope:.2f} MB ({grown:.1f} MB in all)",
                is_met=slope <= MB_BAR or grown <= MB_NOISE,
                is_speed=True,
            ),
            _none("tasks left over when the session stopped", tasks),
            Bar(
                what="file handles left over when the session stopped",
                bar=f"at most {POOL} (requests' connections, opened when first needed)",
                measured=str(handles),
                is_met=handles <= POOL,
            ),
            _none("tasks left over when the bot ended", seen.ended.tasks - 1),
            Bar(
                what="decisions while it was soaked",
                bar="at least 1",
                measured=f"{seen.after.decisions - seen.before.decisions:,}",
                is_met=seen.after.decisions > seen.before.decisions,
            ),
        ),
        tables=(
            Table(
                title=f"What the bot held; {strikes:,} faults struck",
                columns=("When", "Resident MB", "Tasks", "File handles", "Decisions", "Trading"),
                rows=tuple(
                    (
                        when,
                        f"{held.resident_mb:.1f}",
                        str(held.tasks),
                        str(held.handles),
                        f"{held.decisions:,}",
                        held.trading,
                    )
                    for when, held in seen.in_order()
                ),
            ),
        ),
    )


def _none(what: str, count: int) -> Bar:
    return Bar(what=what, bar="0", measured=str(count), is_met=count <= 0)
