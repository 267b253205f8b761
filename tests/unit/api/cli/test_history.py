"""The commands of history: what is typed wrong is one line, and the list of sets is whole."""

import json

import pytest

from api.cli.main import Exit, app, run
from backtest.data.packages import SETS


@pytest.fixture
def type_in(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("APCA_API_KEY_ID", "K")
    monkeypatch.setenv("APCA_API_SECRET_KEY", "S")
    return lambda *arguments: run(lambda: app(list(arguments)))


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--from", "yesterday"), "PERIOD_INVALID"),
        (("--from", "2024-07-09", "--to", "2024-07-01"), "PERIOD_INVALID"),
        (("--from", "0001-01-01"), "PERIOD_INVALID"),
        (("--from", "2024-07-09", "--to", "9999-12-31"), "PERIOD_INVALID"),
        (("--from", "2124-07-09"), "PERIOD_EMPTY"),
        (("--from", "2024-07-09", "--kind", "bars,candles"), "OPTION_INVALID"),
        (("--from", "2024-07-09", "--kind", ","), "OPTION_INVALID"),
        (("--from", "2024-07-09", "--feed", "bloomberg"), "OPTION_INVALID"),
        (("--from", "2024-07-09", "--adjustment", "none"), "OPTION_INVALID"),
        (("--from", "2024-07-09", "--interval", "7m"), "INTERVAL_INVALID"),
        (("../x", "--from", "2024-07-09"), "SYMBOL_INVALID"),
    ],
)
def test_what_cannot_be_fetched_is_one_line_before_anything_is_asked(
    type_in, capsys, arguments, code
):
    assert type_in("fetch", "AAPL", *arguments) == Exit.SETTINGS
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith(code)


def test_a_folder_that_cannot_be_written_is_one_line(type_in, capsys, tmp_path):
    (tmp_path / "taken").write_text("a file")
    told = type_in("fetch", "AAPL", "--from", "2024-07-09", "--out", "taken/in")
    assert told == Exit.SETTINGS
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("FETCH_UNWRITABLE")


def test_every_set_is_listed_with_its_licence(type_in, capsys):
    assert type_in("data", "--json") == Exit.WELL
    listed = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in listed] == [each.name for each in SETS]
    assert all(each["licence"] and each["span"] and each["what"] for each in listed)
    assert type_in("data") == Exit.WELL
    out = capsys.readouterr().out
    assert [each.name for each in SETS if each.name not in out] == []
