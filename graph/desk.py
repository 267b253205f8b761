"""Decide: the one caller of the graph, from a window to a decision."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

import msgspec

from domain.decisions import Decision, Outcome, Role
from domain.market import Window
from domain.ports import Analyst, Answers, Clock
from domain.records import digest, format_ns, parse, plain
from graph.agent import brief_of
from graph.analysts.model.conversation import (
    BUILT_IN,
    Told,
    digests_of,
    is_shown_less,
    prompts_of,
)
from graph.analysts.model.told import told_in
from graph.analysts.recorded import Recorded
from graph.analysts.registry import enroll
from graph.analysts.rules import POLICY, POLICY_DIGEST
from graph.approval.node import OUTCOMES, PENDING, Word, concluded
from graph.approval.waiting import WaitingRuns
from graph.state import Context, file_of

# Raise it when routing, sizing or validation change what a decision may be.
VERSION = "1"

_ANSWERS = ("directive", "signal", "verdict", "plan", "request")
# What a decision takes from the graph's last state, under the same names.
_OUTPUT = [*_ANSWERS, "checks", "calls", "outcome", "reason_code"]


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the graph: the decision, and the texts that were asked, by digest."""

    decision: Decision
    prompts: dict[str, str]


class Desk:
    """Run the graph with one analyst, one window at a time or many at once.

    Compiling the graph imports LangGraph, which takes a second: it happens here, once a process.
    With `waiting` a person has the last word on entries: a run that needs it ends as
    `awaiting_approval`, and `conclude` takes it up again. `told` are the prompts that the analyst
    was given in place of the built-in ones: decisions name them, and runs tell their texts.
    """

    def __init__(
        self,
        analyst: Analyst,
        clock: Clock,
        *,
        waiting: WaitingRuns | None = None,
        told: Told = BUILT_IN,
    ) -> None:
        from graph.build import RECURSION_LIMIT, trading_graph  # noqa: PLC0415 - imports LangGraph

        self._graph = trading_graph()
        self._waiting = waiting
        self._told = told
        self._version = graph_version(told)
        self._config = {"recursion_limit": RECURSION_LIMIT}
        self._analyst = analyst
        self._key = enroll(analyst)
        self._clock = clock

    @property
    def analyst(self) -> str:
        """Return the analyst's name, as decisions record it."""
        return self._analyst.name

    @property
    def prompts(self) -> dict[str, str]:
        """Return the digest of each role's prompt and schema: what a window keeps of them."""
        return digests_of(self._told)

    @property
    def has_approvals(self) -> bool:
        """Tell whether a person has the last word on anything."""
        return self._waiting is not None

    async def decide(self, window: Window, *, deadline_s: float) -> Run:
        """Decide within `deadline_s` seconds of wall time.

        An analyst's failure, and a missed deadline, is an abstention with its code; a wrong window
        is `invalid`. Raises `ConfigError` of a replay, `JournalError` when a run that must wait for
        a person cannot be kept, and what cancels it.
        """
        deadline_at = asyncio.get_running_loop().time() + deadline_s
        context = Context(analyst=self._key, deadline_at=deadline_at)
        started = self._clock.now_ns()
        state = await self._run(window, context)
        ended = self._clock.now_ns()
        state |= {"analyst": self._analyst.name, "graph_version": self._version}
        decision = _decision(state, window, (started, ended))
        return Run(decision=decision, prompts=prompts_in(decision, window, told=self._told))

    async def waits(self, decision: Decision) -> bool:
        """Tell whether the run of a decision still waits, with the order that was journaled."""
        return self._waiting is not None and await self._waiting.waits(decision)

    async def conclude(self, decision: Decision, word: Word) -> Decision:
        """End a run that waited, by the one word that counts; its order is never another.

        Saying it once is the caller's business. Raises `JournalError`.
        """
        if self._waiting is not None:
            state = await self._waiting.conclude(decision, word)
        else:
            state = concluded(Word.LOST if word is Word.APPROVED else word)
        return msgspec.structs.replace(
            decision,
            outcome=Outcome(state["outcome"] or Outcome.EXPIRED),
            reason_code=state["reason_code"],
            ts_end=format_ns(self._clock.now_ns()),
        )

    async def forget(self, decision: Decision) -> None:
        """Delete the waiting run of a decision whose end is journaled; raises `JournalError`."""
        if self._waiting is not None:
            await self._waiting.forget(decision)

    async def keep_only(self, decisions: Collection[Decision]) -> None:
        """Delete every waiting run but those of these decisions; raises `JournalError`."""
        if self._waiting is not None:
            await self._waiting.keep_only(decisions)

    async def _run(self, window: Window, context: Context) -> dict[str, Any]:
        file = file_of(window)
        if self._waiting is None:
            state: dict[str, Any] = await self._graph.ainvoke(
                file, self._config, context=context, output_keys=_OUTPUT
            )
            return state
        thread = f"{window.symbol}:{window.decision_id}"
        state, is_waiting = await self._waiting.run(file, thread, context=context, output=_OUTPUT)
        if is_waiting:
            state |= {"outcome": Outcome.AWAITING_APPROVAL.value, "reason_code": PENDING}
        return state


