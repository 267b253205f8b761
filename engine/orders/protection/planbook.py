"""Keep the plans of all positions, and name the orders that carry them out."""

from __future__ import annotations

from domain.orders import Leg, client_order_id
from engine.orders.protection.plans import Plan, tightened


class PlanBook:
    """One plan a symbol; its stop never loosens while it lasts."""

    def __init__(self) -> None:
        self._plans: dict[str, Plan] = {}
        self._attempts: dict[tuple[str, Leg], int] = {}
        self.is_suspended = False
        """Set by a person who cancels all protection; a resume takes it back."""

    def get(self, symbol: str) -> Plan | None:
        """Return what protects the symbol's position, or none."""
        return self._plans.get(symbol)

    def open(self, plan: Plan) -> None:
        """Take up the plan of a position that has just opened, or was held before a restart."""
        self._plans[plan.symbol] = plan

    def update(self, plan: Plan) -> Plan:
        """Keep the plan's new levels; its stop stays where it was if that was nearer."""
        known = self._plans.get(plan.symbol)
        if known is not None and known.origin == plan.origin:
            plan = tightened(plan, known.stop)
        self._plans[plan.symbol] = plan
        return plan

    def rescale(self, plan: Plan) -> None:
        """Replace the levels after a split: the old ones are of another price."""
        self._plans[plan.symbol] = plan

    def drop(self, symbol: str) -> None:
        """Forget the plan of a position that is gone."""
        self._plans.pop(symbol, None)

    def has_used(self, origin: str, leg: Leg, attempt: int) -> None:
        """Note an attempt of before a restart: its name is taken."""
        self._attempts[origin, leg] = max(attempt, self._attempts.get((origin, leg), 0))

    def next_id(self, origin: str, leg: Leg) -> str:
        """Name the next attempt of a leg; the one before it is terminal by then."""
        attempt = self._attempts.get((origin, leg), 0) + 1
        self._attempts[origin, leg] = attempt
        return client_order_id(origin, leg, attempt)
