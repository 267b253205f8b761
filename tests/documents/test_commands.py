"""Every command that a page shows works: a reader who copies it is not lost."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.documents.blocks import blocks_of

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
WITH_COMMANDS = [name for name in NAMES if blocks_of((ROOT / name).read_text())]
LINK = re.compile(r"(?:\[[^\]]*\]\(|src(?:set)?=\")(?!https?://|#|mailto:)([^)#\s\"]+)")


def script_of(page):
    """Return a page's commands in order; each block says its line before it begins."""
    lines = []
    for block in blocks_of(page):
        if block.left_out is None:
            lines += [f"echo '@@ line {block.line}' >&2", block.text]
    return "\n".join(lines)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", WITH_COMMANDS)
def test_the_commands_of_a_page_run_in_the_order_shown(name, desk):
    """In one shell, from the folder that `make demo` leaves, beside the demo that it started."""
    script = script_of((ROOT / name).read_text())
    result = desk.run(name, script)
    began = [line for line in result.stderr.splitlines() if line.startswith("@@")]
    assert result.returncode == 0, f"{name}, {began[-1:]}: {result.stdout[-800:]}{result.stderr}"


@pytest.mark.parametrize("name", NAMES)
def test_the_links_of_a_page_lead_somewhere(name):
    """A file that was moved or renamed takes its links along."""
    page = ROOT / name
    targets = LINK.findall(page.read_text())
    gone = [target for target in targets if not (page.parent / target).exists()]
    assert not gone


def test_blocks_are_read_with_the_reason_why_one_is_not_run():
    """The reason belongs to the next block alone."""
    page = """<!-- run: no, needs keys -->
```sh
first
```
text
```sh
second

third
```
```env
NOT=shell
```"""
    first, second = blocks_of(page)
    assert (first.line, first.text, first.left_out) == (2, "first", "needs keys")
    assert (second.text, second.left_out) == ("second\n\nthird", None)
