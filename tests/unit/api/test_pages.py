"""The pages and the reference: whole, our own, and true to the routes."""

import re
from importlib.resources import files

import jsonschema
import pytest

from domain.decisions import Outcome
from engine.bus import EventKind
from graph.build import LABELS

PAGES = files("api").joinpath("desk")
SCRIPTS = tuple(sorted(each.name for each in PAGES.iterdir() if each.name.endswith(".js")))
UNREADABLE = {"/events", "/metrics", "/windows/{digest}", "/decisions/{decision_id}/replay"}
"""What answers no record of ours, or needs a window that a graph can run on."""
ENDPOINTS = {
    "post": {
        "/start",
        "/stop",
        "/halt",
        "/reduce",
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
        "/decisions/{decision_id}/replay",
        "/windows/{digest}",
        "/bars/{symbol}",
        "/limits",
        "/vitals",
        "/equity",
        "/fills",
        "/actions",
        "/funnel",
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
    assert len(loaded) >= 3
    for target in [each for each in loaded if not each.startswith("#")]:
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
    assert {path.removeprefix("./") for path in re.findall(r'from "([^"]+)"', text)} <= set(SCRIPTS)
    assert "https://" not in text
    assert set(re.findall(r"http://[^\"'` ]*", text)) <= {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_uses_what_it_imports(name) -> None:
    """No tool looks at the scripts, so this does: a name that is imported is there, and used."""
    text = PAGES.joinpath(name).read_text(encoding="utf-8")
    for names, source in re.findall(r'import \{([^}]*)\} from "./([^"]+)"', text):
        there = PAGES.joinpath(source).read_text(encoding="utf-8")
        for each in (part.strip() for part in names.split(",")):
            assert re.search(rf"export (async )?(const|function|class) {each}\b", there), each
            assert len(re.findall(rf"(?<![.\w]){each}\b", text)) > 1, each


async def test_every_question_of_the_desk_has_its_route(desk) -> None:
    """A renamed route breaks this test before it breaks a page."""
    paths = (await desk.http.get("/openapi.json")).json()["paths"]
    known = {(verb, "/" + path.split("/")[1]) for path, verbs in paths.items() for verb in verbs}
    script = "\n".join(PAGES.joinpath(name).read_text(encoding="utf-8") for name in SCRIPTS)
    asked = re.findall(r'ask\("(GET|POST)", (?:query\()?[`"](/[a-z-]+)', script)
    asked += [("POST", path) for path in re.findall(r'control\([`"](/[a-z-]+)', script)]
    assert {(verb.lower(), path) for verb, path in asked} - {("get", "/openapi")} <= known
    assert {path for _, path in asked} >= {
        "/status",
        "/bars",
        "/decide",
        "/halt",
        "/limits",
        "/vitals",
        "/funnel",
        "/equity",
    }


async def test_scripts_are_kept_for_ever_under_an_address_of_their_content(desk) -> None:
    """A page opened again asks for itself alone; no page mixes the scripts of two versions."""
    page = await desk.http.get("/")
    assert page.headers["cache-control"] == "no-store"
    (script,) = re.findall(r'src="(/static/[0-9a-f]{12}/main.js)"', page.text)
    answer = await desk.http.get(script)
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-security-policy"] == page.headers["content-security-policy"]
    assert "'unsafe" not in answer.headers["content-security-policy"]
    assert (await desk.http.get(script.replace("main.js", "assets.py"))).status_code == 404


def test_desk_has_words_for_every_kind_of_event() -> None:
    """A new kind of event is told, or said to be quiet."""
    script = PAGES.joinpath("happenings.js").read_text(encoding="utf-8")
    told = set(re.findall(r"^  ([a-z_]+): \(d\)", script, re.MULTILINE))
    quiet = set(re.findall(r'"([a-z_]+)"', re.findall(r"QUIET = new Set\((.*)\)", script)[0]))
    assert told | quiet == {kind.value for kind in EventKind}


def test_drawn_graph_is_the_graph_of_the_code() -> None:
    """An edge that is added to the graph is added to its picture."""
    script = PAGES.joinpath("graph.js").read_text(encoding="utf-8")
    drawn = set(re.findall(r'^  \["(\w+)", "(\w+)"|\], \["(\w+)", "(\w+)"', script, re.MULTILINE))
    edges = {(a or c, b or d) for a, b, c, d in drawn}
    assert edges == {*LABELS, ("approval", "__end__")}


def test_every_outcome_can_be_filtered_for() -> None:
    """A new way for a run to end is found in the list of decisions."""
    script = PAGES.joinpath("decisions.js").read_text(encoding="utf-8")
    (listed,) = re.findall(r"OUTCOMES = \[(.*)\];", script)
    assert set(re.findall(r'"(\w+)"', listed)) == {outcome.value for outcome in Outcome}


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
    paths = sorted(ENDPOINTS["get"] - UNREADABLE)
    for path in paths:
        answer = await desk.http.get(path.format(decision_id="d1", symbol="BTC/USD"))
        assert answer.status_code == 200, path
        content = schema["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
        validator(schema, content["schema"]).validate(answer.json())
    problem = (await desk.http.get("/nothing")).json()
    validator(schema, {"$ref": "#/components/schemas/Problem"}).validate(problem)
