"""The pages and the reference: whole, our own, and true to the routes."""

import re
from importlib.resources import files

import jsonschema
import pytest

from domain.decisions import Outcome
from engine.bus import EventKind

PAGES = files("api").joinpath("dashboard")
SCRIPTS = ("status.js", "docs.js", "server.js")
ENDPOINTS = {
    "post": {
        "/start",
        "/stop",
        "/halt",
        "/resume",
        "/flatten",
        "/cancel-all",
        "/decide/{symbol}",
        "/reconcile",
        "/approvals/{decision_id}/approve",
        "/approvals/{decision_id}/reject",
    },
    "get": {
        "/assets",
        "/status",
        "/health",
        "/account",
        "/positions",
        "/orders",
        "/decisions",
        "/decisions/{decision_id}",
        "/windows/{digest}",
        "/approvals",
        "/events",
        "/report",
        "/metrics",
    },
}


@pytest.mark.parametrize("path", ["/", "/docs"])
async def test_page_is_whole_and_loads_nothing_from_elsewhere(desk, path) -> None:
    """Whoever's script runs on this page can trade: every one is ours."""
    page = await desk.http.get(path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert loaded
    for target in loaded:
        answer = await desk.http.get(target)
        assert answer.status_code == 200, target
        assert target.startswith("/")
    assert "<script>" not in page.text
    assert " style=" not in page.text


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_never_reads_text_as_markup_and_imports_only_ours(name) -> None:
    """A headline or a model's answer is shown, never run."""
    text = PAGES.joinpath(name).read_text(encoding="utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)
    assert set(re.findall(r'from "([^"]+)"', text)) <= {"/static/server.js"}
    assert "https://" not in text
    assert set(re.findall(r"http://[^\"'` ]*", text)) <= {"http://www.w3.org/2000/svg"}


async def test_every_button_and_question_of_the_page_has_its_route(desk) -> None:
    """A renamed route breaks this test before it breaks the page."""
    paths = (await desk.http.get("/openapi.json")).json()["paths"]
    html = PAGES.joinpath("status.html").read_text(encoding="utf-8")
    for control in re.findall(r'data-control="([a-z-]+)"', html):
        assert "post" in paths[f"/{control}"]
    script = PAGES.joinpath("status.js").read_text(encoding="utf-8")
    asked = re.findall(r'ask\("(GET|POST)", [`"](/[a-z]+)', script)
    assert {path for _, path in asked} >= {"/status", "/positions", "/orders", "/decisions"}
    known = {(verb, "/" + path.split("/")[1]) for path, verbs in paths.items() for verb in verbs}
    assert {(verb.lower(), path) for verb, path in asked} <= known


def test_page_has_words_for_every_kind_of_event() -> None:
    """A new kind of event is shown, or said to be quiet."""
    script = PAGES.joinpath("status.js").read_text(encoding="utf-8")
    told = set(re.findall(r"^  ([a-z_]+): \(d\)", script, re.MULTILINE))
    quiet = set(re.findall(r'"([a-z_]+)"', re.findall(r"QUIET = new Set\((.*)\)", script)[0]))
    assert told | quiet == {kind.value for kind in EventKind}


async def test_reference_has_every_endpoint_with_a_summary(desk) -> None:
    """Nothing is served that the reference does not explain."""
    schema = (await desk.http.get("/openapi.json")).json()
    for method, expected in ENDPOINTS.items():
        found = {path for path, operations in schema["paths"].items() if method in operations}
        assert found == expected
        for path in found:
            operation = schema["paths"][path][method]
            assert operation["summary"]
            assert operation["description"]
            assert "application/problem+json" in operation["responses"]["default"]["content"]


def validator(schema: dict, part: dict) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator({**part, "components": schema["components"]})


async def test_every_example_is_what_its_type_says(desk) -> None:
    """An example that drifts from its type misleads more than none."""
    schema = (await desk.http.get("/openapi.json")).json()
    examples = 0
    for operations in schema["paths"].values():
        for operation in operations.values():
            parts = [*operation["responses"].values(), operation.get("requestBody", {})]
            for content in (c for part in parts for c in part.get("content", {}).values()):
                if "example" in content:
                    validator(schema, content["schema"]).validate(content["example"])
                    examples += 1
    assert examples > 20


async def test_real_answers_are_what_the_reference_says(desk) -> None:
    """What is written and what is served are made from the same types."""
    story = [desk.decision("d1", outcome=Outcome.ORDERED), *desk.order_story("d1")]
    await desk.journal.append(*story)
    schema = (await desk.http.get("/openapi.json")).json()
    paths = sorted(ENDPOINTS["get"] - {"/events", "/metrics", "/windows/{digest}"})
    for path in paths:
        answer = await desk.http.get(path.replace("{decision_id}", "d1"))
        assert answer.status_code == 200, path
        content = schema["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
        validator(schema, content["schema"]).validate(answer.json())
    problem = (await desk.http.get("/nothing")).json()
    validator(schema, {"$ref": "#/components/schemas/Problem"}).validate(problem)
