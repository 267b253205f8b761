"""Read the environment and `.env`: the only module that does.

Every setting is one field here or one row of `domain.limits.LIMITS_TABLE`; `.env.example` and the
reference are printed from them (`python -m api.settings`). A wrong value is one line that names
the variable, what it holds and what it may hold. Secrets never print.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from dotenv.parser import parse_stream
from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    create_model,
    field_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from api.security import SecurityConfig, is_loopback
from domain.errors import ConfigError
from domain.limits import LIMITS_TABLE, Limits, LimitSpec
from domain.market import AssetClass, asset_class_of
from engine.orders.protection.rules import changes_by_symbol, distance_of, seconds_of

REAL_MONEY = "yes-real-money"
_DEFAULT_SYMBOLS = {"stocks": ("AAPL",), "crypto": ("BTC/USD",), "both": ("AAPL", "BTC/USD")}
_CLASSES = {
    "stocks": {AssetClass.STOCK},
    "crypto": {AssetClass.CRYPTO},
    "both": {AssetClass.STOCK, AssetClass.CRYPTO},
}

_HTTP = r"^https?://"
_WS = r"^wss?://"
_BEGINS = {_HTTP: "http:// or https://", _WS: "ws:// or wss://"}
_SYMBOL = re.compile(r"[A-Za-z0-9.]{1,16}(/[A-Za-z0-9]{1,16})?")
"""ASCII alone: a Greek capital alpha looks like an A, and upper case makes an S of a long s."""
_LEAST_SILENCE_S = 2.0
_CREDENTIALS = re.compile(r"//[^/\s]*@")
_MISSPELT = 0.88
"""How like a setting's name (difflib's ratio) an unknown one in `.env` must be to stand for it."""

YesNo = Literal["yes", "no"]


def _of(default: Any, doc: str, *, group: str = "", **bounds: Any) -> Any:
    return Field(default, description=doc, json_schema_extra={"group": group}, **bounds)


def _read_by(reader: Callable[[str], Any]) -> BeforeValidator:
    """Read a text by a package's own grammar; what is not set, or read already, stays."""
    return BeforeValidator(lambda value: reader(value) if isinstance(value, str) else value)


class _Read(BaseSettings):
    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True
    )


