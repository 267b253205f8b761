"""Draw points, kill there, restart, compare: round after round on one journal and one venue.

A block of rounds shares a house, so that the journal grows as it would; two blocks run side by
side. The killer is the campaign's process, the victim another (`victim`), the judge the exchange's
own record (`oracle`).
"""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.proving.campaign import NO_MACHINE_S, Bar, Result, Scale, Table, Tell
from api.proving.child import Arm, Child, Up
from api.proving.house import House, ScriptedModel, open_house, serving, until
from api.proving.kill.oracle import (
    Span,
    covers,
    differences,
    doubled,
    exposures,
    over_sold,
    while_up,
)
from engine.orders.delivery.points import Point
from exchange.config import SymbolConfig, seeded_crypto, seeded_stock
from journal.database import JournalConfig
from journal.reads.reader import Reader

ROUNDS = {True: 20, False: 1000}
BLOCK = 25
LANES = 2
STEP = {
    Point.AUTHORIZED: "8 authorized",
    Point.WRITTEN_AHEAD: "9 written ahead",
    Point.SENDING: "10 sending",
    Point.ANSWERED: "10 answered",
    Point.HEARD: "11 event heard",
    Point.APPLIED: "11 event applied",
}
LATEST_NTH = 4
LATER_S = 0.05
AGREE_S = 40.0
RUNNING_S, RESTARTED_S = 1.0, 5.0
LOOKS = {"has_surprises": False, "volatility_bps": 6.0, "prints_per_s": 4.0, "quotes_per_s": 4.0}


def _market() -> tuple[SymbolConfig, ...]:
    """List a share bought whole (a bracket), one bought in fractions, and two pairs."""
    return (
        seeded_stock("AAPL", 228.0, **LOOKS),
        seeded_stock("NVR", 8900.0, **LOOKS),
        seeded_crypto("BTC/USD", 86e3, **LOOKS),
        seeded_crypto("ETH/USD", 3100.0, **LOOKS),
    )


_SETTINGS = {
    "MAX_ORDER_AMOUNT": 1000,
    "UNKNOWN_WINDOW_S": 1,
    "ENTRY_TTL_S": 2,
    "WARMUP_MIN_COUNT": 30,
    "MAX_CONSECUTIVE_LOSSES": 0,
    "MAX_ONE_WAY_FILLS": 0,
    "LOG_LEVEL": "info",
}


@dataclass
class Trader(ScriptedModel):
    """A model that opens what is flat and closes what is held, so that orders never cease."""

    rng: random.Random = field(default_factory=random.Random)
    held: Callable[[str], Any] = lambda _symbol: 0
    is_quiet: bool = False

    def answer(self, symbol: str, schema: str) -> dict[str, Any]:
        """Answer for a role; entries are passive or marketable by turns."""
        if schema == "directive":
            wants = "sell" if self.held(symbol) else "buy"
            self.wants[symbol] = "hold" if self.is_quiet else wants
        elif schema == "execution_plan" and self.rng.random() < 0.3:  # noqa: PLR2004 - three of ten
            return {"style": "passive", "limit_offset_bps": -2.0}
        return super().answer(symbol, schema)


@dataclass
class Tally:
    """What all rounds together have shown."""

    breaches: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    steps: Counter[Point] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    bare: int = 0
    longest_running_s: float = 0.0
    longest_restarted_s: float = 0.0
    starts_s: list[float] = field(default_factory=list)
    orders: int = 0

    def blame(self, kind: str, where: str, lines: list[str]) -> None:
        """Count breaches of one kind and keep their lines."""
        setattr(self, kind, getattr(self, kind) + len(lines))
        self.breaches += [f"{where}: {line}" for line in lines]

    def blame_time(self, where: str, line: str, *, is_long: bool) -> None:
        """Count a position that stood bare past its time; a slow machine may explain a little."""
        self.bare += 1
        (self.breaches if is_long else self.slow).append(f"{where}: {line}")


