"""Walk the syntax tree of the product: nobody but the gateway authorizes, sends or cancels."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
PACKAGES = (
    "api",
    "backtest",
    "broker",
    "domain",
    "engine",
    "exchange",
    "feeds",
    "graph",
    "journal",
)
GATEWAY = Path("engine/orders/gateway.py")
DEAD_MAN = Path("engine/deadman/watch.py")
"""The one other hand, in a process of its own, for when the gateway is silent: it only cancels."""
# Whose `submit` and `cancel` are not a broker's: the gateway's own, threads, matching, candles
# (`_of` finds a symbol's in a backtest's data).
OTHERS = re.compile(
    r"(gateway|pool|executor|threads?|venue|matcher|life|candles|cancels|_of\(event\.symbol\)$)(\b|$)",
    re.IGNORECASE,
)


@cache
def sources():
    return tuple(
        (path.relative_to(ROOT), ast.parse(path.read_text(encoding="utf-8")))
        for package in PACKAGES
        for path in sorted((ROOT / package).rglob("*.py"))
    )


def doors(tree):
    """Yield every use of a `submit` or `cancel` that could be a broker's, as text.

    A broker's take one order, so `task.cancel()` is none. A mention without a call is one too: it
    could be called elsewhere.
    """
    called = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called[id(node.func)] = len(node.args) + len(node.keywords)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Attribute) or node.attr not in {"submit", "cancel"}:
            continue
        receiver = ast.unparse(node.value)
        is_bare_cancel = node.attr == "cancel" and called.get(id(node)) == 0
        is_other = OTHERS.search(receiver) is not None and "broker" not in receiver.lower()
        is_own = receiver == "self"
        if not (is_bare_cancel or is_other or is_own):
            yield f"{receiver}.{node.attr}"


def names(tree):
    """Yield every name that a module imports, reads or calls."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr


def test_only_the_gateway_sends_and_cancels():
    """Law 1: every submit and cancel, of exits, flatten and the command line too."""
    found = {path: list(doors(tree)) for path, tree in sources()}
    strangers = {str(path): uses for path, uses in found.items() if uses and path != GATEWAY}
    assert strangers == {str(DEAD_MAN): ["canceler.cancel"]}
    assert sorted(found[GATEWAY]) == ["self._seams.broker.cancel", "self._seams.broker.submit"]


def test_only_the_gateway_authorizes():
    """The graph previews; what it says is advice."""
    users = {path for path, tree in sources() if "authorize" in names(tree)}
    assert {path for path in users if path.parts[:2] != ("domain", "risk")} == {GATEWAY}


def test_only_authorize_makes_an_authorized_order():
    """A wrong order cannot be written down: the type itself is out of reach."""
    makers = {
        path
        for path, tree in sources()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("AuthorizedOrder")
    }
    assert makers == {Path("domain/risk/authorize.py")}


@pytest.mark.parametrize(
    "text",
    [
        "async def f(broker, order): await broker.submit(order)",
        "send = broker.submit",
        "self._venue_broker.cancel(order)",
        "b = self._broker; b.submit(order)",
        "parts.broker.cancel(order, reason='x')",
    ],
)
def test_the_walk_finds_what_it_looks_for(text):
    """A check that cannot fail is none."""
    assert list(doors(ast.parse(text)))
