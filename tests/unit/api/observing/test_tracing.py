"""A decision's way, as spans: what is in which, how long, and that nothing secret is."""

import asyncio
import logging
import sys
from contextlib import AsyncExitStack
from decimal import Decimal

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from api.assembly.opening.traces import open_trace
from api.observing.tracing import SpanTrace, _Seldom
from domain.decisions import Action, Answer, Brief, Call, Decision, Directive, Outcome, Role
from domain.errors import AnalystTimeout, ConfigError
from domain.orders import Fill, Leg, OrderRequest, OrderType, Side, TimeInForce
from engine.deciding.limiter import Priority, Ticket, WakeReason
from engine.orders.delivery.points import Point
from engine.tracing import Untraced

SECRET = "the thesis of a stranger"
TICKET = Ticket(
    id="t1", symbol="AAPL", reason=WakeReason.NEWS, priority=Priority.WOKEN, ts="2026-01-05T15:00Z"
)
REQUEST = OrderRequest(
    decision_id="d1",
    leg=Leg.ENTRY,
    symbol="AAPL",
    side=Side.BUY,
    quantity=Decimal(1),
    order_type=OrderType.LIMIT,
    limit_price=Decimal(100),
    time_in_force=TimeInForce.DAY,
    reference_price=Decimal(100),
    valid_until="2026-01-05T15:01:00Z",
    client_order_id="ah-d1-entry-1",
)
DECISION = Decision(
    id="d1",
    symbol="AAPL",
    window_digest="",
    analyst="llm:m",
    outcome=Outcome.ORDERED,
    reason_code="",
    as_of="",
    graph_version="1",
    directive=Directive(action=Action.BUY, confidence=0.9, thesis=SECRET),
)


class Model:
    name = "llm:m"

    def __init__(self, failure=None):
        self.failure = failure

    async def answer(self, brief):
        if self.failure is not None:
            raise self.failure
        call = Call(
            role=brief.role,
            attempt=1,
            model="m",
            prompt_digest="",
            raw=SECRET,
            tokens_in=9,
            tokens_out=4,
            cost_usd=0.25,
        )
        return Answer(content={}, calls=(call,))


@pytest.fixture
def seen():
    return InMemorySpanExporter()


@pytest.fixture
def trace(seen):
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(seen))
    return SpanTrace(provider)


def by_name(seen):
    return {span.name: span for span in seen.get_finished_spans()}


async def send(trace):
    with trace.order(REQUEST):
        trace.reached(Point.AUTHORIZED)
        await asyncio.create_task(post(trace))


async def post(trace):
    """The gateway's own task, which inherits where it was started."""
    for point in (Point.WRITTEN_AHEAD, Point.SENDING, Point.ANSWERED, Point.APPLIED):
        trace.reached(point)


async def decide(trace, model):
    with trace.run(TICKET, 0.5):
        with trace.deciding("AAPL"):
            await trace.traced(model).answer(Brief(role=Role.DIRECTOR, window=None))
        trace.decided(DECISION)
        await asyncio.create_task(send(trace))


async def test_one_trace_holds_every_step_of_a_decision_with_its_fill(trace, seen):
    """Queue and graph in the run, the agent in the graph, the order's steps in the order."""
    await decide(trace, Model())
    trace.filled(
        Fill(
            client_order_id=REQUEST.client_order_id,
            execution_id="e",
            symbol="AAPL",
            side=Side.BUY,
            quantity=Decimal(1),
            price=Decimal("99.5"),
            ts_event="",
            leg=Leg.ENTRY,
            fee=Decimal(0),
        )
    )
    spans = by_name(seen)
    inside = {
        name: next((n for n, s in spans.items() if s.context.span_id == span.parent.span_id), "")
        for name, span in spans.items()
        if span.parent is not None
    }
    assert inside == {
        "queue": "decision",
        "graph": "decision",
        "agent director": "graph",
        "order": "decision",
        "gate": "order",
        "write-ahead": "order",
        "submit": "order",
        "fill": "order",
    }
    assert len({span.context.trace_id for span in spans.values()}) == 1
    root = spans["decision"]
    assert spans["queue"].end_time - root.start_time == pytest.approx(0.5e9, abs=1e6)
    assert root.events[0].name == "tick"
    assert root.attributes["autohedge.outcome"] == "ordered"
    assert spans["agent director"].attributes["gen_ai.usage.input_tokens"] == 9
    assert spans["fill"].attributes["autohedge.price"] == "99.5"


async def test_no_span_holds_what_a_model_said(trace, seen):
    """Prompts, answers and theses stay in the journal."""
    await decide(trace, Model())
    assert SECRET not in "".join(span.to_json() for span in seen.get_finished_spans())


async def test_an_agent_that_fails_leaves_its_code(trace, seen):
    """The code, never the text of the failure."""
    with pytest.raises(AnalystTimeout):
        await decide(trace, Model(AnalystTimeout(SECRET)))
    (failed,) = [span for span in seen.get_finished_spans() if span.name == "agent director"]
    assert failed.attributes["autohedge.error"] == AnalystTimeout.code
    assert SECRET not in "".join(span.to_json() for span in seen.get_finished_spans())


async def test_a_denial_is_told_on_its_order(trace, seen):
    """The gate's step ends there."""
    with trace.run(TICKET, 0.0), trace.order(REQUEST):
        trace.denied("PRICE_MOVED")
    spans = by_name(seen)
    assert spans["order"].attributes["autohedge.denied"] == "PRICE_MOVED"
    assert "gate" in spans


def test_what_belongs_to_no_run_writes_nothing(trace, seen):
    """Exits pass the same gateway, and other people's fills come over the same stream."""
    trace.reached(Point.AUTHORIZED)
    trace.denied("TRADING_HALTED")
    assert seen.get_finished_spans() == ()


async def test_a_collector_without_the_extra_is_one_line(monkeypatch):
    """What to install, instead of an import error."""
    monkeypatch.setitem(sys.modules, "api.observing.tracing", None)
    async with AsyncExitStack() as stack:
        assert isinstance(await open_trace(None, stack), Untraced)
        with pytest.raises(ConfigError) as refused:
            await open_trace("http://127.0.0.1:4318", stack)
    assert refused.value.code == "OTEL_MISSING"
    assert "autohedge[otel]" in refused.value.line


def test_a_collector_that_is_gone_is_told_once_a_minute():
    """Its exporter fails every five seconds, and warns before each failure."""
    now = [0.0]
    seldom = _Seldom(lambda: now[0])

    def written(level):
        return seldom.filter(logging.LogRecord("x", level, "", 0, "failed", None, None))

    said = []
    for second in range(0, 120, 5):
        now[0] = float(second)
        said += [(second, written(logging.WARNING)), (second, written(logging.ERROR))]
    assert [second for second, is_written in said if is_written] == [0, 60]
