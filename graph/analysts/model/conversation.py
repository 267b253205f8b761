"""Run one conversation with a model: a question, at most one more try, an answer or a failure.

The endpoint and the record are asked by the same loop, so a replay repeats what was asked word for
word, and a prompt that would differ today is seen. The second try is a repair when the first answer
was outside its schema (the model is told why), and the same question when the endpoint failed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec

from domain.decisions import Answer, Brief, Call, Role
from domain.errors import (
    AnalystError,
    AnalystRateLimited,
    AnalystTimeout,
    AnalystUnavailable,
    BudgetSpent,
    InvalidAnswer,
)
from domain.market import Window
from domain.records import canonical
from domain.text import clean
from graph.agent import Agent, read_json
from graph.analysts.texts import quoted
from graph.director import DIRECTOR
from graph.execution import EXECUTION
from graph.quant import QUANT
from graph.risk import RISK

AGENTS: dict[Role, Agent[Any]] = {agent.role: agent for agent in (DIRECTOR, QUANT, RISK, EXECUTION)}
MAX_ATTEMPTS = 2
MAX_ECHO = 1500
MAX_FAULT = 600
SHORT_BARS = 3
SHORT_INDICATORS = ("ema_12", "ema_26", "rsi_14", "atr_14")

# Why an answer is unusable, beside `ANALYST_INVALID_ANSWER` (outside its schema or its window).
REFUSED = "ANALYST_REFUSED"
FILTERED = "ANALYST_FILTERED"
TRUNCATED = "ANALYST_TRUNCATED"
EMPTY = "ANALYST_EMPTY_ANSWER"

_TOLD = {
    TRUNCATED: "the answer was cut off before its end: keep every text short",
    EMPTY: "there was no answer",
}


class Prompt(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent: (role, text) messages in order.

    `text` is the whole of it, as the journal keeps it, and `digest` its sha256: its name there.
    `schema` is what the answer must fit where it is not the role's: no agent is asked then.
    """

    role: Role
    messages: tuple[tuple[str, str], ...]
    text: str
    digest: str
    schema: dict[str, Any] | None = None


def compose(
    role: Role, messages: tuple[tuple[str, str], ...], schema: dict[str, Any] | None = None
) -> Prompt:
    """Make a prompt of its messages."""
    text = "\n\n".join(f"[{speaker}]\n{said}" for speaker, said in messages)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Prompt(role=role, messages=messages, text=text, digest=digest, schema=schema)


SYSTEM, USER = "[system]\n", "\n\n[user]\n"
"""How the first two messages of a prompt begin in its text."""

Speak = Callable[[Prompt, int], Awaitable[Call]]
"""Put one prompt to a model (attempt from 1) and return the call, with `error` set if it failed."""


Told = Mapping[Role, str]
"""Texts to tell the agents in place of the built-in ones, by role; the rest keep theirs."""

BUILT_IN: Told = MappingProxyType({})


def question(brief: Brief, *, is_short: bool = False, told: Told = BUILT_IN) -> Prompt:
    """Render the first prompt of a brief, whole or short."""
    agent = AGENTS[brief.role]
    text = told.get(brief.role) or (agent.short if is_short else agent.prompt)
    shown = agent.render(_shortened(brief) if is_short else brief)
    return compose(brief.role, (("system", text), ("user", shown)))


def is_shown_less(analyst: str) -> bool:
    """Tell from an analyst's name whether it gets short prompts: the small local model does."""
    return analyst.startswith("local:")


def following(brief: Brief, prompt: Prompt, call: Call) -> Prompt | None:
    """Return what to ask after a failed call, or none when the conversation is over."""
    if call.attempt >= MAX_ATTEMPTS:
        return None
    if call.error == AnalystUnavailable.code:
        return prompt
    if call.error in _TOLD:
        return _repair(prompt, call, _TOLD[call.error])
    if call.error == InvalidAnswer.code:
        return _repair(prompt, call, fault_in(brief, call.raw) or "the answer was unusable")
    return None