class KillCampaign:
    """`kill -9` at instrumented points of steps 8 to 11, restart, compare."""

    name = "kill"
    title = "`kill -9` in a busy demo, restart, compare with the exchange's record"

    async def run(self, scale: Scale, tell: Tell) -> Result:
        """Run all rounds in blocks, two at a time."""
        rounds = ROUNDS[scale.is_short]
        tally, done = Tally(), 0
        size = min(BLOCK, rounds // LANES)
        blocks = iter(range(rounds // size))

        def finished() -> None:
            nonlocal done
            done += 1
            tell(done, rounds)

        async def lane() -> None:
            for number in blocks:
                rng = random.Random(f"{scale.seed}-{number}")  # noqa: S311 - a drawn case, no secret
                await _Block(f"seed {scale.seed} block {number}", rng, tally).run(size, finished)

        tell(0, rounds)
        async with asyncio.TaskGroup() as group:
            for _ in range(LANES):
                group.create_task(lane())
        return _result(rounds, tally)


class _Block:
    """Some rounds on one journal and one venue."""

    def __init__(self, name: str, rng: random.Random, tally: Tally) -> None:
        self._name = name
        self._rng = rng
        self._tally = tally
        self._downs: list[Span] = []
        self._is_over = False

    async def run(self, rounds: int, finished: Callable[[], None]) -> None:
        model = Trader(rng=self._rng)
        with tempfile.TemporaryDirectory(prefix="autohedge-kill-") as folder:
            async with (
                serving(model),
                open_house(
                    *_market(),
                    model=model,
                    folder=Path(folder),
                    seed=self._rng.randrange(1 << 30),
                    history_minutes=5,
                ) as house,
            ):
                model.held = house.held
                points = self._points(rounds)
                victim: Child | None = None
                try:
                    victim, _ = await self._start(house)
                    for number, point in enumerate(points):
                        victim = await self._round(house, model, victim, number, point)
                        finished()
                finally:
                    if victim is not None:
                        await victim.end()
                self._expose(house)
                self._tally.orders += len(house.orders())

    async def _start(self, house: House) -> tuple[Child, Up]:
        log = house.journal.with_name("bot.log")
        return await Child.start(house.settings(**_SETTINGS), log)

    def _points(self, rounds: int) -> list[Point]:
        """Draw the points so that each comes as often as any other, in a drawn order."""
        points = [point for _ in range(rounds // len(STEP) + 1) for point in STEP][:rounds]
        self._rng.shuffle(points)
        return points

    async def _round(
        self, house: House, model: Trader, victim: Child, number: int, point: Point
    ) -> Child:
        where = f"{self._name} round {number} at {point}"
        is_held = self._rng.random() < 0.5  # noqa: PLR2004 - every other round
        armed = Arm(point=point, nth=self._rng.randint(1, LATEST_NTH), is_held=is_held)
        model.is_quiet = False
        victim.arm(armed)
        await victim.struck()
        if not is_held:
            await asyncio.sleep(self._rng.uniform(0, LATER_S))
        killed_ns = house.exchange.venue.clock.now_ns()
        model.is_quiet = True
        await victim.kill()
        self._tally.steps[point] += 1
        began = time.monotonic()
        victim, up = await self._start(house)
        self._tally.starts_s.append(time.monotonic() - began)
        self._downs.append((killed_ns, house.exchange.venue.clock.now_ns()))
        await self._judge(house, where, up)
        return victim

    async def _judge(self, house: House, where: str, up: Up) -> None:
        """Hold the restarted bot against the venue: all of it must come right by itself."""
        tally = self._tally
        bare = await _in_time(
            lambda: [symbol for symbol in house.symbols if not covers(house, symbol)],
            RESTARTED_S + NO_MACHINE_S,
        )
        tally.blame("bare", where, [f"{symbol} is held without a stop" for symbol in bare])
        url = JournalConfig(url=f"sqlite:///{house.journal}")
        async with Reader(url) as reader:
            lost = await _in_time(lambda: differences(house, reader), AGREE_S)
        tally.blame("lost", where, lost)
        tally.blame("doubled", where, doubled(house) + over_sold(house))
        stands = [f"trading came back {up.trading}"] if up.trading else []
        stands += [f"{symbol} came back as traded by somebody else" for symbol in up.reducing]
        tally.breaches += [f"{where}: {line}" for line in stands]

    def _expose(self, house: House) -> None:
        """Add up the times without a stop, over the whole block."""
        tally = self._tally
        for exposure in exposures(house, house.exchange.venue.clock.now_ns()):
            running_s, restarted_s = while_up(exposure, self._downs)
            tally.longest_running_s = max(tally.longest_running_s, running_s)
            tally.longest_restarted_s = max(tally.longest_restarted_s, restarted_s)
            if running_s > RUNNING_S or restarted_s > RESTARTED_S:
                line = (
                    f"{exposure.symbol} bare for {running_s:.2f} s, {restarted_s:.2f} s restarted"
                )
                is_long = max(running_s, restarted_s - RESTARTED_S) > NO_MACHINE_S
                tally.blame_time(self._name, line, is_long=is_long)


async def _in_time(ask: Callable[[], Any], deadline_s: float) -> list[str]:
    """Return what is still wrong at the deadline; nothing as soon as nothing is."""
    lines: list[str] = ["not asked"]

    async def is_right() -> bool:
        nonlocal lines
        said = ask()
        lines = await said if asyncio.iscoroutine(said) else said
        return not lines

    try:
        await until(is_right, deadline_s)
    except AssertionError:
        return lines
    return []


def _result(rounds: int, tally: Tally) -> Result:
    starts = sorted(tally.starts_s)
    return Result(
        cases=rounds,
        breaches=tuple(tally.breaches),
        slow=tuple(tally.slow),
        bars=(
            _none("orders lost", tally.lost),
            _none("orders doubled", tally.doubled),
            _none("positions unprotected past the stated time", tally.bare, is_speed=True),
            Bar(
                what="points hit",
                bar=f"each of {len(STEP)}",
                measured=str(sum(tally.steps[point] > 0 for point in STEP)),
                is_met=all(tally.steps[point] for point in STEP),
            ),
        ),
        tables=(
            Table(
                title="Kills by step of a tick's life",
                columns=tuple(STEP.values()),
                rows=(tuple(str(tally.steps[point]) for point in STEP),),
            ),
            Table(
                title="What the venue saw",
                columns=("Figure", "Value"),
                rows=(
                    ("orders", f"{tally.orders:,}"),
                    ("longest without a stop, running", f"{tally.longest_running_s:.3f} s"),
                    (
                        "longest without a stop, from readiness",
                        f"{tally.longest_restarted_s:.3f} s",
                    ),
                    ("restart to trading, median", f"{starts[len(starts) // 2]:.2f} s"),
                    ("restart to trading, longest", f"{starts[-1]:.2f} s"),
                ),
            ),
        ),
    )


def _none(what: str, count: int, *, is_speed: bool = False) -> Bar:
    return Bar(what=what, bar="0", measured=str(count), is_met=count == 0, is_speed=is_speed)
