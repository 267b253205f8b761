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
import json
import pstats
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import msgspec
from langgraph.graph import START, StateGraph
from typing_extensions import TypedDict

from api.cli.running.serving import calm_collector
from benchmarks.figures import Figure, show
from domain.decisions import Answer, Brief, Call, Role
from domain.market import Bar, Window, WindowNews
from domain.orders import OrderRequest
from domain.ports import Entry, Journal
from domain.records import parse, plain
from engine.bus import Bus
from engine.clock import LiveClock
from engine.deciding.dispatcher import Dispatcher, DispatcherConfig, DispatcherPorts
from engine.deciding.limiter import Limiter, Ticket
from engine.deciding.runs import Runs
from graph.analysts.model.conversation import Prompt, converse
from graph.analysts.model.costs import FRAME_TOKENS, estimate_tokens
from graph.desk import Desk
from journal.database import JournalConfig
from journal.sql import SqlJournal

GOLDEN = Path(__file__).parents[1] / "tests/golden/windows"
IN_FLIGHT = 16
BLOCK = 256
ROUNDS = 9
SYMBOLS = tuple(f"S{n:02}" for n in range(2 * IN_FLIGHT))


def golden(name: str) -> Window:
    """Read one of the windows that the golden tests run on."""
    return parse(json.loads((GOLDEN / f"{name}.json").read_bytes())["window"], Window)


def answers_for(window: Window) -> dict[Role, dict[str, Any]]:
    """Return four answers that lead the window to an order."""
    mid = window.quote.mid
    atr = window.indicators["atr_14"] or 1.0
    return {
        Role.DIRECTOR: {
            "action": "buy",
            "confidence": 0.8,
            "thesis": "The averages point up and volume confirms it.",
            "invalidation_price": mid - 2 * atr,
        },
        Role.QUANT: {
            "confirmed": True,
            "score": 0.8,
            "support": mid - 2 * atr,
            "resistance": mid + 5 * atr,
            "volatility": "normal",
            "reason": "Trend and momentum agree.",
        },
        Role.RISK: {
            "approved": True,
            "size_fraction": 1.0,
            "stop_loss": None,
            "take_profit": None,
            "reason": "Reward covers the risk.",
        },
        Role.EXECUTION: {"style": "marketable", "limit_offset_bps": 1.0},
    }


class AtOnce:
    """Answer each role at once, as a model that takes no time would have."""

    name = "at-once"

    def __init__(self, said: dict[Role, dict[str, Any]]) -> None:
        self._answers = {
            role: Answer(content=content, calls=(_call(role, content, ""),))
            for role, content in said.items()
        }

    async def answer(self, brief: Brief) -> Answer:
        """Answer at once, or after the wait it was given."""
        return self._answers[brief.role]


class Following(AtOnce):
    """Say yes to every window, with prices that it could have; takes `call_s` for each call."""

    name = "following"

    def __init__(self, call_s: float = 0.0) -> None:
        self._call_s = call_s

    async def answer(self, brief: Brief) -> Answer:
        """Answer at once, or after the wait it was given."""
        await asyncio.sleep(self._call_s)
        said = answers_for(brief.window)[brief.role]
        return Answer(content=said, calls=(_call(brief.role, said, ""),))


class Asked:
    """Render each prompt as for a model, count it, and answer at once."""

    name = "asked"

    def __init__(self, said: dict[Role, dict[str, Any]]) -> None:
        self._said = said
        self.prompts: list[Prompt] = []

    async def answer(self, brief: Brief) -> Answer:
        """Answer at once, or after the wait it was given."""

        async def speak(prompt: Prompt, _: int) -> Call:
            self.prompts.append(prompt)
            return _call(brief.role, self._said[brief.role], prompt.digest)

        return await converse(brief, speak)


class Forgetful:
    """A journal that keeps nothing: what is left is the decision without one."""

    async def append(self, *entries: Entry) -> int:  # noqa: ARG002
        """Keep nothing."""
        return 0

    def trace(self, *entries: Entry) -> None:  # noqa: ARG002
        """Keep nothing."""
        return


def _call(role: Role, said: dict[str, Any], digest: str) -> Call:
    return Call(role=role, attempt=1, model="at-once", prompt_digest=digest, raw=json.dumps(said))


class Said(TypedDict, total=False):
    """The bare graph's state: the same window, and a word of each node."""

    schema: int
    window: dict[str, Any]
    directive: dict[str, Any]
    signal: dict[str, Any]
    verdict: dict[str, Any]
    request: dict[str, Any]


