"""Ask the five questions, each until its answer is one that the settings take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial

from api.assembly.live import LIVE_KEYS, PAPER_KEYS
from api.settings import Config, Settings
from domain.errors import ConfigError

MASK = "***"
_SHOWN = 4
_LEAST_SHOWN = 12
"""Characters of a secret below which none of it is shown."""


@dataclass(frozen=True, kw_only=True)
class Asker:
    """How a person is asked: `ask(text, default)`, `hide(text)` for secrets, and `tell(line)`."""

    ask: Callable[[str, str], str]
    hide: Callable[[str], str]
    tell: Callable[[str], None]


@dataclass(kw_only=True)
class Answers:
    """The variables so far, by name, in the order in which they are written."""

    values: dict[str, str] = field(default_factory=dict)

    def faults(self) -> Iterator[str]:
        """Yield what the settings say against the answers, one line each."""
        try:
            Config.read({**self.values, "_env_file": None})
        except ConfigError as error:
            yield from str(error).splitlines()


def shown(name: str, value: str) -> str:
    """Return a value as a screen may show it: of a secret only how it ends."""
    annotation = str(Settings.model_fields[name.lower()].annotation) if _is_field(name) else ""
    if "SecretStr" not in annotation and name != "APCA_API_KEY_ID":
        return value
    return MASK + (value[-_SHOWN:] if len(value) >= _LEAST_SHOWN else "")


def ask_all(asker: Asker, defaults: Mapping[str, str]) -> Answers:
    """Ask the five questions; an empty answer takes what is offered."""
    answers = Answers()
    for number, question in enumerate(_QUESTIONS, start=1):
        _until_taken(asker, answers, partial(question, asker, answers, defaults, number))
    return answers


def _until_taken(asker: Asker, answers: Answers, ask: Callable[[], dict[str, str]]) -> None:
    while True:
        given = {name: value for name, value in ask().items() if value}
        tried = Answers(values={**answers.values, **given})
        faults = list(tried.faults())
        if not faults:
            answers.values = tried.values
            return
        for line in faults:
            asker.tell(f"  {line}")


_Question = Callable[[Asker, Answers, Mapping[str, str], int], dict[str, str]]


def _mode(asker: Asker, _so_far: Answers, defaults: Mapping[str, str], n: int) -> dict[str, str]:
    text = f"{n}. What to trade: stocks, crypto or both?"
    return {"TRADING_MODE": asker.ask(text, defaults.get("TRADING_MODE", "stocks"))}


def _symbols(asker: Asker, so_far: Answers, defaults: Mapping[str, str], n: int) -> dict[str, str]:
    mode = so_far.values["TRADING_MODE"]
    usual = {"stocks": "AAPL", "crypto": "BTC/USD"}.get(mode, "AAPL,BTC/USD")
    offered = defaults.get("TRADING_SYMBOLS", usual)
    return {"TRADING_SYMBOLS": asker.ask(f"{n}. Which symbols, by commas?", offered)}


def _keys(asker: Asker, _so_far: Answers, defaults: Mapping[str, str], n: int) -> dict[str, str]:
    asker.tell(
        f"{n}. Alpaca's key pair (alpaca.markets, Paper, API keys; {PAPER_KEYS}... is paper)"
    )
    key = asker.ask("   Key id", defaults.get("APCA_API_KEY_ID", ""))
    if key.startswith(LIVE_KEYS):
        asker.tell("   A live account's key: `run` refuses it, `run --live` trades real money.")
    return {"APCA_API_KEY_ID": key, "APCA_API_SECRET_KEY": asker.hide("   Secret (not shown)")}


def _analyst(asker: Asker, _so_far: Answers, _offered: Mapping[str, str], n: int) -> dict[str, str]:
    asker.tell(f"{n}. Who decides? A model needs a key of OpenAI, or an endpoint's address.")
    url = asker.ask("   Address of a compatible endpoint (empty: OpenAI)", "")
    key = asker.hide("   Its key (not shown; empty: rules decide, without a model)")
    return {"LLM_BASE_URL": url, "OPENAI_API_KEY": key}


def _amount(asker: Asker, _so_far: Answers, defaults: Mapping[str, str], n: int) -> dict[str, str]:
    text = f"{n}. Most dollars that one entry may cost?"
    return {"MAX_ORDER_AMOUNT": asker.ask(text, defaults.get("MAX_ORDER_AMOUNT", "100"))}


_QUESTIONS: tuple[_Question, ...] = (_mode, _symbols, _keys, _analyst, _amount)


def _is_field(name: str) -> bool:
    return name.lower() in Settings.model_fields