class Settings(_Read):
    """What a person may set beside the limits. Names are the variables', in lower case."""

    openai_api_key: SecretStr | None = _of(
        None, "Key of OpenAI or of the compatible endpoint.", group="Keys"
    )
    apca_api_key_id: str | None = _of(None, "Alpaca key id (paper keys begin with PK).")
    apca_api_secret_key: SecretStr | None = _of(None, "Alpaca secret key.")

    trading_mode: Literal["stocks", "crypto", "both"] = _of(
        "stocks", "What to trade: stocks, crypto or both.", group="What to trade"
    )
    trading_symbols: Annotated[tuple[str, ...], NoDecode] = _of(
        (), "Comma-separated symbols; empty means AAPL for stocks, BTC/USD for crypto."
    )
    stock_feed: Literal["iex", "sip", "test"] = _of("iex", "Alpaca's stock feed; sip needs a plan.")
    live_trading: Literal["no", "yes-real-money"] = _of(
        "no", f"{REAL_MONEY} allows `run --live`; anything else is paper."
    )

    analyst: Literal["auto", "llm", "rules", "local"] = _of(
        "auto", "Who answers: auto takes llm with a key and rules without.", group="Analyst"
    )
    llm_model: str = _of(
        "gpt-5-mini",
        "Model name. gpt-4-turbo-preview, once documented, knows no json_schema; this one does.",
        min_length=1,
    )
    llm_base_url: str | None = _of(
        None, "OpenAI-compatible endpoint; empty means OpenAI.", pattern=_HTTP, repr=False
    )
    llm_method: Literal["json_schema", "function_calling", "json_mode"] = _of(
        "json_schema", "How structured answers are asked for."
    )
    llm_temperature: float | None = _of(None, "Sampling temperature; empty sends none.", ge=0, le=2)
    llm_timeout_s: float = _of(20.0, "Seconds for one answer.", gt=0, le=600)
    llm_max_tokens: int = _of(600, "Most tokens of one answer.", ge=64, le=32_000)
    llm_usd_per_m_in: float | None = _of(
        None, "Dollars a million prompt tokens, if not listed.", ge=0
    )
    llm_usd_per_m_out: float | None = _of(
        None, "Dollars a million answer tokens, if not listed.", ge=0
    )
    llm_max_concurrent: int = _of(3, "Runs at once.", ge=1, le=64)
    llm_queue_size: int = _of(
        100, "Tickets that may wait; the least urgent leaves.", ge=1, le=10_000
    )
    llm_requests_per_minute: int | None = _of(
        None, "Most requests in any minute; empty: no bound.", ge=1
    )
    llm_tokens_per_minute: int | None = _of(
        None, "Most tokens in any minute; empty: no bound.", ge=1
    )
    llm_max_usd_per_day: float | None = _of(5.0, "Most dollars a UTC day; empty: no bound.", ge=0)

    bar_interval_s: int = _of(60, "Seconds of one candle.", ge=1, le=86_400, group="Deciding")
    market_history_limit: int = _of(50, "Candles the agents see.", ge=30, le=500)
    warmup_min_count: int = _of(50, "Closed candles before trading starts.", ge=1, le=10_000)
    cooldown_s: float = _of(60.0, "Seconds between two runs of a symbol.", ge=0, le=86_400)
    wake_move_atr: float = _of(1.5, "Average true ranges of move that wake a symbol.", gt=0, le=100)
    decision_deadline_s: float = _of(45.0, "Seconds for one run with all its calls.", gt=1, le=3600)
    confidence_floor: float = _of(0.55, "Least confidence of the director, 0..1.", ge=0, le=1)
    score_floor: float = _of(0.5, "Least score of the quant, 0..1.", ge=0, le=1)
    approval: Literal["never", "always", "above"] = _of(
        "never", "Which entries wait for a person: never, always, or those above APPROVAL_ABOVE."
    )
    approval_above: Decimal = _of(
        Decimal(50), "Dollars of an entry above which APPROVAL=above asks.", ge=0
    )
    approval_ttl_s: float = _of(300.0, "Seconds an order waits for a person.", ge=1, le=86_400)
    adopt_positions: YesNo = _of("no", "yes protects positions held before the first start.")
    autostart: YesNo = _of("no", "yes starts the session with the process, also after a crash.")

    stop_loss: Annotated[Any, _read_by(distance_of)] = _of(
        None,
        "Furthest a stop may lie from the entry: 2%, 3atr or off; the agents' counts if nearer.",
        group="Exits",
    )
    take_profit: Annotated[Any, _read_by(distance_of)] = _of(
        None, "Furthest a target may lie from the entry: 4%, 6atr or off; likewise."
    )
    trailing_stop: Annotated[Any, _read_by(distance_of)] = _of(
        None, "How far the stop follows the best price: 2%, 3atr or off. It never moves back."
    )
    max_holding: Annotated[Any, _read_by(seconds_of)] = _of(
        None, "Longest a position is held: 90s, 45m, 4h, 2d or off."
    )
    overnight: Literal["hold", "flat"] = _of("hold", "flat sells stocks before their session ends.")
    flat_before_close_s: float = _of(
        300.0, "Seconds before the close when OVERNIGHT=flat sells.", ge=30, le=7200
    )
    exit_collar: Decimal = _of(
        Decimal("0.02"),
        "Most of the price an urgent exit may give up in one try, as a fraction.",
        ge=Decimal("0.001"),
        le=Decimal("0.2"),
    )
    exits_by_symbol: Annotated[Any, _read_by(changes_by_symbol)] = _of(
        None,
        "Exits of single symbols: BTC/USD: trailing_stop=3atr max_holding=1h; AAPL: stop_loss=2%",
    )

    deadman_s: float = _of(
        10.0,
        "Seconds of silence after which a child process cancels working entries; 0: none.",
        ge=0,
        le=3600,
    )

    host: str = _of(
        "127.0.0.1", "Address HTTP listens on; others than loopback need API_TOKEN.", group="HTTP"
    )
    port: int = _of(3000, "Port of HTTP.", ge=0, le=65_535)
    api_token: SecretStr | None = _of(
        None, "Bearer token that HTTP asks for; opens everything (16 characters or more)."
    )
    api_token_read: SecretStr | None = _of(None, "Token that may read and change nothing.")
    api_token_trade: SecretStr | None = _of(None, "Token that may read and trade, not approve.")
    api_token_approve: SecretStr | None = _of(None, "Token that may read and settle approvals.")
    api_hosts: Annotated[tuple[str, ...], NoDecode] = _of(
        (), "Host names HTTP is called by, beside loopback's."
    )

    database_url: str = _of(
        "sqlite:///var/autohedge.sqlite3",
        "The journal's database.",
        group="Journal and addresses",
        repr=False,
    )
    retention_days: float | None = _of(
        None, "Days that entries of the journal are kept; empty keeps all.", ge=1, le=36_500
    )
    retention_contents_days: float | None = _of(
        None, "Days that windows and prompts are kept; empty keeps all.", ge=1, le=36_500
    )
    feed_mute_s: float = _of(60.0, "Seconds of silence before the feed reconnects.", ge=1, le=3600)
    apca_api_base_url: str | None = _of(
        None, "Trading API; empty means Alpaca's.", pattern=_HTTP, repr=False
    )
    apca_data_url: str | None = _of(
        None, "Data API; empty means Alpaca's.", pattern=_HTTP, repr=False
    )
    apca_stream_url: str | None = _of(
        None, "Data streams; empty means Alpaca's.", pattern=_WS, repr=False
    )
    apca_requests_per_minute: int = _of(180, "Requests to the trading API.", ge=20, le=10_000)
    log_level: Literal["debug", "info", "warning", "error"] = _of(
        "warning", "Least level of a log line."
    )
    log_format: Literal["text", "json"] = _of("text", "How log lines are written.")

    @field_validator("trading_symbols", "api_hosts", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            parts = (part.strip() for part in value.split(","))
            return tuple(dict.fromkeys(part for part in parts if part))
        return value

    @field_validator("trading_symbols")
    @classmethod
    def _upper(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for symbol in value:
            if _SYMBOL.fullmatch(symbol) is None:
                raise ValueError(f"{symbol!a} is no symbol: write AAPL or BTC/USD")
        return tuple(dict.fromkeys(symbol.upper() for symbol in value))

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return what to trade, the default when none is named."""
        return self.trading_symbols or _DEFAULT_SYMBOLS[self.trading_mode]

    @property
    def has_model_key(self) -> bool:
        """Tell whether a model endpoint can be asked."""
        return self.openai_api_key is not None or self.llm_base_url is not None

    @property
    def is_live_allowed(self) -> bool:
        """Tell whether the person has typed the phrase for real money."""
        return self.live_trading == REAL_MONEY


def _limit_field(spec: LimitSpec) -> Any:
    default = spec.default
    doc = f"{spec.doc} ({spec.unit})"
    if isinstance(default, bool):
        return YesNo, Field("yes" if default else "no", description=doc)
    kind: Any = type(default)
    return kind, Field(default, description=doc, ge=spec.minimum, le=spec.maximum)


_FIELDS: dict[str, Any] = {spec.field: _limit_field(spec) for spec in LIMITS_TABLE}
LimitSettings: Any = create_model("LimitSettings", __base__=_Read, **_FIELDS)


class Config:
    """Settings and limits together, read once and checked against each other."""

    def __init__(self, settings: Settings, limits: Limits) -> None:
        self.settings = settings
        self.limits = limits

    @classmethod
    def read(cls, overrides: Mapping[str, Any] | None = None) -> Self:
        """Read everything; raises `ConfigError` with one line for each thing that is wrong."""
        given = {name.lower(): value for name, value in (overrides or {}).items()}
        lines = list(_env_file_faults(given))
        if lines:
            raise ConfigError("\n".join(lines), remedy="See .env.example.")
        settings = _read(Settings, given, lines)
        limits = _read(LimitSettings, given, lines)
        if settings is not None and limits is not None:
            made = cls(settings, _limits(limits))
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
                remedy="Copy .env.example to .env and fill them in, or try `autohedge demo`.",
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


def _read(kind: Any, given: Mapping[str, Any], lines: list[str]) -> Any:
    try:
        known = {*kind.model_fields, "_env_file"}
        return kind(**{name: value for name, value in given.items() if name in known})
    except ValidationError as error:
        lines += [_line(kind, each) for each in error.errors(include_url=False)]
        return None


def _line(kind: Any, error: ErrorDetails) -> str:
    """Say which variable is wrong, what it holds, and what it may hold."""
    name = str(error["loc"][0])
    annotation = str(kind.model_fields[name].annotation)
    held = "***" if "SecretStr" in annotation else repr(error.get("input"))
    may_hold = error["msg"].removeprefix("Value error, ")
    if error["type"] == "string_pattern_mismatch":
        may_hold = f"it must begin with {_BEGINS[error['ctx']['pattern']]}"
    return f"{name.upper()} is {_CREDENTIALS.sub('//***@', held)}: {may_hold}."


def _env_file_faults(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each line of `.env` that cannot be read or that misspells a setting.

    A limit that was misspelt would silently stand at its default. Nothing of a line but its name is
    shown: it may hold a secret.
    """
    path = env_file()
    if path is None or "_env_file" in given:
        return
    try:
        bindings = list(parse_stream(StringIO(path.read_text(encoding="utf-8"))))
    except UnicodeDecodeError:
        yield ".env is not UTF-8 text: save it as such."
        return
    known = known_variables()
    for binding in bindings:
        name = (binding.key or "").upper()
        if binding.error:
            yield f"Line {binding.original.line} of .env cannot be read: write NAME=value."
        elif name not in known:
            for meant in difflib.get_close_matches(name, known, n=1, cutoff=_MISSPELT):
                yield f"{name} in .env is no setting: {meant} is."


def _limits(read: Any) -> Limits:
    values: dict[str, Any] = {}
    for spec in LIMITS_TABLE:
        value = getattr(read, spec.field)
        values[spec.field] = value == "yes" if isinstance(spec.default, bool) else value
    return Limits(**values)


def example() -> str:
    """Return `.env.example`: every variable, its default and one line each."""
    lines = [
        "# AutoHedge's settings: copy to .env and change what you need. Every line is a default.",
        "# Made by: python -m api.settings > .env.example",
    ]
    for name, field in Settings.model_fields.items():
        extra = field.json_schema_extra
        group = extra.get("group") if isinstance(extra, dict) else ""
        if group:
            lines += ["", f"## {group}"]
        lines += _example_lines(name, field)
    lines += ["", "## Limits: no model can move them"]
    for name, field in LimitSettings.model_fields.items():
        lines += _example_lines(name, field)
    return "\n".join(lines) + "\n"


def _example_lines(name: str, field: FieldInfo) -> list[str]:
    default = field.default
    shown = "" if default in (None, ()) else str(default)
    if isinstance(default, Decimal | float | int):
        shown = f"{default}"
    return [f"# {field.description}", f"{name.upper()}={shown}"]


def known_variables() -> frozenset[str]:
    """Return the names of all variables, as the environment spells them."""
    names = {*Settings.model_fields, *LimitSettings.model_fields}
    return frozenset(name.upper() for name in names)


def env_file() -> Path | None:
    """Return the `.env` that is read, if there is one."""
    path = Path(".env")
    return path if path.exists() and os.access(path, os.R_OK) else None


if __name__ == "__main__":
    sys.stdout.write(example())
