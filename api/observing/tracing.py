"""Trace a decision with OpenTelemetry: tick, queue, each agent, gate, write-ahead, submit, fill.

The one door to OpenTelemetry, loaded only where `OTEL_EXPORTER_OTLP_ENDPOINT` is set. Spans are
handed to a bounded queue and sent by a thread of the SDK's own: a collector that is slow or gone
loses spans and delays nothing. No prompt, no answer and no thesis enters a span.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from math import fsum

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from domain.decisions import Answer, Brief, Call, Decision
from domain.errors import AnalystError
from domain.orders import Fill, OrderRequest
from domain.ports import Analyst
from domain.records import NS_PER_S
from engine.deciding.limiter import Ticket
from engine.orders.delivery.points import Point

_EXPORT_S = 3.0
_CLOSE_S = 4.0
_TOLD_EVERY_S = 60.0
_ORDERS_KEPT = 1024
"""Orders whose fills still find their trace; older ones go unlinked."""

_STEPS = {
    Point.AUTHORIZED: "gate",
    Point.WRITTEN_AHEAD: "write-ahead",
    Point.ANSWERED: "submit",
}


@dataclass(slots=True)
class _Way:
    """When the order on its way made its last step, in nanoseconds of wall time."""

    at_ns: int


_WAY: ContextVar[_Way] = ContextVar("order_way")


class SpanTrace:
    """Write each step as a span; implements `engine.tracing.Trace`.

    Where a span belongs is the context of the task: tasks that a run starts inherit it.
    """

    def __init__(self, provider: trace.TracerProvider) -> None:
        self._tracer = provider.get_tracer("autohedge")
        self._orders: OrderedDict[str, trace.SpanContext] = OrderedDict()

    @contextmanager
    def run(self, ticket: Ticket, waited_s: float) -> Iterator[None]:
        """Enclose one run: the root of its trace, which begins when the ticket began to wait."""
        granted_ns = time.time_ns()
        due_ns = granted_ns - round(waited_s * NS_PER_S)
        said = {
            "autohedge.symbol": ticket.symbol,
            "autohedge.priority": ticket.priority.word,
            "autohedge.ticket": ticket.id,
        }
        root = self._tracer.start_span("decision", start_time=due_ns, attributes=said)
        due = {"autohedge.reason": ticket.reason.value, "autohedge.event_time": ticket.ts}
        root.add_event("tick", due, timestamp=due_ns)
        with trace.use_span(
            root, end_on_exit=True, record_exception=False, set_status_on_exception=False
        ):
            self._tracer.start_span("queue", start_time=due_ns).end(granted_ns)
            yield

    @contextmanager
    def deciding(self, symbol: str) -> Iterator[None]:
        """Enclose the graph."""
        with self._span("graph", {"autohedge.symbol": symbol}):
            yield

    def decided(self, decision: Decision) -> None:
        """Say on the run's span what it came to."""
        span, directive = trace.get_current_span(), decision.directive
        span.set_attributes(
            {
                "autohedge.decision": decision.id,
                "autohedge.outcome": decision.outcome.value,
                "autohedge.code": decision.reason_code,
                "autohedge.action": "" if directive is None else directive.action.value,
            }
        )

    @contextmanager
    def order(self, request: OrderRequest) -> Iterator[None]:
        """Enclose an order's way; its fills come later and are joined to it by its name."""
        said = {
            "autohedge.client_order_id": request.client_order_id,
            "autohedge.symbol": request.symbol,
            "autohedge.leg": request.leg.value,
            "autohedge.side": request.side.value,
        }
        with self._span("order", said) as span:
            self._orders[request.client_order_id] = span.get_span_context()
            if len(self._orders) > _ORDERS_KEPT:
                self._orders.popitem(last=False)
            token = _WAY.set(_Way(time.time_ns()))
            try:
                yield
            finally:
                _WAY.reset(token)

    def denied(self, code: str) -> None:
        """Say on the order's span that the gate denied it."""
        if _WAY.get(None) is not None:
            self._step("gate")
            trace.get_current_span().set_attribute("autohedge.denied", code)

    def reached(self, point: Point) -> None:
        """Write the step that ends here; exits, which no run sends, have no trace."""
        way = _WAY.get(None)
        if way is None:
            return
        if point in _STEPS:
            self._step(_STEPS[point])
        way.at_ns = time.time_ns()

    def filled(self, fill: Fill) -> None:
        """Write an execution into the trace of its order."""
        parent = self._orders.get(fill.client_order_id)
        if parent is None:
            return
        said = {
            "autohedge.client_order_id": fill.client_order_id,
            "autohedge.quantity": str(fill.quantity),
            "autohedge.price": str(fill.price),
        }
        context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
        self._tracer.start_span("fill", context=context, attributes=said).end()

    def traced(self, analyst: Analyst) -> Analyst:
        """Return the analyst with a span around each answer."""
        return _TracedAnalyst(analyst, self._tracer)

    def _step(self, name: str) -> None:
        way = _WAY.get()
        self._tracer.start_span(name, start_time=way.at_ns).end()

    @contextmanager
    def _span(self, name: str, said: Mapping[str, str]) -> Iterator[trace.Span]:
        with self._tracer.start_as_current_span(
            name, attributes=said, record_exception=False, set_status_on_exception=False
        ) as span:
            yield span


