"""Read the venue's JSON into our records, tolerant of what is new and strict about what counts.

Unknown enum values, missing optional keys and both spellings of a crypto pair are read; a missing
id or an unreadable quantity raises `ValueError`, for a list with a hole in it must not pass as the
whole (an order that we overlook would look absent).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from domain.account import COIN_FEE, Account, Activity, Position
from domain.market import AssetClass, Instrument
from domain.orders import OrderReport, OrderType, Side, from_venue_status
from domain.ports import VenueTime
from domain.records import NS_PER_S, format_ns, parse_ns

NEW_YORK = ZoneInfo("America/New_York")

Raw = Mapping[str, Any]

# What Alpaca quotes crypto in (its crypto page); longest first, for USD ends USDT's list of names.
_QUOTE_CURRENCIES = ("USDT", "USDC", "USD", "BTC")
_CRYPTO = "crypto"
_ORDER_TYPES = frozenset(kind.value for kind in OrderType)

_CENT = Decimal("0.01")
_NANO = Decimal("0.000000001")
# Source: Alpaca's crypto and fractional trading pages, and its refusals as recorded in 2025 and 26.
_CRYPTO_MIN_NOTIONAL = Decimal(10)
_CRYPTO_MAX_NOTIONAL = Decimal(200_000)
_STOCK_MIN_NOTIONAL = Decimal(1)


def symbol_of(symbol: str, asset_class: str | None) -> str:
    """Return our spelling: positions say BTCUSD where orders and settings say BTC/USD."""
    if asset_class != _CRYPTO or "/" in symbol:
        return symbol
    for currency in _QUOTE_CURRENCIES:
        base = symbol.removesuffix(currency)
        if base and base != symbol:
            return f"{base}/{currency}"
    return symbol


def decimal_of(value: Any, default: Decimal | None = None) -> Decimal:
    """Read a decimal from a string or number; `default` stands for null and an empty string."""
    if value is None or value == "":
        if default is None:
            raise ValueError("a required number is missing")
        return default
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise ValueError(f"not a number: {value!r}") from None
    if not number.is_finite():
        raise ValueError(f"not a finite number: {value!r}")
    return number


def maybe_decimal(value: Any) -> Decimal | None:
    """Read a decimal that may be null."""
    return None if value is None or value == "" else decimal_of(value)


def maybe_positive(value: Any) -> Decimal | None:
    """Read what an execution moved or cost, which may be null and is never nought or less."""
    number = maybe_decimal(value)
    if number is not None and number <= 0:
        raise ValueError(f"not above zero: {value!r}")
    return number


def time_text(value: Any) -> str | None:
    """Return RFC 3339 with nine digits from the venue's text or msgpack time; none stays none."""
    if value is None or value == "":
        return None
    if isinstance(value, datetime):
        seconds = int(value.timestamp())
        return format_ns(seconds * NS_PER_S + value.microsecond * 1000)
    return format_ns(parse_ns(str(value)))


def side_of(text: str) -> Side:
    """Read a side, the exchanges' longer forms (`sell_short`, `buy_minus`) included."""
    if text.startswith("sell"):
        return Side.SELL
    if text.startswith("buy"):
        return Side.BUY
    raise ValueError(f"not a side: {text!r}")


def order_report(raw: Any, *, parent: str | None = None) -> OrderReport:
    """Read an order object; `parent` is the venue's id of the order it hangs under."""
    body = _mapping(raw, "order")
    venue_id = _text(body, "id")
    kind = str(body.get("type") or body.get("order_type"))
    filled = decimal_of(body.get("filled_qty"), Decimal(0))
    quantity = decimal_of(body.get("qty"), filled)
    if not 0 <= filled <= quantity:
        raise ValueError(f"filled {filled} of {quantity}")
    return OrderReport(
        client_order_id=str(body.get("client_order_id") or ""),
        venue_order_id=venue_id,
        symbol=symbol_of(_text(body, "symbol"), body.get("asset_class")),
        side=side_of(_text(body, "side")),
        order_type=OrderType(kind) if kind in _ORDER_TYPES else None,
        time_in_force=str(body.get("time_in_force") or ""),
        state=from_venue_status(_text(body, "status")),
        quantity=quantity,
        filled_quantity=filled,
        average_price=maybe_positive(body.get("filled_avg_price")) if filled else None,
        limit_price=maybe_decimal(body.get("limit_price")),
        stop_price=maybe_decimal(body.get("stop_price")),
        order_class=str(body.get("order_class") or "simple"),
        parent_venue_order_id=parent,
        group_id=_maybe_text(body, "group_id"),
        replaced_by=_maybe_text(body, "replaced_by"),
        replaces=_maybe_text(body, "replaces"),
        ts_submitted=time_text(body.get("submitted_at") or body.get("created_at")),
        ts_updated=time_text(body.get("updated_at")),
        legs=tuple(order_report(leg, parent=venue_id) for leg in _list(body, "legs")),
    )


def position(raw: Any) -> Position:
    """Read a position; a short one is negative, whether the venue signs it or names its side."""
    body = _mapping(raw, "position")
    signed = decimal_of(body.get("qty"))
    sign = -1 if signed < 0 or body.get("side") == "short" else 1
    quantity = abs(signed) * sign
    available = abs(decimal_of(body.get("qty_available"), quantity)) * sign
    return Position(
        symbol=symbol_of(_text(body, "symbol"), body.get("asset_class")),
        quantity=quantity,
        average_price=decimal_of(body.get("avg_entry_price"), Decimal(0)),
        available=available,
        market_price=maybe_decimal(body.get("current_price")),
        unrealized_pnl=decimal_of(body.get("unrealized_pl"), Decimal(0)),
    )


