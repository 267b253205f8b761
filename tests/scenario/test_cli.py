"""The command line as a person uses it: real processes, a real exchange, one line an error."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from api.settings import known_variables
from domain.market import TapeLine
from feeds.tape import read_tape

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "windows"
AUTOHEDGE = [sys.executable, "-m", "api.cli"]


@pytest.fixture(scope="module")
def venue():
    """A local Alpaca in a process of its own; ends with us."""
    child = subprocess.Popen(
        [*AUTOHEDGE, "exchange", "--json", "--tied", "--port", "0", "--symbols", "6"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    yield json.loads(child.stdout.readline())
    child.stdin.close()
    child.wait(timeout=60)
    child.stdout.close()


@pytest.fixture
def run(tmp_path):
    """Run a command in an empty folder with only the settings given."""

    def run_command(*arguments, timeout=120, **settings):
        kept = {k: v for k, v in os.environ.items() if k not in known_variables()}
        return subprocess.run(
            [*AUTOHEDGE, *arguments],
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=tmp_path,
            env={**kept, **settings, "PYTHONPATH": str(ROOT), "COLUMNS": "200"},
            check=False,
        )

    return run_command


def at(venue, **more):
    """Return the settings that point the bot at the local exchange."""
    return {
        "APCA_API_KEY_ID": venue["key"],
        "APCA_API_SECRET_KEY": venue["secret"],
        "APCA_API_BASE_URL": venue["rest_url"],
        "APCA_DATA_URL": venue["rest_url"],
        "APCA_STREAM_URL": venue["stream_url"],
        "TRADING_MODE": "both",
        "TRADING_SYMBOLS": "AAPL,BTC/USD",
        **more,
    }


def assert_one_line(result, code, *words):
    """Hold that a failure is one line without a traceback, with its exit code."""
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1, result.stderr
    for word in words:
        assert word in result.stderr


def test_missing_keys_end_with_two_and_say_what_to_do(run):
    """The first thing a new user meets."""
    assert_one_line(run("run"), 2, "APCA_API_KEY_ID", "autohedge demo")


def test_a_malformed_setting_ends_with_two_and_names_it(run, venue):
    """A typing mistake never starts a bot."""
    result = run("run", **at(venue, MAX_ORDER_AMOUNT="a lot"))
    assert_one_line(result, 2, "MAX_ORDER_AMOUNT", "'a lot'")


def test_a_symbol_the_venue_does_not_know_ends_with_two(run, venue):
    """Before anything is started, and naming it."""
    result = run("run", **at(venue, TRADING_SYMBOLS="AAPL,NOPE", PORT="0"))
    assert_one_line(result, 2, "SYMBOL_UNKNOWN", "NOPE", "TRADING_SYMBOLS")


def test_a_port_in_use_says_which_setting_moves_it(run, venue):
    """The second bot on one machine."""
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = str(held.getsockname()[1])
        result = run("run", **at(venue, PORT=port))
    assert_one_line(result, 2, "PORT_IN_USE", port, "Set PORT")


def test_wrong_keys_end_with_three(run, venue):
    """The venue refuses the key: nothing is started."""
    result = run("run", **at(venue, APCA_API_SECRET_KEY="wrong", PORT="0"))
    assert_one_line(result, 3)
    assert "wrong" not in result.stderr


def test_a_venue_that_is_not_there_ends_with_three(run, venue):
    """Nothing listens at the address."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    assert_one_line(run("run", **at(venue, APCA_API_BASE_URL=url, PORT="0")), 3)


def test_live_needs_the_phrase(run, venue):
    """A flag alone never trades real money."""
    assert_one_line(run("run", "--live", **at(venue)), 2, "LIVE_NOT_ALLOWED", "yes-real-money")


def test_live_needs_a_named_analyst(run, venue):
    """Who decides over real money is typed, not guessed."""
    settings = at(venue, LIVE_TRADING="yes-real-money")
    assert_one_line(run("run", "--live", **settings), 2, "ANALYST is auto")


