"""Be the console script: every command, and one line for whatever goes wrong.

The commands stand in `api.cli.commands`; exit codes and the one screen of help in `api.cli.shell`.
"""

from __future__ import annotations

import logging
import sys
from types import TracebackType

from api.cli.commands import backtesting, history, journal, proving, trading
from api.cli.shell import Exit, Group, app, exit_code_of, run

__all__ = ["COMMANDS", "Exit", "Group", "app", "exit_code_of", "main", "run"]

COMMANDS = (trading, journal, backtesting, history, proving)
"""The modules that declare commands: importing them is what makes the commands known."""


def main() -> None:
    """Run the command line; the console script."""
    sys.excepthook = _crashed
    _log_to_stderr()
    sys.exit(run(app))


def _log_to_stderr() -> None:
    """Keep stdout for answers: until settings say how much is logged, only errors are."""
    import structlog  # noqa: PLC0415 - as `_crashed`

    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR),
        logger_factory=structlog.PrintLoggerFactory(file=sys.stderr),
    )


def _crashed(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    from api.logs.redaction import on_crash  # noqa: PLC0415 - `--help` is quick

    on_crash(kind, error, trace)