def account(raw: Any) -> Account:
    """Read the account; any flag with which the venue forbids trading makes it blocked."""
    body = _mapping(raw, "account")
    cash, buying_power = decimal_of(body.get("cash")), decimal_of(body.get("buying_power"))
    equity = decimal_of(body.get("equity"), maybe_decimal(body.get("portfolio_value")))
    flags = ("trading_blocked", "account_blocked", "trade_suspended_by_user")
    return Account(
        account_id=str(body.get("account_number") or _text(body, "id")),
        equity=equity,
        cash=cash,
        buying_power=buying_power,
        non_marginable_buying_power=decimal_of(
            body.get("non_marginable_buying_power"), min(cash, buying_power)
        ),
        last_equity=decimal_of(body.get("last_equity"), equity),
        multiplier=decimal_of(body.get("multiplier"), Decimal(1)),
        shorting_enabled=bool(body.get("shorting_enabled", False)),
        is_blocked=any(bool(body.get(flag)) for flag in flags)
        or str(body.get("status", "ACTIVE")).upper() != "ACTIVE",
    )


def activity(raw: Any) -> Activity:
    """Read one line of the account's history; executions name their order, the rest an amount.

    The venue spells a pair with its slash in executions and without in fees.
    """
    body = _mapping(raw, "activity")
    kind = _text(body, "activity_type")
    is_fill = kind == "FILL"
    symbol = str(body.get("symbol") or "")
    is_pair = "/" in symbol or kind == COIN_FEE
    date = body.get("date")
    ts = body.get("transaction_time") or body.get("created_at")
    return Activity(
        id=_text(body, "id"),
        kind=kind,
        ts=time_text(ts or f"{date}T00:00:00Z") or "",
        symbol=symbol_of(symbol, _CRYPTO if is_pair else None),
        side=side_of(_text(body, "side")) if is_fill else None,
        quantity=abs(decimal_of(body.get("qty"), None if is_fill else Decimal(0))),
        price=decimal_of(body.get("price"), None if is_fill else Decimal(0)),
        venue_order_id=body.get("order_id"),
        amount=decimal_of(body.get("net_amount"), Decimal(0)),
    )


def instrument(raw: Any) -> Instrument:
    """Read an asset; `easy_to_borrow` may be missing (deprecated 2026-06), we do not use it."""
    body = _mapping(raw, "asset")
    is_crypto = body.get("class") == _CRYPTO
    is_fractionable = bool(body.get("fractionable", False))
    share_lot = _NANO if is_fractionable else Decimal(1)
    return Instrument(
        symbol=symbol_of(_text(body, "symbol"), body.get("class")),
        asset_class=AssetClass.CRYPTO if is_crypto else AssetClass.STOCK,
        tick=decimal_of(body.get("price_increment"), _CENT) if is_crypto else _CENT,
        lot=decimal_of(body.get("min_trade_increment"), _NANO) if is_crypto else share_lot,
        min_notional=_CRYPTO_MIN_NOTIONAL if is_crypto else _STOCK_MIN_NOTIONAL,
        fractionable=is_fractionable,
        shortable=bool(body.get("shortable", False)) and not is_crypto,
        tradable=bool(body.get("tradable", False)) and body.get("status", "active") == "active",
        min_quantity=decimal_of(body.get("min_order_size"), Decimal(0)),
        max_notional=_CRYPTO_MAX_NOTIONAL if is_crypto else None,
        name=str(body.get("name") or ""),
    )


def venue_time(raw: Any) -> VenueTime:
    """Read the venue's clock, which answers in New York's offset."""
    body = _mapping(raw, "clock")
    return VenueTime(
        timestamp=_time(body, "timestamp"),
        is_open=bool(body.get("is_open", False)),
        next_open=_time(body, "next_open"),
        next_close=_time(body, "next_close"),
    )


def session(raw: Any) -> tuple[str, str]:
    """Read one calendar day's open and close, given in New York's local time."""
    body = _mapping(raw, "calendar day")
    day = _text(body, "date")
    return _new_york(day, _text(body, "open")), _new_york(day, _text(body, "close"))


def _new_york(day: str, hour: str) -> str:
    local = datetime.fromisoformat(f"{day}T{hour}").replace(tzinfo=NEW_YORK)
    return format_ns(int(local.timestamp()) * NS_PER_S)


def _time(body: Raw, name: str) -> str:
    return format_ns(parse_ns(_text(body, name)))


def _mapping(raw: Any, what: str) -> Raw:
    if not isinstance(raw, Mapping):
        raise ValueError(f"the {what} is not an object but {type(raw).__name__}")  # noqa: TRY004 - of the wire
    return raw


def _list(body: Raw, name: str) -> list[Any]:
    value = body.get(name) or []
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list")  # noqa: TRY004 - of the wire
    return value


def _maybe_text(body: Raw, name: str) -> str | None:
    value = body.get(name)
    return None if value is None else str(value)


def _text(body: Raw, name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is missing or not text")
    return value
