"""Write a report as one HTML file that opens offline, and as JSON.

The page carries Plotly's script once and asks nothing of the network: its policy forbids every
address and every script but the two that are named by their digest, so a text that slipped through
the escaping could neither run nor call out.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from backtest.data.remarks import DataWarning, named
from backtest.report import writing
from backtest.report.plots import figures
from backtest.report.records import Month, ReportInput, Sheet
from backtest.report.sheet import sheet_of
from domain.errors import ConfigError
from domain.records import canonical, plain

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# A month of this much is coloured in full.
FULL_COLOUR = 0.10
# More of the colour, in per cent, would leave the figures upon it too little contrast.
FULL_STRENGTH = 45


def write_html(path: Path, given: ReportInput) -> None:
    """Write the page, at once or not at all; raises `ConfigError` when it cannot be written."""
    _write(path, render(sheet_of(given)).encode())


def write_json(path: Path, given: ReportInput) -> None:
    """Write everything that the page shows, in canonical JSON; raises `ConfigError`."""
    _write(path, canonical(sheet_of(given)) + b"\n")


def _write(path: Path, body: bytes) -> None:
    partial = path.with_name(f"{path.name}.partial")
    try:
        partial.write_bytes(body)
        partial.replace(path)
    except OSError as error:
        raise ConfigError(
            f"the report cannot be written to {path}: {error.strerror}.",
            remedy="Name a file in a folder that exists and may be written to.",
            code="REPORT_NOT_WRITTEN",
        ) from error


def render(sheet: Sheet) -> str:
    """Return the page of a sheet."""
    script = files("backtest.report").joinpath("templates/page.js").read_text()
    return (
        _environment()
        .get_template("page.html")
        .render(
            sheet=sheet,
            own=sheet.rows[0] if sheet.rows else None,
            columns=writing.COLUMNS,
            compared=writing.N_COMPARED,
            years=_years(sheet.months),
            month_names=MONTHS,
            figures=_embedded(figures(sheet)),
            plotly=Markup(get_plotlyjs()),  # noqa: S704 - the library's own script, from its wheel
            script=Markup(script),  # noqa: S704 - ours
            sources=" ".join(_source(text) for text in (get_plotlyjs(), script)),
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("backtest.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": writing.percent,
        "number": writing.number,
        "usd": writing.usd,
        "cells": writing.cells,
        "rows": _rows,
        "tint": tint,
    }
    return environment


def _rows(warning: DataWarning) -> str:
    return named(warning.rows, warning.n_rows)


def _embedded(value: dict[str, Any]) -> Markup:
    """Return JSON that may stand in a script element: without any angle bracket or ampersand."""
    text = json.dumps(plain(value), allow_nan=False, separators=(",", ":"))
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)  # noqa: S704 - nothing in it can end the element


def _source(text: str) -> str:
    """Name a script in a Content-Security-Policy."""
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _years(months: tuple[Month, ...]) -> dict[int, dict[int, float]]:
    """Return returns by year and month; month 0 is the whole year."""
    table: dict[int, dict[int, float]] = {}
    for month in months:
        table.setdefault(month.year, {})[month.month] = month.value
    return dict(sorted(table.items()))


def tint(value: float) -> str:
    """Return the colour behind a month's return: green above zero, red below, by its size."""
    strength = min(abs(value) / FULL_COLOUR, 1.0) * FULL_STRENGTH
    name = "--good" if value >= 0 else "--bad"
    return f"background: color-mix(in srgb, var({name}) {strength:.0f}%, transparent)"
