"""What the exchange's tests share: the official OpenAPI files as an oracle, a market to move."""

import json
import re
import zipfile
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from exchange.clock import VenueClock
from exchange.matching.knobs import Knobs
from exchange.matching.listing import crypto_pair, us_equity
from exchange.matching.sessions import Sessions, to_ns
from exchange.venue import Credentials, Venue

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


class Market:
    """A venue whose time stands still until a test moves it, and the events it has sent.

    It starts on a Thursday at 10:00 New York.
    """

    def __init__(
        self,
        *,
        at: str = "2026-10-08T14:00:00+00:00",
        sessions: Sessions | None = None,
        **knobs: Any,
    ) -> None:
        self._wall_ns = 0
        self.venue = Venue(
            clock=VenueClock(
                origin_ns=to_ns(datetime.fromisoformat(at)), wall=lambda: self._wall_ns
            ),
            listings=[
                us_equity("AAPL"),
                us_equity("PENY"),
                us_equity("HARD", shortable=False, fractionable=False),
                us_equity("GONE", active=False),
                us_equity("LOCK", tradable=False),
                crypto_pair("BTC/USD"),
            ],
            credentials=Credentials(key="key", secret="secret"),
            knobs=Knobs(**{"partial_rate": 0.0, **knobs}),
            sessions=sessions,
        )
        self.events: list[dict[str, Any]] = []
        self.venue.subscribe_orders(self.events.append)

    def quote(self, symbol: str, bid: float, ask: float, size: float = 1000.0) -> None:
        """Play a quote of now."""
        self.venue.on_quote(symbol, bid, size, ask, size, self.venue.clock.now_ns())

    def trade(self, symbol: str, price: float) -> None:
        """Play a print of now."""
        self.venue.on_trade(symbol, price, 100.0, self.venue.clock.now_ns())

    def open_with(self, bid: float = 99.98, ask: float = 100.0) -> "Market":
        """Quote AAPL around a hundred and BTC/USD around fifty thousand."""
        self.quote("AAPL", bid, ask)
        self.quote("PENY", 0.5, 0.51)
        self.quote("HARD", 20.0, 20.02)
        self.quote("BTC/USD", 49_990.0, 50_000.0)
        return self

    def wait(self, **delta: float) -> None:
        """Let time pass, quietly."""
        self._wall_ns += int(timedelta(**delta) / timedelta(microseconds=1)) * 1000
        self.venue.advance()

    def order(self, side: str, qty: Any, symbol: str = "AAPL", **fields: Any) -> dict[str, Any]:
        """Enter an order: at the market for the day unless the fields say otherwise."""
        lifetime = "gtc" if "/" in symbol else "day"
        body = {"symbol": symbol, "qty": qty, "side": side, "type": "market"}
        return self.venue.submit(body | {"time_in_force": lifetime} | fields)

    def limit(self, side: str, qty: Any, price: Any, **fields: Any) -> dict[str, Any]:
        """Enter a limit order."""
        return self.order(side, qty, type="limit", limit_price=price, **fields)

    def status(self, order: dict[str, Any]) -> str:
        """Return an order's status now."""
        return str(self.venue.order(order["id"])["status"])

    def story(self) -> list[str]:
        """Return what has happened as `event role-or-side`, oldest first."""
        return [
            f"{event['event']} {event['order'].get('group_role') or event['order']['side']}"
            for event in self.events
        ]


@pytest.fixture(scope="session")
def new_market() -> type[Market]:
    """Return the class: a test makes its market with the knobs it wants."""
    return Market


@pytest.fixture
def market() -> Market:
    """Return a market with quotes, no partial fills, in regular hours."""
    return Market().open_with()
