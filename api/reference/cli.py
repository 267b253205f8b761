"""Write the reference of the command line from the commands themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from api.cli.main import Exit, Group, app
from api.reference.markdown import MADE, code, table

_INTRO = f"""# The command line

{MADE}

`autohedge --help` lists every command on one screen, `autohedge COMMAND --help` says more.
Commands read [settings](settings.md) from the environment and `.env`. What goes wrong is one line
on stderr with what to do about it. `--json` prints for programs, `NO_COLOR=1` takes colours away,
and progress bars are shown on terminals alone. `autohedge --install-completion` teaches the shell
to complete commands and options; `--show-completion` prints what it would install.
"""

_ENDS = {
    Exit.WELL: "well",
    Exit.FINDING: "a finding: something differs, does not hold, or a threshold is passed",
    Exit.SETTINGS: "settings or options: what is given is wrong or missing",
    Exit.UNREACHABLE: "unreachable: venue, feed or model endpoint do not answer or refuse",
    Exit.JOURNAL: "the journal: it cannot be opened, read or written",
    Exit.INTERRUPTED: "interrupted",
}


def cli_page() -> str:
    """Return the page as Markdown."""
    ends = table(("Exit code", "Means"), ((code(int(end)), said) for end, said in _ENDS.items()))
    group: Any = typer.main.get_command(app)
    shown = {name: each for name, each in group.commands.items() if not each.hidden}
    parts = [_INTRO, ends]
    for word in Group:
        named = {n: each for n, each in shown.items() if each.rich_help_panel == word}
        if named:
            parts.append(f"## {word}\n")
            parts += [_command(name, each) for name, each in named.items()]
    return "\n".join(parts)


def _command(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    usage = " ".join(["autohedge", name, *(_argument(each) for each in arguments)])
    rows = list(_options(command))
    options = f"\n{table(('Option', 'Default', 'What'), rows)}" if rows else ""
    return f"### `{usage}`\n\n{' '.join(command.help.split())}\n{options}"


def _argument(argument: Any) -> str:
    name = argument.name.upper()
    return name if argument.required else f"[{name}]"


def _options(command: Any) -> Iterator[tuple[str, str, str]]:
    for each in command.params:
        if getattr(each, "hidden", False) or each.name == "help":
            continue
        if each.param_type_name == "argument":
            yield code(each.name.upper()), "", str(each.help or "")
            continue
        names = ", ".join(code(option) for option in each.opts)
        yield names, _default(each), str(each.help or "")


def _default(option: Any) -> str:
    value = option.default
    if value in {None, False, "", ()} or option.required:
        return "must be given" if option.required else ""
    return code(value)
