"""`autohedge prove`: what it runs, what it keeps, and how it fails."""

import json

import pytest

from api.cli.prove import Asked, prove
from api.proving.campaign import Bar, Result, Scale, Table
from api.proving.report import Run, keep, page_of, read_runs
from domain.errors import ConfigError

SHORT = Scale(is_short=True, seed=3)


class Campaign:
    title = "A campaign of the test"

    def __init__(self, name, result):
        self.name = name
        self.result = result

    async def run(self, _scale, tell):
        tell(1, 2)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def asked(**changes):
    return Asked(**{"scale": SHORT, "only": (), "to": None, "is_json": True} | changes)


HELD = Result(
    cases=7,
    bars=(Bar(what="breaches", bar="0", measured="0", is_met=True),),
    tables=(Table(title="By kind", columns=("Kind", "Cases"), rows=(("a|b", "7"),)),),
)


def test_a_campaign_that_holds_is_well(capsys):
    """Exit code 0, and its figures as JSON."""
    known = (Campaign("one", HELD),)
    assert prove(asked(), known)
    (run,) = json.loads(capsys.readouterr().out)
    assert (run["name"], run["form"], run["seed"], run["result"]["cases"]) == ("one", "short", 3, 7)


def test_a_campaign_that_cannot_run_is_a_finding_and_the_next_still_runs(capsys):
    """A group of errors is told by its leaves, one line each."""
    broken = ExceptionGroup("tasks", [AssertionError("the bot did not come up")])
    known = (
        Campaign("broken", broken),
        Campaign("one", HELD),
    )
    assert not prove(asked(), known)
    first, second = json.loads(capsys.readouterr().out)
    assert "AssertionError: the bot did not come up" in first["result"]["breaches"][0]
    assert second["result"]["cases"] == 7


def test_an_unknown_campaign_is_named_with_those_there_are():
    """One line, exit code 2."""
    known = (Campaign("one", HELD),)
    with pytest.raises(ConfigError, match="no campaign 'two'"):
        prove(asked(only=("two",)), known)


def test_a_page_keeps_what_other_campaigns_found(tmp_path):
    """Run again, a campaign replaces its own row and no other; failures are printed as such."""
    page = tmp_path / "docs" / "reliability.md"
    known = (
        Campaign("one", HELD),
        Campaign("two", HELD),
    )
    prove(asked(to=page), known)
    known = (
        Campaign("one", Result(cases=1, breaches=("a line",))),
        Campaign("two", HELD),
    )
    assert not prove(asked(only=("one",), to=page), known)
    text = page.read_text()
    assert "**Breached.**" in text
    assert "- a line" in text
    assert "a\\|b" in text
    assert set(read_runs(page.with_suffix(".json"))) == {"one", "two"}
    runs = read_runs(page.with_suffix(".json"))
    assert text == page_of(runs, ["one", "two"])


def test_records_of_something_else_are_refused(tmp_path):
    """Nothing is overwritten that the command did not write."""
    page = tmp_path / "reliability.md"
    page.with_suffix(".json").write_text("[]")
    with pytest.raises(ConfigError, match="does not hold the results"):
        keep(page, [], [])
    assert Run.__struct_fields__[0] == "name"


def test_what_does_not_hold_is_run_again_when_asked(capsys):
    """The last run counts, and each is printed: a flaw that comes and goes is seen."""

    class Wavering(Campaign):
        async def run(self, scale, tell):
            result, self.result = self.result, HELD
            return result

    broken = Result(cases=1, breaches=("once",))
    assert not prove(asked(is_json=False), (Wavering("one", broken),))
    assert prove(asked(is_json=False, again=1), (Wavering("one", broken),))
    assert "breach: once" in capsys.readouterr().out


def test_the_short_form_fails_for_no_figure_of_speed():
    """The long form does: it is run where nothing else runs."""
    slow = Bar(what="restart", bar="at most 5 s", measured="9 s", is_met=False, is_speed=True)
    for late in (Result(cases=1, bars=(slow,)), Result(cases=1, slow=("AAPL bare for 1.2 s",))):
        known = (Campaign("one", late),)
        assert prove(asked(), known)
        assert not prove(asked(scale=Scale(is_short=False, seed=3)), known)
