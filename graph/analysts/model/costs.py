"""Count what a question costs: tokens before it is sent, dollars when it was answered."""

from __future__ import annotations

import re

from domain.records import Record

# A word with the blank before it, up to three digits, a run of blanks, or any other character.
# OpenAI's encodings split texts by a pattern like this one and join letters only within pieces.
# Against cl100k and o200k our prompts count 1.0 to 1.5 times their tokens, nonsense included.
_PIECES = re.compile(r" ?[A-Za-z]+|\d{1,3}|\s+|[^\sA-Za-z\d]")
_LETTERS_A_TOKEN = 4
# What the message frame and the schema add to the text.
FRAME_TOKENS = 200


class Price(Record, frozen=True):
    """Dollars for a million tokens."""

    usd_per_m_in: float
    usd_per_m_out: float


FREE = Price(usd_per_m_in=0.0, usd_per_m_out=0.0)

# List prices of the models' owner, without discounts for cached input: so an upper bound.
# Source: openai.com/api/pricing. A setting overrides them; what is not listed counts as free and
# `Llm.is_priced` says so.
PRICES = {
    "gpt-3.5-turbo": Price(usd_per_m_in=0.50, usd_per_m_out=1.50),
    "gpt-4-turbo": Price(usd_per_m_in=10.00, usd_per_m_out=30.00),
    "gpt-4o": Price(usd_per_m_in=2.50, usd_per_m_out=10.00),
    "gpt-4o-mini": Price(usd_per_m_in=0.15, usd_per_m_out=0.60),
    "gpt-4.1": Price(usd_per_m_in=2.00, usd_per_m_out=8.00),
    "gpt-4.1-mini": Price(usd_per_m_in=0.40, usd_per_m_out=1.60),
    "gpt-4.1-nano": Price(usd_per_m_in=0.10, usd_per_m_out=0.40),
    "gpt-5": Price(usd_per_m_in=1.25, usd_per_m_out=10.00),
    "gpt-5-mini": Price(usd_per_m_in=0.25, usd_per_m_out=2.00),
    "gpt-5-nano": Price(usd_per_m_in=0.05, usd_per_m_out=0.40),
}

_SNAPSHOT = re.compile(r"-(?:\d{4}-\d\d-\d\d|\d{4}|preview|latest)\Z")


def price_of(model: str) -> Price | None:
    """Return a model's list price, also for its dated snapshots, or none when it is not listed."""
    while model not in PRICES:
        shorter = _SNAPSHOT.sub("", model)
        if shorter == model:
            return None
        model = shorter
    return PRICES[model]


def cost_usd(price: Price, tokens_in: int, tokens_out: int) -> float:
    """Return what a call cost."""
    return (tokens_in * price.usd_per_m_in + tokens_out * price.usd_per_m_out) / 1e6


def estimate_tokens(text: str) -> int:
    """Estimate the tokens of a prompt without a tokenizer, rather too many than too few.

    Characters beyond ASCII count one token for each of their bytes.
    """
    return sum(_tokens_of(piece) for piece in _PIECES.findall(text))


class Unmetered:
    """The budget of a model that costs nothing: the local one."""

    async def admit(self, *, tokens: int) -> None:
        """Let every call through."""

    def spend(self, *, tokens_in: int, tokens_out: int, cost_usd: float) -> None:
        """Count nothing."""

    def pause(self, retry_after_s: float) -> None:
        """Wait for nobody."""


def _tokens_of(piece: str) -> int:
    if piece.isascii():
        return -(-len(piece) // _LETTERS_A_TOKEN) if piece[-1].isalpha() else 1
    return len(piece.encode())
