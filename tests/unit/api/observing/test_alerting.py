"""Who is away hears of what matters, once, from hooks that may be dead; nobody waits for them."""

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from api.cli.main import Exit, app, run
from api.observing.alerting.choosing import CODES, Alert, Once, Severity, alert_of
from api.observing.alerting.hooks import hooks_of
from api.observing.alerting.sending import Sender, SendingConfig, alerting
from domain.errors import ConfigError
from domain.limits import Trip
from engine.bus import Bus, BusEvent

TOKEN = "tk-0123456789abcdef"
DEAD = "json://127.0.0.1:9/dead"


@contextmanager
def receiver(*statuses):
    """A webhook on loopback: answers with the statuses in turn, then 200; keeps what it got."""
    got, left = [], list(statuses)

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            got.append(json.loads(body))
            self.send_response(left.pop(0) if left else 200)
            self.end_headers()

        def log_message(self, *_said):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Hook) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"json://bot:{TOKEN}@127.0.0.1:{server.server_port}/hook", got
        finally:
            server.shutdown()
            thread.join()


def raised(code, message="what happened", symbol=None):
    return BusEvent("alert_raised", {"code": code, "message": message, "symbol": symbol})


def lowered(state="halted", code="OPERATOR"):
    return BusEvent(
        "state_changed", {"state": state, "code": code, "reason": "lunch", "actor": "ann"}
    )


def finished(outcome="abstained", code="BUDGET_SPENT"):
    return BusEvent("decision_finished", {"outcome": outcome, "reason_code": code, "symbol": "A"})


@pytest.mark.parametrize(
    ("event", "code"),
    [
        pytest.param(lowered(), "OPERATOR", id="halt"),
        pytest.param(lowered("reducing", "OPERATOR"), "OPERATOR", id="reduce"),
        pytest.param(raised(Trip.CONSECUTIVE_DENIALS), "CONSECUTIVE_DENIALS", id="denial-streak"),
        pytest.param(raised("POSITION_UNPROTECTED", symbol="A"), "POSITION_UNPROTECTED", id="bare"),
        pytest.param(raised("FEED_MUTE"), "FEED_MUTE", id="feed-mute"),
        pytest.param(finished(), "BUDGET_SPENT", id="budget"),
    ],
)
def test_what_needs_a_person_is_told(event, code):
    """The five that the hooks are for, and a person's own halt."""
    alert = alert_of(event)
    assert alert is not None
    assert alert.code == code
    assert alert.title


@pytest.mark.parametrize(
    "event",
    [
        lowered("active", "RESUMED"),
        lowered("halted", "STOPPED"),
        lowered("reducing", Trip.DAILY_LOSS_REACHED),  # its own line is told
        raised("FEED_UP"),
        finished("held", ""),
        BusEvent("quote_updated", {}),
        BusEvent("state_changed", {"session": "running"}),
    ],
)
def test_what_needs_nobody_is_not(event):
    """Whoever is told of everything soon reads nothing."""
    assert alert_of(event) is None


def test_every_code_is_one_that_the_code_base_raises():
    """A code that is renamed would never be told again."""
    from pathlib import Path  # noqa: PLC0415 - looked through here alone

    root = Path(__file__).parents[4]
    written = "".join(
        path.read_text()
        for folder in ("engine", "feeds", "domain", "api/assembly")
        for path in (root / folder).rglob("*.py")
    )
    assert [code for code in CODES if f'"{code}"' not in written] == []


def test_a_text_of_strangers_is_one_short_line():
    """What a venue wrote reaches a phone."""
    alert = alert_of(raised("FEED_MUTE", "a\x1b[2J\nb" + "x" * 5000))
    assert alert is not None
    assert alert.text.isprintable()
    assert len(alert.text) <= 400


def test_the_same_again_is_counted_and_told_with_the_next():
    """A hundred in five minutes are one message; the next says how many there were."""
    now = [0]
    once = Once(300, lambda: now[0])
    alert = Alert(code="C", title="t", text="what", severity=Severity.WARNING)
    assert once(alert) == alert
    assert [once(alert) for _ in range(100)] == [None] * 100
    now[0] = 300 * 10**9
    again = once(alert)
    assert again is not None
    assert again.text == "what (and 100 times since the last alert)"


