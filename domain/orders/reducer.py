"""Move an order by what happened to it: one pure function, total over every state and event.

Events come from our gateway, from the stream and from look-ups; they come twice, out of order,
before the POST's own answer, after a cancel, and cumulative where increments were expected. The
laws, proven in the tests: the filled quantity falls only by a bust or a correction, a terminal
order reopens only by those, the same event twice equals the event once, and the fills of a story
add up to the order's quantity and to what it cost.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from domain.errors import InvariantBroken
from domain.orders.records import (
    TERMINAL,
    Fill,
    Order,
    OrderEvent,
    OrderEventKind,
    OrderReport,
    OrderState,
)
from domain.records import is_readable, parse_ns

DECLARED_ABSENT = "DECLARED_ABSENT"
"""The `reason` of an order that the venue did not know when asked: our verdict, not the venue's."""

_SUB = OrderState.SUBMITTING
_UNK = OrderState.UNKNOWN
_ACC = OrderState.ACCEPTED
_HLD = OrderState.HELD
_PAR = OrderState.PARTIALLY_FILLED
_PCA = OrderState.PENDING_CANCEL
_PRE = OrderState.PENDING_REPLACE
_FIL = OrderState.FILLED
_CAN = OrderState.CANCELED
_RPL = OrderState.REPLACED
_EXP = OrderState.EXPIRED
_REJ = OrderState.REJECTED

_FROM = (_SUB, _UNK, _ACC, _HLD, _PAR, _PCA, _PRE, _FIL, _CAN, _RPL, _EXP, _REJ)

_K = OrderEventKind

# One row an event, one column a state it meets (in the order of _FROM). What a row says is then
# settled by quantities: a working order with nothing left is filled, one with some is partial.
_ROWS: dict[OrderEventKind, tuple[OrderState, ...]] = {
    #                    SUB   UNK   ACC   HLD   PAR   PCA   PRE   FIL   CAN   RPL   EXP   REJ
    _K.SUBMIT_UNKNOWN: (_UNK, _UNK, _ACC, _HLD, _PAR, _PCA, _PRE, _FIL, _CAN, _RPL, _EXP, _REJ),
    _K.ACCEPTED: (_ACC, _ACC, _ACC, _ACC, _PAR, _PCA, _PRE, _FIL, _CAN, _RPL, _EXP, _REJ),
    _K.HELD: (_HLD, _HLD, _HLD, _HLD, _PAR, _PCA, _PRE, _FIL, _CAN, _RPL, _EXP, _REJ),
    _K.PARTIALLY_FILLED: (_PAR, _PAR, _PAR, _PAR, _PAR, _PCA, _PRE, _FIL, _CAN, _RPL, _EXP, _REJ),
    _K.FILLED: (_FIL, _FIL, _FIL, _FIL, _FIL, _FIL, _FIL, _FIL, _FIL, _FIL, _FIL, _FIL),
    _K.PENDING_CANCEL: (_PCA, _PCA, _PCA, _PCA, _PCA, _PCA, _PCA, _FIL, _CAN, _RPL, _EXP, _REJ),
    _K.PENDING_REPLACE: (_PRE, _PRE, _PRE, _PRE, _PRE, _PCA, _PRE, _FIL, _CAN, _RPL, _EXP, _REJ),
    _K.CANCEL_REJECTED: (_SUB, _UNK, _ACC, _HLD, _PAR, _ACC, _PRE, _FIL, _CAN, _RPL, _EXP, _REJ),
    _K.REPLACE_REJECTED: (_SUB, _UNK, _ACC, _HLD, _PAR, _PCA, _ACC, _FIL, _CAN, _RPL, _EXP, _REJ),
    _K.CANCELED: (_CAN, _CAN, _CAN, _CAN, _CAN, _CAN, _CAN, _FIL, _CAN, _RPL, _EXP, _REJ),
    _K.REPLACED: (_RPL, _RPL, _RPL, _RPL, _RPL, _RPL, _RPL, _FIL, _CAN, _RPL, _EXP, _REJ),
    _K.EXPIRED: (_EXP, _EXP, _EXP, _EXP, _EXP, _EXP, _EXP, _FIL, _CAN, _RPL, _EXP, _REJ),
    _K.REJECTED: (_REJ, _REJ, _REJ, _REJ, _REJ, _REJ, _REJ, _FIL, _CAN, _RPL, _EXP, _REJ),
    _K.DECLARED_ABSENT: (_REJ, _REJ, _ACC, _HLD, _PAR, _PCA, _PRE, _FIL, _CAN, _RPL, _EXP, _REJ),
    _K.TRADE_BUSTED: (_ACC, _ACC, _ACC, _HLD, _PAR, _PCA, _PRE, _PAR, _CAN, _RPL, _EXP, _REJ),
    _K.TRADE_CORRECTED: (_PAR, _PAR, _PAR, _PAR, _PAR, _PCA, _PRE, _FIL, _CAN, _RPL, _EXP, _REJ),
    # The report's own state decides: see `_claimed`.
    _K.REPORTED: (_SUB, _UNK, _ACC, _HLD, _PAR, _PCA, _PRE, _FIL, _CAN, _RPL, _EXP, _REJ),
}

