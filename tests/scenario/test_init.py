"""`autohedge init` as a person answers it, in a real terminal, against a real exchange."""

import io
import json

import pytest

from api.cli.main import Exit, app, run
from api.proving.house import PAIR
from api.settings import Config, known_variables

SECRET = "sk-model-0123456789abcdef"


def reaches(house):
    """Return the settings that point at the local exchange; the questions ask for the rest."""
    return {
        "APCA_API_BASE_URL": house.exchange.rest_url,
        "APCA_DATA_URL": house.exchange.rest_url,
        "APCA_STREAM_URL": house.exchange.stream_url,
    }


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """An empty folder, and no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in known_variables():
        monkeypatch.delenv(name, raising=False)
    return tmp_path


async def answered(terminal, until, *exchanges):
    """Type each answer when its question stands at the end of the screen.

    An answer ends its line, whether it is shown or hidden. Lines are counted before it is typed:
    counted after, what a quick command said in between was waited for in vain.
    """
    for question, answer in exchanges:
        await until(lambda q=question: q in terminal.text.rpartition("\n")[2], what=question)
        seen = terminal.text.count("\n")
        terminal.type(f"{answer}\n")
        await until(lambda n=seen: terminal.text.count("\n") > n, what="it goes on")


async def test_five_questions_make_a_file_for_its_owner_alone(
    open_house, until, open_terminal, alone
):
    """A wrong answer is asked again; keys are checked; no secret is ever on the screen."""
    async with open_house() as house:
        key, secret = house.exchange.key, house.exchange.secret
        person = open_terminal("init", cwd=alone, **reaches(house))
        await answered(
            person,
            until,
            ("1. What to trade", "coins"),
            ("1. What to trade", "crypto"),
            ("2. Which symbols", ""),
            ("Key id", key),
            ("Secret", secret),
            ("compatible endpoint", house.model.url),
            ("Its key", SECRET),
            ("5. Most dollars", "25"),
        )
        await until(person.ended, what="it ends")
    text = person.text
    assert person.child.returncode == 0, text
    assert "TRADING_MODE is 'coins'" in text
    assert "may trade" in text
    assert "is written, for your eyes alone" in text
    assert secret not in text
    assert SECRET not in text
    assert (alone / ".env").stat().st_mode & 0o777 == 0o600
    read = Config.read()
    assert (read.settings.symbols, read.limits.max_order_amount) == ((PAIR,), 25.0)
    assert read.settings.apca_api_secret_key.get_secret_value() == secret
    assert read.settings.openai_api_key.get_secret_value() == SECRET


async def test_keys_that_the_venue_refuses_are_not_written_unless_a_person_insists(
    open_house, until, open_terminal, alone
):
    """The typing mistake of an afternoon, found in a second."""
    async with open_house() as house:
        answers = alone / "answers"
        answers.write_text(
            f"TRADING_MODE=crypto\nAPCA_API_KEY_ID={house.exchange.key}\n"
            "APCA_API_SECRET_KEY=wrong-0123456789\n"
        )
        person = open_terminal("init", "--answers", "answers", cwd=alone, **reaches(house))
        await until(person.ended, what="it ends")
    assert person.child.returncode == 1
    assert "KEYS_REFUSED" in person.text
    assert "wrong-0123456789" not in person.text
    assert not (alone / ".env").exists()


def init(*arguments):
    return run(lambda: app(["init", *arguments]))


def test_answers_of_a_file_need_nobody(alone, capsys):
    """For scripts: JSON tells what was written, and no value of it."""
    (alone / "answers").write_text(f"TRADING_MODE=both\nOPENAI_API_KEY='{SECRET}#x'\n")
    assert init("--answers", "answers", "--json") == Exit.WELL
    shown = capsys.readouterr().out
    assert SECRET not in shown
    assert set(json.loads(shown)["names"]) >= {"TRADING_MODE", "OPENAI_API_KEY"}
    assert Config.read().settings.openai_api_key.get_secret_value() == f"{SECRET}#x"


def test_an_existing_file_is_kept_unless_it_is_said(alone, capsys):
    """It holds somebody's keys."""
    (alone / ".env").write_text("MAX_ORDER_AMOUNT=7\n")
    (alone / "answers").write_text("MAX_ORDER_AMOUNT=9\n")
    assert init("--answers", "answers") == Exit.SETTINGS
    assert "ENV_EXISTS" in capsys.readouterr().err
    assert (alone / ".env").read_text() == "MAX_ORDER_AMOUNT=7\n"
    assert init("--answers", "answers", "--yes") == Exit.WELL
    assert Config.read().limits.max_order_amount == 9.0
    assert {path.name for path in alone.iterdir()} == {".env", "answers"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("MAX_ORDER_AMOUNT=much\n", "MAX_ORDER_AMOUNT is 'much'"),
        ("MAX_ORDER=1\n", "MAX_ORDER in the answers is no setting"),
        (None, "cannot be read"),
    ],
)
def test_answers_that_cannot_stand_are_one_line(alone, capsys, text, said):
    """Nothing is written."""
    if text is not None:
        (alone / "answers").write_text(text)
    assert init("--answers", "answers") == Exit.SETTINGS
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1
    assert not (alone / ".env").exists()


def test_without_a_terminal_and_without_answers_it_says_so(alone, capsys, monkeypatch):
    """A script that would hang for ever on a question."""
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert init() == Exit.SETTINGS
    assert "--answers" in capsys.readouterr().err