async def test_an_event_of_the_bus_reaches_a_real_webhook(until):
    """Over HTTP, as whoever receives it sees it."""
    bus, counted = Bus(), []
    with receiver() as (url, got):
        async with alerting(bus, hooks_of([url]), counted.append, SendingConfig()):
            await asyncio.sleep(0)
            bus.publish("alert_raised", raised("FEED_MUTE", "nothing came").data)
            bus.publish("alert_raised", raised("FEED_MUTE", "nothing came").data)
            await until(lambda: got)
    assert [(each["title"], each["message"], each["type"]) for each in got] == [
        ("AutoHedge: FEED_MUTE", "nothing came", "warning")
    ]
    assert counted == ["delivered"]


def test_a_hook_that_fails_is_tried_again_and_another_is_not_told_twice():
    """A gateway that is restarted answers 503 twice."""
    counted: list[str] = []
    with receiver(503, 503) as (weak, got), receiver() as (strong, other):
        config = SendingConfig(pauses_s=(0.0, 0.0), flush_s=20)
        sender = Sender(hooks_of([weak, strong]), config, counted.append)
        sender.put(Alert(code="C", title="t", text="x", severity=Severity.INFO))
        _wait(lambda: len(counted) == 2)
        sender.close()
    assert (len(got), len(other)) == (3, 1)
    assert counted == ["delivered", "delivered"]


class Deaf:
    """A hook that never answers until it is let go."""

    name = "deaf"

    def __init__(self):
        self.go = threading.Event()

    def send(self, _alert):
        return self.go.wait(30) and False


def test_a_dead_hook_costs_the_caller_nothing_and_the_oldest_alerts():
    """10,000 alerts in front of a hook that hangs: bounded, counted, and nobody waits."""
    counted, hook = [], Deaf()
    sender = Sender([hook], SendingConfig(queue_size=8, pauses_s=(), flush_s=0.1), counted.append)
    alert = Alert(code="C", title="t", text="x", severity=Severity.INFO)
    began = time.thread_time()
    for _ in range(10_000):
        sender.put(alert)
    assert time.thread_time() - began < 2.0
    assert counted.count("dropped") >= 10_000 - 9
    sender.close()
    hook.go.set()


def test_no_secret_of_an_address_is_shown():
    """Neither password nor query, and no host or path: some services put their token there."""
    (hook,) = hooks_of([f"json://bot:{TOKEN}@{TOKEN}.example/{TOKEN}?token={TOKEN}"])
    assert hook.name == "1 json"


def test_an_address_that_means_nothing_is_refused_without_being_shown():
    """It may be a token that was pasted into the wrong line."""
    with pytest.raises(ConfigError) as refused:
        hooks_of(["json://127.0.0.1/x", f"nonsense://{TOKEN}"])
    assert "Address 2 of ALERT_URLS" in refused.value.line
    assert TOKEN not in refused.value.line


@pytest.mark.parametrize(("urls", "code"), [("good", Exit.WELL), ("bad", Exit.FINDING)])
def test_the_command_says_who_got_the_test(urls, code, monkeypatch, tmp_path, capsys):
    """One line a hook; a hook that did not take it is a finding."""
    monkeypatch.chdir(tmp_path)
    with receiver() as (url, got):
        monkeypatch.setenv("ALERT_URLS", url if urls == "good" else f"{url} {DEAD}")
        assert run(lambda: app(["alert", "--test", "--json"])) == code
    shown = capsys.readouterr().out
    assert [each["title"] for each in got] == ["AutoHedge: a test"]
    assert [each["is_delivered"] for each in json.loads(shown)] == [True, False][
        : 1 + (urls == "bad")
    ]
    assert TOKEN not in shown


def test_the_command_without_addresses_says_what_to_set(monkeypatch, tmp_path, capsys):
    """One line, exit code 2."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ALERT_URLS", raising=False)
    assert run(lambda: app(["alert", "--test"])) == Exit.SETTINGS
    assert "ALERT_URLS" in capsys.readouterr().err


def _wait(condition):
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)
