"""Write Markdown: tables whose cells stay cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

MADE = "Made by `python -m api.reference` from the code itself; do not edit."


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay rows out under their heads; a bar within a cell is escaped."""
    shown = (tuple(cell.replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows)
    lines = [heads, ["---"] * len(heads), *shown]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def code(text: object) -> str:
    """Show a name as code, and nothing as nothing."""
    return f"`{text}`" if str(text) else ""
