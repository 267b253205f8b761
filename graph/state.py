"""Hold what one run knows: a window file comes in, and each agent adds its answer.

Everything here is plain JSON, so Studio can show it, a person edit it, and a checkpoint keep it.
LangGraph drops unknown keys silently and checks nothing, so `read_window` does.
"""

from __future__ import annotations

import math
import re
from collections import deque
from collections.abc import Iterator
from typing import Any, TypeVar, cast

import msgspec
from typing_extensions import TypedDict

from domain.errors import ConfigError
from domain.limits import Limits
from domain.market import WINDOW_SCHEMA, Window
from domain.records import parse, parse_ns, plain

T = TypeVar("T")

WINDOW_FILE_INVALID = "WINDOW_FILE_INVALID"
WINDOW_SCHEMA_UNKNOWN = "WINDOW_SCHEMA_UNKNOWN"
WINDOW_FIELD_MISSING = "WINDOW_FIELD_MISSING"
WINDOW_FIELD_INVALID = "WINDOW_FIELD_INVALID"

_RECENT: deque[tuple[dict[str, Any], Window]] = deque(maxlen=16)

_MISSING = re.compile(r"Object missing required field `(?P<field>\w+)`(?: - at `\$(?P<path>.*)`)?")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,18}(Z|[+-][0-9:]{5})")
_WRONG = re.compile(r"(?P<what>.+?)(?: - at `\$(?P<path>.*)`)?\Z")


class WindowFile(TypedDict):
    """The graph's input: exactly a window file, as it is saved, pasted or journaled."""

    schema: int
    window: dict[str, Any]


class Context(TypedDict, total=False):
    """What a run is told beside its window: plain values, because over HTTP a dict arrives.

    `analyst` is a name in `graph.analysts.registry` (default `rules`); `deadline_at` is on the
    event loop's own clock, in seconds (default: none). `approve_above` (dollars, as text) lets
    smaller entries go without a person in the graph with approvals; by default none goes.
    """

    analyst: str
    deadline_at: float | None
    approve_above: str | None


class State(TypedDict, total=False):
    """What one run knows so far.

    `directive`, `signal`, `verdict` and `plan` are the agents' answers as they gave them; `request`
    and `checks` are made by code. `outcome`, `reason_code` and, for a person, `problem` say how the
    run ended; while it goes on, they are none.
    """

    schema: int
    window: dict[str, Any]
    directive: dict[str, Any] | None
    signal: dict[str, Any] | None
    verdict: dict[str, Any] | None
    plan: dict[str, Any] | None
    request: dict[str, Any] | None
    checks: list[dict[str, Any]]
    calls: list[dict[str, Any]]
    outcome: str | None
    reason_code: str
    problem: str | None


_EMPTY = State(
    directive=None,
    signal=None,
    verdict=None,
    plan=None,
    request=None,
    checks=[],
    calls=[],
    outcome=None,
    reason_code="",
    problem=None,
)


def emptied(state: State) -> State:
    """Return what the director writes so that a run starts empty.

    A new run on a used thread would start from the old values; a new thread has none to empty.
    """
    used = {key: value for key, value in _EMPTY.items() if key in state}
    return cast("State", used)


def read_window(file: Any) -> Window:
    """Read a window file; raises `ConfigError` that names the first wrong field by its path.

    Codes: `WINDOW_FILE_INVALID` (no object), `WINDOW_SCHEMA_UNKNOWN` (of another major version),
    `WINDOW_FIELD_MISSING`, `WINDOW_FIELD_INVALID` (wrong type, not finite, contradictory).
    """
    if not isinstance(file, dict):
        raise _refusal(WINDOW_FILE_INVALID, 'a window file is an object {"schema", "window"}')
    if "schema" not in file:
        raise _refusal(WINDOW_FIELD_MISSING, "schema is missing")
    if file["schema"] != WINDOW_SCHEMA:
        raise _refusal(
            WINDOW_SCHEMA_UNKNOWN,
            f"window schema {file['schema']!r} is unknown; this version reads {WINDOW_SCHEMA}",
        )
    if "window" not in file:
        raise _refusal(WINDOW_FIELD_MISSING, "window is missing")
    body = file["window"]
    window = _known(body) or _remember(body, _convert(body, Window, "window"))
    _convert(window.limits, Limits, "window.limits")
    for path, is_wrong, why in _faults(window):
        if is_wrong:
            raise _refusal(WINDOW_FIELD_INVALID, f"{path} {why}")
    return window


