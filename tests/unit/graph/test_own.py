"""An analyst of one's own: asked like the others, trusted as little."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from domain.decisions import Outcome, canonical_decision
from domain.errors import ConfigError
from domain.records import canonical
from graph.analysts.own import open_own
from graph.desk import Desk, replay
from tests.unit.graph.conftest import FixedClock, make_window
from tests.unit.graph.test_recorded import Record

MINE = '''
from domain.errors import AnalystUnavailable


class Mine:
    """Say what a table says."""

    name = "table-1"
    said = {
        "director": {"action": "buy", "confidence": 0.9, "thesis": "x", "invalidation_price": None},
        "quant": {"confirmed": False, "score": 0.1, "support": None, "resistance": None,
                  "volatility": "normal", "reason": "no"},
    }

    async def answer(self, brief):
        return self.said[brief.role]


class Greedy(Mine):
    async def answer(self, brief):
        return {"action": "buy", "confidence": 7, "quantity": 1_000_000}


class Away(Mine):
    async def answer(self, brief):
        raise AnalystUnavailable("my model is away")


class Silent:
    pass
'''


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write the module into the folder we stand in, as its user does; returns its name."""
    (tmp_path / "my_analyst.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_analyst", raising=False)
    return "my_analyst"


async def test_a_dict_it_returns_is_an_answer_and_replays_to_the_byte(written: str) -> None:
    """Its words are kept as a call, so the record can answer in its place."""
    mine = open_own(f"{written}:Mine")
    run = await Desk(mine, FixedClock()).decide(make_window(), deadline_s=20)
    assert run.decision.analyst == "own:table-1"
    assert run.decision.outcome is Outcome.QUANT_REJECTED
    assert [call.role for call in run.decision.calls] == ["director", "quant"]
    again = await replay(
        make_window(), Record(run.decision.calls), analyst="own:table-1", clock=FixedClock()
    )
    assert canonical(canonical_decision(again.decision)) == canonical(
        canonical_decision(run.decision)
    )


@pytest.mark.parametrize(
    ("name", "code"),
    [("Greedy", "ANALYST_INVALID_ANSWER"), ("Away", "ANALYST_UNAVAILABLE")],
)
async def test_what_it_says_amiss_is_an_abstention(written: str, name: str, code: str) -> None:
    """No answer outside its schema reaches a trade, whoever gave it."""
    desk = Desk(open_own(f"{written}:{name}"), FixedClock())
    run = await desk.decide(make_window(), deadline_s=20)
    assert (run.decision.outcome, run.decision.reason_code) == (Outcome.ABSTAINED, code)


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("no_such_module:Mine", "No module named"),
        ("my_analyst:Nobody", "no attribute"),
        ("my_analyst:Silent", "async def answer"),
        ("my_analyst:MINE_IS_NONE", "no attribute"),
    ],
)
def test_one_that_is_none_is_refused_in_a_line(written: str, named: str, said: str) -> None:
    """Before anything is started."""
    assert written
    with pytest.raises(ConfigError, match=said) as refused:
        open_own(named)
    assert refused.value.code == "ANALYST_INVALID"
