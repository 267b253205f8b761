"""What a person meets first: one screen of commands, and one line for what was typed wrong."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from api.cli.main import Exit, app, run
from api.cli.shell import Group
from api.settings import known_variables
from domain.errors import ConfigError, FeedError, JournalError

ROOT = Path(__file__).parents[4]


def type_in(*arguments):
    return run(lambda: app(list(arguments)))


def commands():
    return typer.main.get_command(app).commands


@pytest.mark.parametrize("arguments", [("--help",), ()])
def test_the_list_of_commands_fits_a_screen(arguments, capsys, monkeypatch):
    """24 lines of 80 characters, the prompt that follows included; nothing is cut short."""
    monkeypatch.setenv("COLUMNS", "80")
    assert type_in(*arguments) == Exit.WELL
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 23
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if line.endswith("...")]
    assert [line for line in lines if "130 interrupted" in line]


def test_every_command_is_listed_under_a_known_word():
    """A command without a group would stand where nobody looks for it."""
    for name, command in commands().items():
        assert command.rich_help_panel in set(Group), name
        assert command.help, name


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("nope",), "No such command"),
        (("halt", "--flattn"), "--flatten"),
        (("exchange", "--port", "x"), "--port"),
        (("record",), "Missing argument"),
        (("--nope",), "No such option"),
    ],
)
def test_what_is_typed_wrong_is_one_line_with_the_remedy(arguments, said, capsys):
    """Usage is exit code 2, and the line names where to look it up."""
    assert type_in(*arguments) == Exit.SETTINGS
    told = capsys.readouterr().err
    assert said in told
    assert "--help` says what it takes." in told
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize(
    ("raised", "code"),
    [
        (ConfigError("no"), Exit.SETTINGS),
        (FeedError("no"), Exit.UNREACHABLE),
        (JournalError("no"), Exit.JOURNAL),
        (typer.Abort(), Exit.INTERRUPTED),
        (KeyboardInterrupt(), Exit.INTERRUPTED),
    ],
)
def test_each_kind_of_end_has_its_exit_code(raised, code):
    """The six codes that scripts rely on."""

    def fail():
        raise raised

    assert run(fail) == code


def test_a_shell_completes_commands(capsys, monkeypatch):
    """As bash asks: the words so far in the environment, the candidates on stdout."""
    monkeypatch.setenv("_AUTOHEDGE_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "autohedge re")
    monkeypatch.setenv("COMP_CWORD", "1")
    with pytest.raises(SystemExit) as ended:
        app(prog_name="autohedge")
    assert not ended.value.code
    assert {"report", "replay", "record"} <= set(capsys.readouterr().out.split())


def outcome(*arguments, cwd, **settings):
    """Run a command as a process, in an empty folder, with only these settings."""
    kept = {name: value for name, value in os.environ.items() if name not in known_variables()}
    return subprocess.run(
        [sys.executable, "-m", "api.cli", *arguments],
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        cwd=cwd,
        env={**kept, **settings, "PYTHONPATH": str(ROOT)},
        check=False,
    )


NOWHERE = {
    "APCA_API_KEY_ID": "PK0123456789",
    "APCA_API_SECRET_KEY": "s" * 20,
    "APCA_API_BASE_URL": "http://127.0.0.1:9",
}


@pytest.mark.parametrize(
    ("arguments", "settings", "code", "said"),
    [
        (("run",), {}, Exit.SETTINGS, "autohedge init"),
        (("demo", "--symbols", "0"), {}, Exit.SETTINGS, "--symbols"),
        (("exchange", "--port", "99999"), {}, Exit.SETTINGS, "--port"),
        (("replay", "none.json"), {}, Exit.SETTINGS, "/windows/DIGEST"),
        (("health",), {"PORT": "9"}, Exit.UNREACHABLE, "BOT_SILENT"),
        (("health", "--url", "http://[bad"), {}, Exit.SETTINGS, "http://HOST:PORT"),
        (("reconcile",), {**NOWHERE, "PORT": "9"}, Exit.UNREACHABLE, "APCA_API_BASE_URL"),
    ],
)
def test_bad_input_is_one_line_with_a_remedy_and_nothing_on_stdout(
    arguments, settings, code, said, tmp_path
):
    """No traceback, no log line beside it: stdout is for answers, which scripts read."""
    ended = outcome(*arguments, cwd=tmp_path, **settings)
    assert ended.returncode == code, ended.stderr
    assert said in ended.stderr
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert ended.stdout == ""
