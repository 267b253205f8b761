"""Name the commands that bring history here and list what is there.

Each imports what it needs when it runs, so that `--help` is quick.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from api.cli.shell import Group, app


@app.command(
    rich_help_panel=Group.STUDY,
    short_help="Keep Alpaca's history as Parquet; run again, it goes on",
)
def fetch(
    symbols: Annotated[list[str], typer.Argument(help="AAPL, BRK.B, BTC/USD.")],
    start: Annotated[str, typer.Option("--from", help="A date or an RFC 3339 time.")],
    end: Annotated[str | None, typer.Option("--to", help="Likewise; a date is included.")] = None,
    interval: Annotated[str, typer.Option(help="Bars of 1m 5m 15m 30m 1h 4h 1d or 1w.")] = "1d",
    kind: Annotated[str, typer.Option(help="By commas: bars, trades, quotes, news.")] = "bars",
    out: Annotated[Path, typer.Option(help="The folder to keep it in.")] = Path("data/alpaca"),
    feed: Annotated[str, typer.Option(help="Stocks' feed: sip is every exchange's.")] = "sip",
    adjustment: Annotated[
        str, typer.Option(help="Adjust stocks' bars: raw, split, dividend or all.")
    ] = "split",
    per_minute: Annotated[
        int, typer.Option(min=1, max=10_000, help="Requests a minute; the free plan has 200.")
    ] = 180,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON.")] = False,
) -> None:
    """Fetch Alpaca's history into Parquet files; run again, it goes on where it stopped.

    A backtest reads it with --data alpaca:FOLDER.
    """
    from api.cli.study.fetch import FetchCommand, run_fetch

    run_fetch(
        FetchCommand(
            symbols=tuple(symbols),
            start=start,
            end=end,
            interval=interval,
            kinds=kind,
            out=out,
            feed=feed,
            adjustment=adjustment,
            per_minute=per_minute,
            as_json=as_json,
        )
    )


@app.command(
    rich_help_panel=Group.STUDY,
    short_help="List the real data sets that a backtest can read",
)
def data(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the list as JSON.")] = False,
) -> None:
    """List the data sets that packages carry, with their span and licence."""
    from api.cli.study.sets import list_sets

    list_sets(as_json=as_json)
