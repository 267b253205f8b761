"""Check keys, clock, feed, model endpoint and database, and say what to do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

import httpx
import msgspec
from rich.console import Console
from rich.table import Table

from api.assembly.live import LIVE, PAPER, PAPER_KEYS, check_account
from api.assembly.mapping import plan_of
from api.assembly.plan import Plan
from api.logs.redaction import of_environment
from api.settings import Config
from broker.alpaca import AlpacaBroker
from domain.errors import AutoHedgeError, FeedError, JournalError
from domain.ports import Clock
from engine.clock import LiveClock
from engine.watching.market import MarketEars
from engine.watching.venue import VenueWatch
from feeds.alpaca.config import AlpacaFeedConfig, FeedNotice
from feeds.alpaca.feed import AlpacaFeed
from feeds.calendar import AlwaysOpenCalendar
from feeds.store import RollingStore, StoreConfig
from journal.reads.reader import Reader
from journal.sql import SqlJournal

_DEADLINE_S = 20.0
_TAKEN = "FEED_CONNECTION_LIMIT"
_TAKEN_REMEDY = "If that is your bot, all is well: it has the stream. Else stop the other program."


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at; `remedy` says what to do when it is not well."""

    check: str
    is_well: bool
    found: str
    remedy: str = ""


def run_doctor(*, as_json: bool) -> None:
    """Look at everything; exits with 1 when something needs a person."""
    with Console(stderr=True).status("Asking venue, streams, model and database..."):
        findings = [_harmless(finding) for finding in asyncio.run(_examine())]
    out = Console(highlight=False)
    if as_json:
        out.print_json(msgspec.json.encode([asdict(each) for each in findings]).decode())
    else:
        out.print(table_of(findings))
    if not all(each.is_well for each in findings):
        sys.exit(1)


def table_of(findings: Sequence[Finding]) -> Table:
    """Lay findings out for a terminal."""
    table = Table("", "check", "found", "what to do")
    for each in findings:
        table.add_row("ok" if each.is_well else "!!", each.check, each.found, each.remedy)
    return table


async def examine_keys(config: Config) -> list[Finding]:
    """Ask venue and model whether they take the keys of settings that are not written yet."""
    try:
        plan = plan_of(config, mode=_mode(config))
    except AutoHedgeError as error:
        return [_of("settings", error)]
    clock, redact = LiveClock(), of_environment(dict(config.settings))
    found = await asyncio.gather(
        _check("account and keys", lambda: _account(plan, clock)),
        _check("model", lambda: _model(plan)),
    )
    return [replace(each, found=redact(each.found)) for each in found]


def _harmless(finding: Finding) -> Finding:
    """Take secrets out of what was found: addresses may hold a password."""
    redact = of_environment()
    return replace(finding, found=redact(finding.found), remedy=redact(finding.remedy))


async def _examine() -> list[Finding]:
    try:
        config = Config.read()
        plan = plan_of(config, mode=_mode(config))
    except AutoHedgeError as error:
        return [_of("settings", error)]
    analyst = f"{plan.analyst.kind}: {plan.analyst.why}"
    settings = Finding(check="settings", is_well=True, found=f"{', '.join(plan.engine.symbols)}")
    clock = LiveClock()
    skew = await _check("clock", lambda: _clock_skew(plan, clock))
    checks: dict[str, Callable[[], Awaitable[str]]] = {
        "account and keys": lambda: _account(plan, clock),
        "database": lambda: _database(plan, clock),
        **{f"feed {feed.name}": _feed_check(feed, clock) for feed in plan.feeds},
        "model": lambda: _model(plan),
    }
    found = await asyncio.gather(*(_check(name, check) for name, check in checks.items()))
    return [settings, Finding(check="analyst", is_well=True, found=analyst), skew, *found]


def _mode(config: Config) -> str:
    """Look at the venue that `run`, or `run --live` where that is allowed, would trade at."""
    key = config.settings.apca_api_key_id or ""
    is_live = config.settings.is_live_allowed and not key.startswith(PAPER_KEYS)
    return LIVE if is_live else PAPER


async def _check(name: str, check: Callable[[], Awaitable[str]]) -> Finding:
    try:
        async with asyncio.timeout(_DEADLINE_S):
            return Finding(check=name, is_well=True, found=await check())
    except AutoHedgeError as error:
        return _of(name, error)
    except TimeoutError:
        found = f"no answer within {_DEADLINE_S:g} s"
        return Finding(check=name, is_well=False, found=found, remedy="Check network and address.")


