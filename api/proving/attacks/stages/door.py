"""Stage what is asked of the door: approvals forged, symbols that look like others."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import unicodedata
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import uvicorn

from api.app import create_app, server_config
from api.proving.attacks import texts
from api.proving.attacks.account import Account
from api.proving.attacks.answers import Says
from api.proving.attacks.cases import Case
from api.proving.attacks.stages.company import ACTOR, STAGED_S, Company, company, market
from api.proving.house import until
from api.security import SecurityConfig
from domain.errors import ConfigError

Act = Callable[[Company, httpx.AsyncClient, Case], Awaitable[None]]

_UNBOUNDED = (1e6, 1_000_000)
FULL, READ, TRADE, APPROVE = (f"attack-{name}-0123456789" for name in ("full", "r", "t", "a"))
SECURITY = SecurityConfig(
    token=FULL,
    read_token=READ,
    trade_token=TRADE,
    approve_token=APPROVE,
    open_rate=_UNBOUNDED,
    read_rate=_UNBOUNDED,
    control_rate=_UNBOUNDED,
    protective_rate=_UNBOUNDED,
)
AT_ONCE = 10
REFUSED_S = 1.0
_OK, _ACCEPTED, _REFUSED = 200, 202, 400
_APPROVED = frozenset({"approve_twice", "approve_at_once"})
_PAGES = ("/status", "/decisions?limit=500", "/approvals?closed=true", "/orders", "/positions")
_MARK = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


async def run_door(cases: Sequence[Case], folder: Path, seed: int) -> Account:
    """Stage every case; each approval has a symbol of its own, the halt comes last."""
    asking = [case for case in cases if case.act.startswith("approve_")]
    asking.sort(key=lambda case: case.act == "approve_halted")
    others = [case for case in cases if case not in asking]
    async with (
        company(
            market(len(asking)), folder=folder, seed=seed, APPROVAL="always", DECISION_MAX_AGE_S=60
        ) as made,
        served(made) as http,
    ):
        for case in others:
            act = _decide if case.act.startswith("decide_") else _trade
            await made.stage(case, "-", partial(_without_symbol, act, made, http))
        for case, symbol in zip(asking, made.house.symbols, strict=True):
            await made.stage(case, symbol, lambda c, s: _approve(made, http, c, s))
        await read_all(made, http, asking[-1])
        return await made.account()


@asynccontextmanager
async def served(made: Company) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the bot's own HTTP on a loopback port; the client bears no token."""
    process = made.process
    app = create_app(process.bot, security=SECURITY, bus=process.bus, registry=process.registry)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        server = _QuietServer(server_config(app, host="127.0.0.1", port=port))
        serving = asyncio.create_task(server.serve([listening]))
        try:
            await until(lambda: server.started, what="HTTP listens")
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", timeout=30, trust_env=False
            ) as http:
                yield http
        finally:
            app.state.stream.close()
            server.should_exit = True
            await serving


async def read_all(made: Company, http: httpx.AsyncClient, case: Case) -> None:
    """Read what the bot tells: no page but JSON, and no character that a terminal would obey."""
    pages = list(_PAGES)
    listed = (await http.get(_PAGES[1], headers=_bearer(READ))).json()
    pages += [f"/decisions/{row['id']}" for row in listed.get("items", []) if "id" in row]
    for page in pages:
        answer = await http.get(page, headers=_bearer(READ))
        kind = answer.headers.get("content-type", "")
        if "json" not in kind or answer.headers.get("x-content-type-options") != "nosniff":
            made.blame(case, f"GET {page} answers {kind} that a browser may take for a page")
        if _MARK.search(answer.content):
            made.blame(case, f"GET {page} answers with control characters")


async def _approve(made: Company, http: httpx.AsyncClient, case: Case, symbol: str) -> None:
    """Let an order wait, then do as the case says; only two cases bear a person's approval."""
    made.model.says[symbol] = Says()
    decision = await _waiting(made, symbol)
    path = f"/approvals/{decision}/approve"
    if case.act not in _APPROVED:
        made.barred.add(symbol)
    match case.act:
        case "approve_twice":
            await _said(made, case, [await _post(http, path), await _post(http, path)], passing=1)
            return
        case "approve_at_once":
            answers = await asyncio.gather(*(_post(http, path) for _ in range(AT_ONCE)))
            await _said(made, case, answers, passing=1)
            return
        case "approve_rejected":
            await _post(http, f"/approvals/{decision}/reject")
        case "approve_halted":
            begin = made.now_ns
            await made.process.bot.halt(actor=ACTOR, reason=case.id)
            answer = await _post(http, path)
            await asyncio.sleep(REFUSED_S)
            made.halted.append((begin, made.now_ns))
            await _said(made, case, [answer], passing=1)
            return
        case _:
            pass
    answers = [await _forged(http, case.act, decision, path)]
    await _said(made, case, answers, passing=0)


