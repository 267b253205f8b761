"""Lay curves out as Plotly figures: plain dictionaries, drawn by the script that the page carries.

Colours are names of the page's style (`var(--run)`), which the page's script resolves, so that one
figure serves light, dark and paper. Texts from strangers are escaped here: Plotly reads markup.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Sequence
from itertools import cycle
from typing import Any

from backtest.evidence.rows import HOLD
from backtest.report.records import Area, Chart, Line, Mark, MarkKind, Sheet
from backtest.report.writing import TIMES

Figure = dict[str, Any]

WRAP = 64
_OTHERS = tuple(f"var(--line-{number})" for number in range(1, 9))

# How each kind of mark looks: symbol, colour, size. Holds are drawn small and first.
_LOOKS: dict[MarkKind, tuple[str, str, int]] = {
    MarkKind.HELD: ("line-ns-open", "var(--muted)", 6),
    MarkKind.ENDED: ("circle-open", "var(--muted)", 8),
    MarkKind.FILL: ("diamond", "var(--ink)", 6),
    MarkKind.BUY: ("triangle-up", "var(--good)", 11),
    MarkKind.SELL: ("triangle-down", "var(--accent)", 11),
    MarkKind.DENIED: ("x", "var(--bad)", 10),
}


def figures(sheet: Sheet) -> dict[str, Figure]:
    """Return every figure of a page by the name of the element that it is drawn into."""
    drawn = {
        "equity": _equity(sheet),
        "drawdown": _drawdown(sheet),
        "exposure": _exposure(sheet),
        "turnover": _turnover(sheet),
    }
    return drawn | {f"price-{index}": price(chart) for index, chart in enumerate(sheet.charts)}


def _equity(sheet: Sheet) -> Figure:
    bands = [trace for band in sheet.bands for trace in _band(band)]
    traces = [*bands, *_lines(sheet.equity)]
    return _figure(
        traces, height=430, y={"tickprefix": "$", "tickformat": ",.4~s", "hoverformat": ",.2f"}
    )


def _drawdown(sheet: Sheet) -> Figure:
    """Draw the run's fall beside buy and hold's: more lines would hide both."""
    traces = _lines((*sheet.drawdown[:1], *(d for d in sheet.drawdown[1:] if d.name == HOLD)))
    traces[-1] |= {"fill": "tozeroy", "fillcolor": "var(--run-faint)"}
    return _figure(traces, height=260, y={"tickformat": ".0%", "rangemode": "tozero"})


def _exposure(sheet: Sheet) -> Figure:
    own = _line(sheet.exposure, "var(--run)", width=1.2)
    own |= {
        "fill": "tozeroy",
        "fillcolor": "var(--run-faint)",
        "line": own["line"] | {"shape": "hv"},
    }
    figure = _figure([own], height=220, y={"tickformat": ".0%", "rangemode": "tozero"})
    figure["layout"]["showlegend"] = False
    return figure


def _turnover(sheet: Sheet) -> Figure:
    bars = {
        "type": "bar",
        "x": [f"{month.year:04d}-{month.month:02d}-01" for month in sheet.turnover],
        "y": [month.value for month in sheet.turnover],
        "marker": {"color": "var(--run)"},
        "hovertemplate": "%{x|%B %Y}: %{y:.2f} times equity<extra></extra>",
    }
    figure = _figure([bars], height=220, y={"tickformat": ".2~f", "ticksuffix": TIMES})
    figure["layout"] |= {"showlegend": False, "hovermode": "closest"}
    return figure


def price(chart: Chart) -> Figure:
    """Draw one symbol's closes with each decision, denial and fill upon them."""
    close = _line(chart.price, "var(--ink-faint)", width=1.2) | {"hoverinfo": "skip"}
    close["name"] = "close"
    present = [kind for kind in _LOOKS if any(mark.kind is kind for mark in chart.marks)]
    marks = [_marks(kind, [m for m in chart.marks if m.kind is kind]) for kind in present]
    figure = _figure([close, *marks], height=470, y={"tickprefix": "$"})
    figure["layout"]["hovermode"] = "closest"
    return figure


def _marks(kind: MarkKind, marks: Sequence[Mark]) -> dict[str, Any]:
    symbol, color, size = _LOOKS[kind]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": kind.value,
        "x": [mark.ms for mark in marks],
        "y": [mark.price for mark in marks],
        "hovertext": [hover(mark) for mark in marks],
        "hoverinfo": "text",
        "marker": {
            "symbol": symbol,
            "color": color,
            "size": size,
            "line": {"width": 1, "color": color if symbol.endswith("open") else "var(--page)"},
        },
    }


def hover(mark: Mark) -> str:
    """Write what hovering tells: only its line breaks and bold type are ours."""
    thesis = "<br>".join(html.escape(part) for part in textwrap.wrap(mark.thesis, WRAP))
    parts = (f"<b>{html.escape(mark.title)}</b>", html.escape(mark.code), thesis)
    return "<br>".join(part for part in parts if part)


def _lines(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """Draw the run's own line (the first) thick and last, so that it lies on top."""
    own, *rest = lines
    colors = dict(zip((x.name for x in rest if x.name != HOLD), cycle(_OTHERS), strict=False))
    others = [
        _line(each, colors.get(each.name, "var(--ink)"), width=1.1 if each.name in colors else 1.8)
        for each in rest
    ]
    return [*others, _line(own, "var(--run)", width=2.4)]


def _line(line: Line, color: str, *, width: float) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines",
        "name": html.escape(line.name),
        "x": list(line.ms),
        "y": list(line.values),
        "line": {"color": color, "width": width},
    }


def _band(area: Area) -> list[dict[str, Any]]:
    edge = {"type": "scatter", "mode": "lines", "x": list(area.ms), "hoverinfo": "skip"}
    none = {"width": 0, "color": "var(--band)"}
    low = edge | {"y": list(area.low), "line": none, "showlegend": False}
    high = edge | {"y": list(area.high), "line": none, "name": html.escape(area.name)}
    return [low, high | {"fill": "tonexty", "fillcolor": "var(--band)"}]


def _figure(traces: Sequence[dict[str, Any]], *, height: int, y: dict[str, Any]) -> Figure:
    axis = {
        "gridcolor": "var(--grid)",
        "linecolor": "var(--grid)",
        "zerolinecolor": "var(--grid)",
        "automargin": True,
    }
    layout = {
        "height": height,
        "margin": {"l": 8, "r": 8, "t": 8, "b": 8},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": "var(--ink)", "family": "system-ui, sans-serif", "size": 12},
        "hovermode": "x unified",
        "hoverlabel": {
            "align": "left",
            "bgcolor": "var(--card)",
            "bordercolor": "var(--muted)",
            "font": {"color": "var(--ink)"},
        },
        "modebar": {"bgcolor": "rgba(0,0,0,0)", "color": "var(--muted)"},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.0, "x": 0},
        "xaxis": axis | {"type": "date"},
        "yaxis": axis | y,
        "dragmode": "zoom",
    }
    return {"data": list(traces), "layout": layout}
