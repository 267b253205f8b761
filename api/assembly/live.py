"""Keep the mode true: no real money but by every lock, no paper at a venue that is live.

Alpaca's two venues differ in three things that can be checked: their hosts, how their key ids begin
(PK paper, AK live), and how their account numbers begin (PA paper). Keys and host are checked
before anything is sent, the account's number by asking for it.
"""

from __future__ import annotations

import asyncio
import sys
from urllib.parse import urlsplit

from rich.console import Console

from api.assembly.plan import Plan
from api.security import is_loopback
from broker.alpaca import AlpacaBroker, AlpacaBrokerConfig
from domain.account import Account
from domain.errors import ConfigError
from domain.ports import Clock

LIVE, PAPER, WATCH = "live", "paper", "watch"
LIVE_HOST, PAPER_HOST = "api.alpaca.markets", "paper-api.alpaca.markets"
PAPER_KEYS, LIVE_KEYS = "PK", "AK"
PAPER_ACCOUNTS = "PA"
_SHOWN = 4
"""Characters of the account's number that a person types, and that are shown later."""
_DEADLINE_S = 20.0


def host_of(broker: AlpacaBrokerConfig) -> str:
    """Return the host that orders go to."""
    if broker.rest_url is None:
        return PAPER_HOST if broker.paper else LIVE_HOST
    return urlsplit(broker.rest_url).hostname or ""


def check_venue(mode: str, broker: AlpacaBrokerConfig) -> None:
    """Refuse keys and hosts that would make the mode a lie; raises `ConfigError`.

    Watching sends no order, so it may look at either venue with the keys of that one.
    """
    host = host_of(broker)
    if mode == LIVE:
        _check_live(broker.key, host)
    elif host == LIVE_HOST and mode != WATCH:
        raise ConfigError(
            f"APCA_API_BASE_URL names {LIVE_HOST}, which trades real money, and this is {mode}.",
            remedy="Leave it empty, or use `run --live`.",
            code="URL_IS_LIVE",
        )
    elif host == PAPER_HOST and broker.key.startswith(LIVE_KEYS):
        raise ConfigError(
            f"APCA_API_KEY_ID begins with {LIVE_KEYS}: a live account's key at the paper venue.",
            remedy="Put paper keys in (PK...), or use `run --live`.",
            code="KEYS_ARE_LIVE",
        )


def _check_live(key: str, host: str) -> None:
    if key.startswith(PAPER_KEYS):
        raise ConfigError(
            f"--live trades real money, and APCA_API_KEY_ID begins with {PAPER_KEYS}: paper keys.",
            remedy="Put the live account's keys in, or leave --live out.",
            code="KEYS_ARE_PAPER",
        )
    if host != LIVE_HOST and not is_loopback(host):
        raise ConfigError(
            f"--live trades at {LIVE_HOST}, and APCA_API_BASE_URL names {host}.",
            remedy="Leave it empty.",
            code="URL_IS_NOT_LIVE",
        )


def check_account(mode: str, account: Account) -> None:
    """Refuse an account that the venue itself numbers as one of the other kind."""
    is_paper = account.account_id.startswith(PAPER_ACCOUNTS)
    if mode == LIVE and is_paper:
        raise ConfigError(
            "--live trades real money, and the venue says that this is a paper account.",
            remedy="Check APCA_API_BASE_URL and the keys, or leave --live out.",
            code="ACCOUNT_IS_PAPER",
        )
    if mode == PAPER and not is_paper:
        raise ConfigError(
            "The venue says that this account is no paper account, and --live was not given.",
            remedy="Check APCA_API_BASE_URL and the keys, or use `run --live`.",
            code="ACCOUNT_IS_LIVE",
        )


def confirm(plan: Plan, clock: Clock, out: Console, *, confirmed: str | None) -> None:
    """Ask the venue whose account this is; with real money, ask the person, too.

    `confirmed` is the account's whole number, given on the command line where nobody can be asked.
    """
    mode = plan.engine.mode
    if mode == WATCH:
        return
    account = asyncio.run(_account(plan.broker, clock))
    check_account(mode, account)
    if mode != LIVE:
        return
    if confirmed is None and sys.stdin.isatty():
        _ask(plan, account, out)
    elif confirmed != account.account_id:
        raise ConfigError(
            "--confirm-live names another account than the keys open."
            if confirmed
            else "Real money is traded only when a person confirms the account.",
            remedy="Run it in a terminal, or add --confirm-live ACCOUNT_NUMBER.",
            code="LIVE_NOT_CONFIRMED",
        )


def shown(account_number: str) -> str:
    """Return enough of an account's number to tell it from another."""
    return f"...{account_number[-_SHOWN:]}"


def _ask(plan: Plan, account: Account, out: Console) -> None:
    limits = plan.engine.limits
    out.print("REAL MONEY: this bot will trade a live account.", style="bold red")
    out.print(f"  venue     {host_of(plan.broker)}, equity {account.equity} USD")
    out.print(f"  symbols   {', '.join(plan.engine.symbols)}")
    out.print(f"  analyst   {plan.analyst.kind}")
    out.print(f"  an order  at most {limits.max_order_amount} USD")
    typed = out.input(f"Type the last {_SHOWN} characters of the account's number to go on: ")
    if typed.strip() != account.account_id[-_SHOWN:]:
        raise ConfigError(
            "That is not how this account's number ends: nothing was started.",
            remedy="Look it up in Alpaca's dashboard, and check that the keys are its own.",
            code="LIVE_NOT_CONFIRMED",
        )


async def _account(config: AlpacaBrokerConfig, clock: Clock) -> Account:
    broker = AlpacaBroker(config, clock)
    try:
        async with asyncio.timeout(_DEADLINE_S):
            return await broker.account()
    except TimeoutError:
        raise ConfigError(
            f"The venue did not say whose account this is within {_DEADLINE_S:g} s.",
            remedy="Run `autohedge doctor`.",
            code="VENUE_SILENT",
        ) from None
    finally:
        await broker.aclose()
