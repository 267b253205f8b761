"""Be the console script: every command, and one line for whatever goes wrong.

The commands stand in `api.cli.commands`; exit codes and the one screen of help in `api.cli.shell`.
"""

from __future__ import annotations

import sys
from types import TracebackType

from api.cli.commands import history, journal, proving, trading
from api.cli.shell import Exit, Group, app, exit_code_of, run

__all__ = ["COMMANDS", "Exit", "Group", "app", "exit_code_of", "main", "run"]

COMMANDS = (trading, journal, history, proving)
"""The modules that declare commands: importing them is what makes the commands known."""


def main() -> None:
    """Run the command line; the console script."""
    sys.excepthook = _crashed
    sys.exit(run(app))


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    from api.logs.redaction import on_crash  # noqa: PLC0415 - `--help` is quick

    on_crash(kind, error, trace)
