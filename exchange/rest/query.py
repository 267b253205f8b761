"""Read a request's query as clients send it: capitals, dates or instants, comma lists."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypeVar

from exchange.errors import bad_input
from exchange.matching.sessions import to_ns

E = TypeVar("E", bound=StrEnum)
_FRACTION = re.compile(r"\.(\d{1,9})\d*")
_WHOLE = re.compile(r"[0-9]{1,9}")
_BOOLEANS = {"true": True, "1": True, "t": True, "false": False, "0": False, "f": False}


class Query:
    """Read query parameters; each reader raises VenueRefusal (422) on nonsense."""

    def __init__(self, parameters: Mapping[str, str]) -> None:
        self._parameters = parameters

    def text(self, name: str) -> str | None:
        """Return a parameter, None when absent or empty."""
        return self._parameters.get(name) or None

    def one_of(self, name: str, *choices: str) -> str:
        """Return one of the choices, the first when absent."""
        value = self.text(name) or choices[0]
        if value not in choices:
            raise bad_input(f"invalid {name}")
        return value

    def choice(self, name: str, kind: type[E]) -> E | None:
        """Return an enumerated value, None when absent."""
        value = self.text(name)
        try:
            return None if value is None else kind(value)
        except ValueError:
            raise bad_input(f"invalid {name}") from None

    def flag(self, name: str) -> bool:
        """Return a boolean, False when absent; alpaca-py writes `True`."""
        value = self.text(name)
        if value is None:
            return False
        if value.lower() not in _BOOLEANS:
            raise bad_input(f"invalid {name}")
        return _BOOLEANS[value.lower()]

    def whole(self, name: str, *, default: int, most: int) -> int:
        """Return a whole number from 1, cut at `most`."""
        value = self.text(name)
        if value is None:
            return default
        if not _WHOLE.fullmatch(value) or int(value) < 1:
            raise bad_input(f"invalid {name}")
        return min(int(value), most)

    def number(self, name: str) -> Decimal | None:
        """Return a number above zero, None when absent."""
        value = self.text(name)
        if value is None:
            return None
        try:
            number = Decimal(value)
        except InvalidOperation:
            raise bad_input(f"invalid {name}") from None
        if not number.is_finite() or number <= 0:
            raise bad_input(f"invalid {name}")
        return number

    def names(self, name: str) -> frozenset[str]:
        """Return a comma list as a set, empty when absent."""
        return frozenset(filter(None, (self.text(name) or "").split(",")))

    def instant(self, name: str) -> int | None:
        """Return a date or an RFC 3339 instant in nanoseconds, None when absent."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return _instant(value)
        except ValueError:
            raise bad_input(f"invalid {name}") from None

    def day(self, name: str) -> date | None:
        """Return a date, None when absent; of an instant, its date as written."""
        value = self.text(name)
        try:
            return None if value is None else date.fromisoformat(value[:10])
        except ValueError:
            raise bad_input(f"invalid {name}") from None


def _instant(text: str) -> int:
    """Parse RFC 3339 to the nanosecond, which datetime alone would cut to microseconds.

    A `+` of the offset arrives as a space when the client did not escape it.
    """
    fraction = _FRACTION.search(text)
    moment = datetime.fromisoformat(_FRACTION.sub("", text).replace(" ", "+"))
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return to_ns(moment) + (int(fraction.group(1).ljust(9, "0")) if fraction else 0)
