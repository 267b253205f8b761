"""Put together who closes approvals."""

from __future__ import annotations

from engine.approving.approvals import Approvals
from engine.approving.seams import ApprovalConfig
from engine.building.parts import EngineParts
from engine.deciding.runs import Execute


def build_approvals(parts: EngineParts, *, enter: Execute) -> Approvals:
    """Return who closes approvals; without a plan it only ends what an earlier process left."""
    plan, outside = parts.plan, parts.outside
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
        approved=parts.windows.approved,
        enter=enter,
        start=parts.guard.start,
        alert=parts.alert,
        not_yet=parts.standing.not_yet,
        clock=outside.clock,
    )