def bare_graph() -> Any:
    """Compile four async nodes with conditional edges and async routers that do nothing."""

    async def director(_: Said) -> Said:
        return {"directive": {"action": "buy"}}

    async def quant(_: Said) -> Said:
        return {"signal": {"confirmed": True}}

    async def risk(_: Said) -> Said:
        return {"verdict": {"approved": True}}

    async def execution(_: Said) -> Said:
        return {"request": {"side": "buy"}}

    async def after_director(state: Said) -> Literal["quant", "__end__"]:
        return "quant" if state["directive"]["action"] == "buy" else "__end__"

    async def after_quant(state: Said) -> Literal["risk", "__end__"]:
        return "risk" if state["signal"]["confirmed"] else "__end__"

    async def after_risk(state: Said) -> Literal["execution", "__end__"]:
        return "execution" if state["verdict"]["approved"] else "__end__"

    graph = StateGraph(Said)
    for node in (director, quant, risk, execution):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "director")
    graph.add_conditional_edges("director", after_director)
    graph.add_conditional_edges("quant", after_quant)
    graph.add_conditional_edges("risk", after_risk)
    graph.add_edge("execution", "__end__")
    return graph.compile()


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


class Loop:
    """Dispatcher, limiter, runs, desk and a journal, driven by closed bars as in the product."""

    def __init__(self, window: Window, analyst: Any, journal: Journal) -> None:
        self._window = window
        self._left = self._finished = 0
        self._number = 0
        self._failure: Exception | None = None
        self._is_done = asyncio.Event()
        self._sending: set[asyncio.Task[Any]] = set()
        clock = LiveClock()
        self._runs = Runs(
            compose=self._compose,
            desk=Desk(analyst, clock),
            journal=journal,
            enter=_accept,
            close=_accept,
            publish=Bus().publish,
            decided=self._decided,
            start=self._start,
            deadline_s=44.0,
        )
        self.limiter = Limiter(slots=IN_FLIGHT, queue_size=100, clock=clock)
        self.dispatcher = Dispatcher(
            DispatcherConfig(symbols=SYMBOLS, cooldown_s=0.0),
            DispatcherPorts(
                run=self._run,
                is_warm=lambda _: True,
                has_position=lambda _: False,
                entries_possible=lambda _: True,
                mid_and_atr=lambda _: (100.0, 1.0),
                exit_levels=lambda _: (None, None),
                set_band=lambda *_: None,
                on_drop=lambda *_: None,
                on_failure=self._fail,
            ),
            limiter=self.limiter,
            clock=clock,
        )

    async def block(self) -> None:
        """Make a block of decisions, each symbol's bars closing one after another."""
        self._left, self._finished = BLOCK, 0
        self._is_done.clear()
        for symbol in SYMBOLS:
            self.dispatcher.bar_closed(_bar(symbol))
        async with asyncio.timeout(30):
            await self._is_done.wait()
        if self._failure is not None:
            raise self._failure

    def _compose(self, symbol: str, _: str) -> Window:  # noqa: ARG002
        self._number += 1
        return msgspec.structs.replace(self._window, decision_id=f"{self._number:024x}")

    async def _run(self, ticket: Ticket) -> None:
        if self._left <= 0:
            return
        self._left -= 1
        self.dispatcher.bar_closed(_bar(ticket.symbol))
        await self._runs.run(ticket)
        self._finished += 1
        if self._finished == BLOCK:
            self._is_done.set()

    def _fail(self, _: Ticket, error: Exception) -> None:
        self._failure = error
        self._is_done.set()

    def _decided(self, decision: Any) -> None:
        if decision.outcome != "ordered":
            raise RuntimeError(f"the decision ended {decision.outcome}: {decision.reason_code}")

    def _start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)
        return task


async def _accept(_: OrderRequest) -> Any:
    """Stand where the gateway does: submission is not a part of this figure."""


def _bar(symbol: str) -> Bar:
    return Bar(symbol, 60, 0, 1.0, 1.0, 1.0, 1.0, 1.0, 1, 1.0)


@asynccontextmanager
async def looping(window: Window, analyst: Any, journal: Journal) -> AsyncIterator[Loop]:
    """Keep a loop's dispatcher running."""
    loop = Loop(window, analyst, journal)
    running = asyncio.create_task(loop.dispatcher.run_forever())
    await asyncio.sleep(0)
    try:
        yield loop
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


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
