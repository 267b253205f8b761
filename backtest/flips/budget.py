"""Keep a bill under a bound that nothing passes."""

from __future__ import annotations

from collections import deque
from math import fsum

from domain.errors import BudgetSpent
from domain.ports import Budget
from graph.analysts.model.costs import Price


class HardBudget:
    """Set aside what a call may cost at most before it leaves; refuse it where that is too much.

    `within` keeps the pace (requests and tokens a minute). Concurrent calls cannot pass the bound
    together, because each is counted in full from the moment it was let through. Implements
    `domain.ports.Budget`.
    """

    def __init__(self, within: Budget, *, usd: float, price: Price) -> None:
        self._within = within
        self._usd = usd
        self._usd_a_token = max(price.usd_per_m_in, price.usd_per_m_out) / 1e6
        self._aside: deque[float] = deque()
        self._spent_usd = 0.0

    @property
    def spent_usd(self) -> float:
        """Return what was paid."""
        return self._spent_usd

    async def admit(self, *, tokens: int) -> None:
        """Let one call of at most so many tokens through; raises `BudgetSpent` before the bound."""
        worst_usd = tokens * self._usd_a_token
        if self._spent_usd + fsum(self._aside) + worst_usd > self._usd:
            raise BudgetSpent(
                f"${self._spent_usd:.4f} of ${self._usd:g} are spent; the next call might pass it.",
                remedy="Raise --budget, or ask for fewer decisions or samples.",
            )
        self._aside.append(worst_usd)
        is_admitted = False
        try:
            await self._within.admit(tokens=tokens)
            is_admitted = True
        finally:
            if not is_admitted:
                self._aside.remove(worst_usd)

    def spend(self, *, tokens_in: int, tokens_out: int, cost_usd: float) -> None:
        """Count what one call took, in place of what was set aside for the oldest."""
        if self._aside:
            self._aside.popleft()
        self._spent_usd += cost_usd
        self._within.spend(tokens_in=tokens_in, tokens_out=tokens_out, cost_usd=cost_usd)

    def pause(self, retry_after_s: float) -> None:
        """Hold every call back: the endpoint asked for it."""
        self._within.pause(retry_after_s)
