"""The official OpenAPI files as an oracle: every REST answer is held against them."""

import json
import re
import zipfile
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

WHEEL = Path(__file__).parents[3] / ".cache" / "alpaca_mcp_server-2.4.0-py3-none-any.whl"
CHECKS = FormatChecker(formats=("uuid",))
Validate = Callable[[str, str, str, int, Any], None]


@CHECKS.checks("date-time", raises=ValueError)
def _is_instant(value: object) -> bool:
    """RFC 3339, with as many fractional digits as the venue likes."""
    if isinstance(value, str):
        datetime.fromisoformat(re.sub(r"\.\d+", "", value))
    return True


@pytest.fixture(scope="session")
def validate() -> Validate:
    """`validate(api, method, path, status, body)`: api is `trading` or `market-data`.

    Fails when the path is unknown to the API, when a 2xx status is not one it documents, when the
    body breaks its schema, or when an error's body has no message.
    """
    if not WHEEL.exists():
        pytest.fail(f"{WHEEL.name} is missing: run `make openapi`")
    return _validate


def _validate(api: str, method: str, path: str, status: int, body: Any) -> None:
    template, operation = _operation(api, method.lower(), path.partition("?")[0])
    if status >= 400:
        assert isinstance(body, dict), f"{status} of {path} is no error object: {body!r}"
        assert isinstance(body.get("message"), str), f"{status} of {path} has no message"
        return
    assert str(status) in operation["responses"], f"{method} {template} never answers {status}"
    schema = _schema(api, operation["responses"][str(status)])
    if schema is None:
        assert body in (None, "", b""), f"{method} {template} {status} has a body: {body!r}"
        return
    errors = list(_validator(api, json.dumps(schema)).iter_errors(body))
    assert not errors, f"{method} {path}: " + "; ".join(
        f"{error.json_path}: {error.message}" for error in errors[:5]
    )


@cache
def _spec(api: str) -> dict[str, Any]:
    """Read one file from the wheel.

    Its `oneOf` lists overlap (one activity fits both alternatives, the file's own examples too),
    so that no true answer could pass: they are read as `anyOf`.
    """
    with zipfile.ZipFile(WHEEL) as wheel:
        text = wheel.read(f"alpaca_mcp_server/specs/{api}-api.json").decode()
    spec: dict[str, Any] = json.loads(text.replace('"oneOf"', '"anyOf"'))
    return spec


@cache
def _validator(api: str, schema: str) -> Draft202012Validator:
    resource = Resource.from_contents(_spec(api), default_specification=DRAFT202012)
    registry = Registry().with_resource(f"urn:{api}", resource)
    return Draft202012Validator(json.loads(schema), registry=registry, format_checker=CHECKS)


def _operation(api: str, method: str, path: str) -> tuple[str, dict[str, Any]]:
    paths = _spec(api)["paths"]
    for template in sorted(paths, key=lambda text: text.count("{")):
        pattern = re.sub(r"\\\{[^}]+\\\}$", ".+", re.escape(template))
        pattern = re.sub(r"\\\{[^}]+\\\}", "[^/]+", pattern)
        if re.fullmatch(pattern, path) and method in paths[template]:
            return template, paths[template][method]
    pytest.fail(f"the {api} API has no {method.upper()} {path}")


def _schema(api: str, response: dict[str, Any]) -> dict[str, Any] | None:
    """Return a response's JSON schema, its references made absolute; None when it has no body."""
    reference = response.get("$ref")
    if reference:
        response = _spec(api)["components"]["responses"][reference.rpartition("/")[2]]
    schema = response.get("content", {}).get("application/json", {}).get("schema")
    if schema is None:
        return None
    absolute: dict[str, Any] = json.loads(json.dumps(schema).replace('"#/', f'"urn:{api}#/'))
    return absolute
