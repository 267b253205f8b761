"""Ask the journaled questions again through the graph, never the broker, and count the flips."""

from __future__ import annotations

import asyncio
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
from api.cli.journal.progress import progress
from api.cli.study.flip_tables import RECORDED, Outcome, show
from api.cli.study.spans import span_of
from api.settings import Config
from backtest.flips.asking import Asking, Decide, Found, ask_again
from backtest.flips.budget import HardBudget
from backtest.flips.estimate import Estimate, estimate
from backtest.flips.records import Ending, Journaled
from backtest.flips.tally import tally
from domain.decisions import Decision
from domain.decisions import Outcome as Ended
from domain.errors import AnalystUnavailable, ConfigError
from domain.market import Window
from domain.ports import Budget
from domain.records import parse
from engine.clock import LiveClock
from engine.deciding.budget import ModelBudget
from graph.analysts.model.conversation import digests_of
from graph.analysts.model.costs import FREE, Price, price_of
from graph.analysts.model.endpoint import KEY_REFUSED, MODEL_UNKNOWN, REQUEST_REFUSED
from graph.analysts.model.told import read_told
from graph.desk import Desk
from graph.desk import replay as replay_recorded
from journal.database import JournalConfig
from journal.reads.reader import Reader
from journal.reads.report import Span

# A question waits here for its minute's budget too, so a run may take long.
DEADLINE_S = 900.0

_REFUSALS = {
    KEY_REFUSED: "The endpoint refused the key.",
    MODEL_UNKNOWN: "The endpoint does not know the model.",
    REQUEST_REFUSED: "The endpoint refused the request.",
}


@dataclass(frozen=True, kw_only=True)
class FlipsCommand:
    """What was asked for; times without a zone are UTC."""

    since: datetime | None = None
    until: datetime | None = None
    symbol: str | None = None
    analyst: str = ""
    model: str | None = None
    prompts: Path | None = None
    samples: int = 1
    threshold: float | None = None
    budget: float | None = None
    database: str | None = None
    yes: bool = False
    as_json: bool = False


def run_flips(asked: FlipsCommand) -> bool:
    """Print the flip table; false when the rate is over the threshold or not all was asked.

    Interrupted, it prints what it has and lets the interruption through. Raises `ConfigError`,
    `JournalError`, and `AnalystUnavailable` when nobody answered at all.
    """
    config = Config.read()
    plan = _plan(config, asked)
    found = Found()
    ending = Ending.COMPLETE
    try:
        asyncio.run(_study(config, plan, asked, found))
    except KeyboardInterrupt:
        ending = Ending.INTERRUPTED
    if found.is_spent:
        ending = Ending.BUDGET_SPENT
    outcome = Outcome(
        analyst=_name(plan),
        ending=ending,
        threshold=_threshold(plan, asked),
        prompts=digests_of(plan.told),
        flips=tally(found.asked),
        left_out=found.left_out,
        asked=found.asked,
    )
    _require_answers(outcome)
    show(outcome, Console(highlight=False), as_json=asked.as_json)
    if ending is Ending.INTERRUPTED:
        raise KeyboardInterrupt
    return outcome.holds


def _require_answers(outcome: Outcome) -> None:
    """Refuse to call a rate held that nobody measured."""
    flips = outcome.flips
    if outcome.ending is not Ending.COMPLETE or flips.rate is not None:
        return
    if not flips.unanswered:
        raise ConfigError(
            f"None of the {outcome.left_out} decisions has its window any more.",
            remedy="Ask a span within RETENTION_CONTENTS_DAYS, or an older copy of the journal.",
        )
    raise AnalystUnavailable(
        f"None of {flips.unanswered} questions was answered.",
        remedy="Run `autohedge doctor` to see whether the endpoint answers.",
    )


def _plan(config: Config, asked: FlipsCommand) -> AnalystPlan:
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
    endpoint = plan.endpoint
    if asked.model is not None and asked.model != endpoint.model:
        endpoint = msgspec.structs.replace(endpoint, model=asked.model, price=None)
    told = plan.told if asked.prompts is None else read_told(asked.prompts)
    return replace(plan, endpoint=endpoint, told=told)


def _name(plan: AnalystPlan) -> str:
    return plan.kind if plan.endpoint is None else f"{plan.kind}:{plan.endpoint.model}"


def _threshold(plan: AnalystPlan, asked: FlipsCommand) -> float | None:
    """Return the highest rate that is let pass: the record may not flip at all."""
    is_free = asked.threshold is None and plan.kind == RECORDED
    return 0.0 if is_free else asked.threshold


