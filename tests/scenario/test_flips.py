"""A journal asked again through the graph: the same prompt changes nothing, a contrary one all."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from api.cli.main import app
from api.cli.shell import run
from api.proving import house as building
from domain.ports import Entry, EntryKind
from domain.records import plain
from engine.clock import LiveClock
from exchange.config import seeded_crypto, seeded_stock
from graph.analysts.llm import Llm
from graph.analysts.model.costs import Unmetered
from graph.analysts.model.endpoint import EndpointConfig
from graph.analysts.rules import Rules
from graph.desk import Desk
from graph.state import read_window
from journal.database import JournalConfig
from journal.sql import SqlJournal

WINDOWS = Path(__file__).parents[1] / "golden" / "windows"
CONTRARY = "Whatever you think, say the opposite of it. Answer with one JSON object."
LEAST = 8


@dataclass
class Swayed(building.ScriptedModel):
    """A model whose Director says the opposite when it is told to."""

    replies: int = field(default=0)
    before: int = field(default=0)

    def reply(self, body):
        self.replies += 1
        said = json.loads(super().reply(body))
        if CONTRARY in body["messages"][0]["content"]:
            said["action"] = {"hold": "buy", "buy": "sell", "sell": "buy"}[said["action"]]
        return json.dumps(said)


@pytest.fixture
async def model():
    async with building.serving(Swayed()) as script:
        yield script


@pytest.fixture
def replay(tmp_path, monkeypatch, capsys):
    """`await replay(settings, options)`: exit code, JSON and what stderr said.

    The settings are in the environment, as a person has them.
    """

    async def asked(settings, *options):
        for name, value in settings.items():
            monkeypatch.setenv(name, str(value))
        command = ["replay", "--since", "2020-01-01", "--json", *options]
        code = await asyncio.to_thread(run, lambda: app(command))
        shown = capsys.readouterr()
        return code, json.loads(shown.out) if shown.out else None, shown.err

    monkeypatch.chdir(tmp_path)
    return asked


@pytest.fixture
async def house(open_house, until):
    """A house whose bot has decided a few times, by a model, and stopped."""
    symbols = (
        seeded_stock("AAPL", 228.0, volatility_bps=20.0, prints_per_s=6.0),
        seeded_crypto("BTC/USD", 86e3, volatility_bps=20.0, prints_per_s=6.0),
    )
    async with open_house(*symbols) as built:
        built.model.wants |= {"BTC/USD": "buy"}
        async with built.bot() as process:
            await until(lambda: process.bot.status().decisions >= LEAST, 60)
            await process.bot.stop(actor="test")
        yield built


async def written(journal, analyst):
    """Journal what an analyst decides upon the golden windows."""
    desk = Desk(analyst, LiveClock())
    async with SqlJournal(JournalConfig(url=f"sqlite:///{journal}"), LiveClock()) as opened:
        for path in sorted(WINDOWS.glob("*.json")):
            window = read_window(json.loads(path.read_bytes()))
            decided = await desk.decide(window, deadline_s=60)
            body = {
                "decision": plain(decided.decision),
                "window": plain(window),
                "prompts": decided.prompts,
            }
            await opened.append(Entry(kind=EntryKind.DECISION, ref=decided.decision.id, body=body))


@pytest.fixture
async def settings(model, tmp_path):
    """The settings of one whose model decided upon the golden windows."""
    journal = tmp_path / "journal.sqlite3"
    config = EndpointConfig(model="gpt-4.1-mini", api_key="sk-test", base_url=model.url)
    analyst = Llm(config, Unmetered())
    await written(journal, analyst)
    await analyst.aclose()
    model.before = model.replies
    return {
        "DATABASE_URL": f"sqlite:///{journal}",
        "LLM_BASE_URL": model.url,
        "LLM_MODEL": config.model,
        "OPENAI_API_KEY": "sk-test",
    }


async def test_the_same_prompt_flips_nothing_and_a_contrary_one_everything(house, replay, tmp_path):
    """The canary of the flip table; nothing of it reaches the venue."""
    orders, settings = len(house.orders()), house.settings()

    code, found, _ = await replay(settings)
    assert code == 0
    assert found["flips"]["rate"] == 0
    decisions = found["flips"]["decisions"]
    assert decisions >= LEAST

    code, found, _ = await replay(
        settings, "--analyst", "llm", "--yes", "--samples", "2", "--threshold", "0"
    )
    assert code == 0
    assert found["flips"]["rate"] == 0
    assert found["flips"]["samples"] == 2 * decisions
    assert found["flips"]["cost_usd"] > 0
    built_in = found["prompts"]

    contrary = tmp_path / "contrary"
    contrary.mkdir()
    (contrary / "director.md").write_text(CONTRARY)
    asking = ("--prompts", str(contrary), "--budget", "5", "--threshold", "0.5")
    code, found, told = await replay(settings, *asking)
    assert code == 1
    assert found["flips"]["rate"] == 1
    assert found["flips"]["by_change"]["action"] == decisions
    assert {role for role in built_in if built_in[role] != found["prompts"][role]} == {"director"}
    assert f"{decisions} decisions" in told
    assert len(house.orders()) == orders


async def test_a_budget_that_runs_out_leaves_a_partial_table_and_more_money_resumes_it(
    replay, settings, model
):
    """No call passes the bound, what was answered is not paid for twice, a third time is free."""
    budget = 0.004
    cut, found, _ = await replay(settings, "--analyst", "llm", "--budget", str(budget))
    assert cut == 1
    assert found["ending"] == "budget_spent"
    assert not found["holds"]
    assert found["flips"]["decisions"] > 0
    assert 0 < found["paid_usd"] <= budget
    first_usd = found["paid_usd"]

    code, found, _ = await replay(settings, "--analyst", "llm", "--budget", "1")
    assert code == 0
    assert found["flips"]["decisions"] == len(list(WINDOWS.glob("*.json")))
    whole_usd = found["flips"]["cost_usd"]
    assert found["paid_usd"] == pytest.approx(whole_usd - first_usd)

    asked = model.replies
    _, again, _ = await replay(settings, "--analyst", "llm", "--budget", "0")
    assert (again["flips"], again["asked"]) == (found["flips"], found["asked"])
    assert (again["paid_usd"], model.replies) == (0, asked)

    await replay(settings, "--analyst", "llm", "--budget", "1", "--samples", "2")
    once_more = model.replies - asked
    assert once_more == asked - model.before, "the second sample is a question of its own"
    await replay(settings, "--analyst", "llm", "--budget", "1", "--fresh")
    assert model.replies == asked + 2 * once_more


async def test_decisions_whose_windows_are_gone_are_counted_and_not_asked(
    replay, settings, tmp_path
):
    """Retention keeps a decision longer than what it saw; a rate says what it is of."""
    with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite3")) as database, database:
        database.execute("DELETE FROM contents WHERE seq = (SELECT min(seq) FROM contents)")
    _, found, _ = await replay(settings)
    assert found["left_out"] == 1
    assert found["flips"]["decisions"] == len(list(WINDOWS.glob("*.json"))) - 1

    with contextlib.closing(sqlite3.connect(tmp_path / "journal.sqlite3")) as database, database:
        database.execute("DELETE FROM contents")
    code, found, told = await replay(settings)
    assert (code, found) == (2, None)
    assert "window" in told


async def test_nobody_is_asked_for_money_without_leave(replay, settings, model):
    """In a pipe there is nobody to agree, so a model is not asked at all."""
    before = model.replies
    code, found, told = await replay(settings, "--model", "gpt-4.1")
    assert (code, found) == (2, None)
    assert "--budget" in told
    assert model.replies == before


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--since", "2090-01-01"), 2, "holds no decision"),
        (("--analyst", "rules", "--prompts", "."), 2, "mean nothing"),
        (("--analyst", "rules", "--samples", "3"), 2, "always answers alike"),
        (("--prompts", "nowhere"), 2, "no folder of prompts"),
        (("--model", "gpt-unheard-of", "--budget", "1"), 2, "not listed"),
        (("--database", "sqlite:///nothing.sqlite3"), 4, "no journal"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_line(
    options, code, said, tmp_path, monkeypatch, capsys
):
    """Each names the option and what to do; no traceback."""
    journal = tmp_path / "journal.sqlite3"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{journal}")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    asyncio.run(written(journal, Rules()))
    assert run(lambda: app(["replay", "--since", "2020-01-01", *options])) == code
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
