"""The references say what the code does."""

import json
from pathlib import Path

import pytest

from api.reference import PAGES
from api.reference.codes import codes_page
from api.reference.dashboard import Panel, dashboard_file, names_of
from api.reference.limits import limits_page
from api.reference.settings import settings_page
from api.settings import Settings
from domain.errors import InvariantBroken
from domain.limits import LIMITS_TABLE, Code, Trip
from domain.limits.meanings import MEANINGS
from engine.metrics import FAMILIES

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_says(name):
    """Make them anew with `python -m api.reference`."""
    assert (ROOT / name).read_text(encoding="utf-8") == PAGES[name]()


@pytest.mark.parametrize("name", [*(row.setting for row in LIMITS_TABLE), *Code, *Trip], ids=str)
def test_every_limit_and_code_is_on_its_page(name):
    """One row each, at least."""
    assert f"| `{name}` |" in limits_page()


def test_every_setting_is_on_its_page():
    """One row each."""
    page = settings_page()
    assert [name for name in Settings.model_fields if f"| `{name.upper()}` |" not in page] == []


def test_every_code_has_a_meaning():
    """A new code without words would leave its reader alone."""
    assert set(MEANINGS) == set(Code)
    assert all(f"| `{code}` |" in codes_page() for code in Code)


@pytest.mark.parametrize("name", PAGES)
def test_every_row_has_as_many_cells_as_its_head(name):
    """A text with a bar in it would break the table."""
    widths = []
    for line in PAGES[name]().replace("\\|", "").splitlines():
        if not line.startswith("|"):
            widths.clear()
            continue
        widths.append(line.count("|"))
        assert len(set(widths)) == 1, line


def test_every_panel_asks_for_metrics_that_exist():
    """Each query names at least one of ours, and all are of the catalogue."""
    known = {sample for family in FAMILIES for sample in family.samples}
    panels = json.loads((ROOT / "ops/grafana/autohedge.json").read_text())["panels"]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    assert len(queries) > 30
    for query in queries:
        asked = names_of(query)
        assert asked, query
        assert set(asked) <= known, query


def test_a_query_of_no_metric_of_ours_is_refused():
    """A metric that is renamed breaks the dashboard here, not at night."""
    panel = Panel(title="Gone", queries=(("autohedge_gone_total", ""),))
    with pytest.raises(InvariantBroken, match="autohedge_gone_total"):
        dashboard_file((("Row", (panel,)),))
