"""What a baseline is run with, and what is kept of the windows that an analyst saw."""

import msgspec
import pytest

from backtest.evidence.runs import Listening, as_policy
from domain.decisions import Answer, Brief, Role


class Quiet:
    name = "quiet"

    async def answer(self, brief):
        return Answer(content={"window": brief.window}, calls=())


async def test_windows_are_kept_evenly_and_never_too_many():
    listening = Listening(Quiet(), most=8)
    for n in range(100):
        answer = await listening.answer(Brief(role=Role.DIRECTOR, window=n))
        assert answer.content["window"] == n
    assert len(listening.windows) <= 8
    gaps = {b - a for a, b in zip(listening.windows, listening.windows[1:], strict=False)}
    assert len(gaps) == 1
    assert listening.windows[-1] > 80


async def test_only_the_directors_windows_are_kept():
    listening = Listening(Quiet())
    await listening.answer(Brief(role=Role.QUANT, window=1))
    assert listening.windows == []
    assert listening.name == "quiet"


@pytest.mark.parametrize("name", ["cash", "sma"])
def test_a_baseline_has_the_runs_data_cash_and_costs_and_none_of_its_limits(spec, name):
    """An order limit of 100 dollars would make another rule of buy and hold."""
    own = msgspec.structs.replace(
        spec,
        settings=(("max_order_amount", "100"), ("warmup", "100")),
        prompts=(("director", "d"),),
        analyst_latency_s=3.0,
    )
    found = as_policy(own, name)
    assert found.analyst == f"policy:{name}"
    assert found.settings == (("warmup", "100"),)
    assert (found.prompts, found.analyst_latency_s) == ((), 0.0)
    same = ("symbols", "start", "end", "interval_s", "costs", "cash", "seed", "data")
    assert all(getattr(found, field) == getattr(own, field) for field in same)
