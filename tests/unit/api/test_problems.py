"""Errors are problems: one shape, a stable code, a remedy, and no stranger's text."""

import pytest

from engine.control import UnknownSymbol


@pytest.mark.parametrize("path", ["/nothing", "/decisions/", "/static/../app.py", "/static/x.js"])
async def test_unknown_path_is_a_problem(desk, path) -> None:
    """404 in the same shape as everything else."""
    answer = await desk.http.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "NOT_FOUND"


async def test_wrong_method_is_a_problem_that_names_the_right_one(desk) -> None:
    """405 keeps its Allow header."""
    answer = await desk.http.get("/start")
    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/decisions?limit=501", "query.limit"),
        ("/decisions?limit=ten", "query.limit"),
        ("/orders?state=lost", "query.state"),
        ("/decisions?outcome=", "query.outcome"),
        ("/report?since=yesterday", "query.since"),
        ("/assets?asset_class=bond", "query.asset_class"),
    ],
)
async def test_wrong_parameter_is_named(desk, path, field) -> None:
    """422 with the field and what it may hold."""
    answer = await desk.http.get(path)
    assert (answer.status_code, answer.json()["code"]) == (422, "REQUEST_INVALID")
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'"x"', b'{"reason": 5}', b'{"resaon": "x"}', b"reason=x", b"\xff"]
)
async def test_wrong_body_is_refused_before_anything_is_done(desk, body) -> None:
    """A misspelt field is an error, not a control without a reason."""
    answer = await desk.http.post("/halt", content=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "REQUEST_INVALID")
    assert await desk.asked() == []


async def test_wrong_values_are_not_repeated(desk) -> None:
    """What was sent may be a secret in the wrong place."""
    answer = await desk.http.post("/halt", json={"password": "hunter2", "reason": ["hunter2"]})
    assert answer.status_code == 422
    assert "hunter2" not in answer.text


@pytest.mark.parametrize("cursor", ["x", "c2VxOng", "%00", "99"])
async def test_cursor_of_nobody_is_refused_by_its_code(desk, cursor) -> None:
    """Cursors are opaque: only ours work."""
    for path in ("/decisions", "/orders"):
        answer = await desk.http.get(f"{path}?after={cursor}")
        assert (answer.status_code, answer.json()["code"]) == (400, "CURSOR_INVALID")
    assert (await desk.http.get("/assets?after=%FF")).json()["code"] == "CURSOR_INVALID"


async def test_body_past_the_limit_is_cut_off(desk) -> None:
    """Declared or chunked, 64 KiB is all that is read."""
    declared = await desk.http.post("/halt", content=b"x" * 70_000)

    async def chunks():
        for _ in range(70):
            yield b"x" * 1000

    chunked = await desk.http.post("/halt", content=chunks())
    for answer in (declared, chunked):
        assert (answer.status_code, answer.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert await desk.asked() == []


async def test_crash_of_a_request_tells_nothing_of_its_cause(desk, caplog) -> None:
    """A stranger's error text may hold a key; the next request works."""
    desk.engine.refusal = ZeroDivisionError("api key sk-123 failed")
    answer = await desk.http.get("/status")
    assert (answer.status_code, answer.json()["code"]) == (500, "INTERNAL_ERROR")
    assert "sk-123" not in answer.text
    desk.engine.refusal = None
    assert (await desk.http.get("/status")).status_code == 200


async def test_a_symbol_that_is_echoed_hides_nothing(desk) -> None:
    """`/decide/S0<zero width space>1` was answered with the space in it, and `instance` as well.

    A terminal that shows the answer would draw one name and hold another, or obey an override.
    """
    told = "S0\u200b1\u202e\x1b[2J\xad is not traded here."
    desk.engine.refusal = UnknownSymbol(told, remedy="Choose of: AAPL.")
    answer = await desk.http.post("/decide/S0%E2%80%8B1%E2%80%AE%C2%AD")
    assert answer.status_code == 404
    assert answer.text.isprintable()
    assert answer.json()["detail"] == "S0\\u200b1\\u202e\\u001b[2J\\u00ad is not traded here."
    assert answer.json()["instance"] == "/decide/S0%E2%80%8B1%E2%80%AE%C2%AD"
