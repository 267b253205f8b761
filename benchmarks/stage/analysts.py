"""Answer at once: golden windows, and analysts and a journal that take no time of their own."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from domain.decisions import Answer, Brief, Call, Role
from domain.market import Window
from domain.ports import Entry
from domain.records import parse
from graph.analysts.model.conversation import Prompt, converse

GOLDEN = Path(__file__).parents[2] / "tests/golden/windows"


def golden(name: str) -> Window:
    """Read one of the windows that the golden tests run on."""
    return parse(json.loads((GOLDEN / f"{name}.json").read_bytes())["window"], Window)


def answers_for(window: Window) -> dict[Role, dict[str, Any]]:
    """Return four answers that lead the window to an order."""
    mid = window.quote.mid
    atr = window.indicators["atr_14"] or 1.0
    return {
        Role.DIRECTOR: {
            "action": "buy",
            "confidence": 0.8,
            "thesis": "The averages point up and volume confirms it.",
            "invalidation_price": mid - 2 * atr,
        },
        Role.QUANT: {
            "confirmed": True,
            "score": 0.8,
            "support": mid - 2 * atr,
            "resistance": mid + 5 * atr,
            "volatility": "normal",
            "reason": "Trend and momentum agree.",
        },
        Role.RISK: {
            "approved": True,
            "size_fraction": 1.0,
            "stop_loss": None,
            "take_profit": None,
            "reason": "Reward covers the risk.",
        },
        Role.EXECUTION: {"style": "marketable", "limit_offset_bps": 1.0},
    }


class AtOnce:
    """Answer each role at once, as a model that takes no time would have."""

    name = "at-once"

    def __init__(self, said: dict[Role, dict[str, Any]]) -> None:
        self._answers = {
            role: Answer(content=content, calls=(_call(role, content, ""),))
            for role, content in said.items()
        }

    async def answer(self, brief: Brief) -> Answer:
        """Answer at once, or after the wait it was given."""
        return self._answers[brief.role]


class Following(AtOnce):
    """Say yes to every window, with prices that it could have; takes `call_s` for each call."""

    name = "following"

    def __init__(self, call_s: float = 0.0) -> None:
        self._call_s = call_s

    async def answer(self, brief: Brief) -> Answer:
        """Answer at once, or after the wait it was given."""
        await asyncio.sleep(self._call_s)
        said = answers_for(brief.window)[brief.role]
        return Answer(content=said, calls=(_call(brief.role, said, ""),))


class Asked:
    """Render each prompt as for a model, count it, and answer at once."""

    name = "asked"

    def __init__(self, said: dict[Role, dict[str, Any]]) -> None:
        self._said = said
        self.prompts: list[Prompt] = []

    async def answer(self, brief: Brief) -> Answer:
        """Answer at once, or after the wait it was given."""

        async def speak(prompt: Prompt, _: int) -> Call:
            self.prompts.append(prompt)
            return _call(brief.role, self._said[brief.role], prompt.digest)

        return await converse(brief, speak)


class Forgetful:
    """A journal that keeps nothing: what is left is the decision without one."""

    async def append(self, *entries: Entry) -> int:  # noqa: ARG002
        """Keep nothing."""
        return 0

    def trace(self, *entries: Entry) -> None:  # noqa: ARG002
        """Keep nothing."""
        return


def _call(role: Role, said: dict[str, Any], digest: str) -> Call:
    return Call(role=role, attempt=1, model="at-once", prompt_digest=digest, raw=json.dumps(said))
