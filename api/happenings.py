"""Tell a journal entry as the event that watchers hear."""

from __future__ import annotations

from typing import Any

from domain.ports import EntryKind
from engine.bus import BusEvent, EventKind
from journal.reads.queries import StoredEntry

KINDS = frozenset(
    {
        EntryKind.DECISION,
        EntryKind.GATE,
        EntryKind.INTENT,
        EntryKind.ORDER_EVENT,
        EntryKind.FILL,
        EntryKind.APPROVAL,
        EntryKind.TRADING_STATE,
        EntryKind.SESSION,
        EntryKind.RECONCILIATION,
        EntryKind.ALERT,
    }
)
"""The kinds of entries that watchers hear of."""

JOURNALED = frozenset(
    {
        EventKind.DECISION_FINISHED,
        EventKind.ORDER_DENIED,
        EventKind.ORDER_SUBMITTED,
        EventKind.ORDER_UPDATED,
        EventKind.FILL_RECEIVED,
        EventKind.APPROVAL_REQUESTED,
        EventKind.APPROVAL_CLOSED,
        EventKind.STATE_CHANGED,
        EventKind.RECONCILED,
        EventKind.ALERT_RAISED,
    }
)
"""The kinds of events that are told from the journal, never from the bus while it can be read."""

_SIMPLE = {
    EntryKind.INTENT: EventKind.ORDER_SUBMITTED,
    EntryKind.ORDER_EVENT: EventKind.ORDER_UPDATED,
    EntryKind.FILL: EventKind.FILL_RECEIVED,
    EntryKind.TRADING_STATE: EventKind.STATE_CHANGED,
    EntryKind.SESSION: EventKind.STATE_CHANGED,
    EntryKind.RECONCILIATION: EventKind.RECONCILED,
    EntryKind.ALERT: EventKind.ALERT_RAISED,
}


def happening(entry: StoredEntry) -> BusEvent | None:
    """Return the event of an entry; none for a gate that let an order through."""
    kind, body = _event_of(entry.kind, entry.body)
    if kind is None:
        return None
    return BusEvent(kind, {**body, "seq": entry.seq, "ts": entry.ts, "ref": entry.ref})


def _event_of(kind: EntryKind, body: dict[str, Any]) -> tuple[EventKind | None, dict[str, Any]]:
    match kind:
        case EntryKind.DECISION:
            return EventKind.DECISION_FINISHED, _decision(body["decision"])
        case EntryKind.GATE:
            return (None if body["authorized"] else EventKind.ORDER_DENIED), body
        case EntryKind.APPROVAL:
            is_open = body["status"] == "pending"
            asked, closed = EventKind.APPROVAL_REQUESTED, EventKind.APPROVAL_CLOSED
            return (asked if is_open else closed), body
        case EntryKind.SESSION:
            return EventKind.STATE_CHANGED, {
                "session": body["state"],
                "reason": body.get("reason", ""),
            }
        case _:
            return _SIMPLE.get(kind), body


def _decision(decision: dict[str, Any]) -> dict[str, Any]:
    """Return what a list needs; the whole is at /decisions/{id}."""
    directive = decision.get("directive") or {}
    return {
        "decision_id": decision["id"],
        "symbol": decision["symbol"],
        "outcome": decision["outcome"],
        "reason_code": decision["reason_code"],
        "action": directive.get("action"),
        "confidence": directive.get("confidence"),
        "analyst": decision["analyst"],
    }
