"""Measure what a decision costs besides the analyst, against a bare LangGraph of four nodes.

Ours is dispatcher, limiter, run, graph and journal with an analyst that answers at once, on the
golden window that ends in an order: 16 decisions in flight. The bare graph has four async nodes,
three conditional edges with async routers, the same window in its state, and as many in flight.
Both run with the garbage collector as the bot sets it.
CPU is the whole process's, the journal's thread included. Blocks of each kind take turns, and each
ratio is the median over the rounds.

    python -m benchmarks.decision [--profile]
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from api.cli.running.serving import calm_collector
from benchmarks.figures import Figure, show
from benchmarks.stage.analysts import Asked, AtOnce, Forgetful, answers_for, golden
from benchmarks.stage.bare import bare_graph
from benchmarks.stage.loop import BLOCK, IN_FLIGHT, looping
from domain.decisions import Role
from domain.market import Window, WindowNews
from domain.records import plain
from engine.clock import LiveClock
from graph.analysts.model.costs import FRAME_TOKENS, estimate_tokens
from graph.desk import Desk
from journal.database import JournalConfig
from journal.sql import SqlJournal

ROUNDS = 9

Block = Callable[[], Awaitable[None]]


def bare_block(graph: Any, window: Window) -> Block:
    """Return a block of bare runs, as many in flight as ours."""
    plain_window = plain(window)
    config = {"recursion_limit": 8}

    async def block() -> None:
        left = iter(range(BLOCK))

        async def worker() -> None:
            for _ in left:
                await graph.ainvoke({"schema": 1, "window": plain_window}, config)

        await asyncio.gather(*(worker() for _ in range(IN_FLIGHT)))

    return block


async def cost(block: Block) -> float:
    """Return CPU microseconds a decision of one block."""
    before = time.process_time()
    await block()
    return (time.process_time() - before) / BLOCK * 1e6


async def measure(*, is_profiled: bool = False) -> list[Figure]:
    """Run the blocks in turns and return the median ratios."""
    window = golden("order")
    said = answers_for(window)
    with_news = msgspec.structs.replace(window, news=_news())
    with tempfile.TemporaryDirectory() as folder:
        config = JournalConfig(url=f"sqlite:///{folder}/journal.sqlite3")
        async with (
            SqlJournal(config, LiveClock()) as journal,
            looping(window, AtOnce(said), Forgetful()) as unwritten,
            looping(window, AtOnce(said), journal) as written,
            looping(with_news, Asked(said), journal) as asked,
        ):
            blocks = {
                "bare": bare_block(bare_graph(), window),
                "without journal": unwritten.block,
                "with journal": written.block,
                "with journal and prompts": asked.block,
            }
            for block in blocks.values():
                await block()
            calm_collector()
            if is_profiled:
                await _profile({name: blocks[name] for name in list(blocks)[1:3]})
            costs: dict[str, list[float]] = {name: [] for name in blocks}
            for _ in range(ROUNDS):
                for name, block in blocks.items():
                    costs[name].append(await cost(block))
    return [*_figures(costs), *await _prompts(with_news, said)]


def _figures(costs: dict[str, list[float]]) -> list[Figure]:
    bare = costs["bare"]

    def ratio(name: str) -> float:
        return statistics.median(x / y for x, y in zip(costs[name], bare, strict=True))

    found = [
        Figure(f"decision, {name}: CPU", statistics.median(cost_), " us")
        for name, cost_ in costs.items()
    ]
    return [
        *found,
        Figure(
            "decision without journal, against a bare LangGraph",
            ratio("without journal"),
            " times",
            most=1.5,
        ),
        Figure(
            "decision with journal, 16 in flight, against a bare LangGraph",
            ratio("with journal"),
            " times",
            most=3.0,
        ),
        Figure(
            "the same with prompts rendered and kept", ratio("with journal and prompts"), " times"
        ),
    ]


def _news() -> tuple[WindowNews, ...]:
    return tuple(
        WindowNews(
            id=str(n),
            ts="2026-11-20T10:15:00Z",
            headline=f"Shares rise for the {n}th day as analysts raise their targets again",
            summary="Analysts say that margins, demand and guidance all point up. " * 6,
            source="wire",
        )
        for n in range(12)
    )


async def _prompts(window: Window, said: dict[Role, dict[str, Any]]) -> list[Figure]:
    """Count a full decision's prompts and a hold's calls. Tokens are the product's estimate,
    which errs upwards.
    """  # noqa: D205
    full = Asked(said)
    await Desk(full, LiveClock()).decide(window, deadline_s=30.0)
    tokens = sum(estimate_tokens(prompt.text) + FRAME_TOKENS for prompt in full.prompts)
    hold = {**said[Role.DIRECTOR], "action": "hold", "invalidation_price": None}
    held = Asked({**said, Role.DIRECTOR: hold})
    await Desk(held, LiveClock()).decide(window, deadline_s=30.0)
    return [
        Figure(f"prompts of a decision of {len(full.prompts)} calls", tokens, " tokens", most=8000),
        Figure("calls of a hold", len(held.prompts), "", most=1),
    ]


async def _profile(blocks: dict[str, Block]) -> None:
    for name, block in blocks.items():
        profile = cProfile.Profile()
        profile.enable()
        await block()
        profile.disable()
        print(f"--- {name}")
        pstats.Stats(profile).sort_stats("tottime").print_stats(28)


def figures() -> list[Figure]:
    """Measure and return every figure of a decision."""
    return asyncio.run(measure())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="store_true")
    show(asyncio.run(measure(is_profiled=parser.parse_args().profile)))


if __name__ == "__main__":
    main()