TRANSITIONS: dict[tuple[OrderState, OrderEventKind], OrderState] = {
    (state, kind): after
    for kind, row in _ROWS.items()
    for state, after in zip(_FROM, row, strict=True)
}

# A report's state read as the event that would have brought the order there. Unknown says nothing.
_KIND_OF: dict[OrderState, OrderEventKind] = {
    _SUB: _K.REPORTED,
    _UNK: _K.REPORTED,
    _ACC: _K.ACCEPTED,
    _HLD: _K.HELD,
    _PAR: _K.PARTIALLY_FILLED,
    _PCA: _K.PENDING_CANCEL,
    _PRE: _K.PENDING_REPLACE,
    _FIL: _K.FILLED,
    _CAN: _K.CANCELED,
    _RPL: _K.REPLACED,
    _EXP: _K.EXPIRED,
    _REJ: _K.REJECTED,
}

_FILLING = frozenset({_K.PARTIALLY_FILLED, _K.FILLED})
REVISING = frozenset({_K.TRADE_BUSTED, _K.TRADE_CORRECTED})
"""What may take quantity back, and reopen what had ended."""
_OURS = frozenset({_K.SUBMIT_UNKNOWN, _K.DECLARED_ABSENT})
_PENDING = frozenset({_PCA, _PRE})


def apply(order: Order, event: OrderEvent) -> Order:
    """Return the order after the event; the same object when the event says nothing new.

    Raises `InvariantBroken` for an event of another order: then the caller's book is wrong.
    """
    if event.client_order_id != order.client_order_id:
        raise InvariantBroken(
            f"event of {event.client_order_id} met the order {order.client_order_id}"
        )
    if _is_old(order, event):
        return order
    filled, executed = _quantities(order, event)
    after = msgspec.structs.replace(
        order,
        state=_state(order, event, filled),
        filled_quantity=filled,
        executed_quantity=executed,
        average_price=_average_price(order, event, filled),
        executions=_executions(order, event),
        reason=_reason(order, event),
        revised_at=_revised_at(order, event),
        **_names(order, event),
    )
    if after == order:
        return order
    return msgspec.structs.replace(after, ts_updated=event.ts_event or order.ts_updated)


def fill_of(order: Order, event: OrderEvent, after: Order | None = None) -> Fill | None:
    """Return the execution by which the event moves the order's quantity up, or none.

    `order` is the order *before* the event, `after` what `apply` made of both, where it is known.
    The quantity is what was not counted yet, so a report that ran ahead makes one fill of all it
    adds, and the executions behind it none. The id is a pure function of order and event, so a
    restart that replays them finds the same fills.
    """
    after = after or apply(order, event)
    added = after.filled_quantity - order.filled_quantity
    if added <= 0:
        return None
    cumulative = f"{order.client_order_id}:{after.filled_quantity.normalize():f}"
    return Fill(
        client_order_id=order.client_order_id,
        execution_id=(event.kind in _FILLING and event.execution_id) or cumulative,
        symbol=order.symbol,
        side=order.request.side,
        quantity=added,
        price=_added_price(order, after, event, added),
        ts_event=event.ts_event,
        leg=order.request.leg,
        position_quantity=event.position_quantity,
    )


def revisions_of(order: Order, event: OrderEvent) -> tuple[Fill, ...]:
    """Return the fills that undo what a bust or a correction took back or priced anew.

    `order` is the order *before* the event. A bust names an execution of its own as often as the
    one it undoes, so nothing is looked up by its id: what had been counted is traded back at what
    it had cost, and the fills of an order still add up to its quantity and its cost.
    """
    if event.kind not in REVISING:
        return ()
    after = apply(order, event)
    change = after.filled_quantity - order.filled_quantity
    if change > 0 or (change == 0 and _cost(after) == _cost(order)):
        return ()
    if change < 0:
        price = (_cost(order) - _cost(after)) / -change
        price = price if price > 0 else order.average_price or order.request.reference_price
        return (_revision(order, event, "back", -change, price),)
    assert order.average_price is not None
    assert after.average_price is not None
    back = _revision(order, event, "back", order.filled_quantity, order.average_price)
    anew = _revision(order, event, "anew", after.filled_quantity, after.average_price)
    return back, msgspec.structs.replace(anew, side=order.request.side)


