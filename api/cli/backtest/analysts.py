"""Open who answers in a backtest, after the person has agreed to what it may cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import msgspec
import typer
from rich.console import Console

from api.assembly.mapping import analyst_of
from api.cli.backtest.asked import BacktestCommand, spec_of
from api.cli.backtest.interrupting import play
from api.settings import Config
from backtest.answers import AnswerCache, Asked, Ending, Metered
from backtest.answers.asked import Bill
from backtest.answers.outside import Outside
from backtest.baselines.table import policy
from backtest.controls.blind.attack import Ask
from backtest.controls.blind.naming import asking
from backtest.controls.switches import Controls
from backtest.evidence.rehearsal import rehearse
from backtest.evidence.runs import Inquiry
from backtest.flips.budget import HardBudget
from backtest.records import RunSpec, Series
from backtest.run.mapping import POLICY
from backtest.run.running import Means
from domain.errors import ConfigError
from domain.ports import Analyst, Budget
from engine.clock import LiveClock
from engine.deciding.budget import ModelBudget
from graph.analysts.llm import Llm
from graph.analysts.model.conversation import BUILT_IN, digests_of
from graph.analysts.model.costs import FREE, Price, price_of
from graph.analysts.model.endpoint import EndpointConfig
from graph.analysts.model.told import read_told
from graph.analysts.rules import RULES, Rules

LLM, RECORDED = "llm", "recorded"
REPEATS = 2
"""Runs that C6 compares: the judged one, and one whose questions are all asked anew."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """Who answers in a run, and in the runs it is held against.

    `of_run` makes the analyst of the k-th run (none for a policy): a model is asked anew in each.
    `runs` are how many of them C6 may compare; `ask` puts masked windows to a model to name, and
    `bill` says what a model was asked in all.
    """

    spec: RunSpec
    means: Means
    of_run: Callable[[int], Analyst] | None = None
    runs: int = 2
    ask: Ask | None = None
    bill: Bill | None = None


@contextmanager
def opened(
    asked: BacktestCommand, series: Sequence[Series], controls: Controls | None
) -> Iterator[Opened]:
    """Yield who answers; raises `ConfigError`, and `Abort` for a person's no to what it costs."""
    if asked.analyst.startswith(POLICY):
        name, spec = asked.analyst.removeprefix(POLICY), spec_of(asked, series, asked.analyst)
        made = policy(name, share=1 / len(series), seed=asked.seed)
        yield Opened(spec=spec, means=Means(policies=made))
    elif asked.analyst == RULES:
        rules = Rules()
        means = Means(analyst=rules)
        yield Opened(spec=spec_of(asked, series, RULES), means=means, of_run=lambda _k: rules)
    elif asked.analyst in {LLM, RECORDED}:
        with ExitStack() as stack:
            yield _model(asked, series, controls, stack)
    else:
        raise ConfigError(
            f"There is no analyst {asked.analyst!r} in a backtest.",
            remedy=f"Use {RULES}, {LLM}, {RECORDED}, or {POLICY}NAME.",
        )


def _model(
    asked: BacktestCommand,
    series: Sequence[Series],
    controls: Controls | None,
    stack: ExitStack,
) -> Opened:
    config = Config.read()
    endpoint = _endpoint(config, asked)
    told = BUILT_IN if asked.prompts is None else read_told(asked.prompts)
    spec = msgspec.structs.replace(
        spec_of(asked, series, f"llm:{endpoint.model}"),
        prompts=tuple(sorted(digests_of(told).items())),
    )
    cache = stack.enter_context(AnswerCache(asked.answers))
    ending = Ending()
    if asked.analyst == RECORDED:
        return _opened(spec, Asked(endpoint, cache, ending, told=told), ending, runs=1)
    price = endpoint.price or price_of(endpoint.model)
    metered = Metered(endpoint, cache, told=told)
    _estimate(asked, series, spec, controls, metered)
    _get_leave(asked, metered, price)
    outside = stack.enter_context(Outside())
    llm = outside.run(_open(endpoint, _budget(config, asked, price)))
    stack.callback(lambda: outside.run(llm.aclose()))
    stack.callback(outside.let_arrive)
    analyst = Asked(endpoint, cache, ending, model=llm, outside=outside, told=told)
    return _opened(spec, analyst, ending, runs=REPEATS)


def _opened(spec: RunSpec, analyst: Asked, ending: Ending, *, runs: int) -> Opened:
    """Name everything that a model is asked: one whose answers are all kept says nothing new."""
    return Opened(
        spec=spec,
        means=Means(analyst=analyst, ending=ending),
        of_run=analyst.of_sample,
        runs=runs,
        ask=asking(analyst.speak),
        bill=analyst.bill,
    )


def _endpoint(config: Config, asked: BacktestCommand) -> EndpointConfig:
    endpoint = analyst_of(config, LLM).endpoint
    assert endpoint is not None
    if asked.model is not None and asked.model != endpoint.model:
        endpoint = msgspec.structs.replace(endpoint, model=asked.model, price=None)
    return endpoint


def _budget(config: Config, asked: BacktestCommand, price: Price | None) -> Budget:
    within = ModelBudget(analyst_of(config, LLM).budget, clock=LiveClock())
    if asked.budget is None:
        return within
    if price is None:
        raise ConfigError(
            "--budget bounds dollars, and this model's price is not known.",
            remedy="Set LLM_USD_PER_M_IN and LLM_USD_PER_M_OUT.",
        )
    return HardBudget(within, usd=asked.budget, price=price)


async def _open(endpoint: EndpointConfig, budget: Budget) -> Llm:
    """Open the model on the loop that it will be asked on."""
    return Llm(endpoint, budget)


def _estimate(
    asked: BacktestCommand,
    series: Sequence[Series],
    spec: RunSpec,
    controls: Controls | None,
    metered: Metered,
) -> None:
    """Count what the run and its controls would ask, by the rules' own runs."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    if controls is None:
        console.print("Estimating by a run of the rules...", style="dim")
        play(series, spec, analyst=metered)
        return
    console.print("Estimating by runs of the rules, as the controls need them...", style="dim")
    inquiry = Inquiry(
        series=series,
        spec=spec,
        play=play,
        analyst=metered.of_sample,
        controls=controls,
        repeats=REPEATS,
        random_traders=asked.random_traders,
    )
    rehearse(inquiry, metered.name_nothing)


def _get_leave(asked: BacktestCommand, metered: Metered, price: Price | None) -> None:
    """Tell what is still to be paid, and let a person agree."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    cost = "an unknown price" if price is None else f"at most about ${metered.usd(price):.4f}"
    bound = "" if asked.budget is None else f"; no more than ${asked.budget:g} will be spent"
    told = _told(metered)
    console.print(f"{told}: {cost}{bound}.", markup=False)
    if asked.yes or metered.calls == 0 or price == FREE or _is_covered(asked, metered, price):
        return
    if not console.is_terminal:
        raise ConfigError(
            "Asking a model costs money, and nobody is here to agree.",
            remedy="Give a --budget of what it costs at most, or --yes.",
            code="NOT_AGREED",
        )
    typer.confirm("Ask?", abort=True, err=True)


def _is_covered(asked: BacktestCommand, metered: Metered, price: Price | None) -> bool:
    """Tell whether a budget was named that covers the estimate: who names it agrees to it."""
    if asked.budget is None or price is None:
        return False
    return metered.usd(price) <= asked.budget


def _told(metered: Metered) -> str:
    kept = f", {metered.kept:,} answers are kept already" if metered.kept else ""
    return f"About {metered.calls:,} calls{kept}"