class _TracedAnalyst:
    """Answer as the analyst within does; implements `domain.ports.Analyst`."""

    def __init__(self, analyst: Analyst, tracer: trace.Tracer) -> None:
        self._analyst = analyst
        self._tracer = tracer

    @property
    def name(self) -> str:
        """Return what decisions record."""
        return self._analyst.name

    async def answer(self, brief: Brief) -> Answer:
        """Answer within a span of the agent's name; what fails keeps its code."""
        with self._tracer.start_as_current_span(
            f"agent {brief.role.value}", record_exception=False, set_status_on_exception=False
        ) as span:
            try:
                answer = await self._analyst.answer(brief)
            except AnalystError as error:
                span.set_attribute("autohedge.error", error.code)
                span.set_status(trace.StatusCode.ERROR, error.code)
                raise
            span.set_attributes(_figures(answer.calls))
            return answer


def _figures(calls: tuple[Call, ...]) -> dict[str, str | int | float]:
    """Return what an answer took; names are of OpenTelemetry's conventions for models."""
    return {
        "gen_ai.request.model": calls[-1].model if calls else "",
        "gen_ai.usage.input_tokens": sum(call.tokens_in for call in calls),
        "gen_ai.usage.output_tokens": sum(call.tokens_out for call in calls),
        "autohedge.cost_dollars": fsum(call.cost_usd for call in calls),
        "autohedge.attempts": len(calls),
    }


@asynccontextmanager
async def open_tracing(endpoint: str) -> AsyncIterator[SpanTrace]:
    """Send traces to the collector at `endpoint` (OTLP over HTTP) until the block ends.

    The rest (headers, sampler, resource) is taken from OpenTelemetry's own variables.
    """
    logging.getLogger(OTLPSpanExporter.__module__).addFilter(_Seldom())
    exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_S)
    provider = TracerProvider(resource=_resource(), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield SpanTrace(provider)
    finally:
        ending = asyncio.create_task(asyncio.to_thread(provider.shutdown))
        await asyncio.wait({ending}, timeout=_CLOSE_S)


class _Seldom(logging.Filter):
    """Let one line a minute through, of errors alone: a collector that is gone fails every 5 s."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._last: float | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        """Tell whether the line is written."""
        now = self._now()
        is_due = self._last is None or now - self._last >= _TOLD_EVERY_S
        if record.levelno < logging.ERROR or not is_due:
            return False
        self._last = now
        return True


def _resource() -> Resource:
    """Return who we are, by OTEL_SERVICE_NAME where it is set."""
    found = Resource.create()
    is_named = not str(found.attributes.get(SERVICE_NAME, "")).startswith("unknown_service")
    return found if is_named else found.merge(Resource({SERVICE_NAME: "autohedge"}))