def is_absent(order: Order) -> bool:
    """Tell whether we gave the order up for absent; a sign of life at the venue reopens it."""
    return order.state is _REJ and order.reason == DECLARED_ABSENT


def _revision(
    order: Order, event: OrderEvent, word: str, quantity: Decimal, price: Decimal
) -> Fill:
    """Write a fill against the order's own side."""
    return Fill(
        client_order_id=order.client_order_id,
        execution_id=f"{_execution_key(event)}:{word}",
        symbol=order.symbol,
        side=order.request.side.opposite,
        quantity=quantity,
        price=price,
        ts_event=event.ts_event,
        leg=order.request.leg,
        position_quantity=event.position_quantity,
    )


def _cost(order: Order) -> Decimal:
    return (order.average_price or Decimal(0)) * order.filled_quantity


def _is_old(order: Order, event: OrderEvent) -> bool:
    """Tell whether the event says nothing new: counted before, or looking further back.

    One with a number that is not finite says nothing either: the next look-up will.
    """
    report = event.report
    if not is_readable(event) or (report is not None and not is_readable(report)):
        return True
    if event.kind in _OURS and is_absent(order):
        return True
    if event.kind is _K.REPORTED and report is not None:
        is_behind = report.filled_quantity < order.filled_quantity
        return is_behind or _precedes_revision(order, event)
    return _execution_key(event) in order.executions or _precedes_revision(order, event)


def _precedes_revision(order: Order, event: OrderEvent) -> bool:
    """Tell what was true before a bust or a correction, and is told after it.

    The venue's view in the revision counts everything up to its time: a fill from before it, told
    late and under an id that we never counted, would bring back what was taken.
    """
    is_filling = event.kind in _FILLING
    if order.revised_at is None or event.kind in REVISING:
        return False
    if event.report is None and not is_filling:
        return False
    told = event.ts_event if is_filling or event.report is None else event.report.ts_updated
    return bool(told) and parse_ns(told or "") < parse_ns(order.revised_at)


def _execution_key(event: OrderEvent) -> str | None:
    """Name the execution an event is about; busts and corrections get a name of their own.

    An execution without an id is named by its content, so that its repetition is still known.
    """
    if event.kind in REVISING:
        return f"{event.kind}:{event.execution_id or event.ts_event}"
    if event.kind not in _FILLING or event.fill_quantity is None:
        return None
    return event.execution_id or f"{event.ts_event}:{event.fill_quantity}:{event.fill_price}"


def _executions(order: Order, event: OrderEvent) -> tuple[str, ...]:
    """Remember what was counted; what a bust undid is not counted when it is told later."""
    key = _execution_key(event)
    if key is None:
        return order.executions
    undone = event.execution_id if event.kind in REVISING else None
    known = () if undone is None or undone in order.executions else (undone,)
    return (*order.executions, *known, key)


def _quantities(order: Order, event: OrderEvent) -> tuple[Decimal, Decimal]:
    """Return the filled and the executed quantity after the event.

    The report inside an event is cumulative and wins over adding up: partial fills have been
    booked as increments where the venue meant totals. Without one, executions add up, never
    beyond what was ordered.
    """
    if event.kind in REVISING:
        return _revised(order, event)
    known = order.filled_quantity
    executed = order.executed_quantity
    if event.kind in _FILLING and event.fill_quantity is not None:
        executed += max(Decimal(0), event.fill_quantity)
    if event.report is not None:
        filled = max(known, event.report.filled_quantity)
    elif event.kind is _K.FILLED:
        filled = max(known, order.request.quantity)
    else:
        filled = max(known, min(executed, order.request.quantity))
    return filled, min(executed, filled)


def _revised(order: Order, event: OrderEvent) -> tuple[Decimal, Decimal]:
    """Take back or correct what was executed; without a report a correction moves no quantity."""
    filled = order.filled_quantity
    if event.report is not None:
        filled = event.report.filled_quantity
    elif event.kind is _K.TRADE_BUSTED and event.fill_quantity is not None:
        filled -= abs(event.fill_quantity)
    filled = max(Decimal(0), filled)
    return filled, min(order.executed_quantity, filled)


