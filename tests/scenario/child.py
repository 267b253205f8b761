"""Run a started bot in a process of its own, to be killed; its settings come as one argument."""

from __future__ import annotations

import asyncio
import json
import sys

from rich.console import Console

from api.assembly import Process
from api.assembly.mapping import plan_of
from api.cli.running.door import door_of
from api.cli.running.serving import Serving, serve
from api.logs.lines import configure
from api.settings import Config


def say_ready(_process: Process) -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()


def main() -> None:
    config = Config.for_demo(json.loads(sys.argv[1]), {})
    configure(config)  # log lines go to stderr: stdout carries one word
    plan = plan_of(config, mode="paper", is_always_open=True)
    serving = Serving(plan=plan, door=door_of(config), is_started=True, banner=say_ready)
    asyncio.run(serve(serving, Console(stderr=True)))


if __name__ == "__main__":
    main()
