"""Answer briefs with an analyst of one's own: any Python object that a setting names.

It is asked as the others are and its answers pass the same door: the role's schema, the window's
prices, then sizing and limits, which no analyst can move.
"""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from domain.decisions import Answer, Brief, Call
from domain.errors import ConfigError
from domain.records import canonical

PREFIX = "own:"
NAMED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)
"""How a setting names one: module, colon, class or function."""

_REMEDY = "Write ANALYST=module:Class, with `async def answer(self, brief)` that returns a dict."

RAISED = "ANALYST_RAISED"
"""Why a decision failed whose analyst raised what is no `AnalystError`: its code is wrong."""

Said = Answer | Mapping[str, Any]


class Own:
    """One's own analyst behind the `Analyst` port: a plain dict it returns becomes an answer.

    An answer that tells no call of its own is kept as one call, word for word, so that a replay
    can repeat it.
    """

    def __init__(self, name: str, ask: Callable[[Brief], Awaitable[Said]]) -> None:
        self.name = f"{PREFIX}{name}"
        self._ask = ask

    async def answer(self, brief: Brief) -> Answer:
        """Ask it; what it raises ends the run, and an `AnalystError` of it is an abstention."""
        said = await self._ask(brief)
        answer = said if isinstance(said, Answer) else Answer(content=dict(said), calls=())
        if answer.calls:
            return answer
        raw = canonical(answer.content).decode()
        call = Call(role=brief.role, attempt=1, model=self.name, prompt_digest="", raw=raw)
        return msgspec.structs.replace(answer, calls=(call,))


def open_own(named: str) -> Own:
    """Import and make the analyst that `module:attribute` names; the folder we stand in counts.

    Raises `ConfigError` (`ANALYST_INVALID`) when there is none, or it is none.
    """
    module_name, _, attribute = named.partition(":")
    try:
        made = getattr(_imported(module_name), attribute)()
    except (ImportError, AttributeError, TypeError) as error:
        raise ConfigError(
            f"ANALYST={named} cannot be made: {error}.", remedy=_REMEDY, code="ANALYST_INVALID"
        ) from error
    ask = getattr(made, "answer", None)
    if not inspect.iscoroutinefunction(ask):
        raise ConfigError(
            f"ANALYST={named} has no `async def answer(self, brief)`.",
            remedy=_REMEDY,
            code="ANALYST_INVALID",
        )
    return Own(str(getattr(made, "name", named)), ask)


def _imported(name: str) -> Any:
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(here)
