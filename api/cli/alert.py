"""Send a test alert to every hook and say which got it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import msgspec
from rich.console import Console
from rich.table import Table

from api.assembly.mapping import watchers_of
from api.observing.alerting.choosing import Alert, Severity
from api.observing.alerting.hooks import Hook, hooks_of
from api.settings import Config
from domain.errors import ConfigError
from domain.records import Record

_TEST = Alert(
    code="TEST",
    title="a test",
    text="This machine can reach you. Nothing has happened.",
    severity=Severity.INFO,
)


class Sent(Record, frozen=True):
    """What became of a test at one hook."""

    hook: str
    is_delivered: bool


def run_alert(*, test: bool, as_json: bool) -> bool:
    """Show the hooks, with `test` send to each; false when one did not take it."""
    urls = watchers_of(Config.read()).alert_urls
    if not urls:
        raise ConfigError(
            "ALERT_URLS names nobody to tell.",
            remedy="Set it, as json://host/path or ntfys://host/topic; spaces between.",
            code="ALERT_URLS_EMPTY",
        )
    hooks = hooks_of(urls)
    out = Console(highlight=False, soft_wrap=True)
    if not test:
        _list(hooks, out, as_json=as_json)
        return True
    with ThreadPoolExecutor(len(hooks)) as pool:
        delivered = pool.map(lambda hook: hook.send(_TEST), hooks)
        found = [
            Sent(hook=hook.name, is_delivered=is_delivered)
            for hook, is_delivered in zip(hooks, delivered, strict=True)
        ]
    _say(found, out, as_json=as_json)
    return all(each.is_delivered for each in found)


def _list(hooks: tuple[Hook, ...], out: Console, *, as_json: bool) -> None:
    if as_json:
        out.print_json(msgspec.json.encode([hook.name for hook in hooks]).decode())
        return
    for hook in hooks:
        out.print(hook.name, markup=False)
    out.print("Send each a test: autohedge alert --test")


def _say(found: list[Sent], out: Console, *, as_json: bool) -> None:
    if as_json:
        out.print_json(msgspec.json.encode(found).decode())
        return
    table = Table("", "hook", "what to do")
    for each in found:
        remedy = "" if each.is_delivered else "Check the address, and that this machine reaches it."
        table.add_row("ok" if each.is_delivered else "!!", each.hook, remedy)
    out.print(table)
