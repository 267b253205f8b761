"""Run the fuzzers side by side and count what was dropped, refused and believed."""

from __future__ import annotations

import asyncio

from api.proving.campaign import Bar, Result, Scale, Table, Tell
from api.proving.fuzz.bodies import BodyFuzz, ask_spoiled
from api.proving.fuzz.frames import MarketFuzz, OrderEventFuzz

FRAMES = {True: 50_000, False: 1_000_000}
BODIES = {True: 20_000, False: 20_000}
QUESTIONS = {True: 1_000, False: 10_000}
ORDER_SHARE = 0.2
_YIELD_EVERY = 500
_SHOWN = 20


class FuzzCampaign:
    """Spoiled frames and bodies: no crash, and no order from garbage."""

    name = "fuzz"
    title = "Fuzzed frames and REST bodies: no crash, no order from garbage"

    async def run(self, scale: Scale, tell: Tell) -> Result:
        """Run every fuzzer to its number of cases."""
        frames, bodies = FRAMES[scale.is_short], BODIES[scale.is_short]
        questions = QUESTIONS[scale.is_short]
        whole, done = frames + bodies + questions, 0
        market, events, body = (
            MarketFuzz(scale.seed),
            OrderEventFuzz(scale.seed),
            BodyFuzz(scale.seed),
        )
        of_orders = int(frames * ORDER_SHARE)
        for case in range(frames + bodies):
            if case < of_orders:
                events.one()
            elif case < frames:
                await market.one()
            else:
                body.one()
            if case % _YIELD_EVERY == 0:
                tell(case, whole)
                await asyncio.sleep(0)
        done = frames + bodies

        def asked() -> None:
            nonlocal done
            done += 1
            tell(done, whole)

        spoken = await ask_spoiled(questions, scale.seed, asked)
        breaches = [*market.breaches, *events.breaches, *body.breaches, *spoken]
        return Result(
            cases=whole,
            breaches=tuple(breaches[:_SHOWN]),
            bars=(
                Bar(
                    what="crashes, and garbage that was believed",
                    bar="0",
                    measured=str(len(breaches)),
                    is_met=not breaches,
                ),
            ),
            tables=(_counted(market, events, body, questions),),
        )


def _counted(market: MarketFuzz, events: OrderEventFuzz, body: BodyFuzz, asked: int) -> Table:
    dropped = ", ".join(f"{reason} {count:,}" for reason, count in market.rejects.most_common())
    return Table(
        title="What became of the garbage",
        columns=("Garbage", "Cases", "Outcome"),
        rows=(
            ("market frames", f"{market.frames:,}", f"dropped: {dropped}"),
            (
                "order events",
                f"{events.frames:,}",
                f"unreadable {events.unreadable:,}, of our order {events.applied:,}",
            ),
            ("REST bodies", f"{body.bodies:,}", f"refused {body.refused:,}"),
            ("questions over HTTP", f"{asked:,}", "each answered or a named error"),
        ),
    )
