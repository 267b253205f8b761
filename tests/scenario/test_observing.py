"""Others look on while a bot of real parts trades: Prometheus, a trace collector, a webhook."""

import json
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from api.proving.house import PAIR
from engine.metrics import FAMILIES

STEPS = {
    "decision",
    "queue",
    "graph",
    "agent director",
    "agent quant",
    "agent risk",
    "agent execution",
    "order",
    "gate",
    "write-ahead",
    "submit",
    "fill",
}


@contextmanager
def listening():
    """A server on loopback that takes every POST: a collector, or a webhook; keeps (path, body)."""
    got = []

    class Taker(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append((self.path, self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_said):
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Taker) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}", got
        finally:
            server.shutdown()
            thread.join()


def spans_of(got):
    """Decode what a collector received."""
    found = []
    for path, body in got:
        assert path == "/v1/traces"
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            (name,) = [a for a in resource.resource.attributes if a.key == "service.name"]
            assert name.value.string_value == "autohedge"
            found += [span for scope in resource.scope_spans for span in scope.spans]
    return found


def ordered(spans):
    """Return the spans of one trace that goes from the tick to a fill."""
    traces = {}
    for span in spans:
        traces.setdefault(span.trace_id, {})[span.name] = span
    return next((trace for trace in traces.values() if trace.keys() >= STEPS), None)


async def test_a_trade_is_seen_by_metrics_traces_and_a_webhook(open_house, until):
    """One bot, one trade: every figure of the table, one trace from tick to fill, one alert."""
    with listening() as (collector, traces), listening() as (hook, alerts):
        async with open_house() as house:
            watchers = {
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector}",
                "ALERT_URLS": f"json://{hook}/tell",
            }
            async with house.bot(**watchers) as process:
                house.model.wants[PAIR] = "buy"
                await until(lambda: house.held(PAIR) > 0, what="the venue holds a position")
                await until(lambda: _value(process, "orders_sent_total", leg="entry"))
                await until(lambda: house.resting_stop(PAIR), what="a stop rests")
                house.model.wants[PAIR] = "hold"
                await process.bot.halt(actor="ann", reason="lunch")
                (_, body) = (await until(lambda: alerts, what="the webhook is told"))[0]
                await until(lambda: _value(process, "alert_deliveries_total", result="delivered"))
                text = generate_latest(process.registry).decode()
    assert json.loads(body)["title"] == "AutoHedge: Trading is halted: OPERATOR"
    assert ordered(spans_of(traces)), sorted({span.name for span in spans_of(traces)})
    shown = {family.name: family for family in text_string_to_metric_families(text)}
    of_ours = {n: f.type for n, f in shown.items() if not n.endswith("_created")}
    assert of_ours == {row.full: row.kind for row in FAMILIES}
    assert _sum(shown, "autohedge_order_submit_duration_seconds_count") >= 1
    assert _sum(shown, "autohedge_ticket_wait_seconds_count") >= 1


async def test_a_dead_collector_and_a_dead_webhook_cost_the_trading_nothing(open_house, until):
    """Nobody listens at either address: the bot trades and ends as ever."""
    dead = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9",
        "ALERT_URLS": "json://127.0.0.1:9/",
    }
    async with open_house() as house:
        async with house.bot(**dead) as process:
            house.model.wants[PAIR] = "buy"
            await until(lambda: house.held(PAIR) > 0, what="the venue holds a position")
            await until(lambda: house.resting_stop(PAIR), what="a stop rests")
            await process.bot.halt(actor="ann")
            began = time.monotonic()
        assert time.monotonic() - began < 30


def test_neither_sdk_nor_apprise_is_loaded_where_nobody_asked():
    """Import cost and memory are of those who want it. (FastAPI itself loads the bare API.)"""
    code = (
        "import sys, api.assembly, api.cli.running.run\n"
        "print([m for m in ('opentelemetry.sdk', 'apprise') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def _value(process, name, **labels):
    return process.registry.get_sample_value(f"autohedge_{name}", labels)


def _sum(shown, name):
    return sum(
        sample.value
        for family in shown.values()
        for sample in family.samples
        if sample.name == name
    )
