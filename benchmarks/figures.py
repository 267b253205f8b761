"""Say what was measured: one figure, its bar, and whether it is within."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """One measured figure; `most` and `least` bound it, where it has a bar."""

    name: str
    value: float
    unit: str
    most: float | None = None
    least: float | None = None

    @property
    def bar(self) -> str:
        """Return the bar in words."""
        if self.most is not None:
            return f"at most {self.most:,g}{self.unit}"
        return "" if self.least is None else f"at least {self.least:,g}{self.unit}"

    @property
    def verdict(self) -> str:
        """Return whether the value is within its bar; nothing for a figure without one."""
        if self.most is None and self.least is None:
            return ""
        is_over = self.most is not None and self.value > self.most
        is_under = self.least is not None and self.value < self.least
        return "MISSED" if is_over or is_under else "within"

    @property
    def line(self) -> str:
        """Return it as one line of the table."""
        shown = f"{self.value:,.2f}{self.unit}"
        return f"{self.name:<64} {shown:>16}  {self.bar:<20} {self.verdict}".rstrip()


def show(figures: list[Figure]) -> None:
    """Print figures, one a line."""
    for figure in figures:
        print(figure.line, flush=True)
