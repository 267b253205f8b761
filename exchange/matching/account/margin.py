"""What the account may still spend: margin requirements, reservations and buying power."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from exchange.matching.account.ledger import Ledger
from exchange.matching.orders import ZERO, Order

_HUNDRED = Decimal(100)
# Reg T asks half of a share's price at purchase; intraday accounts carry four times their equity.
_REG_T = Decimal("0.5")
_INTRADAY = Decimal("0.25")
_DAY_TRADING = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The account's figures at one moment, dollars. Short values are negative."""

    equity: Decimal
    long_value: Decimal
    short_value: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    buying_power: Decimal
    regt_buying_power: Decimal
    non_marginable: Decimal


def figures(ledger: Ledger, orders: Iterable[Order], multiplier: int) -> Figures:
    """Compute what the account holds and may still spend, open orders counted as spent.

    Source: the account page. Multiplier 1: cash; 2: twice the excess over Reg T's initial margin;
    4: four times what last close's equity leaves over its maintenance margin, bounded by today's
    equity so that the same dollar is never spent twice. Crypto is cash only: it is no collateral,
    and its orders take their whole value out of either power.
    """
    shares = crypto = long_value = short_value = maintenance = ZERO
    for holding in ledger.holdings.values():
        value = ledger.value(holding)
        long_value += max(value, ZERO)
        short_value += min(value, ZERO)
        maintenance += abs(value) * holding.listing.margin_requirement / _HUNDRED
        if holding.listing.is_crypto:
            crypto += value
        else:
            shares += abs(value)
    share_orders, crypto_orders = _reserved(orders)
    equity = ledger.cash + long_value + short_value
    initial = crypto + shares * (_REG_T if multiplier > 1 else 1)
    excess = equity - initial
    reg_t = 2 * (excess - crypto_orders) - share_orders
    cash = ledger.cash + short_value - share_orders - crypto_orders
    power = {
        1: cash,
        2: reg_t,
        _DAY_TRADING: _DAY_TRADING
        * min(
            ledger.last_equity - ledger.last_maintenance - crypto_orders,
            equity - crypto - crypto_orders - shares * _INTRADAY,
        )
        - share_orders,
    }[multiplier]
    return Figures(
        equity=equity,
        long_value=long_value,
        short_value=short_value,
        initial_margin=initial,
        maintenance_margin=maintenance,
        buying_power=max(power, ZERO),
        regt_buying_power=max(reg_t if multiplier > 1 else cash, ZERO),
        non_marginable=max(min(cash, excess - crypto_orders - share_orders * _REG_T), ZERO),
    )


def _reserved(orders: Iterable[Order]) -> tuple[Decimal, Decimal]:
    """Return what open orders hold: for shares, for crypto."""
    shares = crypto = ZERO
    for order in orders:
        if order.listing.is_crypto:
            crypto += order.reserved
        else:
            shares += order.reserved
    return shares, crypto
