"""Put together who closes approvals."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from domain.market import Window
from engine.approving.approvals import Approvals
from engine.approving.seams import ApprovalConfig
from engine.building.outside import Outside
from engine.building.plan import EnginePlan
from engine.deciding.runs import Execute


def build_approvals(
    plan: EnginePlan,
    outside: Outside,
    *,
    approved: Callable[[Window], None],
    enter: Execute,
    start: Callable[[Coroutine[Any, Any, Any], str], asyncio.Task[Any]],
    alert: Callable[[str, str, str], None],
) -> Approvals:
    """Return who closes approvals; without a plan it only ends what an earlier process left."""
    config = ApprovalConfig(decision_max_age_s=plan.limits.decision_max_age_s)
    if plan.approval is not None:
        config = ApprovalConfig(
            ttl_s=plan.approval.ttl_s, decision_max_age_s=plan.limits.decision_max_age_s
        )
    return Approvals(
        config,
        desk=outside.desk,
        journal=outside.journal,
        reads=outside.journal.reader.approvals,
        decisions=outside.journal.reader.decisions,
        approved=approved,
        enter=enter,
        start=start,
        alert=alert,
        clock=outside.clock,
    )
