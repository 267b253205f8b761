"""Ask an analyst blind: it sees masked windows, and its prices are turned back for the engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from backtest.controls.blind.mask import Mask, masked, scaled, unscaled
from domain.decisions import Answer, Brief
from domain.ports import Analyst

PRICES = ("invalidation_price", "support", "resistance", "stop_loss", "take_profit")
"""Every field of an answer that holds a price."""


class Blind:
    """An analyst behind masks. It keeps the analyst's name: a run says itself that it is blind.

    What is written in prose (a thesis) speaks of masked prices and stays so.
    """

    def __init__(self, analyst: Analyst, masks: Mapping[str, Mask]) -> None:
        self._analyst = analyst
        self._masks = masks

    @property
    def name(self) -> str:
        """Return what decisions record."""
        return self._analyst.name

    async def answer(self, brief: Brief) -> Answer:
        """Answer as the analyst behind the mask does; raises its `AnalystError`."""
        mask = self._masks[brief.window.symbol]
        answer = await self._analyst.answer(_masked_brief(brief, mask, self._masks))
        return msgspec.structs.replace(answer, content=unmasked(answer.content, mask))


def unmasked(content: dict[str, Any], mask: Mask) -> dict[str, Any]:
    """Return an answer with real prices; what is no number stays, for the graph to refuse."""
    return {
        name: unscaled(value, mask) if name in PRICES and _is_number(value) else value
        for name, value in content.items()
    }


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _masked_brief(brief: Brief, mask: Mask, masks: Mapping[str, Mask]) -> Brief:
    said = {
        name: _masked(getattr(brief, name), mask) for name in ("directive", "signal", "verdict")
    }
    return msgspec.structs.replace(brief, window=masked(brief.window, masks), **said)


def _masked(said: msgspec.Struct | None, mask: Mask) -> msgspec.Struct | None:
    """Return what an agent said with its prices as the next one, blind too, must see them."""
    if said is None:
        return None
    known = {name: getattr(said, name) for name in PRICES if name in said.__struct_fields__}
    return msgspec.structs.replace(
        said, **{name: scaled(x, mask) for name, x in known.items() if x is not None}
    )
