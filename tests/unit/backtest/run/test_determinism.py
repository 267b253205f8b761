"""The same backtests on another Python with another hash seed: the same bytes."""

from __future__ import annotations

import sys

import pytest

from benchmarks.determinism import run_once
from benchmarks.stage import pythons


@pytest.fixture(scope="module")
def other():
    """Another Python that has the project's libraries; where there is none, the reason says how."""
    found = pythons.ready()
    if not found:
        pytest.skip(pythons.MISSING)
    return next(iter(found.values()))


def test_another_python_gives_the_same_journal_and_report(other):
    """`sum` of floats rounds otherwise since Python 3.12: a turnover differed in its last digit."""
    here, there = run_once(sys.executable), run_once(other)
    assert here["python"] != there["python"]
    assert here["backtests"] == there["backtests"]
    assert here["backtests"]["rules"]["fills"] > 2
    assert here["backtests"]["policy"]["fills"] > 2


def test_pythons_are_found_by_what_they_say_of_themselves(tmp_path, monkeypatch):
    """A shim stands on the PATH for versions that are not installed; it is not taken for one."""
    for version, says in {"3.12": "3.12", "3.14": "3.11", "3.13": None}.items():
        shim = tmp_path / f"python{version}"
        shim.write_text(f"#!/bin/sh\necho {says}\n" if says else "#!/bin/sh\nexit 127\n")
        shim.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    found = pythons.installed(own="3.11")
    assert found["3.12"] == tmp_path / "python3.12"
    assert not {"3.11", "3.13", "3.14"} & found.keys()
