"""The reference of limits says what the code does."""

from pathlib import Path

import pytest

from api.reference import limits_page
from domain.limits import LIMITS_TABLE, Code, Trip

PAGE = Path(__file__).parents[3] / "docs" / "limits.md"


def test_the_page_is_what_the_tables_say():
    """Make it anew with `python -m api.reference > docs/limits.md`."""
    assert PAGE.read_text(encoding="utf-8") == limits_page()


@pytest.mark.parametrize("name", [*(row.setting for row in LIMITS_TABLE), *Code, *Trip], ids=str)
def test_every_setting_and_code_is_on_it(name):
    """One row each, at least."""
    assert f"| `{name}` |" in limits_page()


def test_every_row_has_as_many_cells_as_its_head():
    """A text with a bar in it would break the table."""
    widths = []
    for line in limits_page().splitlines():
        if not line.startswith("|"):
            widths.clear()
            continue
        widths.append(line.count("|"))
        assert len(set(widths)) == 1, line
