"""Write the Grafana dashboard: every query names a metric of the catalogue, or is refused.

Import `ops/grafana/autohedge.json` in Grafana and choose the Prometheus that scrapes `/metrics`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from domain.errors import InvariantBroken
from domain.records import Record
from engine.metrics import FAMILIES
from engine.metrics.catalogue import PREFIX

_COLUMNS, _WIDTH, _HEIGHT = 24, 8, 7
_NAME = re.compile(rf"{PREFIX}\w+")
_KNOWN = frozenset(sample for family in FAMILIES for sample in family.samples)
_SOURCE = {"type": "prometheus", "uid": "${source}"}


class Panel(Record, frozen=True):
    """One graph: its queries with their legends, and the unit of Grafana's own list."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    kind: str = "timeseries"


def _quantiles(name: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """Return median and 95th percentile of a histogram over five minutes."""
    grouped = f"le, {by}" if by else "le"
    legend = f"{{{{{by}}}}} " if by else ""
    rate = f"sum by ({grouped}) (rate(autohedge_{name}_bucket[5m]))"
    return tuple((f"histogram_quantile({q}, {rate})", f"{legend}p{q * 100:g}") for q in (0.5, 0.95))


def _rate(name: str, by: str) -> tuple[tuple[str, str], ...]:
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(","))
    return ((f"sum by ({by}) (increase(autohedge_{name}_total[5m]))", legend),)


Row = tuple[str, tuple[Panel, ...]]

ROWS: tuple[Row, ...] = (
    (
        "Standing",
        (
            Panel(
                title="Trading state",
                kind="stat",
                queries=(
                    ("autohedge_trading_state == 1", "{{state}}"),
                    ("autohedge_trading_reason == 1", "{{code}}"),
                ),
            ),
            Panel(title="Parts that work", queries=(("autohedge_up", "{{part}}"),)),
            Panel(title="Alerts in 5 minutes", queries=_rate("alerts", "code")),
            Panel(
                title="Positions",
                queries=(
                    ("autohedge_positions_open", "open"),
                    ("autohedge_positions_unprotected", "unprotected"),
                ),
            ),
            Panel(
                title="Time without a stop, p50 and p95",
                unit="s",
                queries=_quantiles("position_unprotected_seconds"),
            ),
            Panel(title="Approvals pending", queries=(("autohedge_approvals_pending", "pending"),)),
        ),
    ),
    (
        "Money",
        (
            Panel(
                title="Equity",
                unit="currencyUSD",
                queries=(("autohedge_equity_dollars", "equity"),),
            ),
            Panel(
                title="Today",
                unit="currencyUSD",
                queries=(
                    ("autohedge_day_profit_dollars", "profit"),
                    ("autohedge_model_spent_dollars", "model"),
                    ("autohedge_model_budget_dollars", "model's budget"),
                ),
            ),
            Panel(
                title="Limits in use",
                unit="percentunit",
                queries=(("autohedge_limit_used_ratio", "{{setting}} {{symbol}}"),),
            ),
        ),
    ),
    (
        "Deciding",
        (
            Panel(title="Decisions in 5 minutes", queries=_rate("decisions", "outcome")),
            Panel(
                title="Decision latency", unit="s", queries=_quantiles("decision_duration_seconds")
            ),
            Panel(
                title="Wait for a slot",
                unit="s",
                queries=_quantiles("ticket_wait_seconds", "priority"),
            ),
            Panel(
                title="Slots and queue",
                queries=(
                    ("autohedge_slots_busy", "busy"),
                    ("autohedge_slots", "slots"),
                    ("autohedge_tickets_waiting", "waiting {{priority}}"),
                ),
            ),
            Panel(
                title="Model latency",
                unit="s",
                queries=_quantiles("model_call_duration_seconds", "role"),
            ),
            Panel(
                title="Model's answers in 5 minutes", queries=_rate("model_calls", "role, result")
            ),
            Panel(title="Tokens in 5 minutes", queries=_rate("model_tokens", "direction")),
        ),
    ),
    (
        "Orders",
        (
            Panel(title="Denials in 5 minutes", queries=_rate("orders_denied", "code")),
            Panel(title="Sent in 5 minutes", queries=_rate("orders_sent", "leg")),
            Panel(title="Ended in 5 minutes", queries=_rate("orders_ended", "state")),
            Panel(title="Fills in 5 minutes", queries=_rate("fills", "side, leg")),
            Panel(
                title="Venue's answer to an order",
                unit="s",
                queries=_quantiles("order_submit_duration_seconds"),
            ),
            Panel(
                title="Venue's REST answers",
                unit="s",
                queries=(("autohedge_venue_answer_seconds", "p{{quantile}}"),),
            ),
        ),
    ),
    (
        "Machine",
        (
            Panel(
                title="Quote age",
                unit="s",
                queries=(("autohedge_quote_age_seconds", "{{symbol}}"),),
            ),
            Panel(title="Feed losses in 5 minutes", queries=_rate("feed_losses", "symbol")),
            Panel(
                title="Journal",
                queries=(
                    ("autohedge_journal_queued_entries", "queued"),
                    ("increase(autohedge_journal_lost_traces_total[5m])", "lost"),
                ),
            ),
            Panel(
                title="Last commit",
                unit="s",
                queries=(("autohedge_journal_commit_seconds", "commit"),),
            ),
            Panel(title="Event loop's lag", unit="s", queries=_quantiles("loop_lag_seconds")),
            Panel(
                title="Clock skew", unit="s", queries=(("autohedge_clock_skew_seconds", "skew"),)
            ),
        ),
    ),
)


def dashboard_file(rows: Sequence[Row] = ROWS) -> str:
    """Return the dashboard as JSON; raises `InvariantBroken` for a query of no metric of ours."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, row in rows:
        panels.append(
            {
                "type": "row",
                "title": title,
                "id": len(panels) + 1,
                "gridPos": _place(0, y, _COLUMNS, 1),
            }
        )
        for number, panel in enumerate(row):
            x = number * _WIDTH % _COLUMNS
            at = y + 1 + number * _WIDTH // _COLUMNS * _HEIGHT
            panels.append(_panel(panel, len(panels) + 1, _place(x, at, _WIDTH, _HEIGHT)))
        y += 1 + -(-len(row) * _WIDTH // _COLUMNS) * _HEIGHT
    return json.dumps(_frame(panels), indent=1) + "\n"


def names_of(query: str) -> list[str]:
    """Return the names of ours that a query asks for."""
    return _NAME.findall(query)


def _place(x: int, y: int, w: int, h: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": w, "h": h}


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    targets = []
    for ref, (query, legend) in zip("ABCDEF", panel.queries, strict=False):
        unknown = [name for name in names_of(query) if name not in _KNOWN]
        if unknown:
            raise InvariantBroken(f"the panel {panel.title!r} asks for {unknown[0]}")
        targets.append({"refId": ref, "expr": query, "legendFormat": legend, "datasource": _SOURCE})
    options = {"textMode": "name"} if panel.kind == "stat" else {}
    return {
        "type": panel.kind,
        "title": panel.title,
        "id": number,
        "gridPos": place,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "options": options,
        "targets": targets,
    }


def _frame(panels: list[dict[str, Any]]) -> dict[str, Any]:
    source = {"name": "source", "type": "datasource", "query": "prometheus", "label": "Prometheus"}
    return {
        "title": "AutoHedge",
        "uid": "autohedge",
        "tags": ["trading"],
        "timezone": "utc",
        "schemaVersion": 39,
        "version": 1,
        "refresh": "10s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source]},
        "panels": panels,
    }
