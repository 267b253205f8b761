"""Put together what lets orders wait for a person: the waiting runs and who closes them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from typing import Any

from api.assembly.outside import Outside
from api.assembly.plan import ApprovalPlan, EnginePlan
from domain.market import Window
from engine.approving.approvals import Approvals
from engine.approving.seams import ApprovalConfig
from engine.deciding.runs import Execute
from graph.approval.checkpoints import open_checkpoints
from graph.approval.waiting import WaitingRuns


async def open_waiting(plan: ApprovalPlan | None, stack: AsyncExitStack) -> WaitingRuns | None:
    """Open where runs wait, until the stack closes; none where no order needs a person."""
    if plan is None:
        return None
    checkpoints = await stack.enter_async_context(open_checkpoints(plan.checkpoints))
    return WaitingRuns(checkpoints, above=plan.above)


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
