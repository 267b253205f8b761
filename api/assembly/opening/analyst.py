"""Open the one that answers, what it may spend, and where its runs wait for a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from api.assembly.plan import AnalystPlan
from domain.errors import ConfigError
from domain.ports import Analyst, Budget, Clock
from engine.building import ApprovalPlan
from graph.analysts.llm import Llm
from graph.analysts.local import open_local
from graph.analysts.model import endpoint
from graph.analysts.own import NAMED, open_own
from graph.analysts.rules import Rules
from graph.approval.checkpoints import open_checkpoints
from graph.approval.waiting import WaitingRuns
from journal.reads.reader import Reader
from journal.reads.report import Span

_DAY_NS = 86_400_000_000_000


@asynccontextmanager
async def loading(plan: AnalystPlan) -> AsyncIterator[None]:
    """Load what a model's analyst needs in a thread, while the venue is asked and much is read."""
    if plan.endpoint is None:
        yield
        return
    thread = asyncio.create_task(asyncio.to_thread(endpoint.load))
    try:
        yield
    finally:
        await thread


async def open_analyst(plan: AnalystPlan, budget: Budget, stack: AsyncExitStack) -> Analyst:
    """Make the one that answers, as it was chosen at the start; it never changes."""
    match plan.kind:
        case "rules":
            return Rules()
        case "local":
            local = await open_local(plan.cache)
            stack.push_async_callback(local.aclose)
            return local
        case "llm" if plan.endpoint is not None:
            await asyncio.to_thread(endpoint.load)
            llm = Llm(plan.endpoint, budget, told=plan.told)
            stack.push_async_callback(llm.aclose)
            return llm
        case named if NAMED.fullmatch(named):
            return open_own(named)
        case _:
            raise ConfigError(
                f"ANALYST={plan.kind} cannot be built: no endpoint is configured.",
                remedy="Set OPENAI_API_KEY or LLM_BASE_URL, or ANALYST=rules.",
            )


async def spent_today(reader: Reader, wall: Clock) -> float:
    """Return what the model has cost this UTC day, so that a restart renews no budget."""
    now_ns = wall.now_ns()
    midnight_ns = now_ns - now_ns % _DAY_NS
    return (await reader.report(Span(since_ns=midnight_ns))).model_cost_usd


async def open_waiting(plan: ApprovalPlan | None, stack: AsyncExitStack) -> WaitingRuns | None:
    """Open where runs wait, until the stack closes; none where no order needs a person."""
    if plan is None:
        return None
    checkpoints = await stack.enter_async_context(open_checkpoints(plan.checkpoints))
    return WaitingRuns(checkpoints, above=plan.above)