def _of(name: str, error: AutoHedgeError) -> Finding:
    return Finding(check=name, is_well=False, found=str(error), remedy=error.remedy)


async def _account(plan: Plan, clock: Clock) -> str:
    broker = AlpacaBroker(plan.broker, clock)
    try:
        account = await broker.account()
        check_account(plan.engine.mode, account)
        for symbol in plan.engine.symbols:
            await broker.instrument(symbol)
    finally:
        await broker.aclose()
    word = "blocked by the venue" if account.is_blocked else "may trade"
    return f"equity {account.equity} USD, {word}"


async def _clock_skew(plan: Plan, clock: Clock) -> str:
    broker = AlpacaBroker(plan.broker, clock)
    watch = VenueWatch(broker, clock, None)
    try:
        await watch.look()
    finally:
        await broker.aclose()
    skew_s = (watch.skew_ns() or 0) / 1e9
    if abs(skew_s) > plan.engine.limits.max_skew_s:
        raise AutoHedgeError(
            f"this machine's clock is {skew_s:+.2f} s off the venue's.",
            remedy="Synchronise it (chrony, systemd-timesyncd): entries are denied like this.",
            code="CLOCK_SKEW",
        )
    return f"{skew_s:+.3f} s off the venue's"


async def _database(plan: Plan, clock: Clock) -> str:
    """Open the journal and check its chain; beside a bot that has it, read it alone."""
    async with AsyncExitStack() as stack:
        try:
            journal = await stack.enter_async_context(SqlJournal(plan.journal, clock))
            reader, beside = journal.reader, ""
        except JournalError as error:
            if error.code != "JOURNAL_LOCKED":
                raise
            reader = await stack.enter_async_context(Reader(plan.journal))
            beside = f"; {error}"
        verdict = await reader.verify_chain()
        if verdict.first_bad is not None:
            raise JournalError(
                f"the chain breaks at entry {verdict.first_bad.seq}.",
                remedy="Keep the file as it is and restore a backup: it was changed from outside.",
                code="JOURNAL_TAMPERED",
            )
        return f"{verdict.entries} entries, chain sound{beside}"


def _feed_check(config: AlpacaFeedConfig, clock: Clock) -> Callable[[], Awaitable[str]]:
    async def check() -> str:
        up: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def report(notice: FeedNotice) -> None:
            if up.done():
                return
            if notice.code == "FEED_UP":
                up.set_result(notice.line)
            elif notice.code == _TAKEN:
                up.set_exception(FeedError(notice.line, remedy=_TAKEN_REMEDY, code=_TAKEN))

        store = RollingStore(
            StoreConfig(symbols=config.symbols, interval_s=config.interval_s),
            listener=MarketEars(lambda _kind, _body: None),
            clock=clock,
            calendar=AlwaysOpenCalendar(),
        )
        feed = AlpacaFeed(config, clock, report=report)
        running = asyncio.create_task(feed.run(store))
        try:
            waits: set[asyncio.Future[Any]] = {running, up}
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            if not up.done():
                running.result()
            return up.result()
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await feed.aclose()

    return check


async def _model(plan: Plan) -> str:
    """Ask the endpoint for its list of models: it answers, and takes the key."""
    endpoint = plan.analyst.endpoint
    if endpoint is None:
        return f"{plan.analyst.kind} needs no endpoint"
    base = endpoint.base_url or "https://api.openai.com/v1"
    headers = {"Authorization": f"Bearer {endpoint.api_key}"}
    try:
        async with httpx.AsyncClient(timeout=10) as client:
            answer = await client.get(f"{base.rstrip('/')}/models", headers=headers)
    except httpx.HTTPError as error:
        raise AutoHedgeError(
            f"{base} does not answer ({type(error).__name__}).",
            remedy="Check LLM_BASE_URL and the network, or set ANALYST=rules.",
            code="ANALYST_UNAVAILABLE",
        ) from error
    if answer.status_code in {401, 403}:
        raise AutoHedgeError(
            f"{base} refuses the key.", remedy="Check OPENAI_API_KEY.", code="ANALYST_KEY_REFUSED"
        )
    return f"{endpoint.model} at {base}: HTTP {answer.status_code}"
