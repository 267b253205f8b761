"""Show every command on one screen, and give every failure one line, a remedy and an exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import IntEnum, StrEnum
from typing import Any

import typer
from rich.console import Console
from typer.core import TyperCommand, TyperGroup

from domain.errors import (
    AutoHedgeError,
    BrokerError,
    ConfigError,
    FeedError,
    JournalError,
)

err = Console(stderr=True, highlight=False, soft_wrap=True)

_UsageError: type[Exception] = typer.BadParameter.__bases__[0]
"""What is raised for a wrong option. Typer carries a Click of its own; this is its public end."""

_ABOUT = "Trade Alpaca with argued, replayable, audited decisions of language models."
_EPILOG = "Exit 0 well, 1 a finding, 2 settings, 3 unreachable, 4 journal, 130 interrupted."
_NAME_WIDTH, _GROUP_WIDTH = 10, 8


class Exit(IntEnum):
    """What the shell is told."""

    WELL = 0
    FINDING = 1
    SETTINGS = 2
    UNREACHABLE = 3
    JOURNAL = 4
    INTERRUPTED = 130


class Group(StrEnum):
    """Under which word a command stands in the list, in this order."""

    TRADE = "Trade"
    JOURNAL = "Journal"
    STUDY = "Study"
    PROVE = "Prove"


class Screen(TyperGroup):
    """List the commands by group, one line each, so that the whole list fits 24 lines of 80."""

    def format_help(self, _ctx: Any, formatter: Any) -> None:
        """Write usage, commands and exit codes, each once."""
        formatter.write("Usage: autohedge COMMAND [OPTIONS]    (COMMAND --help says more)\n")
        for line in self._lines(formatter.width):
            formatter.write(f"{line}\n")
        formatter.write(f"{_EPILOG}\n")

    def _lines(self, width: int) -> Iterator[str]:
        grouped = sorted(self.commands.items(), key=lambda each: _place(each[1]))
        shown = ""
        for name, command in grouped:
            if command.hidden:
                continue
            group = _group_of(command)
            head = "" if group == shown else group
            shown = group
            text = command.get_short_help_str(width - _GROUP_WIDTH - _NAME_WIDTH - 1)
            yield f"{head:<{_GROUP_WIDTH}}{name:<{_NAME_WIDTH}} {text}"


class Shell(typer.Typer):
    """An application whose failures are raised instead of printed: `run` says them in one line."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """Run what was typed; returns an exit code, or nothing for 0."""
        return super().__call__(*args, standalone_mode=False, **options)


app = Shell(
    name="autohedge",
    cls=Screen,
    help=_ABOUT,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class BotSilent(AutoHedgeError):
    """No bot answers where one is asked for."""

    code = "BOT_SILENT"


def run(command: Callable[[], Any]) -> int:
    """Run a command and turn what it raises into one line and an exit code."""
    try:
        return _code_of(command())
    except AutoHedgeError as error:
        return _refused(error)
    except BaseExceptionGroup as group:
        told = _told(group)
        if told is None:
            raise
        return _refused(told)
    except _UsageError as error:
        return _mistyped(error)
    except (KeyboardInterrupt, typer.Abort):
        return Exit.INTERRUPTED
    except SystemExit as stop:
        return _code_of(stop.code)


def exit_code_of(error: AutoHedgeError) -> Exit:
    """Map our error tree onto exit codes."""
    match error:
        case ConfigError():
            return Exit.SETTINGS
        case JournalError():
            return Exit.JOURNAL
        case FeedError() | BrokerError() | BotSilent():
            return Exit.UNREACHABLE
        case _:
            return Exit.FINDING


def _code_of(told: Any) -> int:
    if told is None:
        return Exit.WELL
    return told if isinstance(told, int) else Exit.FINDING


def _group_of(command: TyperCommand | Any) -> str:
    return str(getattr(command, "rich_help_panel", None) or Group.TRADE)


def _place(command: TyperCommand | Any) -> int:
    """Return where the command's group stands; within a group commands keep their order."""
    known = list(Group)
    group = _group_of(command)
    return known.index(Group(group)) if group in known else len(known)


def _refused(error: AutoHedgeError) -> Exit:
    """Say in one line what is wrong and what to do; what strangers wrote in it is harmless."""
    from api.logs.redaction import of_environment, printable  # noqa: PLC0415 - `--help` is quick

    line = of_environment()(printable(error.line, keep="\n"))
    err.print(f"{error.code}: {line}", style="red", markup=False)
    return exit_code_of(error)


def _mistyped(error: Any) -> Exit:
    """Say in one line what was typed wrong; nothing typed at all is a wish for help."""
    command = error.ctx.command_path if error.ctx is not None else "autohedge"
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.ctx.get_help())
        return Exit.WELL
    said = " ".join(str(error.format_message()).split()).rstrip(".")
    line = f"USAGE: {said}. `{command} --help` says what it takes."
    err.print(line, style="red", markup=False)
    return Exit.SETTINGS


def _told(group: BaseExceptionGroup[BaseException]) -> AutoHedgeError | None:
    """Return the one failure of ours inside what a task group raised; none when there is more."""
    ours, rest = group.split(AutoHedgeError)
    leaf: BaseException | None = ours if rest is None else None
    while isinstance(leaf, BaseExceptionGroup):
        leaf = leaf.exceptions[0]
    return leaf if isinstance(leaf, AutoHedgeError) else None
