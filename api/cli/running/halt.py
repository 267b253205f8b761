"""Halt the bot, also when its HTTP does not answer: from this process, on the same journal."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from dataclasses import dataclass, replace
from getpass import getuser
from typing import Any

import httpx
import msgspec
from rich.console import Console

from api.assembly.beside.halting import Halted, halt_from_here
from api.assembly.mapping import plan_of
from api.assembly.plan import Plan, mark_beside
from api.cli.running.door import door_of
from api.logs.lines import configure
from api.settings import Config
from api.settings.forgiving import read_forgiving
from domain.errors import ConfigError, JournalError
from domain.records import Record, format_ns
from engine.control import PositionView, Status, Sweep, SweptOrder
from engine.killswitch.mark import HaltMark, HaltOrder, new_id
from journal.reads.reader import Reader

_PROBE_S = 2.0
_CONTROL_S, _FLATTEN_S = 10.0, 60.0
_JOURNAL_S = 3.0
_UNREACHABLE, _JOURNAL, _FINDING = 3, 4, 1
_STOOD_ON = frozenset(
    {
        "APCA_API_KEY_ID",
        "APCA_API_SECRET_KEY",
        "APCA_API_BASE_URL",
        "DATABASE_URL",
        "LIVE_TRADING",
        "TRADING_MODE",
        "TRADING_SYMBOLS",
        ".env",
    }
)
"""Settings that say where a halt acts. No other can keep it from anything."""


@dataclass(frozen=True, kw_only=True)
class HaltOptions:
    """What the person typed."""

    reason: str = ""
    flatten: bool = False
    protective: bool = False
    account_wide: bool = False
    live: bool = False
    as_json: bool = False


class Answer(Record, frozen=True):
    """What is told at the end. `via` is how it was done, `took_s` from the command's start.

    `wrong` are settings that cannot be read, each a line; `is_doubtful` when the halt from here
    stood on the default of one of them, which may be another account, venue or journal.
    """

    via: str
    took_s: float
    answered_in_s: float | None
    orders: tuple[SweptOrder, ...]
    left: tuple[PositionView, ...]
    journal: str
    notes: tuple[str, ...]
    fault: str = ""
    journal_fault: str = ""
    wrong: tuple[str, ...] = ()
    is_doubtful: bool = False

    @property
    def exit_code(self) -> int:
        """Return 0 when all is done, 1 when something works on, 3 unreachable, 4 journal."""
        if self.fault:
            return _UNREACHABLE
        if self.journal_fault:
            return _JOURNAL
        has_rest = any(not order.is_gone for order in self.orders) or bool(self.left)
        return _FINDING if has_rest or self.is_doubtful else 0


class _Swept(Record, frozen=True):
    """What of an answer over HTTP is read: a list has what is left, both have the sweep."""

    sweep: Sweep | None = None
    last_sweep: Sweep | None = None
    items: tuple[dict[str, Any], ...] = ()


class _Unanswered(Exception):
    """HTTP did not do it; the words say why."""


def run_halt(options: HaltOptions) -> None:
    """Halt, say in one line an order what was done, and exit by how much of it was."""
    began = time.monotonic()
    answer = asyncio.run(_halt(options, began))
    if options.as_json:
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    else:
        _say(answer, Console(highlight=False, soft_wrap=True))
    if answer.exit_code:
        sys.exit(answer.exit_code)


async def _halt(options: HaltOptions, began: float) -> Answer:
    config, faults = read_forgiving()
    configure(config)
    since_ns = time.time_ns()
    order = HaltOrder(
        id=new_id(),
        actor=f"cli:{getuser()}@{socket.gethostname()}:{os.getpid()}",
        reason=options.reason or "autohedge halt",
        ts=format_ns(since_ns),
        protective=options.protective,
        flatten=options.flatten,
        account_wide=options.account_wide,
    )
    try:
        said = await _over_http(config, order)
        why = await _doubt(config, since_ns, said)
    except _Unanswered as unanswered:
        said, why = None, str(unanswered)
    if said is not None and not why:
        return msgspec.structs.replace(_of_http(said, began), wrong=tuple(faults.values()))
    done = await _from_here(config, options, order, began=began, why=why)
    return msgspec.structs.replace(
        done, wrong=tuple(faults.values()), is_doubtful=bool(_STOOD_ON & faults.keys())
    )


async def _over_http(config: Config, order: HaltOrder) -> tuple[Status, _Swept]:
    """Ask the running bot; a short look first tells whether it answers at all."""
    url = door_of(config).reachable.url
    token = config.security.token or config.security.trade_token
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    path, body = _request_of(order)
    try:
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
            found = await client.get("/status", timeout=_PROBE_S)
            _require_well(found)
            status = msgspec.json.decode(found.content, type=Status)
            timeout = _FLATTEN_S if order.flatten else _CONTROL_S
            done = await client.post(path, json=body, timeout=timeout)
            _require_well(done)
            return status, msgspec.json.decode(done.content, type=_Swept)
    except httpx.TimeoutException:
        raise _Unanswered(f"The bot at {url} does not answer") from None
    except httpx.HTTPError:
        raise _Unanswered(f"No bot listens at {url}") from None
    except msgspec.MsgspecError:
        raise _Unanswered(f"What answers at {url} is no bot") from None


def _request_of(order: HaltOrder) -> tuple[str, dict[str, Any]]:
    if order.flatten:
        return "/flatten", {"reason": order.reason, "account_wide": order.account_wide}
    if order.protective:
        return "/cancel-all", {"reason": order.reason, "protective": True}
    return "/halt", {"reason": order.reason}


def _require_well(answer: httpx.Response) -> None:
    if answer.is_error:
        raise _Unanswered(f"The bot at {answer.url.host} refused (HTTP {answer.status_code})")


async def _doubt(config: Config, since_ns: int, said: tuple[Status, _Swept]) -> str:
    """Say why an answer does not count: a bot of another journal may hold the port.

    A demo has a journal of its own. Without keys there is nothing that could be done from here.
    """
    status, _ = said
    if config.settings.apca_api_key_id is None:
        return ""
    try:
        plan = plan_of(_bare(config), mode="paper")
        async with asyncio.timeout(_JOURNAL_S), Reader(plan.journal) as reader:
            actions = await reader.states.operator_actions(limit=5)
    except (JournalError, ConfigError, TimeoutError):
        return f"The {status.mode} bot on this port halted; our journal cannot tell if it is ours"
    is_ours = any(row.ts >= since_ns and row.action != "start" for row in actions.items)
    return "" if is_ours else f"The {status.mode} bot on this port halted and has another journal"


def _of_http(said: tuple[Status, _Swept], began: float) -> Answer:
    sweep = said[1].sweep or said[1].last_sweep
    is_flatten = sweep is not None and sweep.control == "flatten"
    left = said[1].items if is_flatten else ()
    return Answer(
        via="the bot's HTTP",
        took_s=time.monotonic() - began,
        answered_in_s=None if sweep is None else sweep.answered_in_s,
        orders=() if sweep is None else sweep.orders,
        left=tuple(msgspec.convert(each, PositionView, strict=False) for each in left),
        journal="written",
        notes=(),
    )


async def _from_here(
    config: Config, options: HaltOptions, order: HaltOrder, *, began: float, why: str
) -> Answer:
    try:
        plan = _plan(config, options)
    except ConfigError as error:
        raise _marked(config, order, error, why) from error
    done: Halted = await halt_from_here(plan, order)
    return Answer(
        via="this process",
        took_s=time.monotonic() - began,
        answered_in_s=done.answered_in_s,
        orders=done.orders,
        left=done.left,
        journal=done.journal,
        notes=(f"{why}: acted from here.",),
        fault=done.fault,
        journal_fault=done.journal_fault,
    )


def _marked(config: Config, order: HaltOrder, error: ConfigError, why: str) -> ConfigError:
    """Leave the mark all the same, and say what is missing for the rest: a bot that wakes halts."""
    try:
        HaltMark(mark_beside(config.settings.database_url)).set(order)
    except JournalError as unmarked:
        return ConfigError(f"{why}. {error} {unmarked}", remedy=error.remedy, code=error.code)
    left = "The halt is left beside the journal and binds the bot when it wakes or starts"
    return ConfigError(
        f"{why}. {left}, but no order was cancelled: {error}",
        remedy=error.remedy,
        code=error.code,
    )


def _plan(config: Config, options: HaltOptions) -> Plan:
    """Return the bot's plan, live when it may only be that: a kill switch forgives a lost flag."""
    plan = plan_of(_bare(config), mode="paper")
    is_paper_key = plan.broker.key.startswith("PK")
    if options.live and not config.settings.is_live_allowed:
        raise ConfigError("--live needs LIVE_TRADING.", remedy="Leave --live out for paper.")
    is_live = options.live or (config.settings.is_live_allowed and not is_paper_key)
    return replace(plan, broker=replace(plan.broker, paper=not is_live))


def _bare(config: Config) -> Config:
    """Return the settings without what is only read by who decides: nobody decides here."""
    unasked = {"analyst": "rules", "prompts_dir": None}
    return Config(config.settings.model_copy(update=unasked), config.limits)


def _say(answer: Answer, out: Console) -> None:
    for line in answer.wrong:
        out.print(f"!! {line} Its default counts here.", markup=False)
    for note in answer.notes:
        out.print(note)
    for order in answer.orders:
        filled = f", {order.filled_quantity} filled" if order.filled_quantity else ""
        out.print(f"{order.symbol} {order.leg} {order.client_order_id}: {order.state}{filled}")
    for position in answer.left:
        out.print(f"{position.symbol} is still held: {position.quantity}")
    if not answer.orders:
        out.print("No order was working.")
    answered = "none was asked" if answer.answered_in_s is None else f"{answer.answered_in_s:.3f} s"
    out.print(
        f"Halted through {answer.via} in {answer.took_s:.2f} s; last cancel answered after: "
        f"{answered}; journal: {answer.journal}."
    )
    for fault in (answer.fault, answer.journal_fault):
        if fault:
            out.print(f"!! {fault}")
