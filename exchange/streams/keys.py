"""Read the account's keys from the headers of a request or of a websocket handshake."""

import base64
import binascii
from collections.abc import Mapping

# Stands in the key's place when the secret is a token (source: Alpaca's streaming pages).
TOKEN_KEYS = ("oauth", "access_token")


def keys_from_headers(headers: Mapping[str, str]) -> tuple[str, str] | None:
    """Return key and secret, None when no header tells them; unreadable ones are empty."""
    key, secret = headers.get("APCA-API-KEY-ID"), headers.get("APCA-API-SECRET-KEY")
    if key is not None and secret is not None:
        return key, secret
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    match scheme.lower():
        case "bearer":
            return TOKEN_KEYS[0], value
        case "basic":
            return _basic(value)
        case _:
            return None


def _basic(value: str) -> tuple[str, str]:
    try:
        key, _, secret = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return key, secret
