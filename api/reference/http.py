"""Write the reference of HTTP from the document that the bot itself serves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from prometheus_client import CollectorRegistry

from api.app import create_app
from api.happenings import JOURNALED
from api.reference.markdown import MADE, code, table
from api.security import SecurityConfig
from engine.bus import Bus, EventKind

_INTRO = f"""# HTTP

{MADE}

The bot listens at `http://HOST:PORT` (`http://127.0.0.1:3000`), and at `/docs` shows this with
examples that can be tried; `/openapi.json` is the same for programs. Lists are `{{"items": [...],
"next": "..."}}`, newest first; give `next` as `?after=` for the page that follows. Money and
quantities are strings, times RFC 3339 in UTC. An error is `application/problem+json` with
`title`, `status`, `detail`, `code` and `remedy`.

*Needs* is the scope of the token that is asked for where tokens are set: `Authorization: Bearer
TOKEN` of `API_TOKEN` (all), `API_TOKEN_READ`, `API_TOKEN_TRADE` or `API_TOKEN_APPROVE`; see
[security](../security.md).
"""

_EVENTS = """## Events

`GET /events` streams these, server-sent. What is journaled carries its entry's number as `id`, so
that `Last-Event-ID` resumes without a loss; the rest is told as it comes.
"""


def http_page() -> str:
    """Return the page as Markdown."""
    document = _document()
    parts = [_INTRO]
    for tag in document["tags"]:
        parts.append(f"## {tag['name']}\n\n{tag['description']}\n")
        parts += [
            _operation(method, path, each)
            for path, operations in document["paths"].items()
            for method, each in operations.items()
            if tag["name"] in each["tags"]
        ]
    rows = ((code(kind), "yes" if kind in JOURNALED else "") for kind in EventKind)
    return "\n".join([*parts, _EVENTS, table(("Kind", "Journaled"), rows)])


def _document() -> dict[str, Any]:
    """Return the OpenAPI document of a bot with tokens; nobody is asked for it."""
    nobody: Any = SimpleNamespace(reader=lambda: None)
    security = SecurityConfig(token="-" * 16)
    app = create_app(nobody, security=security, bus=Bus(), registry=CollectorRegistry())
    return app.openapi()


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> str:
    needs = [scope for each in operation["security"] for scope in each["token"]]
    lines = [
        f"### `{method.upper()} {path}`",
        f"{operation['summary']}. Needs: {needs[0] if needs else 'nothing'}.",
    ]
    if operation.get("description"):
        lines.append(" ".join(operation["description"].split()))
    rows = [*_parameters(operation), *_body(operation)]
    if rows:
        lines.append(table(("Field", "In", "May hold", "What"), rows).rstrip())
    answers = ", ".join(code(status) for status in operation["responses"] if status != "default")
    lines.append(f"Answers: {answers}; any error is a problem.")
    return "\n\n".join(lines) + "\n"


def _parameters(operation: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    for each in operation.get("parameters", ()):
        said = each.get("description") or each["schema"].get("description", "")
        yield code(each["name"]), each["in"], _may_hold(each["schema"]), said


def _body(operation: Mapping[str, Any]) -> Iterator[tuple[str, ...]]:
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    for name, schema in body.get("schema", {}).get("properties", {}).items():
        yield code(name), "body", _may_hold(schema), schema.get("description", "")


def _may_hold(schema: Mapping[str, Any]) -> str:
    """Say a schema in a few words."""
    options = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    if options:
        return _may_hold(options[0])
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    words = [str(schema.get("format") or schema.get("type", "anything"))]
    words += [f"from {schema['minimum']}"] if "minimum" in schema else []
    words += [f"to {schema['maximum']}"] if "maximum" in schema else []
    words += [f"at most {schema['maxLength']} characters"] if "maxLength" in schema else []
    default = schema.get("default")
    return " ".join(words) + (f" ({default})" if default not in {None, ""} else "")
