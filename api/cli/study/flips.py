"""Ask the journaled questions again through the graph, never the broker, and count the flips."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

from rich.console import Console

from api.assembly.plan import AnalystPlan
from api.cli.journal.blaming import Blaming, blaming
from api.cli.journal.progress import progress
from api.cli.study.flip_tables import Outcome, show
from api.cli.study.minds import (
    RECORDED,
    FlipsCommand,
    budget_of,
    chosen,
    name_of,
    open_minds,
)
from api.cli.study.spans import span_of
from api.settings import Config
from backtest.flips.asking import Asking, Decide, Found, ask_again
from backtest.flips.records import Ending, Journaled
from backtest.flips.tally import tally
from domain.decisions import Decision
from domain.decisions import Outcome as Ended
from domain.errors import AnalystUnavailable, ConfigError
from domain.market import Window
from domain.ports import Analyst
from domain.records import parse
from engine.clock import LiveClock
from graph.analysts.model.conversation import digests_of
from graph.analysts.model.endpoint import KEY_REFUSED, MODEL_UNKNOWN, REQUEST_REFUSED
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


def run_flips(asked: FlipsCommand) -> bool:
    """Print the flip table; false when the rate is over the threshold or not all was asked.

    Interrupted, it prints what it has and lets the interruption through. Raises `ConfigError`,
    `JournalError`, and `AnalystUnavailable` when nobody answered at all.
    """
    config = Config.read()
    plan = chosen(config, asked)
    found = Found()
    ending, blames = Ending.COMPLETE, list[Blaming]()
    try:
        asyncio.run(_study(config, plan, asked, found, blames))
    except KeyboardInterrupt:
        ending = Ending.INTERRUPTED
    if found.is_spent:
        ending = Ending.BUDGET_SPENT
    outcome = Outcome(
        analyst=name_of(plan),
        ending=ending,
        threshold=_threshold(plan, asked),
        prompts=digests_of(plan.told),
        flips=tally(found.asked),
        left_out=found.left_out,
        paid_usd=found.paid_usd,
        asked=found.asked,
    )
    _tell_blame(blames)
    _require_answers(outcome, blames)
    show(outcome, Console(highlight=False), as_json=asked.as_json)
    if ending is Ending.INTERRUPTED:
        raise KeyboardInterrupt
    return outcome.holds


def _tell_blame(blames: list[Blaming]) -> None:
    """Say on stderr which lines of somebody's own analyst raised, each once."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in (line for blamed in blames for line in blamed.lines):
        console.print(line, style="red", markup=False)


def _require_answers(outcome: Outcome, blames: list[Blaming]) -> None:
    """Refuse to call a rate held that nobody measured."""
    flips = outcome.flips
    if outcome.ending is not Ending.COMPLETE or flips.rate is not None:
        return
    if not flips.unanswered:
        raise ConfigError(
            f"None of the {outcome.left_out} decisions has a window: retention removed them, or a "
            "policy decided without one.",
            remedy="Ask a span within RETENTION_CONTENTS_DAYS, or an older copy of the journal.",
        )
    for blamed in blames:
        if blamed.lines:
            raise blamed.error()
    raise AnalystUnavailable(
        f"None of {flips.unanswered} questions was answered.",
        remedy="Run `autohedge doctor` to see whether the endpoint answers.",
    )


def _threshold(plan: AnalystPlan, asked: FlipsCommand) -> float | None:
    """Return the highest rate that is let pass: the record may not flip at all."""
    is_free = asked.threshold is None and plan.kind == RECORDED
    return 0.0 if is_free else asked.threshold


async def _study(
    config: Config,
    plan: AnalystPlan,
    asked: FlipsCommand,
    found: Found,
    blames: list[Blaming],
) -> None:
    url = asked.database or config.settings.database_url
    span = span_of(asked.since, asked.until, asked.symbol)
    async with Reader(JournalConfig(url=url)) as reader, AsyncExitStack() as stack:
        count = await reader.decisions.count(span)
        if count == 0:
            raise ConfigError(
                "The journal holds no decision of that span and symbol.",
                remedy="Widen --since and --until; `autohedge report` says what there is.",
            )
        budget = await budget_of(_questions(reader, span, Found()), plan, asked)
        if plan.kind == RECORDED:
            decide = _of_record(reader)
        else:
            minds = await open_minds(plan, asked, budget, stack)
            blamed = blaming(minds[0], plan.kind)
            if blamed is not None:
                minds = [blamed]
                blames.append(blamed)
            decide = _of_minds(minds, plan)
        how = Asking(samples=asked.samples, at_once=_at_once(config, plan))
        with progress("Asking again", is_shown=not asked.as_json) as tell:

            def told(done: int) -> None:
                found.paid_usd = budget.spent_usd
                tell(done, count * asked.samples)

            await ask_again(_questions(reader, span, found), decide, found, how, told)


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


def _of_record(reader: Reader) -> Decide:
    clock = LiveClock()

    async def recorded(journaled: Journaled, _sample: int) -> Decision:
        return await _from_record(journaled, reader, clock)

    return recorded


def _of_minds(minds: list[Analyst], plan: AnalystPlan) -> Decide:
    desks = [Desk(mind, LiveClock(), told=plan.told) for mind in minds]

    async def asked(journaled: Journaled, sample: int) -> Decision:
        desk = desks[sample % len(desks)]
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
