"""How account and positions look to the client: Alpaca's field names, decimals as strings."""

import uuid
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache, lru_cache
from typing import Any

from exchange.matching.account.ledger import Holding, Ledger
from exchange.matching.account.margin import Figures
from exchange.matching.account.state import Account
from exchange.matching.orders import ZERO, number, timestamp
from exchange.matching.sessions import in_new_york

_CENT = Decimal("0.01")
_MONEY = Decimal("0.000001")
_RATIO = Decimal("0.0000000001")


@cache
def account_number(seed: int) -> str:
    """Return the paper account's number, the same for one seed."""
    return f"PA{uuid.uuid5(uuid.NAMESPACE_OID, str(seed)).hex[:10].upper()}"


@cache
def _account_id(seed: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"account:{seed}"))


def account_body(account: Account, money: Figures, now_ns: int) -> dict[str, Any]:
    """Render `GET /v2/account` (source: the account page, fields as of late 2026)."""
    knobs, ledger, configuration = account.knobs, account.ledger, account.configuration
    body: dict[str, Any] = {
        "id": _account_id(knobs.seed),
        "account_number": account_number(knobs.seed),
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": "USD",
        "buying_power": _money(money.buying_power),
        "regt_buying_power": _money(money.regt_buying_power),
        "non_marginable_buying_power": _money(money.non_marginable),
        "options_buying_power": _money(money.non_marginable),
        "cash": number(ledger.cash.quantize(_CENT, ROUND_HALF_EVEN)),
        "accrued_fees": "0",
        "pending_transfer_in": "0",
        "pending_transfer_out": "0",
        "pending_reg_taf_fees": "0",
        "portfolio_value": _money(money.equity),
        "equity": _money(money.equity),
        "last_equity": _money(ledger.last_equity),
        "long_market_value": _money(money.long_value),
        "short_market_value": _money(money.short_value),
        "initial_margin": _money(money.initial_margin),
        "maintenance_margin": _money(money.maintenance_margin),
        "last_maintenance_margin": _money(ledger.last_maintenance),
        "sma": _money(money.equity),
        "multiplier": str(account.multiplier),
        "trading_blocked": False,
        "transfers_blocked": False,
        "account_blocked": False,
        "trade_suspended_by_user": configuration.is_suspended,
        "shorting_enabled": configuration.may_short and account.multiplier > 1,
        "created_at": timestamp(account.created_ns),
        "balance_asof": in_new_york(now_ns).date().isoformat(),
        "options_approved_level": 0,
        "options_trading_level": 0,
        "intraday_adjustments": "0",
    }
    if knobs.pdt_fields:
        body |= {
            "pattern_day_trader": False,
            "daytrade_count": 0,
            "daytrading_buying_power": _money(money.buying_power),
            "bod_dtbp": _money(money.buying_power),
        }
    return body


def position_body(ledger: Ledger, holding: Holding, held: Decimal) -> dict[str, Any]:
    """Render one position; `held` is what open orders have already promised of it.

    Crypto is spelled without its slash here, though orders carry it.
    """
    listing, price = holding.listing, ledger.price(holding)
    value = holding.qty * price
    lastday = holding.lastday_price or price
    profit, day_profit = value - holding.cost, value - holding.day_cost
    return {
        "asset_id": listing.asset_id,
        "symbol": listing.compact,
        "exchange": listing.exchange,
        "asset_class": listing.asset_class.value,
        "asset_marginable": listing.marginable,
        "qty": number(holding.qty),
        "avg_entry_price": _money(holding.average_price),
        "side": "long" if holding.qty > 0 else "short",
        "market_value": _money(value),
        "cost_basis": _money(holding.cost),
        "unrealized_pl": _money(profit),
        "unrealized_plpc": _ratio(profit, holding.cost),
        "unrealized_intraday_pl": _money(day_profit),
        "unrealized_intraday_plpc": _ratio(day_profit, holding.day_cost),
        "current_price": number(price),
        "lastday_price": number(lastday),
        "change_today": _ratio(price - lastday, lastday),
        "qty_available": number(holding.qty - held.copy_sign(holding.qty)),
    }


@lru_cache(maxsize=1_024)
def _money(value: Decimal) -> str:
    return number(value.quantize(_MONEY, ROUND_HALF_EVEN)) or "0"


def _ratio(part: Decimal, whole: Decimal) -> str:
    return number((part / abs(whole)).quantize(_RATIO) if whole else ZERO) or "0"