def window_of(state: State) -> Window:
    """Return the window of a state that the director has already let in."""
    return _known(state["window"]) or _remember(
        state["window"], _convert(state["window"], Window, "window")
    )


def file_of(window: Window) -> WindowFile:
    """Return the window's file, which is read back without parsing it again."""
    body = plain(window)
    _remember(body, window)
    return WindowFile(schema=WINDOW_SCHEMA, window=body)


def _known(body: Any) -> Window | None:
    """Return the window of a plain form that was read just now.

    A run asks for the same window nine times, so the newest few are remembered by the identity of
    their plain form, which nobody changes in place: windows are immutable.
    """
    for known, window in _RECENT:
        if known is body:
            return window
    return None


def _remember(body: dict[str, Any], window: Window) -> Window:
    _RECENT.appendleft((body, window))
    return window


def _convert(value: Any, kind: type[T], name: str) -> T:
    try:
        return parse(value, kind)
    except msgspec.ValidationError as wrong:
        raise _explained(str(wrong), name) from None


def _explained(text: str, name: str) -> ConfigError:
    missing = _MISSING.match(text)
    if missing is not None:
        path = f"{name}{missing['path'] or ''}.{missing['field']}"
        return _refusal(WINDOW_FIELD_MISSING, f"{path} is missing")
    found = _WRONG.match(text)
    what, path = (found["what"], found["path"] or "") if found else (text, "")
    return _refusal(WINDOW_FIELD_INVALID, f"{name}{path}: {what}")


def _faults(window: Window) -> Iterator[tuple[str, bool, str]]:
    """Name what types cannot: numbers that are no prices, times that are none, other symbols."""
    quote, same = window.quote, window.instrument.symbol == window.symbol
    yield "window.bars", not window.bars, "is empty: a decision needs at least one closed bar"
    broken = (i for i, b in enumerate(window.bars) if not _is_candle(b.o, b.h, b.l, b.c))
    index = next(broken, None)
    yield f"window.bars[{index}]", index is not None, "is no candle"
    strange = next((i for i, b in enumerate(window.bars) if _TIME.fullmatch(b.t) is None), None)
    yield f"window.bars[{strange}][0]", strange is not None, "is no time"
    yield "window.quote.bid", not _is_price_or_zero(quote.bid), "is no price"
    yield "window.quote.ask", not _is_price_or_zero(quote.ask), "is no price"
    known = ((name, v) for name, v in window.indicators.items() if v is not None)
    name = next((name for name, value in known if not math.isfinite(value)), None)
    yield f"window.indicators.{name}", name is not None, "is not finite; write null for unknown"
    yield "window.as_of", not _is_time(window.as_of), "is not an RFC 3339 time with zone"
    yield "window.decision_id", not window.decision_id, "is empty"
    yield "window.instrument.symbol", not same, f"is not the window's symbol, {window.symbol}"


def _is_candle(o: float, h: float, low: float, c: float) -> bool:
    return 0 < low <= o <= h < math.inf and low <= c <= h


def _is_price_or_zero(value: float) -> bool:
    return 0 <= value < math.inf


def _is_time(text: str) -> bool:
    try:
        parse_ns(text)
    except ValueError:
        return False
    return True


def _refusal(code: str, message: str) -> ConfigError:
    return ConfigError(f"{message}.", remedy="Mend the window file.", code=code)
