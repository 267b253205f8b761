"""Run benchmarks: all of them, or those named (`python -m benchmarks ingest limiter`).

Each prints figure, value, bar, and whether it is within. Each runs in a process of its own, so
that none measures another's memory, and is cut when it takes too long. A missed bar is shown, not
a failure; a benchmark that breaks is one.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from datetime import UTC, datetime

NAMES = (
    "ingest",
    "decision",
    "limiter",
    "backpressure",
    "memory",
    "journal",
    "killswitch",
    "backtest",
    "determinism",
    "desk",
)
LIMIT_S = 300.0


def main(wanted: list[str]) -> int:
    """Run benchmarks one after another; 2 when a name is none, 1 when one broke."""
    unknown = [name for name in wanted if name not in NAMES]
    if unknown:
        print(f"No benchmark is named {', '.join(unknown)}; there are {', '.join(NAMES)}.")
        return 2
    now = datetime.now(UTC)
    print(f"{now:%Y-%m-%d %H:%M} UTC, Python {platform.python_version()}, commit {_commit()}")
    has_broken = [name for name in wanted or NAMES if not _has_run(name)]
    return 1 if has_broken else 0


def _has_run(name: str) -> bool:
    print(f"\n== {name}", flush=True)
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    try:
        subprocess.run(command, check=True, timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        print(f"{name} was cut after {LIMIT_S:g} s", flush=True)
    except subprocess.CalledProcessError as error:
        print(f"{name} broke with {error.returncode}", flush=True)
    else:
        return True
    return False


def _commit() -> str:
    asked = ["git", "describe", "--always", "--dirty"]
    found = subprocess.run(asked, capture_output=True, text=True, check=False)
    return found.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