def _revised_at(order: Order, event: OrderEvent) -> str | None:
    """Return as of when the venue last told its view together with a bust or a correction."""
    if event.kind not in REVISING or event.report is None or not event.ts_event:
        return order.revised_at
    if order.revised_at is None or parse_ns(order.revised_at) < parse_ns(event.ts_event):
        return event.ts_event
    return order.revised_at


def _state(order: Order, event: OrderEvent, filled: Decimal) -> OrderState:
    """Return the state after the event; what is filled has the last word on a working order."""
    known = _UNK if is_absent(order) else order.state
    state = _claimed(known, event, _kind(order, event))
    if state in TERMINAL:
        return state
    if filled >= _asked(order, event.report):
        return _FIL
    if state in {_ACC, _PAR}:
        return _PAR if filled > 0 else _ACC
    return state


def _kind(order: Order, event: OrderEvent) -> OrderEventKind:
    """Return the event's kind; a fill that its own report calls partial is a partial fill."""
    report = event.report
    if event.kind is _K.FILLED and report is not None and report.state is not _FIL:
        is_whole = report.filled_quantity >= _asked(order, report)
        return _K.FILLED if is_whole else _K.PARTIALLY_FILLED
    return event.kind


def _claimed(state: OrderState, event: OrderEvent, kind: OrderEventKind) -> OrderState:
    """Combine what happened with the venue's whole view in the event.

    A terminal state in any report is final, whatever event carried it. A look-up that finds the
    order working takes a pending mark off, so that a cancel which got lost is asked for again.
    """
    after = TRANSITIONS[state, kind]
    report = event.report
    if report is None:
        return after
    claim = _KIND_OF[report.state]
    if kind in REVISING:
        return after if claim is _K.REPORTED else report.state
    if kind is _K.REPORTED and state in _PENDING and report.state in {_ACC, _PAR, _HLD}:
        return report.state
    if kind is _K.REPORTED or report.state in TERMINAL:
        return TRANSITIONS[after, claim]
    return after


def _asked(order: Order, report: OrderReport | None) -> Decimal:
    """Return how much the order is for; the venue shrinks a stop whose sibling filled in part."""
    if report is None or report.quantity <= 0:
        return order.request.quantity
    return min(order.request.quantity, report.quantity)


def _average_price(order: Order, event: OrderEvent, filled: Decimal) -> Decimal | None:
    """Return the mean price of what is filled: the venue's own, else weighted by quantity."""
    report = event.report
    if filled <= 0:
        return None
    if report is not None and report.average_price is not None and report.average_price > 0:
        newer = event.kind in REVISING or report.filled_quantity >= order.filled_quantity
        return report.average_price if newer else order.average_price
    added = filled - order.filled_quantity
    if added <= 0 or event.fill_price is None:
        return order.average_price
    if order.average_price is None:
        return event.fill_price
    cost = order.average_price * order.filled_quantity + event.fill_price * added
    return cost / filled


def _added_price(order: Order, after: Order, event: OrderEvent, added: Decimal) -> Decimal:
    """Price the added quantity: this execution's, else what moves the average, else our limit."""
    if event.fill_price is not None and (event.fill_quantity == added or event.report is None):
        return event.fill_price
    if after.average_price is not None:
        before = (order.average_price or Decimal(0)) * order.filled_quantity
        implied = (after.average_price * after.filled_quantity - before) / added
        if implied > 0:
            return implied
    if event.fill_price is not None:
        return event.fill_price
    return order.request.limit_price or order.request.reference_price


def _reason(order: Order, event: OrderEvent) -> str:
    """Keep the first terminal reason; absence is marked, and forgotten when it proves wrong."""
    if is_absent(order):
        return event.reason
    if event.kind is _K.DECLARED_ABSENT and order.state in {_SUB, _UNK}:
        return DECLARED_ABSENT
    return order.reason if order.state in TERMINAL else event.reason or order.reason


def _names(order: Order, event: OrderEvent) -> dict[str, str | None]:
    """Take over the venue's names for the order as soon as any event carries them."""
    report = event.report
    return {
        "venue_order_id": order.venue_order_id
        or event.venue_order_id
        or (report.venue_order_id if report is not None else None)
        or None,
        "group_id": order.group_id or (report.group_id if report is not None else None),
        "ts_submitted": order.ts_submitted or (report.ts_submitted if report is not None else None),
    }
