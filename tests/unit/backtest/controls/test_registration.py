"""C11: what was registered before the first decision binds; a field changed later is told."""

import msgspec
import pytest

from backtest.controls.registration import (
    Registration,
    compared,
    entry_of,
    load,
    registered_in,
    registration,
    registration_of,
    write,
)
from domain.errors import ConfigError
from domain.ports import Entry, EntryKind
from domain.records import digest, parse


@pytest.fixture
def claim(spec):
    return registration_of(spec, hypothesis="rules beat holding", primary="excess", n_tries=3)


def test_a_registered_run_confirms(claim, spec):
    registered = compared(claim, spec, journaled=claim)
    assert not registered.is_exploratory
    found = registration(registered, n_tries=3)
    assert found.passed
    assert found.figures["digest"] == digest(claim)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hypothesis", "rules lose less than holding"),
        ("universe", ("OTHER",)),
        ("start", "2023-01-01T00:00:00Z"),
        ("end", "2024-06-01T00:00:00Z"),
        ("analyst", "llm:gpt-5"),
        ("primary_figure", "sharpe"),
        ("n_tries", 1),
        ("prompts", (("director", "f" * 64),)),
    ],
)
def test_a_field_changed_after_the_first_decision_makes_it_exploratory(claim, spec, field, value):
    """The journal keeps what the file said, so the file cannot follow the result."""
    changed = msgspec.structs.replace(claim, **{field: value})
    registered = compared(changed, spec, journaled=claim)
    assert registered.is_exploratory
    assert registered.changed == (field,)
    found = registration(registered, n_tries=1)
    assert not found.passed
    assert found.line == f"exploratory: {field} changed after the registration"


def test_dates_are_enough(claim, spec):
    """Whoever registers writes days; a run's own times have nanoseconds."""
    dated = msgspec.structs.replace(claim, start="2024-01-01", end="2025-01-01")
    assert not compared(dated, spec, journaled=dated).is_exploratory


def test_a_run_that_did_something_else_than_registered_is_exploratory(claim, spec):
    """The file was not touched; the run was made over another year."""
    other = msgspec.structs.replace(spec, start="2020-01-01T00:00:00Z")
    assert compared(claim, other, journaled=claim).changed == ("start",)


def test_a_registration_that_the_journal_never_saw_is_none(claim, spec):
    registered = compared(claim, spec, journaled=None)
    assert registered.is_exploratory
    assert "nothing was registered before" in registration(registered, n_tries=1).line
    assert compared(None, spec, journaled=None).is_exploratory


def test_the_file_may_be_lost_while_the_journal_holds_it(claim, spec):
    assert not compared(None, spec, journaled=claim).is_exploratory


def test_more_tries_than_registered_are_exploratory(claim, spec):
    found = registration(compared(claim, spec, journaled=claim), n_tries=4)
    assert not found.passed
    assert found.line == "exploratory: 4 tries, 3 registered"


def test_the_journals_entry_bears_the_digest_and_the_whole(claim):
    entry = entry_of(claim)
    assert entry.ref == digest(claim)
    assert parse(entry.body["args"]["registration"], Registration) == claim


def test_what_a_journal_registers_after_its_first_decision_is_none(claim):
    decided = Entry(kind=EntryKind.DECISION, ref="d", body={})
    other = Entry(kind=EntryKind.OPERATOR_ACTION, ref="backtest", body={"action": "backtest"})
    assert registered_in([other, entry_of(claim), decided]) == claim
    assert registered_in([other, decided, entry_of(claim)]) is None
    assert registered_in([other]) is None


def test_a_file_is_read_back_as_it_was_written(claim, tmp_path):
    path = tmp_path / "claim.json"
    assert write(path, claim) == digest(claim)
    assert load(path) == claim
    assert path.read_text().count("\n") > 5


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"hypothesis": 3}'])
def test_a_file_that_is_no_registration_is_told_in_a_line(text, tmp_path):
    path = tmp_path / "claim.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is no registration") as caught:
        load(path)
    assert caught.value.code == "REGISTRATION_INVALID"
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path / "missing.json")


def test_a_place_that_cannot_be_written_is_told(claim, tmp_path):
    with pytest.raises(ConfigError, match="cannot be written"):
        write(tmp_path / "none" / "claim.json", claim)
