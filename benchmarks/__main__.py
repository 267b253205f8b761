"""Run benchmarks: all of them, or those named (`python -m benchmarks ingest limiter`)."""

from __future__ import annotations

import importlib
import pkgutil
import sys
import time

import benchmarks


def names() -> list[str]:
    """Return the modules of this package that have a `main`, in alphabetical order."""
    found = sorted(module.name for module in pkgutil.iter_modules(benchmarks.__path__))
    return [
        name
        for name in found
        if name != "__main__" and hasattr(importlib.import_module(f"benchmarks.{name}"), "main")
    ]


def main(wanted: list[str]) -> int:
    """Run benchmarks one after another; 2 when a name is none."""
    known = names()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        print(f"No benchmark is named {', '.join(unknown)}; there are {', '.join(known)}.")
        return 2
    for name in wanted or known:
        started = time.monotonic()
        print(f"== {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
        print(f"== {name}: {time.monotonic() - started:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
