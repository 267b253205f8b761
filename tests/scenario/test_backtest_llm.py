"""A model as the analyst of a backtest: paid once, bounded, resumed, never faster than it was."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path

import pytest

from api.proving import house
from backtest.answers import AnswerCache, Asked, Ending, Metered
from backtest.answers.outside import Outside
from backtest.flips.budget import HardBudget
from backtest.records import Ended
from backtest.run.running import Means, run
from domain.records import to_datetime
from graph.analysts.llm import Llm
from graph.analysts.model.costs import Price, Unmetered
from graph.analysts.model.endpoint import EndpointConfig

sys.path.insert(0, str(Path(__file__).parents[1] / "unit/backtest/run"))
from walks import spec_of, walk

PRICE = Price(usd_per_m_in=1.0, usd_per_m_out=2.0)


@contextmanager
def endpoint(script):
    """Serve the scripted model from a loop of its own, as the world would."""
    stack = AsyncExitStack()
    with Outside() as world:
        world.run(stack.enter_async_context(house.serving(script)))
        yield world, EndpointConfig(model="m", api_key="k", base_url=script.url, price=PRICE)
        world.run(stack.aclose())


def backtest(folder, script, *, usd=100.0, n=66):
    """Run on a few bars behind the warm-up; returns the result and what was paid."""
    series = walk("AAPL", n)
    ending = Ending()
    with endpoint(script) as (world, config), AnswerCache(folder / "answers.sqlite3") as cache:

        async def open_model():
            return Llm(config, HardBudget(Unmetered(), usd=usd, price=PRICE))

        model = world.run(open_model())
        asked = Asked(config, cache, ending, model=model, outside=world)
        spec = spec_of(series, analyst="llm:m", analyst_latency_s=2.0)
        result = run([series], spec, Means(analyst=asked, ending=ending))
        world.run(model.aclose())
    return result, asked.bill


def test_a_second_run_costs_nothing_and_is_the_same(tmp_path):
    """What was answered is kept by what was asked: no call is made twice, and no byte differs."""
    script = house.ScriptedModel(wants={"AAPL": "buy"})
    first, paid = backtest(tmp_path, script)
    again, free = backtest(tmp_path, script)
    assert first.ended is Ended.COMPLETE
    assert paid.asked == len(script.asked) > 5
    assert (free.asked, free.paid_usd) == (0, 0.0)
    assert again.digest == first.digest
    assert any(row.outcome == "ordered" for row in first.decisions)


def test_orders_leave_as_late_as_the_model_answered(tmp_path):
    """Four calls of two seconds lie between a close and its order."""
    result, _ = backtest(tmp_path, house.ScriptedModel(wants={"AAPL": "buy"}))
    ordered = [row for row in result.decisions if row.outcome == "ordered"]
    assert ordered
    assert all(row.latency_s == pytest.approx(8.0) for row in ordered)
    assert all(fill.ts_ns > ordered[0].ts_ns + 8 * 10**9 for fill in result.fills)
    assert to_datetime(ordered[0].ts_ns).year == 2020


def test_a_spent_budget_ends_the_run_and_more_money_resumes_it(tmp_path):
    """The run says where it stopped; run again, it pays for what is missing alone."""
    script = house.ScriptedModel(wants={"AAPL": "buy"})
    cut, paid = backtest(tmp_path, script, usd=0.008)
    assert cut.ended is Ended.BUDGET_SPENT
    assert "raise --budget" in cut.note
    assert paid.paid_usd <= 0.008
    assert paid.asked > 0
    whole, rest = backtest(tmp_path, script)
    assert whole.ended is Ended.COMPLETE
    assert paid.asked + rest.asked == len(script.asked)
    uncut, _ = backtest(tmp_path / "other", script)
    assert (uncut.fills, uncut.decisions) == (whole.fills, whole.decisions)


def test_nonsense_is_an_abstention_and_the_run_goes_on(tmp_path):
    """An answer outside its schema costs a decision, not the run."""
    script = house.ScriptedModel(wants={"AAPL": "buy"}, raw={"signal": '{"confirmed": "maybe"}'})
    result, _ = backtest(tmp_path, script)
    assert result.ended is Ended.COMPLETE
    assert {row.outcome for row in result.decisions} == {"abstained"}


def test_an_endpoint_that_is_gone_ends_the_run_as_failed(tmp_path, monkeypatch):
    """Nobody listens: asked a few times, then the run ends and says so."""
    monkeypatch.setattr("backtest.answers.asked.PAUSES_S", (0.0, 0.0))
    series, ending = walk("AAPL", 66), Ending()
    config = EndpointConfig(model="m", api_key="k", base_url="http://127.0.0.1:9/v1", price=PRICE)
    with Outside() as world, AnswerCache(tmp_path / "answers.sqlite3") as cache:

        async def open_model():
            return Llm(config, Unmetered())

        model = world.run(open_model())
        asked = Asked(config, cache, ending, model=model, outside=world)
        spec = spec_of(series, analyst="llm:m")
        result = run([series], spec, Means(analyst=asked, ending=ending))
        world.run(model.aclose())
    assert result.ended is Ended.ANALYST_FAILED
    assert "ANALYST_UNAVAILABLE" in result.note


def test_the_estimate_names_every_call_and_what_is_kept_is_free(tmp_path):
    """The rules stand in; once the answers are there, nothing is left to pay."""
    series = walk("AAPL", 66)
    script = house.ScriptedModel()
    config = EndpointConfig(model="m", api_key="k", price=PRICE)
    with AnswerCache(tmp_path / "answers.sqlite3") as cache:
        metered = Metered(config, cache)
        run([series], spec_of(series, analyst="llm:m"), Means(analyst=metered))
    assert metered.calls >= 6
    assert metered.usd(PRICE) > 0
    backtest(tmp_path, script)
    with AnswerCache(tmp_path / "answers.sqlite3") as cache:
        config = EndpointConfig(model="m", api_key="k", base_url=script.url, price=PRICE)
        after = Metered(config, cache)
        run([series], spec_of(series, analyst="llm:m"), Means(analyst=after))
    assert after.kept > 0
    assert after.calls < metered.calls


def test_answers_are_handed_on_in_the_order_of_questions(tmp_path):
    """Several symbols ask at one moment; whoever answers first, the run is the same."""
    digests = set()
    for delays in ((0.0, 0.02), (0.02, 0.0)):
        script = _Slow(dict(zip(("AAPL", "MSFT"), delays, strict=True)))
        series = [walk("AAPL", 64), walk("MSFT", 64, seed=2)]
        with endpoint(script) as (world, config):
            folder = tmp_path / str(delays[0])
            with AnswerCache(folder / "answers.sqlite3") as cache:

                async def open_model(config=config):
                    return Llm(config, Unmetered(), timer=lambda: 0.0)

                model, ending = world.run(open_model()), Ending()
                asked = Asked(config, cache, ending, model=model, outside=world)
                spec = spec_of(*series, analyst="llm:m")
                digests.add(run(series, spec, Means(analyst=asked, ending=ending)).digest)
                world.run(model.aclose())
    assert len(digests) == 1


class _Slow(house.ScriptedModel):
    """Answer one symbol later than the other."""

    def __init__(self, delays):
        super().__init__(wants={"AAPL": "buy", "MSFT": "buy"})
        self._delays = delays

    async def __call__(self, scope, receive, send):
        async def later(message):
            await asyncio.sleep(self._delays[self.asked[-1][0]])
            await send(message)

        await super().__call__(scope, receive, later)
