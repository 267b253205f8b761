"""Write the reference of data: what a backtest reads, how it is understood, what is said of it."""

from __future__ import annotations

from api.reference.markdown import MADE, table
from backtest.data.packages import SETS
from backtest.data.reading.columns import SPELLINGS
from backtest.data.remarks import MEANINGS

_INTRO = f"""# Data

{MADE}

Every command that reads history takes one text that says where it is:

| Text | Is |
| --- | --- |
| `package:NAME` | a set below, fetched once as a package into `.cache` |
| `csv:PATH`, `parquet:PATH` | a file, or a folder of them; `.csv.gz` and `.csv.zst` are unpacked |
| `tape:PATH` | a tape of `autohedge record`; its ticks become bars by the aggregator of live data |
| `alpaca:FOLDER` | what `autohedge fetch` keeps |
| a bare path | the same, by its ending |

Times are ISO 8601, `YYYYMMDD`, or an epoch in s, ms, us or ns. A clock without a zone needs
`--zone`; zones that differ by more than summer time are refused, and so is a local time that a
change of clocks makes two or none. A date alone is the market's day: of New York for stocks, of UTC
for pairs. A symbol comes from its column, else from the file's name (`BTC-USD.csv` is BTC/USD).
What cannot be traded (a price that is no positive number, a high below its low, two different bars
of one time, one row alone) is refused with file, row, time and value.

## Columns

Case, spaces and underscores do not matter. Open, high and low come together or not at all.
"""
_ODD = """
## Warnings

What is odd and may still be true is loaded, and stands in the report with its rows.
"""
_SETS = """
## Real data in packages

Nothing of a package is run: one file is read out of its wheel and checked by its sha256.
"""


def data_page() -> str:
    """Return the page as Markdown."""
    columns = table(
        ("Column", "May be called"),
        ((f"`{ours}`", ", ".join(each)) for ours, each in SPELLINGS.items()),
    )
    odd = table(("Code", "Means"), ((f"`{code}`", what) for code, what in MEANINGS.items()))
    sets = table(
        ("Set", "What it is", "Symbols", "Span", "Licence", "Package"),
        (
            (
                f"`{each.name}`",
                each.what,
                each.symbols,
                each.span,
                each.licence,
                f"{each.package} {each.version}",
            )
            for each in SETS
        ),
    )
    return f"{_INTRO}\n{columns}{_ODD}\n{odd}{_SETS}\n{sets}"
