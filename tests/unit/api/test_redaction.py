"""Secrets stay out of what is written, and strangers' texts cannot command a terminal."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from api.logs.redaction import MASK, Redactor, address_names, printable, secret_names
from api.settings import known_variables

ROOT = Path(__file__).parents[3]
CANARY = 'canary/7 "9'


def ended(code, **environment):
    """Run code that ends badly, in a process of its own; return what it wrote."""
    kept = {k: v for k, v in os.environ.items() if k not in known_variables()}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=120,
        env={**kept, **environment, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    return done.stdout + done.stderr


def test_every_key_token_and_address_is_known_as_a_secret() -> None:
    """Found by their types: a setting that is added is covered without a word here."""
    assert {
        "OPENAI_API_KEY",
        "APCA_API_KEY_ID",
        "APCA_API_SECRET_KEY",
        "API_TOKEN",
        "API_TOKEN_APPROVE",
        "API_TOKEN_READ",
        "API_TOKEN_TRADE",
    } <= secret_names()
    assert {"DATABASE_URL", "LLM_BASE_URL", "APCA_API_BASE_URL"} <= address_names()


@pytest.mark.parametrize("form", [CANARY, quote(CANARY, safe=""), json.dumps(CANARY)[1:-1]])
def test_a_secret_goes_however_it_is_written(form) -> None:
    """As it is, in an address, in JSON."""
    redact = Redactor({"API_TOKEN": CANARY})
    assert redact(f"before {form} after") == f"before {MASK} after"


def test_the_password_of_an_address_goes_alone_and_with_its_address() -> None:
    """The host stays: it says what does not answer."""
    address = "postgresql://bot:pass-of-the-journal@db.example/journal"
    redact = Redactor({"database_url": address})
    assert redact(f"{address} is away") == f"postgresql://{MASK}@db.example/journal is away"
    assert redact("password pass-of-the-journal refused") == f"password {MASK} refused"
    assert Redactor()("http://u:p@h/x and a@b") == f"http://{MASK}@h/x and a@b"


def test_a_short_secret_masks_no_words() -> None:
    """Six characters are the least; a token has sixteen."""
    assert Redactor({"OPENAI_API_KEY": "none"})("none of it") == "none of it"


@pytest.mark.parametrize("where", ["environment", "file"])
def test_a_traceback_is_written_without_secrets(where, tmp_path, monkeypatch) -> None:
    """A library raises with the whole address in its text; so did sqlalchemy."""
    monkeypatch.chdir(tmp_path)
    setting = {"DATABASE_URL": f"postgresql://bot:{quote(CANARY, safe='')}@db/x"}
    if where == "file":
        Path(".env").write_text(f"DATABASE_URL={setting['DATABASE_URL']}\n")
        setting = {}
    code = (
        "from importlib import import_module; m = import_module('api.cli.main')\n"
        f"def crash(): raise RuntimeError({CANARY!r} + ' \\x1b[2J')\n"
        "m.app = crash\n"
        "m.main()\n"
    )
    told = ended(code, **setting)
    assert "Traceback" in told
    assert f"RuntimeError: {MASK} \\x1b[2J" in told
    assert CANARY not in told


def test_log_lines_of_ours_and_of_libraries_hold_no_secret_and_no_escape() -> None:
    """A value, an event, a logged traceback, a thread's and a task's failure."""
    code = f"""
import asyncio, logging, threading, structlog
from api.logs.lines import configure
from api.settings import Config
configure(Config.read({{"OPENAI_API_KEY": {CANARY!r}}}))
log = structlog.get_logger("x")
log.warning("asked", url="http://u:{{}}@h".format({CANARY!r}), said="a\\x1b[2J\\u202eb\\nforged")
try:
    raise ValueError({CANARY!r})
except ValueError:
    log.exception("failed")
    logging.getLogger("uvicorn.error").exception("Exception in ASGI application\\x1b[2J")
def fail(): raise RuntimeError({CANARY!r})
thread = threading.Thread(target=fail)
thread.start(); thread.join()
async def main():
    task = asyncio.create_task(asyncio.sleep(0))
    asyncio.get_running_loop().call_soon(fail)
    await task
asyncio.run(main())
"""
    told = ended(code)
    assert CANARY not in told
    assert told.count(MASK) >= 5
    assert not {"\x1b", "\u202e"} & set(told)
    assert "\nforged" not in told


def test_an_error_line_is_one_harmless_line() -> None:
    """What a venue answered stands in it."""
    code = (
        "from importlib import import_module; m = import_module('api.cli.main')\n"
        "from domain.errors import ConfigError\n"
        "def refuse(): raise ConfigError('the venue said \\x1b[2J\\u202e' + 'sk-0123456789')\n"
        "m.app = refuse\n"
        "m.main()\n"
    )
    told = ended(code, OPENAI_API_KEY="sk-0123456789")
    assert told == f"CONFIG_INVALID: the venue said \\x1b[2J\\u202e{MASK}\n"


def test_printable_keeps_letters_and_shows_the_rest() -> None:
    """Umlauts stay; escapes and directions become what Python writes."""
    assert printable("Zürich") == "Zürich"
    assert printable("a\x1b\u202e\n") == "a\\x1b\\u202e\\n"
    assert printable("a\nb", keep="\n") == "a\nb"
