"""Log lines: from a level up, to stderr, as text or JSON."""

import json
import subprocess
import sys

import pytest

SAY = (
    "from api.logs.lines import configure; from api.settings import Config; import structlog; "
    "configure(Config.read({overrides!r})); log = structlog.get_logger('x'); "
    "log.info('order_sent', symbol='AAPL'); log.warning('feed_lost', symbol='AAPL')"
)


def said(**overrides):
    code = SAY.format(overrides=overrides)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == ""
    return done.stderr.splitlines()


def test_json_lines_carry_the_event_and_its_fields():
    """One object a line, for whoever collects them."""
    (line,) = said(LOG_FORMAT="json")
    body = json.loads(line)
    assert (body["event"], body["symbol"], body["level"]) == ("feed_lost", "AAPL", "warning")


@pytest.mark.parametrize(("level", "count"), [("info", 2), ("warning", 1), ("error", 0)])
def test_the_level_is_a_setting(level, count):
    """What lies below it is not written."""
    assert len(said(LOG_LEVEL=level)) == count


LIBRARY = """
import logging
from api.logs.lines import configure
from api.settings import Config
configure(Config.read({"LOG_FORMAT": "json", "OPENAI_API_KEY": "sk-0123456789"}))
try:
    raise ValueError("sk-0123456789")
except ValueError:
    logging.getLogger("uvicorn.error").exception("lost\\n%s", "sk-0123456789")
"""


def test_a_librarys_record_is_json_too_with_its_traceback_and_without_secrets():
    """Else one line in a thousand breaks whoever reads the stream."""
    done = subprocess.run(
        [sys.executable, "-c", LIBRARY], capture_output=True, text=True, timeout=60, check=True
    )
    (line,) = done.stderr.splitlines()
    body = json.loads(line)
    assert (body["event"], body["level"], body["logger"]) == ("lost\n***", "error", "uvicorn.error")
    assert "ValueError: ***" in body["exception"]
