"""Open who answers a journal's questions again: chosen, agreed to, bounded, and remembered."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec
import typer
from rich.console import Console

from api.assembly.mapping import analyst_of
from api.assembly.opening.analyst import open_analyst
from api.assembly.plan import AnalystPlan
from api.settings import Config
from backtest.answers import AnswerCache
from backtest.flips.budget import HardBudget
from backtest.flips.estimate import Estimate, estimate
from backtest.flips.records import Journaled
from backtest.flips.remembering import Remembering
from domain.errors import ConfigError
from domain.ports import Analyst
from engine.clock import LiveClock
from engine.deciding.budget import ModelBudget
from graph.analysts.llm import Llm
from graph.analysts.model import endpoint
from graph.analysts.model.costs import FREE, Price, price_of
from graph.analysts.model.told import read_told

RECORDED = "recorded"


@dataclass(frozen=True, kw_only=True)
class FlipsCommand:
    """What was asked for; times without a zone are UTC. Without `answers` none is kept."""

    since: datetime | None = None
    until: datetime | None = None
    symbol: str | None = None
    analyst: str = ""
    model: str | None = None
    prompts: Path | None = None
    samples: int = 1
    threshold: float | None = None
    budget: float | None = None
    answers: Path | None = None
    database: str | None = None
    yes: bool = False
    as_json: bool = False


def chosen(config: Config, asked: FlipsCommand) -> AnalystPlan:
    """Return who is asked: the record, unless a model or prompts are named."""
    kind = asked.analyst or ("llm" if asked.model or asked.prompts else RECORDED)
    if kind != "llm" and (asked.model or asked.prompts):
        raise ConfigError(
            f"--model and --prompts mean nothing to the analyst {kind!r}.",
            remedy="Use --analyst llm with them, or leave them out.",
        )
    if kind in {RECORDED, "rules"} and asked.samples > 1:
        raise ConfigError(
            f"The analyst {kind!r} always answers alike.", remedy="Leave --samples out."
        )
    if kind == RECORDED:
        return AnalystPlan(kind=RECORDED, why="the record")
    plan = analyst_of(config, kind)
    if plan.endpoint is None:
        return plan
    at = plan.endpoint
    if asked.model is not None and asked.model != at.model:
        at = msgspec.structs.replace(at, model=asked.model, price=None)
    told = plan.told if asked.prompts is None else read_told(asked.prompts)
    return replace(plan, endpoint=at, told=told)


def name_of(plan: AnalystPlan) -> str:
    """Return the analyst's name, as decisions record it."""
    return plan.kind if plan.endpoint is None else f"{plan.kind}:{plan.endpoint.model}"


async def budget_of(
    questions: AsyncIterator[Journaled], plan: AnalystPlan, asked: FlipsCommand
) -> HardBudget:
    """Say what it would cost, get leave to spend it, and bound it.

    Raises `ConfigError` where nobody is there to agree, and for a budget on an unknown price.
    """
    pace = msgspec.structs.replace(plan.budget, usd_per_day=None)
    within = ModelBudget(pace, clock=LiveClock())
    if plan.endpoint is None:
        return HardBudget(within, usd=math.inf, price=FREE)
    price = plan.endpoint.price or price_of(plan.endpoint.model)
    if price is None and asked.budget is not None:
        raise ConfigError(
            f"The price of {plan.endpoint.model} is not listed, so no budget can be kept.",
            remedy="Set LLM_MODEL, LLM_USD_PER_M_IN and LLM_USD_PER_M_OUT, and leave --model out.",
        )
    usd = asked.budget if asked.budget is not None else plan.budget.usd_per_day
    total = Estimate()
    async for journaled in questions:
        one = estimate(journaled, max_tokens=plan.endpoint.max_tokens, told=plan.told)
        total = total.plus(one)
    _get_leave(total, price, asked, usd)
    return HardBudget(within, usd=math.inf if usd is None else usd, price=price or FREE)


def _get_leave(
    total: Estimate, price: Price | None, asked: FlipsCommand, usd: float | None
) -> None:
    """Tell the estimate on stderr; a price without --budget or --yes needs a person's word."""
    console = Console(stderr=True, highlight=False)
    console.print(_estimated(total, price, asked, usd), markup=False, soft_wrap=True)
    if asked.yes or asked.budget is not None or price == FREE:
        return
    if not console.is_terminal:
        raise ConfigError(
            "Asking a model again costs money, and nobody is here to agree.",
            remedy="Give --budget DOLLARS or --yes.",
        )
    typer.confirm("Ask?", abort=True, err=True)


def _estimated(total: Estimate, price: Price | None, asked: FlipsCommand, usd: float | None) -> str:
    answers = "one answer" if asked.samples == 1 else f"{asked.samples} answers"
    cost = "an unknown price"
    if price is not None:
        cost = f"about ${total.usd(price, samples=asked.samples):.4f}"
        cost += "" if usd is None else f", at most ${usd:g}"
    kept = "" if asked.answers is None else "; what was answered before costs nothing"
    return (
        f"{total.decisions} decisions, {answers} each, {total.calls * asked.samples} calls: "
        f"{cost}{kept}."
    )


async def open_minds(
    plan: AnalystPlan, asked: FlipsCommand, budget: HardBudget, stack: AsyncExitStack
) -> list[Analyst]:
    """Return who answers: one for each sample where answers are kept, else one for all."""
    if plan.endpoint is None or asked.answers is None:
        return [await open_analyst(plan, budget, stack)]
    cache = stack.enter_context(AnswerCache(asked.answers))
    await asyncio.to_thread(endpoint.load)
    model = Llm(plan.endpoint, budget, told=plan.told)
    stack.push_async_callback(model.aclose)
    return [
        Remembering(model, plan.endpoint, cache, sample=sample, told=plan.told)
        for sample in range(asked.samples)
    ]
