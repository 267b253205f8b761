"""Name what a person may set beside the limits: one field, one variable."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from api.settings.source import FromEnvironment
from engine.orders.protection.rules import changes_by_symbol, distance_of, seconds_of
from graph.analysts.own import NAMED

ANALYSTS = ("auto", "llm", "rules", "local")
REAL_MONEY = "yes-real-money"
HTTP = r"^https?://"
WS = r"^wss?://"
YesNo = Literal["yes", "no"]

_DEFAULT_SYMBOLS = {"stocks": ("AAPL",), "crypto": ("BTC/USD",), "both": ("AAPL", "BTC/USD")}
_SYMBOL = re.compile(r"[A-Za-z0-9.]{1,16}(/[A-Za-z0-9]{1,16})?")
"""ASCII alone: a Greek capital alpha looks like an A, and upper case makes an S of a long s."""


def _of(default: Any, doc: str, *, group: str = "", **bounds: Any) -> Any:
    return Field(default, description=doc, json_schema_extra={"group": group}, **bounds)


def _read_by(reader: Callable[[str], Any]) -> BeforeValidator:
    """Read a text by a package's own grammar; what is not set, or read already, stays."""
    return BeforeValidator(lambda value: reader(value) if isinstance(value, str) else value)


class Settings(FromEnvironment):
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

    analyst: str = _of(
        "auto",
        "Who answers: auto (llm with a key, else rules), llm, rules, local, or your module:Class.",
        group="Analyst",
    )
    prompts_dir: Path | None = _of(
        None, "Folder of prompts of your own: director.md, quant.md, risk.md, execution.md."
    )
    llm_model: str = _of(
        "gpt-5-mini",
        "Model name. gpt-4-turbo-preview, once documented, knows no json_schema; this one does.",
        min_length=1,
    )
    llm_base_url: str | None = _of(
        None, "OpenAI-compatible endpoint; empty means OpenAI.", pattern=HTTP, repr=False
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
        None, "Trading API; empty means Alpaca's.", pattern=HTTP, repr=False
    )
    apca_data_url: str | None = _of(
        None, "Data API; empty means Alpaca's.", pattern=HTTP, repr=False
    )
    apca_stream_url: str | None = _of(
        None, "Data streams; empty means Alpaca's.", pattern=WS, repr=False
    )
    apca_requests_per_minute: int = _of(180, "Requests to the trading API.", ge=20, le=10_000)
    alert_urls: SecretStr | None = _of(
        None,
        "Where alerts go, by spaces: json://host/path, ntfy://topic, mailto://... (apprise).",
        group="Watching it",
    )
    alert_every_s: float = _of(
        300.0, "Seconds in which the same alert is sent once.", ge=1, le=86_400
    )
    otel_exporter_otlp_endpoint: str | None = _of(
        None, "Collector that traces of decisions go to, OTLP over HTTP.", pattern=HTTP, repr=False
    )
    log_level: Literal["debug", "info", "warning", "error"] = _of(
        "warning", "Least level of a log line."
    )
    log_format: Literal["text", "json"] = _of("text", "How log lines are written.")

    @field_validator("analyst")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in ANALYSTS and NAMED.fullmatch(value) is None:
            raise ValueError(f"choose of {', '.join(ANALYSTS)}, or name module:Class of your own")
        return value

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
