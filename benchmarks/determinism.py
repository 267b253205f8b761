"""Run the same backtests on every Python of this machine, and tell whether any byte differs.

Each run is a process with a hash seed of its own. Compared are the journal's last hash and the
whole report, as JSON and as a page: of the rules with every control, of a policy, and of ticks.

    python -m benchmarks.determinism [--runs 12] [--install-only] [--most 2]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, show
from benchmarks.stage.pythons import MISSING, ROOT, prepare

RUN_S = 200.0


def run_once(python: Path | str) -> dict[str, Any]:
    """Return what the backtests come to on a Python, with a random hash seed."""
    done = subprocess.run(
        [python, "-m", "benchmarks.stage.digests"],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "random", "PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
        timeout=RUN_S,
    )
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def measured(pythons: list[Path | str], runs: int) -> list[Figure]:
    """Run everything so often in all, each Python in its turn."""
    found: dict[str, set[str]] = {}
    versions, turns = set(), math.ceil(runs / len(pythons))
    for turn in range(turns):
        for python in pythons:
            told = run_once(python)
            versions.add(told["python"])
            for name, one in told["backtests"].items():
                for kind in ("journal", "json", "html"):
                    found.setdefault(f"{name}: {kind}", set()).add(one[kind])
        print(f"turn {turn + 1} of {turns} on {', '.join(sorted(versions))}", flush=True)
    figures = [Figure("Pythons", len(versions), "", least=2)]
    figures += [
        Figure(f"{name}, different among {turns * len(pythons)} runs", len(digests), "", most=1)
        for name, digests in found.items()
    ]
    return figures


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=12, help="in all")
    parser.add_argument("--most", type=int, default=3, help="of the other Pythons")
    parser.add_argument("--install-only", action="store_true")
    asked = parser.parse_args()
    others = prepare(asked.most)
    if not others:
        print(f"Only Python {platform.python_version()} is compared with itself: {MISSING}.")
    if not asked.install_only:
        show(measured([sys.executable, *others.values()], asked.runs))
    return 0


if __name__ == "__main__":
    sys.exit(main())
