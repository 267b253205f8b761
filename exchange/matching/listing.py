"""What the venue lists: one record a symbol, with the increments its orders must respect."""

import uuid
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from functools import cache

# Any fixed namespace does: the id of an asset must be the same in every run of the exchange.
_ASSET_NAMESPACE = uuid.UUID("6f6b2c9e-0c43-5c0e-9a51-3f0b7a0d7f11")


class AssetClass(StrEnum):
    """The two classes that the bot trades; the venue refuses any other."""

    US_EQUITY = "us_equity"
    CRYPTO = "crypto"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """Describe one tradable symbol as `GET /v2/assets` does.

    `lot` is Alpaca's `min_trade_increment`: nine decimals for crypto and for fractional shares.
    Margin requirements are percentages (source: Alpaca's assets page).
    """

    symbol: str
    name: str
    asset_class: AssetClass
    exchange: str
    price_increment: Decimal
    lot: Decimal
    min_order_size: Decimal
    fractionable: bool
    shortable: bool
    marginable: bool
    tradable: bool = True
    active: bool = True
    easy_to_borrow: bool = True
    margin_requirement: Decimal = Decimal(30)
    attributes: tuple[str, ...] = ()

    @property
    def is_crypto(self) -> bool:
        """Tell crypto from shares; most venue rules fork here."""
        return self.asset_class is AssetClass.CRYPTO

    @property
    def compact(self) -> str:
        """Return the symbol as positions spell it: `BTC/USD` becomes `BTCUSD`."""
        return self.symbol.replace("/", "")

    @property
    def base(self) -> str:
        """Return the currency or share that a buy receives: `BTC` of `BTC/USD`."""
        return self.symbol.partition("/")[0]

    @property
    def asset_id(self) -> str:
        """Return the asset's id, the same in every run."""
        return _asset_id(self.symbol)


@cache
def _asset_id(symbol: str) -> str:
    return str(uuid.uuid5(_ASSET_NAMESPACE, symbol))


def us_equity(  # noqa: PLR0913 -- each is one independent flag of the venue's own record
    symbol: str,
    *,
    name: str | None = None,
    exchange: str = "NASDAQ",
    fractionable: bool = True,
    shortable: bool = True,
    tradable: bool = True,
    active: bool = True,
) -> Listing:
    """Describe a share with the venue's usual rules: cents, nine decimals of a share."""
    return Listing(
        symbol=symbol,
        name=name or f"{symbol} Common Stock",
        asset_class=AssetClass.US_EQUITY,
        exchange=exchange,
        price_increment=Decimal("0.01"),
        lot=Decimal("0.000000001"),
        min_order_size=Decimal("0.000000001"),
        fractionable=fractionable,
        shortable=shortable,
        marginable=True,
        tradable=tradable,
        active=active,
        easy_to_borrow=shortable,
        attributes=("fractional_eh_enabled", "overnight_tradable") if fractionable else (),
    )


def crypto_pair(
    symbol: str,
    *,
    name: str | None = None,
    price_increment: Decimal = Decimal("0.01"),
    lot: Decimal = Decimal("0.000000001"),
    min_order_size: Decimal = Decimal("0.000000001"),
) -> Listing:
    """Describe a crypto pair such as `BTC/USD`: no margin, no short, fractional by nature."""
    return Listing(
        symbol=symbol,
        name=name or f"{symbol.partition('/')[0]} / US Dollar",
        asset_class=AssetClass.CRYPTO,
        exchange="CRYPTO",
        price_increment=price_increment,
        lot=lot,
        min_order_size=min_order_size,
        fractionable=True,
        shortable=False,
        marginable=False,
        easy_to_borrow=False,
        margin_requirement=Decimal(100),
    )
