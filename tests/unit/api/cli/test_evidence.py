"""`autohedge evidence`: what it is asked, and what it refuses."""

from pathlib import Path

import pytest

from api.cli.evidence.command import Asked, gather_evidence
from api.cli.evidence.studies import plans
from domain.errors import ConfigError


def test_no_process_is_no_way_to_run():
    with pytest.raises(ConfigError, match="--jobs must be at least 1"):
        gather_evidence(Asked(is_short=True, seed=1, to=None, tries=None, jobs=0))


def test_every_study_is_held_to_every_control():
    """The wide one left three of them out, for its graph was thought too dear to run again."""
    for plan in plans(is_short=False):
        assert all(plan.controls.is_on(f"C{n}") for n in range(1, 12)), plan.key
        assert plan.has_absurd
        assert plan.repeats > 1


def test_the_short_form_asks_every_control_in_one_study_at_least():
    """Its wide study leaves some to the next one, and says so."""
    chosen = plans(is_short=True)
    assert all(any(plan.controls.is_on(f"C{n}") for plan in chosen) for n in range(1, 12))
    assert sum(not plan.controls.is_on("C10") for plan in chosen) == 1
    assert "C3, C6 and C10" in chosen[0].about


def test_the_short_form_says_that_it_is_short():
    assert all("Short form" in plan.about for plan in plans(is_short=True))
    assert not any("Short form" in plan.about for plan in plans(is_short=False))


def test_a_page_that_cannot_be_written_is_told_before_anything_runs(tmp_path):
    to = Path(tmp_path / "none" / "page.md")
    with pytest.raises(ConfigError, match="cannot be written"):
        gather_evidence(Asked(is_short=True, seed=1, to=to, tries=None, jobs=1))


def test_a_study_that_nobody_knows_is_told():
    with pytest.raises(ConfigError, match="no study 'weekly'"):
        gather_evidence(
            Asked(is_short=True, seed=1, to=None, tries=None, jobs=1, only=("weekly", "deep"))
        )