async def replay(
    window: Window,
    answers: Answers,
    *,
    analyst: str,
    clock: Clock,
    prompts: Mapping[str, str] | None = None,
    approval: str = "",
) -> Run:
    """Decide again with the recorded answers of `analyst`: to the byte the same, or say why not.

    The canonical forms are what is compared. `prompts` are the journaled texts by digest, and
    `approval` is the journaled reason code: where it is a person's or the clock's word on an order,
    that word is recorded as answers are. Prompts of one's own are found in what was asked, and of
    a role that was not asked the window's digest stands. Raises `ConfigError`
    (`REPLAY_PROMPT_CHANGED` with the difference, `REPLAY_ANSWER_MISSING`). The record answers at
    once, so there is no deadline to meet; a minute bounds the journal's reading.
    """
    told = told_in(window, (prompts or {}).values())
    recorded = Recorded(answers, analyst=analyst, prompts=prompts, told=told)
    desk = Desk(recorded, clock, told=told)
    run = await desk.decide(window, deadline_s=60.0)
    asked = {call.role.value for call in run.decision.calls}
    unasked = {role: named for role, named in window.prompts.items() if role not in asked}
    decision = msgspec.structs.replace(
        run.decision, graph_version=_version_of(desk.prompts | unasked)
    )
    if decision.outcome is Outcome.ORDERED and approval in OUTCOMES:
        decision = msgspec.structs.replace(
            decision, outcome=OUTCOMES[approval], reason_code=approval
        )
    return msgspec.structs.replace(run, decision=decision)


def prompts_in(decision: Decision, window: Window, *, told: Told = BUILT_IN) -> dict[str, str]:
    """Render again what was asked in a decision: text by digest. For rules, their policy."""
    asked = {call.prompt_digest for call in decision.calls}
    texts = {POLICY_DIGEST: POLICY} if POLICY_DIGEST in asked else {}
    if asked <= {POLICY_DIGEST, ""}:
        return texts
    said = {name: plain(getattr(decision, name)) for name in _ANSWERS}
    for role in Role:
        calls = tuple(call for call in decision.calls if call.role is role)
        if any(call.prompt_digest for call in calls):
            brief = brief_of(role, said, window)
            is_short = is_shown_less(decision.analyst)
            texts |= prompts_of(brief, calls, is_short=is_short, told=told)
    return texts


def graph_version(told: Told = BUILT_IN) -> str:
    """Name what decides besides the answers: our version, the prompts and the rules' policy."""
    return _built_in_version() if told is BUILT_IN else _version_of(digests_of(told))


@cache
def _built_in_version() -> str:
    return _version_of(digests_of(BUILT_IN))


def _version_of(prompts: Mapping[str, str]) -> str:
    return f"{VERSION}-{digest({**prompts, 'rules': POLICY_DIGEST})[:12]}"


def _decision(state: dict[str, Any], window: Window, times_ns: tuple[int, int]) -> Decision:
    started, ended = times_ns
    body = {
        "id": window.decision_id,
        "symbol": window.symbol,
        "window_digest": window.digest,
        "as_of": window.as_of,
        "ts_start": format_ns(started),
        "ts_end": format_ns(ended),
    }
    return parse(body | state, Decision)