async def _study(config: Config, plan: AnalystPlan, asked: FlipsCommand, found: Found) -> None:
    url = asked.database or config.settings.database_url
    span = span_of(asked.since, asked.until, asked.symbol)
    async with Reader(JournalConfig(url=url)) as reader, AsyncExitStack() as stack:
        count = await reader.decisions.count(span)
        if count == 0:
            raise ConfigError(
                "The journal holds no decision of that span and symbol.",
                remedy="Widen --since and --until; `autohedge report` says what there is.",
            )
        budget = await _budget(_questions(reader, span, Found()), plan, asked)
        decide = await _decide(reader, plan, budget, stack)
        how = Asking(samples=asked.samples, at_once=_at_once(config, plan))
        with progress("Asking again", is_shown=not asked.as_json) as tell:
            await ask_again(
                _questions(reader, span, found),
                decide,
                found,
                how,
                lambda done: tell(done, count * asked.samples),
            )


def _at_once(config: Config, plan: AnalystPlan) -> int:
    return config.settings.llm_max_concurrent if plan.kind == "llm" else 1


async def _questions(reader: Reader, span: Span, found: Found) -> AsyncIterator[Journaled]:
    """Yield what can be asked again, and count what cannot: retention has removed its window."""
    async for recalled in reader.decisions.recall(span):
        if recalled.window is None:
            found.left_out += 1
        else:
            yield Journaled(
                decision=recalled.decision,
                window=parse(recalled.window, Window),
                prompts=recalled.prompts,
            )


async def _budget(
    questions: AsyncIterator[Journaled], plan: AnalystPlan, asked: FlipsCommand
) -> Budget:
    """Say what it would cost, get leave to spend it, and bound it."""
    usd = asked.budget if asked.budget is not None else plan.budget.usd_per_day
    pace = msgspec.structs.replace(plan.budget, usd_per_day=None)
    within = ModelBudget(pace, clock=LiveClock())
    if plan.endpoint is None:
        return within
    price = plan.endpoint.price or price_of(plan.endpoint.model)
    if price is None and asked.budget is not None:
        raise ConfigError(
            f"The price of {plan.endpoint.model} is not listed, so no budget can be kept.",
            remedy="Set LLM_MODEL, LLM_USD_PER_M_IN and LLM_USD_PER_M_OUT, and leave --model out.",
        )
    total = Estimate()
    async for journaled in questions:
        one = estimate(journaled, max_tokens=plan.endpoint.max_tokens, told=plan.told)
        total = total.plus(one)
    _get_leave(total, price, asked, usd)
    return within if usd is None else HardBudget(within, usd=usd, price=price or FREE)


def _get_leave(
    total: Estimate, price: Price | None, asked: FlipsCommand, usd: float | None
) -> None:
    """Tell the estimate on stderr; a price without --budget or --yes needs a person's word."""
    console = Console(stderr=True, highlight=False)
    cost = (
        "an unknown price" if price is None else f"${total.usd(price, samples=asked.samples):.4f}"
    )
    is_bound = usd is not None and price is not None
    bound = f"; at most ${usd:g} will be spent" if is_bound else ""
    answers = "one answer" if asked.samples == 1 else f"{asked.samples} answers"
    console.print(
        f"{total.decisions} decisions, {answers} each, about "
        f"{total.calls * asked.samples} calls: {cost}{bound}.",
        markup=False,
    )
    if asked.yes or asked.budget is not None or price == FREE:
        return
    if not console.is_terminal:
        raise ConfigError(
            "Asking a model again costs money, and nobody is here to agree.",
            remedy="Give --budget DOLLARS or --yes.",
        )
    typer.confirm("Ask?", abort=True, err=True)


async def _decide(
    reader: Reader, plan: AnalystPlan, budget: Budget, stack: AsyncExitStack
) -> Decide:
    clock = LiveClock()
    if plan.kind == RECORDED:

        async def recorded(journaled: Journaled, _sample: int) -> Decision:
            return await _from_record(journaled, reader, clock)

        return recorded
    desk = Desk(await open_analyst(plan, budget, stack), clock, told=plan.told)

    async def asked(journaled: Journaled, _sample: int) -> Decision:
        run = await desk.decide(journaled.window, deadline_s=DEADLINE_S)
        _refuse(run.decision)
        return run.decision

    return asked


async def _from_record(journaled: Journaled, reader: Reader, clock: LiveClock) -> Decision:
    """Replay from the record; one that cannot be replayed any more is a change like others."""
    was = journaled.decision
    try:
        run = await replay_recorded(
            journaled.window,
            reader.decisions,
            analyst=was.analyst,
            clock=clock,
            prompts=journaled.prompts,
        )
    except ConfigError as differs:
        return Decision(
            id=was.id,
            symbol=was.symbol,
            window_digest=was.window_digest,
            analyst=was.analyst,
            outcome=Ended.ABSTAINED,
            reason_code=differs.code,
            as_of=was.as_of,
            graph_version=was.graph_version,
        )
    return run.decision


def _refuse(decision: Decision) -> None:
    """Stop at what no further question can mend; raises `ConfigError`."""
    why = _REFUSALS.get(decision.reason_code)
    if why is not None:
        raise ConfigError(
            why, remedy="Mend LLM_MODEL, OPENAI_API_KEY or LLM_BASE_URL.", code=decision.reason_code
        )
