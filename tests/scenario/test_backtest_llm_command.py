"""`autohedge backtest --analyst llm`: what is agreed to, what is asked, what the report says."""

from __future__ import annotations

import json
import re
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import numpy as np
import pytest

from api.cli.backtest.asked import BacktestCommand
from api.cli.backtest.command import run_backtest
from api.proving import house
from backtest.answers.outside import Outside
from backtest.controls.blind.attack import NearestNeighbour
from domain.errors import ConfigError
from domain.records import format_ns

sys.path.insert(0, str(Path(__file__).parents[1] / "unit/backtest/run"))
from walks import walk, written


@pytest.fixture
def serve(monkeypatch):
    """`serve(script)`: the scripted model behind real HTTP, and settings that name it."""
    with Outside() as world:
        stack = AsyncExitStack()

        def served(script):
            world.run(stack.enter_async_context(house.serving(script)))
            for name, value in {
                "LLM_BASE_URL": script.url,
                "LLM_MODEL": "m",
                "OPENAI_API_KEY": "sk-test",
                "LLM_USD_PER_M_IN": "1",
                "LLM_USD_PER_M_OUT": "2",
            }.items():
                monkeypatch.setenv(name, value)
            return script

        yield served
        world.run(stack.aclose())


@pytest.fixture
def bars(tmp_path):
    """A file of 66 daily bars: six decisions behind a warm-up of 60."""
    return written(tmp_path, 66)


def asked(bars, **changes):
    fields = {"symbols": ("AAPL",), "data": str(bars), "costs": "stocks", "controls": "none"}
    fields |= {"settings": ("warmup=60",), "tries": bars.parent / "tries.jsonl"}
    fields |= {"analyst": "llm", "answers": bars.parent / "answers.sqlite3"}
    return BacktestCommand(**{**fields, **changes})


def test_a_budget_that_covers_the_estimate_agrees_to_it(bars, serve, capsys):
    """`--budget 5` wanted `--yes` beside it; one that does not cover the estimate still does."""
    script = serve(house.ScriptedModel())
    for budget in (None, 0.0001):
        with pytest.raises(ConfigError, match="nobody is here to agree") as refused:
            run_backtest(asked(bars, budget=budget))
        assert "--budget" in refused.value.line
    assert not script.asked
    assert run_backtest(asked(bars, budget=5.0))
    assert len(script.asked) == 6
    assert "llm:m: return" in capsys.readouterr().out  # `:m:` was printed as an emoji


class Watched(house.ScriptedModel):
    """A model that is asked to name what it sees, and knows nothing of it."""

    def reply(self, body):
        schema = body["response_format"]["json_schema"]["name"]
        if schema != "guess":
            return super().reply(body)
        shown = "\n".join(message["content"] for message in body["messages"])
        self.asked.append((re.search(r"^symbol (\S+) \(", shown, re.MULTILINE)[1], schema))
        return json.dumps(self.guess(shown))

    def guess(self, shown):
        return {"ticker": "", "month": ""}


class Memorious(Watched):
    """A model that remembers every chart it ever read: no mask of scale hides a shape."""

    def __init__(self, series):
        super().__init__()
        self._charts = NearestNeighbour({series.symbol: series.close}, 20)
        self._series = series

    def guess(self, shown):
        closes = [
            float(row.split(",")[4]) for row in re.findall(r"^\d[\d:]*,.*$", shown, re.MULTILINE)
        ]
        symbol, first = self._charts.find(np.array(closes[-20:]))
        ended_ns = int(self._series.ts_ns[first + 19]) + 86_400 * 10**9
        return {"ticker": f"${symbol.lower()}", "month": format_ns(ended_ns)[:7]}


def judged(bars, tmp_path, controls, **changes):
    """Run with controls and return them by code."""
    told = tmp_path / "out.json"
    command = asked(bars, controls=controls, json=told, random_traders=2, yes=True, **changes)
    assert run_backtest(command)
    return {one["code"]: one for one in json.loads(told.read_bytes())["controls"]}


def test_a_model_that_remembers_charts_is_found_out_behind_its_mask(tmp_path, serve, capsys):
    """The canary of C3: blind it trades as it does bright, and yet it knows what it sees."""
    bars = written(tmp_path, 100)
    serve(Memorious(walk("AAPL", 100)))
    off = judged(bars, tmp_path, "C2")["C3"]
    assert off["passed"] is None
    on = judged(bars, tmp_path, "C3")["C3"]
    assert on["passed"] is False
    assert "it named 40 tickers and 40 months of 40" in on["line"]
    assert "as good blind as bright" in on["line"]
    with capsys.disabled():
        sys.stdout.write(f"\nC3 memorious: off {off['line']!r}; on {on['line']!r}\n")


def test_a_model_that_names_nothing_keeps_its_mask(bars, tmp_path, serve):
    """The other half: who recognises nothing passes, and every window was shown."""
    script = serve(Watched())
    found = judged(bars, tmp_path, "C3")["C3"]
    assert found["passed"] is True
    assert "it named 0 tickers and 0 months of 6" in found["line"]
    named = {symbol for symbol, schema in script.asked if schema == "guess"}
    assert len(named) == 1
    assert all(symbol.startswith("ASSET_") for symbol in named)


def test_the_estimate_counts_what_the_controls_ask_and_a_second_time_is_free(
    bars, tmp_path, serve, capsys
):
    """Every control on: it told the calls of one run, and asking outside of a run crashed."""
    script = serve(Watched())
    found = judged(bars, tmp_path, "all")
    told = capsys.readouterr().err
    estimated = int(re.search(r"About (\d+) calls", told)[1])
    n_asked = len(script.asked)
    assert n_asked > 30
    assert n_asked == pytest.approx(estimated, rel=0.1)
    assert f"{n_asked} calls were made for $" in told
    assert found["C6"]["figures"]["k"] == 2
    again = judged(bars, tmp_path, "all")
    assert len(script.asked) == n_asked
    assert "0 calls were made for $0.0000." in capsys.readouterr().err
    assert again["C3"] == found["C3"]


def test_repeats_are_asked_anew_and_show_the_dice(bars, tmp_path, serve):
    """With every answer cached, C6 compared a run with itself and passed."""

    class Moody(Watched):
        def answer(self, symbol, schema):
            self.wants = {symbol: "buy" if len(self.asked) % 2 else "hold"}
            return super().answer(symbol, schema)

    serve(Moody())
    found = judged(bars, tmp_path, "C6")["C6"]
    assert found["figures"]["flip_rate"] > 0
    recorded = judged(bars, tmp_path, "C6", analyst="recorded")["C6"]
    assert recorded["passed"] is None
    assert "one run says nothing of its spread" in recorded["line"]


def test_a_budget_that_is_spent_in_a_control_judges_nothing_by_half(bars, tmp_path, serve):
    """What was not answered looks like a decision to hold, and C4 would have called it steady."""
    script = serve(Watched())
    judged(bars, tmp_path, "none")
    n_run = len(script.asked)
    found = judged(bars, tmp_path, "C3,C4,C6,C10", budget=0.008)
    assert n_run < len(script.asked) < n_run + 20
    for code in ("C3", "C4", "C6", "C10"):
        assert found[code]["passed"] is None, found[code]
    assert "the budget is spent" in found["C6"]["line"]
    whole = judged(bars, tmp_path, "C3,C4,C6,C10")
    assert whole["C3"]["passed"] is True
