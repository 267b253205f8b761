"""Say what asking again would cost, before the first call."""

from __future__ import annotations

from backtest.flips.records import Journaled
from domain.decisions import Role
from domain.records import Record, plain
from graph.agent import brief_of
from graph.analysts.model.conversation import BUILT_IN, Told, question
from graph.analysts.model.costs import FRAME_TOKENS, Price, cost_usd, estimate_tokens

_ANSWERS = ("directive", "signal", "verdict")


class Estimate(Record, frozen=True):
    """What one round of questions takes: decisions, calls, tokens."""

    decisions: int = 0
    calls: int = 0
    tokens_in: int = 0
    tokens_out: int = 0

    def plus(self, other: Estimate) -> Estimate:
        """Add two."""
        return Estimate(
            decisions=self.decisions + other.decisions,
            calls=self.calls + other.calls,
            tokens_in=self.tokens_in + other.tokens_in,
            tokens_out=self.tokens_out + other.tokens_out,
        )

    def usd(self, price: Price, *, samples: int = 1) -> float:
        """Return the dollars of so many rounds."""
        return samples * cost_usd(price, self.tokens_in, self.tokens_out)


def estimate(journaled: Journaled, *, max_tokens: int, told: Told = BUILT_IN) -> Estimate:
    """Estimate one decision: the agents that were asked then, each answer as long as it may be.

    Agents that are reached only because an earlier one changes its mind are not in it, nor are
    repairs; answers shorter than they may be are not either, and they weigh more.
    """
    decision, window = journaled.decision, journaled.window
    said = {name: plain(getattr(decision, name)) for name in _ANSWERS}
    roles = [role for role in Role if any(call.role is role for call in decision.calls)]
    prompts = [question(brief_of(role, said, window), told=told) for role in roles]
    return Estimate(
        decisions=1,
        calls=len(prompts),
        tokens_in=sum(estimate_tokens(prompt.text) + FRAME_TOKENS for prompt in prompts),
        tokens_out=max_tokens * len(prompts),
    )
