"""Write the reference of metrics."""

from __future__ import annotations

from api.reference.markdown import MADE, table
from engine.metrics import FAMILIES, Family, Kind

_INTRO = f"""# Metrics

{MADE}

`GET /metrics` is in Prometheus' own format; with tokens it needs one that may read. `ops/grafana`
holds a dashboard. Beside these stand `_created` (when a series began) of counters and histograms.
"""


def metrics_page() -> str:
    """Return the page as Markdown."""
    return f"{_INTRO}\n{table(('Metric', 'Kind', 'Labels', 'What'), map(_row, FAMILIES))}"


def _row(family: Family) -> tuple[str, ...]:
    name = family.full if family.kind is Kind.HISTOGRAM else family.samples[0]
    labels = ", ".join(f"`{label}`" for label in family.labels)
    return f"`{name}`", family.kind.value, labels, family.text
