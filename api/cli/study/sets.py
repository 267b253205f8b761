"""List the data sets in packages."""

from __future__ import annotations

import json

from rich import box
from rich.console import Console
from rich.table import Table

from backtest.data.packages import SETS
from domain.records import plain


def list_sets(*, as_json: bool) -> None:
    """Print name, contents, symbols, span and licence of every set."""
    out = Console(highlight=False)
    if as_json:
        out.print_json(json.dumps([plain(each) for each in SETS]))
        return
    table = Table(
        title="Real data in packages: --data package:NAME",
        title_justify="left",
        box=box.SIMPLE_HEAD,
    )
    table.add_column("name", no_wrap=True)
    table.add_column("what it is")
    for each in SETS:
        table.add_row(each.name, f"{each.what}\n{each.symbols}\n{each.span}; {each.licence}")
    out.print(table)
    out.print("A set is fetched once, as a package, when it is first read.", markup=False)
