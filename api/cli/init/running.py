"""Write a `.env`: ask, check the keys where they are good for something, write it."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import typer
from rich.console import Console

from api.cli.doctor import Finding, examine_keys, table_of
from api.cli.init.files import read_answers, write_env
from api.cli.init.questions import Answers, Asker, ask_all, shown
from api.settings import Config
from domain.errors import AutoHedgeError, ConfigError

_DEFAULTS = {"TRADING_MODE": "stocks", "MAX_ORDER_AMOUNT": "100"}


class NotWritten(AutoHedgeError):
    """A key does not open what it should, and nobody said to write it all the same."""

    code = "KEYS_REFUSED"


@dataclass(frozen=True, kw_only=True)
class InitOptions:
    """What was typed. `answers` is a file of NAME=value lines, `-` for stdin, empty to ask."""

    to: Path
    answers: str = ""
    yes: bool = False
    is_checked: bool = True
    as_json: bool = False


def run_init(options: InitOptions) -> None:
    """Ask or read, check, write; raises `ConfigError`, and `NotWritten` for keys that fail."""
    is_asked = not options.answers and sys.stdin.isatty()
    if not is_asked and not options.answers:
        raise ConfigError(
            "Nobody is here to answer.", remedy="Run it in a terminal, or give --answers FILE."
        )
    out = Console(highlight=False, soft_wrap=True, stderr=options.as_json)
    _may_write(options, is_asked=is_asked)
    answers = _asked(out) if is_asked else _read(options.answers)
    findings = _checked(answers, out) if options.is_checked else []
    _accept(findings, options, out, is_asked=is_asked)
    write_env(options.to, answers.values)
    if options.as_json:
        body = {"path": str(options.to), "names": list(answers.values), "checks": findings}
        sys.stdout.write(msgspec.json.encode(body).decode() + "\n")
        return
    _say(options.to, answers, out)


def _may_write(options: InitOptions, *, is_asked: bool) -> None:
    """Ask before a file is lost; raises `ConfigError` where nobody can be asked."""
    if not options.to.exists() or options.yes:
        return
    remedy = "Add --yes to overwrite it, or choose another by --to."
    if not is_asked:
        raise ConfigError(f"{options.to} is there already.", remedy=remedy, code="ENV_EXISTS")
    if not typer.confirm(f"{options.to} is there already. Overwrite it?", default=False):
        raise ConfigError(f"{options.to} was left as it is.", remedy=remedy, code="ENV_EXISTS")


def _asked(out: Console) -> Answers:
    out.print("Five questions; an empty answer takes what stands in brackets.\n")

    def ask(text: str, default: str) -> str:
        return str(typer.prompt(text, default=default, show_default=bool(default))).strip()

    def hide(text: str) -> str:
        return str(typer.prompt(text, default="", show_default=False, hide_input=True)).strip()

    asker = Asker(ask=ask, hide=hide, tell=lambda line: out.print(line, markup=False))
    return ask_all(asker, _DEFAULTS)


def _read(path: str) -> Answers:
    answers = Answers(values={**_DEFAULTS, **read_answers(path)})
    faults = list(answers.faults())
    if faults:
        raise ConfigError("\n".join(faults), remedy="Mend the answers.")
    return answers


def _checked(answers: Answers, out: Console) -> list[Finding]:
    """Ask venue and endpoint whether they take the keys."""
    config = Config.read({**answers.values, "_env_file": None})
    if config.settings.apca_api_key_id is None:
        out.print("No keys, so nothing to check: `autohedge demo` needs none.")
        return []
    out.print("Asking the venue and the model's endpoint...")
    findings = asyncio.run(examine_keys(config))
    out.print(table_of(findings))
    return findings


def _accept(findings: list[Finding], options: InitOptions, out: Console, *, is_asked: bool) -> None:
    """Go on when all is well; else only for a person who says so."""
    failed = [each for each in findings if not each.is_well]
    if not failed:
        return
    if is_asked and typer.confirm("Write it all the same?", default=False):
        return
    first = failed[0]
    out.print(f"{options.to} was not written.")
    raise NotWritten(
        f"{first.check}: {first.found}", remedy=first.remedy or "Mend it, or add --no-check."
    )


def _say(path: Path, answers: Answers, out: Console) -> None:
    out.print(f"\n{path} is written, for your eyes alone:", markup=False)
    for name, value in answers.values.items():
        out.print(f"  {name}={shown(name, value)}", markup=False)
    out.print("\nNext: autohedge doctor, then autohedge run --start")
