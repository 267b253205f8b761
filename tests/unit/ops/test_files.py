"""What operators copy names commands, folders and settings that exist."""

import asyncio
import configparser
import contextlib
import json
import re
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer
import yaml

from api.cli.main import app
from api.settings import known_variables
from domain.ports import Entry, EntryKind
from engine.clock import ManualClock
from journal.database import JournalConfig
from journal.sql import SqlJournal

ROOT = Path(__file__).parents[3]
OPS = ROOT / "ops"
COMMANDS = typer.main.get_command(app).commands
NOT_OURS = {"POSTGRES_USER", "POSTGRES_DB", "POSTGRES_PASSWORD"}


def options_of(command):
    return {option for each in COMMANDS[command].params for option in each.opts}


def instructions():
    """Return the Dockerfile's instructions, continued lines joined."""
    text = (OPS / "docker/Dockerfile").read_text().replace("\\\n", " ")
    lines = (line for line in text.splitlines() if line and not line.startswith("#"))
    return [tuple(line.split(maxsplit=1)) for line in lines]


def said(verb):
    return [what for each, what in instructions() if each == verb]


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((OPS / "docker/compose.yaml").read_text())


@pytest.fixture(scope="module")
def unit():
    """The service; where a key stands twice, its values are joined."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(OPS / "systemd/autohedge.service")
    return parser


def test_the_service_runs_a_command_that_exists_and_stops_as_a_person_would(unit):
    """SIGTERM is a stop; wrong settings are not tried again for ever."""
    service = unit["Service"]
    path, command, *options = service["ExecStart"].split()
    assert path.endswith("/.venv/bin/autohedge")
    assert set(options) <= options_of(command)
    assert service["KillSignal"] == "SIGTERM"
    assert service["RestartPreventExitStatus"] == "2"
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateTmp", "yes"),
        ("CapabilityBoundingSet", ""),
        ("UMask", "0077"),
        ("RestrictSUIDSGID", "yes"),
    ],
)
def test_the_service_is_shut_in(unit, key, value):
    """It needs the network, its own folder, and nothing else."""
    assert unit["Service"][key] == value


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not here")
def test_systemd_itself_takes_the_service(tmp_path):
    """With a command and a user that this machine has."""
    text = (OPS / "systemd/autohedge.service").read_text()
    text = text.replace("/opt/autohedge/.venv/bin/autohedge", "/bin/true")
    text = re.sub(r"(User|Group)=autohedge", r"\1=root", text)
    (tmp_path / "autohedge.service").write_text(text)
    command = ["systemd-analyze", "verify", str(tmp_path / "autohedge.service")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_image_is_built_in_two_stages_from_what_is_there():
    """Every path copied exists, every package is among them, and the ignore file lets them in."""
    copied = {path for each in said("COPY") if "--from" not in each for path in each.split()[:-1]}
    assert all((ROOT / path).exists() for path in copied)
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    assert set(wheel["targets"]["wheel"]["packages"]) <= copied
    ignored = (OPS / "docker/Dockerfile.dockerignore").read_text()
    assert copied == set(re.findall(r"^!(\S+)$", ignored, re.MULTILINE))
    assert len(said("FROM")) == 2


def test_the_image_runs_as_nobody_and_tells_its_health():
    """No root, a stop signal, and a probe that needs neither curl nor a shell."""
    assert said("USER") == ["10001"]
    assert said("STOPSIGNAL") == ["SIGTERM"]
    (probe,) = said("HEALTHCHECK")
    command, *options = re.findall(r'"([^"]+)"', probe)[1:]
    assert set(options) <= options_of(command)
    assert said("CMD") == ['["run"]']


def test_the_compose_file_sets_settings_that_exist(compose):
    """A variable that is misspelt would silently stand at its default."""
    bot = compose["services"]["bot"]
    assert set(bot["environment"]) <= known_variables()
    assert bot["build"]["dockerfile"] == "ops/docker/Dockerfile"
    assert (OPS / "docker" / bot["build"]["context"] / "ops/docker/Dockerfile").exists()
    assert bot["environment"]["DATABASE_URL"].startswith("postgresql://autohedge:")
    assert bot["ports"] == ["127.0.0.1:3000:3000"]
    assert bot["cap_drop"] == ["ALL"]
    assert bot["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert set(compose["services"]["postgres"]["environment"]) <= NOT_OURS


@pytest.fixture
async def written(tmp_path):
    """A journal that its bot has open, with nine lines."""
    database = tmp_path / "journal.sqlite3"
    async with SqlJournal(JournalConfig(url=f"sqlite:///{database}"), ManualClock()) as journal:
        body = {"code": "C", "message": "m", "symbol": None}
        await journal.append(*(Entry(kind=EntryKind.ALERT, ref="C", body=body) for _ in range(9)))
        yield database


def test_a_backup_is_whole_and_audited_while_the_journal_is_open(written, tmp_path):
    """Beside its writer, by the script as it stands."""
    done = _backup(written, tmp_path / "backups")
    assert done.returncode == 0, done.stderr
    copy = Path(done.stdout.splitlines()[-1])
    assert "Sound" in done.stdout
    assert copy.stat().st_mode & 0o077 == 0
    with contextlib.closing(sqlite3.connect(copy)) as connection, connection:
        (count,) = connection.execute("select count(*) from entries").fetchone()
    connection.close()
    assert count >= 9


def test_a_backup_takes_the_anchors_along_and_none_beyond_its_end(tmp_path):
    """An hour into a run the copy was called unsound: it had no witness for its own anchors.

    Closing writes an anchor; one more is forged, of an entry that came after the snapshot.
    """
    database = tmp_path / "again.sqlite3"
    config = JournalConfig(url=f"sqlite:///{database}")
    asyncio.run(_write_and_close(config))
    later = {"seq": 10_000, "ts": 1, "hash": "0" * 64}
    with config.anchor_path.open("a") as anchors:
        anchors.write(f"{json.dumps(later)}\n")
    done = _backup(database, tmp_path / "backups")
    assert done.returncode == 0, done.stdout
    kept = Path(f"{done.stdout.splitlines()[-1]}.anchors")
    assert 0 < kept.read_text().count("\n") < config.anchor_path.read_text().count("\n")


def test_a_backup_opens_as_a_journal_and_goes_on(written, tmp_path):
    """Restored alone, without the files that lay beside the original."""
    copy = Path(_backup(written, tmp_path / "backups").stdout.splitlines()[-1])

    async def go_on():
        config = JournalConfig(url=f"sqlite:///{copy}")
        async with SqlJournal(config, ManualClock()) as journal:
            before = journal.status().last_seq
            body = {"code": "C", "message": "restored", "symbol": None}
            return before, await journal.append(Entry(kind=EntryKind.ALERT, ref="C", body=body))

    before, after = asyncio.run(go_on())
    assert before >= 9
    assert after > before


def test_a_backup_of_no_journal_fails(tmp_path):
    """A cron job must not report a success that holds nothing."""
    assert _backup(tmp_path / "none.sqlite3", tmp_path / "backups").returncode != 0


async def _write_and_close(config):
    body = {"code": "C", "message": "m", "symbol": None}
    async with SqlJournal(config, ManualClock()) as journal:
        await journal.append(Entry(kind=EntryKind.ALERT, ref="C", body=body))


def _backup(database, folder):
    caller = folder.parent / "autohedge"
    caller.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m api.cli "$@"\n')
    caller.chmod(0o755)
    return subprocess.run(
        [str(OPS / "backup.sh"), str(database), str(folder)],
        capture_output=True,
        text=True,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "AUTOHEDGE": str(caller),
            "PYTHON": sys.executable,
        },
        check=False,
    )
