"""Keep the plans of all positions, and name the orders that carry them out."""

from __future__ import annotations

from collections import OrderedDict

from domain.orders import Leg, client_order_id
from engine.orders.protection.plans import Plan, tightened

MOST_NAMES = 4_000


class PlanBook:
    """One plan a symbol; its stop never loosens while it lasts.

    The names of exits are counted for every plan there is, and of those that ended for the latest:
    a late fill may open one of them again.
    """

    def __init__(self, *, most_names: int = MOST_NAMES) -> None:
        self._plans: dict[str, Plan] = {}
        self._attempts: OrderedDict[tuple[str, Leg], int] = OrderedDict()
        self._most_names = most_names
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
        self._count(origin, leg, max(attempt, self._attempts.get((origin, leg), 0)))

    def next_id(self, origin: str, leg: Leg) -> str:
        """Name the next attempt of a leg; the one before it is terminal by then."""
        attempt = self._attempts.get((origin, leg), 0) + 1
        self._count(origin, leg, attempt)
        return client_order_id(origin, leg, attempt)

    def _count(self, origin: str, leg: Leg, attempt: int) -> None:
        """Count one name, and forget the oldest of a plan that has ended when there are many."""
        self._attempts[origin, leg] = attempt
        self._attempts.move_to_end((origin, leg))
        if len(self._attempts) > self._most_names:
            living = {origin, *(plan.origin for plan in self._plans.values())}
            oldest = next((name for name in self._attempts if name[0] not in living), None)
            if oldest is not None:
                del self._attempts[oldest]
