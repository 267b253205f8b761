"""`autohedge backtest --analyst llm`: what is agreed to, what is asked, what the report says."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from api.cli.backtest.asked import BacktestCommand
from api.cli.backtest.command import run_backtest
from api.proving import house
from backtest.answers.outside import Outside
from domain.errors import ConfigError
from domain.records import format_ns

sys.path.insert(0, str(Path(__file__).parents[1] / "unit/backtest/run"))
from walks import walk


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
    series, path = walk("AAPL", 66), tmp_path / "AAPL.csv"
    rows = zip(
        (format_ns(ts) for ts in series.ts_ns.tolist()),
        series.open, series.high, series.low, series.close, series.volume, strict=True,
    )  # fmt: skip
    lines = ["time,open,high,low,close,volume", *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines))
    return path


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
