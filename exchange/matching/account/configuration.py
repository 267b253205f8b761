"""The account's own switches, as `GET` and `PATCH /v2/account/configurations` show them."""

from typing import Any

from exchange.errors import bad_input

_BOOLEANS = (
    "suspend_trade",
    "no_shorting",
    "fractional_trading",
    "ptp_no_exception_entry",
    "disable_overnight_trading",
)


class Configuration:
    """Hold the switches; matching reads those that forbid orders.

    Source: the account configurations page. `pdt` adds the two fields that left in July 2026.
    """

    def __init__(self, *, multiplier: int, pdt: bool) -> None:
        self._fields: dict[str, Any] = {
            "suspend_trade": False,
            "no_shorting": False,
            "fractional_trading": True,
            "max_margin_multiplier": str(multiplier),
            "trade_confirm_email": "all",
            "ptp_no_exception_entry": False,
            "max_options_trading_level": 0,
            "disable_overnight_trading": False,
        }
        if pdt:
            self._fields |= {"pdt_check": "entry", "dtbp_check": "entry"}

    @property
    def body(self) -> dict[str, Any]:
        """Return a copy as REST answers it."""
        return dict(self._fields)

    @property
    def is_suspended(self) -> bool:
        """Tell whether the user has switched trading off."""
        return bool(self._fields["suspend_trade"])

    @property
    def may_short(self) -> bool:
        """Tell whether the user allows short sales."""
        return not self._fields["no_shorting"]

    @property
    def may_trade_fractions(self) -> bool:
        """Tell whether the user allows parts of shares."""
        return bool(self._fields["fractional_trading"])

    @property
    def max_multiplier(self) -> int:
        """Return the user's cap on the margin multiplier."""
        return int(self._fields["max_margin_multiplier"])

    def patch(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Take the user's changes, all or none; fields not named stay.

        Raises:
            VenueRefusal: a field is unknown or its value is of the wrong kind.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        for name, value in given.items():
            if not self._takes(name, value):
                raise bad_input(f"invalid {name}")
        self._fields |= {k: str(v) if k == "max_margin_multiplier" else v for k, v in given.items()}
        return self.body

    def _takes(self, name: str, value: Any) -> bool:
        if name not in self._fields:
            return False
        if name in _BOOLEANS:
            return isinstance(value, bool)
        if name == "max_margin_multiplier":
            return str(value) in ("1", "2", "4")
        if name == "max_options_trading_level":
            return value in (0, 1, 2, 3)
        return isinstance(value, str)
