"""The references say what the code does."""

from pathlib import Path

import pytest

from api.reference import PAGES
from api.reference.codes import codes_page
from api.reference.limits import limits_page
from api.reference.settings import settings_page
from api.settings import Settings
from domain.limits import LIMITS_TABLE, Code, Trip
from domain.limits.meanings import MEANINGS

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