def test_doctor_finds_all_well_at_the_local_exchange(run, venue):
    """Keys, clock, database, feeds and model, each looked at for real."""
    result = run("doctor", "--json", **at(venue))
    findings = {each["check"]: each for each in json.loads(result.stdout)}
    assert result.returncode == 0, result.stdout
    assert {"settings", "account and keys", "clock", "database", "model"} <= set(findings)
    assert "chain sound" in findings["database"]["found"]


def test_doctor_says_what_to_do_about_a_wrong_key(run, venue):
    """A finding is exit code 1 and a remedy."""
    result = run("doctor", "--json", **at(venue, APCA_API_SECRET_KEY="wrong"))
    findings = {each["check"]: each for each in json.loads(result.stdout)}
    assert result.returncode == 1
    assert not findings["account and keys"]["is_well"]
    assert "APCA_API_KEY_ID" in findings["account and keys"]["remedy"]


def record_both(run, venue, folder):
    """Return a tape with prints of both symbols: a busy machine may need more than four seconds."""
    for seconds in ("4", "12", "36"):
        tape = folder / f"{seconds}.tape.zst"
        result = run("record", str(tape), "--seconds", seconds, **at(venue))
        assert result.returncode == 0, result.stderr
        lines = (line for _, line in read_tape(tape) if isinstance(line, TapeLine))
        seen = {frame["S"] for line in lines for frame in line.f if frame["T"] == "t"}
        if {"AAPL", "BTC/USD"} <= seen:
            return tape
    raise AssertionError(f"36 s brought only {seen}")


def test_a_recorded_tape_plays_at_the_exchange_again(run, venue, tmp_path):
    """Record the live stream, then let the exchange play it: the circle that users walk."""
    tape = record_both(run, venue, tmp_path)
    child = subprocess.Popen(
        [*AUTOHEDGE, "exchange", "--json", "--tied", "--port", "0", "--tape", str(tape)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    addresses = json.loads(child.stdout.readline())
    child.stdin.close()
    child.wait(timeout=60)
    child.stdout.close()
    assert {"AAPL", "BTC/USD"} <= set(addresses["symbols"])


def test_an_unreadable_tape_is_one_line(run, tmp_path):
    """What is no tape is named, and nothing plays."""
    (tmp_path / "bad.tape.zst").write_bytes(b"no tape")
    result = run("exchange", "--tape", "bad.tape.zst", "--port", "0")
    assert_one_line(result, 2, "bad.tape.zst")


@pytest.mark.parametrize("name", ["hold", "quant-rejects", "risk-rejects", "order"])
def test_a_saved_window_replays(run, name):
    """Windows people keep run from the command line."""
    result = run("replay", str(GOLDEN / f"{name}.json"), "--json")
    assert result.returncode == 0, result.stderr
    outcomes = {"hold": "held", "order": "ordered"}
    assert json.loads(result.stdout)["outcome"] == outcomes.get(
        name, name.rstrip("s") + "ed"
    ).replace("-", "_")


def test_a_window_with_a_missing_field_names_its_path(run, tmp_path):
    """The path of the field, not a stack of frames."""
    window = json.loads((GOLDEN / "hold.json").read_text())
    del window["window"]["instrument"]["tick"]
    (tmp_path / "w.json").write_text(json.dumps(window))
    result = run("replay", "w.json")
    assert_one_line(result, 2, "WINDOW_FIELD_MISSING", "window.instrument.tick")


def test_a_report_of_no_journal_is_one_line(run):
    """Asking before anything ran."""
    result = run("report")
    assert_one_line(result, 4)


def test_a_database_of_a_newer_version_is_refused(run, venue, tmp_path):
    """Nothing in it is touched."""
    database = f"sqlite:///{tmp_path}/new.sqlite3"
    assert run("doctor", **at(venue, DATABASE_URL=database)).returncode == 0
    import sqlite3  # noqa: PLC0415 - only to make a database from the future

    with contextlib.closing(sqlite3.connect(tmp_path / "new.sqlite3")) as connection, connection:
        connection.execute("update alembic_version set version_num = 'v9999'")
    connection.close()
    assert_one_line(run("report", DATABASE_URL=database), 4, "JOURNAL_TOO_NEW")
