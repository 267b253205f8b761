"""Spoil sound messages: values of the wrong type or size, missing keys, nesting, broken bytes."""

from __future__ import annotations

import copy
import random
from typing import Any

NASTY: tuple[Any, ...] = (
    None, True, False, 0, -0.0, -1, 1, 2**63, -(2**63), 1e308, -1e308, 5e-324, float("nan"),
    float("inf"), float("-inf"), "", " ", "NaN", "Infinity", "-Infinity", "1e999", "1e-999", "-5",
    "0", "00", "1_000", "0x10", "١٢", "null", "AAPL ", "aapl", "\u0391APL", "BTCUSD", "BTC/USD/USD",
    "../../etc", "'; drop table entries; --", "\u202eAAPL", "\x00", "A" * 5_000,
    "2026-13-45T99:99Z",
    "0000-00-00T00:00:00Z", "9999-12-31T23:59:59.999999999Z", [], [None], [[]], {}, {"T": "q"},
    b"\xff\xfe",
)  # fmt: skip
_DEEP = 5_000
"""Far more nesting than any decoder's stack takes."""


class Mangler:
    """Draw garbage from a seed: the same seed, the same garbage."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def structure(self, sound: Any) -> Any:
        """Return a copy with one to three things in it wrong."""
        spoiled = copy.deepcopy(sound)
        for _ in range(self._rng.randint(1, 3)):
            spoiled = self._spoil(spoiled)
        return spoiled

    def octets(self, sound: bytes) -> bytes:
        """Return bytes that were cut, flipped, doubled, or never had a sense."""
        rng, data = self._rng, bytearray(sound)
        match rng.randrange(7):
            case 0:
                return bytes(data[: rng.randrange(len(data) + 1)])
            case 1:
                for _ in range(rng.randint(1, 8)):
                    data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            case 2:
                at = rng.randrange(len(data))
                data[at:at] = rng.randbytes(rng.randint(1, 40))
            case 3:
                at = rng.randrange(len(data))
                data[at : at + rng.randint(1, 40)] = b""
            case 4:
                data += bytes(data)
            case 5:
                at = rng.randrange(len(data))
                data[at:at] = rng.choice((b"[", b"\x91", b'{"a":', b"\x81\xa1a")) * _DEEP
            case _:
                return rng.randbytes(rng.randint(0, 200))
        return bytes(data)

    def _spoil(self, value: Any) -> Any:
        """Spoil one place: here, or further in."""
        rng = self._rng
        if isinstance(value, dict) and value and rng.random() < 0.9:  # noqa: PLR2004 - nine of ten go in
            key = rng.choice(list(value))
            match rng.randrange(5):
                case 0:
                    del value[key]
                case 1:
                    value[key] = self._nasty()
                case 2:
                    value[str(self._nasty())[:50]] = value[key]
                case _:
                    value[key] = self._spoil(value[key])
            return value
        if isinstance(value, list) and value and rng.random() < 0.8:  # noqa: PLR2004 - most go in
            at = rng.randrange(len(value))
            value[at] = self._spoil(value[at])
            return value
        return self._other(value)

    def _other(self, value: Any) -> Any:
        """Return something else in the place of a value."""
        rng = self._rng
        match rng.randrange(6):
            case 0 if isinstance(value, int | float) and not isinstance(value, bool):
                return -value
            case 1 if isinstance(value, int | float):
                return value * rng.choice((1e2, 1e12, 1e-12))
            case 2 if isinstance(value, str):
                return value + str(self._nasty())
            case 3:
                return [value] * rng.randint(0, 3)
            case 4:
                return {"value": value}
        return self._nasty()

    def _nasty(self) -> Any:
        return copy.deepcopy(self._rng.choice(NASTY))
