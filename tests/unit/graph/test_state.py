"""What the graph takes as a window file, and how it says what is wrong with one."""

from __future__ import annotations

import copy
import json
import math
from typing import Any

import pytest

from domain.errors import ConfigError
from domain.market import Window
from domain.records import plain
from graph.state import State, emptied, read_window, window_of
from tests.unit.graph.conftest import make_window

REQUIRED = [
    "symbol", "asset_class", "as_of", "interval_s", "session", "bars", "quote", "indicators",
    "n_bars_seen", "account", "limits", "floors", "instrument", "prompts", "decision_id",
    "wake_reason", "quote.bid", "quote.ask", "quote.ts_recv", "account.equity",
    "account.buying_power", "instrument.tick", "instrument.lot", "instrument.min_notional",
]  # fmt: skip


def file() -> dict[str, Any]:
    return {"schema": 1, "window": plain(make_window())}


def put(target: dict[str, Any], path: str, value: Any) -> None:
    *parents, last = path.split(".")
    for name in parents:
        target = target[name]
    target[last] = value


def drop(target: dict[str, Any], path: str) -> None:
    *parents, last = path.split(".")
    for name in parents:
        target = target[name]
    del target[last]


def test_a_saved_window_reads_back_as_itself() -> None:
    """Through JSON text, as a person would paste it."""
    window = make_window()
    read = read_window(json.loads(json.dumps(file())))
    assert read == window
    assert read.digest == window.digest


@pytest.mark.parametrize("path", REQUIRED)
def test_a_missing_field_is_named_with_its_path(path: str) -> None:
    """LangGraph would drop or ignore it silently."""
    broken = file()
    drop(broken["window"], path)
    with pytest.raises(ConfigError, match=rf"^window\.{path.replace('.', chr(92) + '.')} ") as said:
        read_window(broken)
    assert said.value.code == "WINDOW_FIELD_MISSING"


@pytest.mark.parametrize(
    ("path", "value", "names"),
    [
        ("quote.bid", "high", "window.quote.bid"),
        ("quote.bid", None, "window.quote.bid"),
        ("quote.bid", -1.0, "window.quote.bid"),
        ("quote.ask", math.nan, "window.quote.ask"),
        ("quote.ask", math.inf, "window.quote.ask"),
        ("account.equity", "much", "window.account.equity"),
        ("asset_class", "bond", "window.asset_class"),
        ("session", "lunch", "window.session"),
        ("bars", [], "window.bars"),
        ("bars", [["t", 1.0, 1.0, 1.0]], "window.bars[0]"),
        ("bars", [["2026-11-20T15:29:00Z", 5.0, 4.0, 6.0, 5.0, 1.0, 1, 5.0]], "window.bars[0]"),
        ("bars", [["2026-11-20T15:29:00Z", 5.0, 6.0, math.nan, 5.0, 1.0, 1, 5.0]], "window.bars"),
        ("bars", [["2026-11-20T15:29:00Z", -5.0, 6.0, -5.0, 5.0, 1.0, 1, 5.0]], "window.bars[0]"),
        ("indicators", {"rsi_14": math.nan}, "window.indicators.rsi_14"),
        ("indicators", {"rsi_14": "fifty"}, "window.indicators"),
        ("as_of", "yesterday", "window.as_of"),
        ("decision_id", "", "window.decision_id"),
        ("instrument.symbol", "TSLA", "window.instrument.symbol"),
        ("limits", {"max_order_amount": "lots"}, "window.limits.max_order_amount"),
    ],
)
def test_a_field_that_makes_no_sense_is_named_with_its_path(
    path: str, value: Any, names: str
) -> None:
    """Wrong types, NaN, negative prices, broken candles, another symbol's rules."""
    broken = file()
    put(broken["window"], path, value)
    with pytest.raises(ConfigError) as said:
        read_window(broken)
    assert said.value.code == "WINDOW_FIELD_INVALID"
    assert str(said.value).startswith(names)
    assert "\n" not in said.value.line


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ([], "WINDOW_FILE_INVALID"),
        (None, "WINDOW_FILE_INVALID"),
        ({"window": {}}, "WINDOW_FIELD_MISSING"),
        ({"schema": 1}, "WINDOW_FIELD_MISSING"),
        ({"schema": 2, "window": {}}, "WINDOW_SCHEMA_UNKNOWN"),
        ({"schema": 1, "window": []}, "WINDOW_FIELD_INVALID"),
    ],
)
def test_a_file_of_another_kind_is_refused_by_name(given: Any, code: str) -> None:
    """An unknown major version says which one this version reads."""
    with pytest.raises(ConfigError) as said:
        read_window(given)
    assert said.value.code == code


def test_a_newer_schema_says_which_it_is() -> None:
    """So a person knows which side to upgrade."""
    with pytest.raises(ConfigError, match="window schema 2 is unknown; this version reads 1"):
        read_window({"schema": 2, "window": {}})


def test_a_field_of_a_newer_version_is_ignored() -> None:
    """Within a major version files may grow."""
    grown = file()
    grown["window"]["mood"] = "good"
    assert read_window(grown) == make_window()


def test_a_changed_copy_of_a_window_is_not_taken_for_the_first() -> None:
    """Windows are remembered by identity of their plain form, never by equality or address."""
    first = State(window=plain(make_window()))
    assert window_of(first).wake_reason == "bar_closed"
    for reason in ("news", "operator"):
        other = copy.deepcopy(first)
        other["window"]["wake_reason"] = reason
        assert window_of(other).wake_reason == reason
    assert isinstance(window_of(first), Window)


def test_a_used_state_is_emptied_of_every_key_that_a_run_writes() -> None:
    """A new run on a used thread would otherwise start from the old order."""
    written = set(State.__annotations__) - {"schema", "window"}
    used = State(**dict.fromkeys(State.__annotations__, "old"))
    emptied_ = emptied(used)
    assert set(emptied_) == written
    assert not any(emptied_.values())
    assert emptied(State(schema=1, window={})) == {}
