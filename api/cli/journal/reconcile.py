"""Show where journal and venue differ, and accept the venue's word when a person says so.

Beside a running bot it is asked over HTTP, for it holds the books; without one they are opened
here. Nothing is ever sent to the venue but questions.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from getpass import getuser

import httpx
import msgspec
import typer
from rich.console import Console
from rich.table import Table

from api.assembly.beside.reconciling import examiner
from api.assembly.mapping import plan_of
from api.assembly.plan import Plan
from api.cli.running.door import door_of
from api.settings import Config
from domain.errors import AutoHedgeError, BrokerRefused, ConfigError
from domain.records import Record
from engine.clock import LiveClock
from engine.control import Status
from engine.orders.looks import Reconciliation
from engine.orders.ownership import Finding

_PROBE_S, _LOOK_S = 2.0, 60.0
_FINDING = 1


@dataclass(frozen=True, kw_only=True)
class ReconcileOptions:
    """What the person typed."""

    repair: bool = False
    yes: bool = False
    live: bool = False
    as_json: bool = False


class Answer(Record, frozen=True):
    """What is told. `via` is who compared, `resume` the code that trading is halted for."""

    via: str
    is_clean: bool
    differences: tuple[Finding, ...]
    repaired: tuple[Finding, ...] = ()
    trading: str = ""
    resume: str = ""


class _Bot(Record, frozen=True):
    """A running bot: where it listens, the header that lets us in, and how it stands."""

    url: str
    headers: dict[str, str]
    status: Status


def run_reconcile(options: ReconcileOptions) -> None:
    """Compare, print, repair when asked for; exits with 1 while something differs."""
    answer = asyncio.run(_reconcile(options))
    if options.as_json:
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    else:
        _say(answer, Console(highlight=False, soft_wrap=True))
    if not answer.is_clean:
        sys.exit(_FINDING)


async def _reconcile(options: ReconcileOptions) -> Answer:
    if options.repair and not options.yes and (options.as_json or not sys.stdin.isatty()):
        raise ConfigError(
            "--repair accepts the venue's word, and nobody is here to ask.", remedy="Add --yes."
        )
    config = Config.read()
    bot = await _running(config)
    if bot is not None:
        return await _over_http(bot, options)
    return await _from_here(config, options)


async def _running(config: Config) -> _Bot | None:
    """Return the bot that listens where ours would; none when nothing does.

    Raises `AutoHedgeError` for what listens and cannot be asked: two books would be kept beside
    each other.
    """
    url = door_of(config).reachable.url
    token = config.security.token or config.security.trade_token
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    try:
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
            found = await client.get("/status", timeout=_PROBE_S)
    except httpx.ConnectError:
        return None
    except httpx.HTTPError as error:
        raise AutoHedgeError(
            f"Something listens at {url} and does not answer ({type(error).__name__}).",
            remedy="End it, or set PORT to the bot's; then ask again.",
            code="BOT_SILENT",
        ) from None
    try:
        status = msgspec.json.decode(found.content, type=Status)
    except msgspec.MsgspecError:
        raise AutoHedgeError(
            f"What listens at {url} is no bot, or refuses us (HTTP {found.status_code}).",
            remedy="Set PORT to the bot's and API_TOKEN to its token.",
            code="BOT_REFUSED",
        ) from None
    return _Bot(url=url, headers=headers, status=status)


async def _over_http(bot: _Bot, options: ReconcileOptions) -> Answer:
    via = f"the {bot.status.mode} bot at {bot.url}"
    async with httpx.AsyncClient(
        base_url=bot.url, headers=bot.headers, trust_env=False, timeout=_LOOK_S
    ) as client:
        found = await _ask(client, repair=False)
        differing = _unsettled(found.differences)
        repaired: tuple[Finding, ...] = ()
        if differing and _may_repair(options, found.differences):
            found, repaired = await _ask(client, repair=True), differing
        standing = msgspec.json.decode((await client.get("/status")).content, type=Status)
    return Answer(
        via=via,
        is_clean=found.clean,
        differences=found.differences,
        repaired=repaired,
        trading=standing.trading.value,
        resume=standing.trading_code,
    )


async def _ask(client: httpx.AsyncClient, *, repair: bool) -> Reconciliation:
    try:
        answer = await client.post("/reconcile", json={"repair": repair})
    except httpx.HTTPError as error:
        raise BrokerRefused(
            f"The bot stopped answering ({type(error).__name__}).",
            remedy="Look at its log, then ask again.",
        ) from None
    if answer.is_error:
        said = msgspec.json.decode(answer.content, type=dict[str, object])
        detail = str(said.get("detail") or f"HTTP {answer.status_code}")
        raise BrokerRefused(f"The bot refused: {detail}", remedy=str(said.get("remedy") or ""))
    found = msgspec.json.decode(answer.content, type=Reconciliation)
    if not found.is_conclusive:
        raise BrokerRefused(
            "The venue did not answer the bot's questions.", remedy="Run `autohedge doctor`."
        )
    return found


async def _from_here(config: Config, options: ReconcileOptions) -> Answer:
    plan = _plan(config, options)
    clock = LiveClock()
    async with examiner(plan, clock) as books:
        result, open_questions = await books.look()
        found = (*result.differences, *open_questions)
        differing = _unsettled(found)
        repaired: tuple[Finding, ...] = ()
        if differing and _may_repair(options, found):
            who = f"cli:{getuser()}@{socket.gethostname()}:{os.getpid()}"
            await books.repair(who, patience_s=plan.engine.limits.unknown_window_s)
            result, open_questions = await books.look()
            repaired, found = differing, (*result.differences, *open_questions)
        standing = books.standing
    return Answer(
        via="this process",
        is_clean=not _unsettled(found),
        differences=found,
        repaired=repaired,
        trading=standing.state.value,
        resume=standing.code,
    )


def _plan(config: Config, options: ReconcileOptions) -> Plan:
    """Return the bot's plan; live only when it is said."""
    if options.live and not config.settings.is_live_allowed:
        raise ConfigError("--live needs LIVE_TRADING.", remedy="Leave --live out for paper.")
    plan = plan_of(config, mode="paper")
    return replace(plan, broker=replace(plan.broker, paper=not options.live))


