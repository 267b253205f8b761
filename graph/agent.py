"""Ask one agent: a brief goes out, a validated record or an abstention comes back.

Every answer, whoever gave it, passes the same door: the role's pydantic model (strict, closed,
finite) and then the window (a price must be one that this market could have).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

import msgspec
from pydantic import BaseModel, ConfigDict, ValidationError

from domain.decisions import Brief, Call, Directive, Role, Signal, Verdict
from domain.errors import AnalystError, AnalystTimeout, InvalidAnswer
from domain.market import Window
from domain.records import parse, plain
from domain.risk.facts import ATR
from domain.text import clean
from graph.analysts.deadline import GRACE_S, set_deadline
from graph.analysts.registry import resolve
from graph.routing import intent_in
from graph.state import Context, State

T = TypeVar("T")

# How far outside what the window shows a quoted price may lie, in average true ranges. A stop may
# stand at most 5 away (`STOP_DISTANCE`), so 10 leaves room for honest targets and none for slips.
PLAUSIBLE_ATR = 10.0
MAX_CLEANED = 600


class ModelAnswer(BaseModel):
    """Base of what a model may say: no extra field, no coercion ("false" is no boolean), no NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Agent(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One of the four: what it is told, how its answer must look, and how an answer is read.

    `short` is `prompt` for a small model, which quotes no prices: code sets them. `read` raises
    `InvalidAnswer`, with a text that tells a model what to mend.
    """

    role: Role
    prompt: str
    short: str
    schema: dict[str, Any]
    render: Callable[[Brief], str]
    read: Callable[[dict[str, Any], Brief], T]


class Heard(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """What came back: an answer, or the code of the abstention; and the calls it took."""

    answer: T | None
    calls: tuple[Call, ...]
    code: str = ""


def brief_of(role: Role, said: Mapping[str, Any], window: Window) -> Brief:
    """Write an agent's brief: the window and what those before it said, plain, by name.

    A close goes from the Director straight to Execution, so it carries no word of Quant and Risk,
    even where a thread still holds an old one.
    """
    if role is Role.DIRECTOR:
        return Brief(role=role, window=window)
    directive = parse(said["directive"], Directive)
    intent = intent_in(directive.action, window)
    signal, verdict = said.get("signal"), said.get("verdict")
    hears_quant = intent.is_open and role in {Role.RISK, Role.EXECUTION}
    hears_risk = intent.is_open and role is Role.EXECUTION
    return Brief(
        role=role,
        window=window,
        directive=directive,
        signal=parse(signal, Signal) if hears_quant and signal is not None else None,
        verdict=parse(verdict, Verdict) if hears_risk and verdict is not None else None,
        intent=intent,
    )


async def ask(agent: Agent[T], brief: Brief, context: Context | None) -> Heard[T]:
    """Ask the run's analyst and never raise for its failures; cancellation passes through."""
    settings = context or Context()
    analyst = resolve(settings.get("analyst", "rules"))
    deadline = settings.get("deadline_at")
    set_deadline(deadline)
    calls: tuple[Call, ...] = ()
    try:
        async with asyncio.timeout_at(None if deadline is None else deadline + GRACE_S):
            answer = await analyst.answer(brief)
        calls = answer.calls
        return Heard(answer=agent.read(answer.content, brief), calls=calls)
    except TimeoutError:
        problem: AnalystError = AnalystTimeout("the run's deadline has passed")
    except AnalystError as failed:
        problem = failed
    return Heard(answer=None, calls=_asked(problem, calls, brief, analyst.name), code=problem.code)


def with_calls(state: State, calls: tuple[Call, ...]) -> list[dict[str, Any]]:
    """Return the run's calls so far and these."""
    return [*state.get("calls", []), *(plain(call) for call in calls)]


def validated(model: type[BaseModel], content: dict[str, Any]) -> dict[str, Any]:
    """Hold an answer against its model; raises `InvalidAnswer` naming each wrong field.

    What a model writes is shown to other agents and to people: its texts are cleaned like any
    stranger's. The words as they came stay in the call, which is the record.
    """
    try:
        said = vars(model.model_validate(content))
        return {
            name: clean(value, MAX_CLEANED) if isinstance(value, str) else value
            for name, value in said.items()
        }
    except ValidationError as wrong:
        faults = (
            f"{'.'.join(map(str, fault['loc'])) or 'answer'}: {fault['msg']}"
            for fault in wrong.errors(include_url=False, include_input=False)
        )
        raise InvalidAnswer("; ".join(faults)[:MAX_CLEANED]) from None


def check_prices(window: Window, **prices: float | None) -> None:
    """Refuse prices, by the name of their field, that this market could not have; none is fine.

    Plausible is what the window's bars and quote span, widened on both sides by the larger of that
    span and `PLAUSIBLE_ATR` average true ranges. Catches slips of the decimal point and prices of
    another symbol; whether a stop is wise is the limits' business.
    """
    quoted = {name: price for name, price in prices.items() if price is not None}
    if not quoted:
        return
    low, high = plausible_range(window)
    for name, price in quoted.items():
        if not low <= price <= high:
            raise InvalidAnswer(f"{name}: {price:g} is not between {low:.6g} and {high:.6g}")


def plausible_range(window: Window) -> tuple[float, float]:
    """Return the lowest and highest price that an answer may quote; both positive."""
    low = min(window.quote.bid, *[bar.l for bar in window.bars])
    high = max(window.quote.ask, *[bar.h for bar in window.bars])
    atr = window.indicators.get(ATR) or 0.0
    margin = max(high - low, PLAUSIBLE_ATR * atr)
    return max(low - margin, low / 10), high + margin


def read_json(raw: str) -> dict[str, Any]:
    """Read a model's words as one JSON object; raises `InvalidAnswer`. Prose is never searched."""
    try:
        content = json.loads(raw, parse_constant=_refuse_constant)
    except ValueError as wrong:
        raise InvalidAnswer(f"the answer is not JSON: {wrong}") from None
    except RecursionError:
        raise InvalidAnswer("the answer is nested too deeply") from None
    if not isinstance(content, dict):
        raise InvalidAnswer("the answer is not a JSON object")
    return content


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _asked(
    problem: AnalystError, calls: tuple[Call, ...], brief: Brief, model: str
) -> tuple[Call, ...]:
    """Return the calls of a failure: at least one, so that a replay can fail alike."""
    known = problem.calls or calls
    if known and known[-1].error is None:
        last = msgspec.structs.replace(known[-1], error=problem.code)
        return (*known[:-1], last)
    if known:
        return known
    call = Call(
        role=brief.role, attempt=1, model=model, prompt_digest="", raw="", error=problem.code
    )
    return (call,)