def fault_in(brief: Brief, raw: str) -> str | None:
    """Say what is wrong with a raw answer, or none."""
    agent = AGENTS[brief.role]
    try:
        agent.read(read_json(raw), brief)
    except InvalidAnswer as wrong:
        return str(wrong)
    return None


async def converse(
    brief: Brief, speak: Speak, *, is_short: bool = False, told: Told = BUILT_IN
) -> Answer:
    """Ask until there is a usable answer or nothing more to try; raises `AnalystError`.

    The error's `calls` are all that was asked.
    """
    prompt: Prompt | None = question(brief, is_short=is_short, told=told)
    calls: list[Call] = []
    while prompt is not None:
        call = await speak(prompt, len(calls) + 1)
        if call.error is None and fault_in(brief, call.raw) is not None:
            call = msgspec.structs.replace(call, error=InvalidAnswer.code)
        calls.append(call)
        if call.error is None:
            return Answer(content=read_json(call.raw), calls=tuple(calls))
        prompt = following(brief, prompt, call)
    raise _failure(tuple(calls))


def prompts_of(
    brief: Brief, calls: tuple[Call, ...], *, is_short: bool = False, told: Told = BUILT_IN
) -> dict[str, str]:
    """Render again the prompts that these calls of one brief answered: text by digest."""
    texts: dict[str, str] = {}
    prompt: Prompt | None = question(brief, is_short=is_short, told=told)
    for call in calls:
        if prompt is None:
            break
        if prompt.digest == call.prompt_digest:
            texts[prompt.digest] = prompt.text
        prompt = following(brief, prompt, call)
    return texts


@cache
def template_digests() -> dict[str, str]:
    """Name each role's prompt template and schema by sha256: what a window keeps in `prompts`."""
    return digests_of(BUILT_IN)


def digests_of(told: Told) -> dict[str, str]:
    """Name each role's prompt and schema by sha256, with these texts in place of the built-in."""
    return {
        role.value: digest_of(told.get(role, agent.prompt + agent.short), role)
        for role, agent in AGENTS.items()
    }


def digest_of(text: str, role: Role) -> str:
    """Name what a role is told, and the schema of its answer."""
    return hashlib.sha256(text.encode() + canonical(AGENTS[role].schema)).hexdigest()


def _shortened(brief: Brief) -> Brief:
    """Show less of the window, for a small model that reads a hundred tokens a second."""
    window: Window = brief.window
    shown = msgspec.structs.replace(
        window,
        bars=window.bars[-SHORT_BARS:],
        news=(),
        last_trade=None,
        indicators={name: window.indicators.get(name) for name in SHORT_INDICATORS},
    )
    return msgspec.structs.replace(brief, window=shown)


def _repair(prompt: Prompt, call: Call, fault: str) -> Prompt:
    told = (
        "That answer cannot be used. Answer again, with the JSON object only. What is wrong:\n"
        f"{quoted('fault', fault, MAX_FAULT)}"
    )
    echo = clean(call.raw, MAX_ECHO) or "(nothing)"
    return compose(prompt.role, (*prompt.messages, ("assistant", echo), ("user", told)))


def _failure(calls: tuple[Call, ...]) -> AnalystError:
    last = calls[-1]
    said = f"the {last.role} gave no usable answer"
    failure: AnalystError
    match last.error:
        case AnalystTimeout.code:
            failure = AnalystTimeout(said)
        case AnalystUnavailable.code:
            failure = AnalystUnavailable(said)
        case AnalystRateLimited.code:
            failure = AnalystRateLimited(said, retry_after_s=0.0)
        case BudgetSpent.code:
            failure = BudgetSpent(said)
        case code:
            failure = InvalidAnswer(said, code=code)
    failure.calls = calls
    return failure