def _unsettled(found: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(each for each in found if not each.is_settled)


def _may_repair(options: ReconcileOptions, found: Sequence[Finding]) -> bool:
    """Ask the person, unless a script said yes."""
    if not options.repair or options.yes:
        return options.repair
    Console(stderr=True).print(table(found))
    question = "Accept the venue's word into the journal? Nothing is traded"
    return typer.confirm(question, default=False, err=True)


def table(found: Sequence[Finding]) -> Table:
    """Lay differences out for a terminal."""
    shown = Table("", "what", "of", "ours", "the venue's", "in words")
    for each in found:
        shown.add_row(
            "ok" if each.is_settled else "!!",
            each.code,
            each.symbol or "account",
            "" if each.ours is None else str(each.ours),
            "" if each.venue is None else str(each.venue),
            each.message,
        )
    return shown


def _say(answer: Answer, out: Console) -> None:
    if answer.differences:
        out.print(table(answer.differences))
    if answer.repaired:
        names = ", ".join(each.client_order_id or each.symbol or "cash" for each in answer.repaired)
        out.print(f"Accepted the venue's word for {names}; it is journaled.")
    if answer.is_clean:
        out.print(f"Journal and venue agree (asked {answer.via}).")
    elif not answer.repaired:
        out.print(f"They differ (asked {answer.via}). --repair accepts the venue's word.")
    if answer.is_clean and answer.trading == "halted":
        out.print(
            f"Trading is halted for {answer.resume}: POST /resume with "
            f'{{"code": "{answer.resume}"}} when it is resolved.'
        )
