"""Hold settings and limits against each other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import SecretStr

from api.security import SecurityConfig, is_loopback
from api.settings.dotenv import env_file_faults
from api.settings.fields import Settings
from api.settings.limits import LimitSettings, limits_of
from api.settings.reading import read
from domain.errors import ConfigError
from domain.limits import Limits
from domain.market import AssetClass, asset_class_of

_CLASSES = {
    "stocks": {AssetClass.STOCK},
    "crypto": {AssetClass.CRYPTO},
    "both": {AssetClass.STOCK, AssetClass.CRYPTO},
}
_LEAST_SILENCE_S = 2.0


class Config:
    """Settings and limits together, read once and checked against each other."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self.settings = settings
        self.limits = limits

    @classmethod
    def read(cls, overrides: Mapping[str, Any] | None = None) -> Self:
        """Read everything; raises `ConfigError` with one line for each thing that is wrong."""
        given = {name.lower(): value for name, value in (overrides or {}).items()}
        lines = [] if "_env_file" in given else list(env_file_faults())
        if lines:
            raise ConfigError("\n".join(lines), remedy="See .env.example.")
        settings = read(Settings, given, lines)
        limits = read(LimitSettings, given, lines)
        if settings is not None and limits is not None:
            made = cls(settings, limits_of(limits))
            lines += made.faults()
            if not lines:
                return made
        raise ConfigError("\n".join(lines), remedy="See .env.example.")

    @classmethod
    def for_demo(cls, overrides: Mapping[str, Any], defaults: Mapping[str, Any]) -> Self:
        """Read for the demo: `overrides` make it one, `defaults` stand where a person set nothing.

        A `.env` is for the real venue and is not read.
        """
        unset = {name: value for name, value in defaults.items() if name not in os.environ}
        return cls.read({**unset, **overrides, "_env_file": None})

    def faults(self) -> Iterator[str]:
        """Yield one line for each pair of settings that cannot stand together."""
        s = self.settings
        allowed = _CLASSES[s.trading_mode]
        for symbol in s.symbols:
            if asset_class_of(symbol) not in allowed:
                yield f"TRADING_SYMBOLS holds {symbol}, but TRADING_MODE is {s.trading_mode}."
        if s.decision_deadline_s >= self.limits.decision_max_age_s:
            yield (
                f"DECISION_DEADLINE_S is {s.decision_deadline_s:g}: it must lie below "
                f"DECISION_MAX_AGE_S ({self.limits.decision_max_age_s:g})."
            )
        yield from self._exit_faults()
        if 0 < s.deadman_s < _LEAST_SILENCE_S:
            yield f"DEADMAN_S is {s.deadman_s:g}: it must be 0 or at least {_LEAST_SILENCE_S:g}."
        stops = (self.limits.stop_min_atr, self.limits.stop_default_atr, self.limits.stop_max_atr)
        if list(stops) != sorted(stops):
            least, usual, most = (f"{stop:g}" for stop in stops)
            yield (
                f"STOP_DEFAULT_ATR is {usual}: it must lie between "
                f"STOP_MIN_ATR ({least}) and STOP_MAX_ATR ({most})."
            )
        has_token = s.api_token or s.api_token_read or s.api_token_trade or s.api_token_approve
        largest = self.limits.max_order_amount
        if s.approval == "above" and s.approval_above >= largest:
            yield (
                f"APPROVAL_ABOVE is {s.approval_above}: it must lie below MAX_ORDER_AMOUNT "
                f"({largest}), or nothing would ever be asked."
            )
        if not is_loopback(s.host) and not has_token:
            yield f"HOST is {s.host}, which others can reach, but there is no API_TOKEN."
        if s.analyst == "llm" and not s.has_model_key:
            yield "ANALYST is llm, but neither OPENAI_API_KEY nor LLM_BASE_URL is set."

    def _exit_faults(self) -> Iterator[str]:
        s, cutoff_s = self.settings, self.limits.close_cutoff_s
        for symbol, rules in (s.exits_by_symbol or {}).items():
            if symbol not in s.symbols:
                yield f"EXITS_BY_SYMBOL names {symbol}, which TRADING_SYMBOLS does not."
            if "/" in symbol and rules.get("overnight") == "flat":
                yield f"EXITS_BY_SYMBOL: {symbol} has no night, overnight=flat is for stocks."
        if s.flat_before_close_s > cutoff_s:
            yield (
                f"FLAT_BEFORE_CLOSE_S is {s.flat_before_close_s:g}: it must not lie above "
                f"CLOSE_CUTOFF_S ({cutoff_s:g}), or what was sold could be bought again."
            )

    def require_keys(self) -> None:
        """Raise `ConfigError` when the venue's keys are missing."""
        s = self.settings
        missing = [
            name
            for name, value in (
                ("APCA_API_KEY_ID", s.apca_api_key_id),
                ("APCA_API_SECRET_KEY", s.apca_api_secret_key),
            )
            if value is None
        ]
        if missing:
            raise ConfigError(
                f"{' and '.join(missing)} must be set.",
                remedy="Run `autohedge init`, or try `autohedge demo`, which needs none.",
                code="KEYS_MISSING",
            )

    @property
    def security(self) -> SecurityConfig:
        """Return who may ask over HTTP."""
        s = self.settings
        return SecurityConfig(
            token=_revealed(s.api_token),
            read_token=_revealed(s.api_token_read),
            trade_token=_revealed(s.api_token_trade),
            approve_token=_revealed(s.api_token_approve),
            hosts=s.api_hosts,
        )


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