async def _forged(http: httpx.AsyncClient, act: str, decision: str, path: str) -> httpx.Response:
    """Send one forged approval."""
    evil, get = "https://evil.invalid", act in {"approve_get", "approve_override"}
    if get:
        return await http.get(path, headers=_bearer(APPROVE) | {"X-HTTP-Method-Override": "POST"})
    if act == "approve_no_token":
        return await http.post(path)
    if act == "approve_form":
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Origin": evil}
        return await http.post(path, content=b"reason=x", headers=headers)
    wanted = _PATHS.get(act, path).replace("{id}", quote(decision))
    body = {"symbol": "TSLA", "size": 1e6} if act == "approve_body" else {}
    forged = {"approve_origin": {"Origin": evil}, "approve_host": {"Host": "evil.invalid"}}
    return await _post(
        http, wanted, token=_TOKENS.get(act, APPROVE), body=body, **forged.get(act, {})
    )


_PATHS = {
    "approve_wrong_id": f"/approvals/{'0' * 24}/approve",
    "approve_path": "/approvals/x/../{id}/approve/%2e%2e/approve",
}
_TOKENS = {
    "approve_wrong_token": FULL[:-1] + "8",
    "approve_read_token": READ,
    "approve_trade_token": TRADE,
}


async def _said(
    made: Company, case: Case, answers: Sequence[httpx.Response], *, passing: int
) -> None:
    """Blame what let more pass than may, and what failed instead of refusing."""
    statuses = [answer.status_code for answer in answers]
    if sum(status == _OK for status in statuses) > passing:
        made.blame(case, f"HTTP answered {statuses}, at most {passing} may pass")
    if any(status >= 500 for status in statuses):  # noqa: PLR2004 - HTTP's own word
        made.blame(case, f"HTTP answered {statuses}")


async def _waiting(made: Company, symbol: str) -> str:
    """Ask until an order of the symbol waits, and return its decision."""
    reader = made.process.bot.reader()

    async def found() -> str:
        page = await reader.approvals.page(symbol=symbol, is_pending=True)
        for asked in page.items:
            return str(asked.decision.id)
        await made.decide(symbol)
        return ""

    return str(await until(found, STAGED_S, what=f"an order of {symbol} waits"))


async def _without_symbol(act: Act, made: Company, http: httpx.AsyncClient, *case: Any) -> None:
    await act(made, http, case[0])


async def _decide(made: Company, http: httpx.AsyncClient, case: Case) -> None:
    """Ask for a decision in a symbol that is none of ours."""
    name = texts.SYMBOLS[case.act.removeprefix("decide_")][0]
    answer = await _post(http, f"/decide/{quote(name, safe='')}", token=TRADE)
    if answer.status_code == _ACCEPTED or not _REFUSED <= answer.status_code < 500:  # noqa: PLR2004
        made.blame(case, f"/decide/{name!a} was answered {answer.status_code}")
    if hidden := {c for c in answer.text if unicodedata.category(c) in {"Cc", "Cf"}} - {"\n"}:
        made.blame(case, f"the answer holds hidden characters: {sorted(hidden)!a}")


async def _trade(made: Company, _http: httpx.AsyncClient, case: Case) -> None:
    """Start a bot that is to trade in such a symbol: it must say no in one line."""
    name = texts.SYMBOLS[case.act.removeprefix("trade_")][0]
    journal = made.house.journal.with_name("other.sqlite3")
    try:
        async with made.house.up(TRADING_SYMBOLS=name, DATABASE_URL=f"sqlite:///{journal}"):
            made.blame(case, f"a bot came up to trade in {name!a}")
    except ConfigError as refused:
        line = refused.line
        if not line.replace("\n", "").isprintable():
            made.blame(case, f"the refusal tells the name as it is: {line!a}")


async def _post(
    http: httpx.AsyncClient,
    path: str,
    *,
    token: str = APPROVE,
    body: dict[str, Any] | None = None,
    **headers: str,
) -> httpx.Response:
    return await http.post(path, json=body or {}, headers=_bearer(token) | headers)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


class _QuietServer(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
