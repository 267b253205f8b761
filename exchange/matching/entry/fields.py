"""Read a request's fields as strangers send them: numbers or strings, missing, null or nonsense."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

from exchange.errors import bad_input

# Far beyond any order, and well inside what decimal arithmetic holds exactly.
_MAX_DIGITS, _MAX_PLACES = 14, 20

E = TypeVar("E", bound=StrEnum)


class Fields:
    """Read one JSON object; `prefix` names a nested one in messages (`take_profit.`).

    Every reader raises VenueRefusal (422) when the field is there and wrong.
    """

    def __init__(self, body: Mapping[str, Any], prefix: str = "") -> None:
        self._body = body
        self._prefix = prefix

    def has(self, name: str) -> bool:
        """Tell whether a field is there and not null."""
        return self._body.get(name) is not None

    def path(self, name: str) -> str:
        """Return a field's name as messages spell it."""
        return f"{self._prefix}{name}"

    def text(self, name: str) -> str | None:
        """Return a string, None when absent or empty."""
        value = self._body.get(name)
        if value is not None and not (isinstance(value, str) and _is_text(value)):
            raise bad_input(f"{self.path(name)} must be a string")
        return value or None

    def choice(self, name: str, kind: type[E], default: E | None = None) -> E:
        """Return an enumerated value; without a default the field is required."""
        value = self._body.get(name)
        if value in (None, "") and default is not None:
            return default
        try:
            return kind(str(value))
        except ValueError:
            raise bad_input(f"invalid {self.path(name)}") from None

    def positive(self, name: str) -> Decimal | None:
        """Return a number above zero, None when absent."""
        value = self._body.get(name)
        if value is None:
            return None
        number = _decimal(value)
        if number is None or number.adjusted() > _MAX_DIGITS or _places(number) > _MAX_PLACES:
            raise bad_input(f"{self.path(name)} must be a number")
        if number <= 0:
            raise bad_input(f"{self.path(name)} must be > 0")
        return number

    def flag(self, name: str) -> bool:
        """Return a boolean, False when absent."""
        value = self._body.get(name)
        if value is not None and not isinstance(value, bool):
            raise bad_input(f"{self.path(name)} must be a boolean")
        return bool(value)

    def section(self, name: str) -> "Fields | None":
        """Return a nested object, None when absent."""
        value = self._body.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            raise bad_input(f"invalid {self.path(name)}")
        return Fields(value, f"{self.path(name)}.")


def _decimal(value: Any) -> Decimal | None:
    """Return a finite decimal; a float is taken as it prints, so 0.1 is a tenth."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _is_text(value: str) -> bool:
    """Tell a string that can be written: JSON may smuggle in half a surrogate pair."""
    return value.isascii() or not any("\ud800" <= char <= "\udfff" for char in value)


def _places(number: Decimal) -> int:
    exponent = number.as_tuple().exponent
    return -exponent if isinstance(exponent, int) else 0
