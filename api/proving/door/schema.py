"""Drive every operation of the OpenAPI document with what its schema allows and what it does not.

Schemathesis makes the requests, seeded, over a real socket. `/events` never ends and is left to the
callers, who are refused there; its one header is tried by itself.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import requests

from domain.errors import ConfigError

if TYPE_CHECKING:
    from schemathesis import Case

STREAM = "/events"
_TIMEOUT_S = 30.0
_SERVER_ERROR = 500
_NOT_A_REFUSAL = 400
_SHOWN = 400


@dataclass
class Fuzzed:
    """What came of it: answers by status, and each answer that no client could rely on."""

    statuses: Counter[int] = field(default_factory=Counter)
    by_operation: Counter[str] = field(default_factory=Counter)
    server_errors: list[str] = field(default_factory=list)
    unlike_schema: list[str] = field(default_factory=list)

    @property
    def cases(self) -> int:
        """Return how many requests were answered."""
        return self.statuses.total()


@dataclass(frozen=True, kw_only=True)
class Drive:
    """How to drive: with which token, how many examples an operation and mode, until when."""

    url: str
    token: str
    examples: int
    seed: int
    seconds: float


def drive(schema: dict[str, Any], how: Drive, tell: Callable[[], None]) -> Fuzzed:
    """Send valid and invalid requests to every operation; blocking, so run it on a thread."""
    try:
        import hypothesis as h  # noqa: PLC0415 - an extra that running a bot does not need
        import schemathesis  # noqa: PLC0415
        from schemathesis.core.result import Ok  # noqa: PLC0415
    except ImportError as missing:
        raise ConfigError(
            f"The door's campaign needs {missing.name}.",
            remedy="pip install 'autohedge[prove]'",
            code="EXTRA_MISSING",
        ) from missing
    found, until = Fuzzed(), 0.0
    share_s = how.seconds / len(schema["paths"])
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    settings = h.settings(
        max_examples=how.examples,
        database=None,
        deadline=None,
        derandomize=False,
        phases=(h.Phase.generate,),
        suppress_health_check=list(h.HealthCheck),
    )
    with requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {how.token}"

        def one(case: Case) -> None:
            if time.monotonic() < until:
                _send(case, session, how.url, found)
                tell()

        for result in schemathesis.openapi.from_dict(_unlocked(schema)).get_all_operations():
            operation = result.ok() if isinstance(result, Ok) else None
            if operation is None:
                found.unlike_schema.append(f"an operation cannot be read: {result}"[:_SHOWN])
                continue
            if operation.path == STREAM:
                continue
            for mode in modes:
                until = time.monotonic() + share_s / len(modes)
                strategy = operation.as_strategy(generation_mode=mode)
                try:
                    h.seed(how.seed)(settings(h.given(strategy)(one)))()
                except h.errors.Unsatisfiable:
                    continue
    return found


def _unlocked(schema: dict[str, Any]) -> dict[str, Any]:
    """Leave the locks out, or tokens would be made up over the one that we send."""
    paths = {
        path: {
            method: {name: part for name, part in operation.items() if name != "security"}
            for method, operation in operations.items()
        }
        for path, operations in schema["paths"].items()
    }
    return {**schema, "paths": paths}


def _send(case: Case, session: requests.Session, url: str, found: Fuzzed) -> None:
    from schemathesis.checks import not_a_server_error  # noqa: PLC0415 - the extra, as above
    from schemathesis.core.errors import InvalidSchema  # noqa: PLC0415
    from schemathesis.core.failures import Failure, FailureGroup  # noqa: PLC0415
    from schemathesis.specs.openapi import checks  # noqa: PLC0415

    answer = case.call(base_url=url, session=session, timeout=_TIMEOUT_S)
    found.statuses[answer.status_code] += 1
    found.by_operation[f"{case.method} {case.operation.path}"] += 1
    told = f"{case.as_curl_command()}: {answer.status_code} {answer.text}"[:_SHOWN]
    if answer.status_code >= _SERVER_ERROR:
        found.server_errors.append(told)
    try:
        case.validate_response(
            answer,
            checks=[
                not_a_server_error,
                checks.content_type_conformance,
                checks.response_schema_conformance,
                checks.status_code_conformance,
            ],
        )
    except (Failure, FailureGroup, InvalidSchema) as failed:
        if answer.status_code < _SERVER_ERROR:
            found.unlike_schema.append(f"{type(failed).__name__}: {failed} {told}"[:_SHOWN])
