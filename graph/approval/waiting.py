"""Keep a run waiting for a person, and see it to its end when the word is spoken."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from domain.decisions import Decision
from domain.errors import JournalError
from domain.records import plain
from graph.approval.checkpoints import Checkpoints, named_errors, reachable
from graph.approval.node import Word, concluded
from graph.state import Context, State

if TYPE_CHECKING:
    from langchain_core.runnables import RunnableConfig


class WaitingRuns:
    """Run the graph with approvals: one thread a decision, deleted when it has ended.

    `above` lets entries of at most so many dollars go without a person.
    """

    def __init__(self, checkpoints: Checkpoints, *, above: Decimal | None = None) -> None:
        from graph.build import (  # noqa: PLC0415 - imports LangGraph
            RECURSION_LIMIT,
            approval_graph,
        )

        self._checkpoints = checkpoints
        self._graph = approval_graph(checkpoints.saver)
        self._limit = RECURSION_LIMIT
        self.asks = Context() if above is None else Context(approve_above=str(above))

    async def run(
        self, file: Any, thread: str, *, context: Context, output: list[str]
    ) -> tuple[dict[str, Any], bool]:
        """Run until the end or until a person must speak; returns the state and whether it waits.

        Raises `JournalError` when the waiting run cannot be kept: then nobody is asked.
        """
        with named_errors():
            state: dict[str, Any] = await self._graph.ainvoke(
                file,
                self._config(thread),
                context=context | self.asks,
                output_keys=output,
                durability="exit",
            )
        is_waiting = state.pop("__interrupt__", None) is not None
        if not is_waiting:
            await self._checkpoints.forget(thread)
        return state, is_waiting

    async def waits(self, decision: Decision) -> bool:
        """Tell whether a run waits here whose order is the one that was journaled."""
        try:
            async with reachable():
                found = await self._graph.aget_state(self._config(thread_of(decision)))
        except JournalError:
            return False
        is_same: bool = found.values.get("request") == plain(decision.request)
        return is_same and found.next == ("approval",)

    async def resume(self, decision: Decision, word: Word) -> State:
        """Resume a waiting run with a word; raises `JournalError`."""
        from langgraph.types import Command  # noqa: PLC0415 - imports LangGraph

        async with reachable():
            ended: State = await self._graph.ainvoke(
                Command(resume={"verdict": word.value}),
                self._config(thread_of(decision)),
                context=self.asks,
                output_keys=["outcome", "reason_code"],
                durability="exit",
            )
        return ended

    async def conclude(self, decision: Decision, word: Word) -> State:
        """Let a word end a waiting run; what is gone or altered is never approved.

        The order that leaves is the journaled one that the person saw: a run that would send
        another is `LOST`.
        """
        if await self.waits(decision):
            return await self.resume(decision, word)
        return concluded(Word.LOST if word is Word.APPROVED else word)

    async def forget(self, decision: Decision) -> None:
        """Delete the thread of a decision that is journaled as ended; raises `JournalError`."""
        await self._checkpoints.forget(thread_of(decision))

    async def keep_only(self, decisions: Collection[Decision]) -> int:
        """Delete what a crash left behind; raises `JournalError`."""
        return await self._checkpoints.keep_only({thread_of(each) for each in decisions})

    def _config(self, thread: str) -> RunnableConfig:
        return {"configurable": {"thread_id": thread}, "recursion_limit": self._limit}


def thread_of(decision: Decision) -> str:
    """Name a decision's thread: never the symbol alone, whose old state would carry over."""
    return f"{decision.symbol}:{decision.id}"
