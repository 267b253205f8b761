"""Scopes: every route declares what it needs, and a token opens its own scope and no other."""

import re
from collections.abc import Iterator

import pytest
from fastapi import APIRouter
from starlette.routing import Route

from api.app import served_routes
from api.security import Access, AccessTable, SecurityConfig, declared, needs
from domain.errors import ConfigError

TOKENS = {
    "token": "full-0123456789abcdef",
    "read_token": "read-0123456789abcdef",
    "trade_token": "trade-0123456789abcdef",
    "approve_token": "approve-0123456789abcdef",
}
OPENS = {
    "token": {Access.READ, Access.TRADE, Access.APPROVE},
    "read_token": {Access.READ},
    "trade_token": {Access.READ, Access.TRADE},
    "approve_token": {Access.READ, Access.APPROVE},
}
_RATES = ("open_rate", "read_rate", "control_rate", "protective_rate")
GENEROUS = dict.fromkeys(_RATES, (1e6, 1_000_000))


def operations() -> Iterator[tuple[str, str, Access]]:
    """Every (method, path, access) that is served, with something in place of parameters."""
    for route in served_routes():
        assert isinstance(route, Route)
        access = declared(route)
        assert access is not None, f"{route.path} declares no scope: add @needs(...)"
        for method in sorted((route.methods or set()) - {"HEAD"}):
            yield method, re.sub(r"\{\w+(:\w+)?\}", "AAPL", route.path), access


def test_every_route_declares_its_scope_and_what_changes_anything_is_never_open() -> None:
    """A route added without a scope, or a control that reading opens, fails here."""
    found = list(operations())
    assert len(found) > 20
    for method, path, access in found:
        assert access is not Access.FULL, path
        assert (method == "GET") == (access in {Access.OPEN, Access.READ}), path


async def test_the_application_serves_no_route_beside_those(desk) -> None:
    """Nothing is mounted where the walk above does not see it."""
    assert [route for route in desk.app.routes if isinstance(route, Route)] == []
    for path in ("/redoc", "/docs/oauth2-redirect"):
        assert (await desk.http.get(path)).status_code == 404


@pytest.mark.parametrize("holder", TOKENS)
async def test_a_token_opens_its_own_scope_and_no_other(serving, holder) -> None:
    """403 names the scope that is needed, and the engine is not asked."""
    desk = await serving(SecurityConfig(**TOKENS, **GENEROUS))
    headers = {"authorization": f"Bearer {TOKENS[holder]}"}
    for method, path, access in operations():
        if path == "/events" or access is Access.OPEN or access in OPENS[holder]:
            continue
        answer = await desk.http.request(method, path, headers=headers)
        body = answer.json()
        assert (answer.status_code, body["code"]) == (403, "SCOPE_MISSING"), path
        assert answer.headers["content-type"] == "application/problem+json"
        assert f"'{access}'" in body["detail"]
        assert f"API_TOKEN_{access.upper()}" in body["remedy"]
        assert f'scope="{access}"' in answer.headers["www-authenticate"]
    assert desk.engine.asked == []


@pytest.mark.parametrize("holder", TOKENS)
async def test_a_token_is_let_in_where_its_scope_reaches(serving, holder) -> None:
    """Whatever the route then says about AAPL, it is no refusal of the door."""
    desk = await serving(SecurityConfig(**TOKENS, **GENEROUS))
    headers = {"authorization": f"Bearer {TOKENS[holder]}"}
    for method, path, access in operations():
        if path != "/events" and (access is Access.OPEN or access in OPENS[holder]):
            answer = await desk.http.request(method, path, headers=headers)
            assert answer.status_code not in {401, 403}, path


@pytest.mark.parametrize("given", [None, "Bearer wrong-0123456789abcdef", "Basic full"])
async def test_no_token_and_a_wrong_one_open_nothing(serving, given) -> None:
    """401 on every route that is not open, and on paths that are not there."""
    desk = await serving(SecurityConfig(**TOKENS, **GENEROUS))
    headers = {} if given is None else {"authorization": given}
    closed = [each for each in operations() if each[2] is not Access.OPEN]
    for method, path, _ in [*closed, ("GET", "/nothing", Access.READ)]:
        answer = await desk.http.request(method, path, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "TOKEN_INVALID"), path
        assert answer.headers["content-type"] == "application/problem+json"
    assert desk.engine.asked == []


async def test_two_authorizations_are_none(serving) -> None:
    """What one part of the way reads first, another may read last."""
    desk = await serving(SecurityConfig(**TOKENS))
    both = [("authorization", f"Bearer {TOKENS['token']}"), ("authorization", "Bearer x")]
    assert (await desk.http.post("/start", headers=both)).status_code == 401


async def test_one_scoped_token_closes_everything_else(serving) -> None:
    """With a reader's token alone, nobody trades over HTTP, not even from this machine."""
    desk = await serving(SecurityConfig(read_token=TOKENS["read_token"]))
    assert (await desk.http.post("/start")).status_code == 401
    headers = {"authorization": f"Bearer {TOKENS['read_token']}"}
    assert (await desk.http.get("/status", headers=headers)).status_code == 200
    assert (await desk.http.post("/start", headers=headers)).status_code == 403


async def test_a_control_is_journaled_with_the_token_it_came_by(serving) -> None:
    """Who halted: the trader's token or the full one?"""
    desk = await serving(SecurityConfig(**TOKENS))
    headers = {"authorization": f"Bearer {TOKENS['trade_token']}"}
    await desk.http.post("/halt", headers=headers)
    (asked,) = await desk.asked()
    assert asked[1]["actor"] == "http:127.0.0.1:API_TOKEN_TRADE"


def test_a_route_that_declares_nothing_needs_the_full_token() -> None:
    """Forgotten means shut."""
    router = APIRouter()

    @router.get("/forgotten")
    async def forgotten() -> None: ...

    @router.get("/known/{name}")
    @needs(Access.READ)
    async def known(name: str) -> None: ...

    table = AccessTable(router.routes)
    asked = {"type": "http", "method": "GET", "path": "/forgotten", "headers": []}
    assert table.needed(asked) is Access.FULL
    assert table.needed({**asked, "path": "/known/x"}) is Access.READ
    assert table.needed({**asked, "path": "/nowhere"}) is Access.READ


@pytest.mark.parametrize(
    "options",
    [
        {"read_token": "short"},
        {"token": TOKENS["token"], "trade_token": TOKENS["token"]},
        {"approve_token": "unprintable-0123456\x7f"},
    ],
)
def test_tokens_that_could_be_guessed_or_confused_are_refused(options) -> None:
    """One line that names the setting."""
    with pytest.raises(ConfigError, match="API_TOKEN"):
        SecurityConfig(**options)


async def test_the_schema_names_the_scope_of_each_operation(serving) -> None:
    """A client reads there which token to send."""
    desk = await serving(SecurityConfig(**TOKENS))
    headers = {"authorization": f"Bearer {TOKENS['read_token']}"}
    schema = (await desk.http.get("/openapi.json", headers=headers)).json()
    assert schema["paths"]["/halt"]["post"]["security"] == [{"token": ["trade"]}]
    assert schema["paths"]["/status"]["get"]["security"] == [{"token": ["read"]}]
    assert schema["paths"]["/health"]["get"]["security"] == []
    assert schema["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


async def test_all_references_of_the_schema_exist(desk) -> None:
    """/reconcile once named a component that was not there, so no client could read its answer."""
    schema = (await desk.http.get("/openapi.json")).json()
    named = set(re.findall(r"#/components/schemas/([^\"']+)", str(schema)))
    assert named <= set(schema["components"]["schemas"])
