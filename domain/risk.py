"""Hold every order against every limit; the only place an `AuthorizedOrder` is made."""

from __future__ import annotations

_SEAL = object()


def is_seal(seal: object) -> bool:
    """Tell whether the seal is the one this module grants."""
    return seal is _SEAL
