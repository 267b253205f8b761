"""Metrics: counters by direct call, gauges read at the scrape."""

import asyncio
import time
from decimal import Decimal

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from domain.decisions import Call, Decision, Outcome, Role
from domain.limits import TradingState
from domain.market import AssetClass
from domain.orders import Fill, Leg, OrderState, Side
from engine.clock import ManualClock
from engine.control import SessionState, Status, SymbolStatus
from engine.deciding.limiter import Limiter, Priority, Ticket, WakeReason
from engine.figures import (
    BudgetVital,
    JournalVital,
    Latency,
    LimitUse,
    LinkVital,
    QueueVital,
    VenueVital,
    Vitals,
)
from engine.metrics import CountsCollector, Metrics, StatusCollector
from engine.metrics.loop import watch_loop
from engine.metrics.standing import VitalsCollector


def status(**changes: object) -> Status:
    symbol = SymbolStatus(
        symbol="BTC/USD",
        asset_class=AssetClass.CRYPTO,
        label="seeded market",
        bars=51,
        is_warm=True,
        is_stale=True,
        is_halted=False,
        is_reducing=False,
        session="always",
        quote_age_s=0.5,
        bid=1.0,
        ask=2.0,
        last_price=1.5,
        last_decision_at=None,
    )
    fields = {
        "session": SessionState.RUNNING,
        "trading": TradingState.REDUCING,
        "trading_code": "DAILY_LOSS_REACHED",
        "trading_reason": "",
        "mode": "demo",
        "analyst": "rules",
        "feed": "local",
        "is_reconciled": True,
        "is_journal_up": True,
        "is_order_stream_up": False,
        "is_feed_up": True,
        "started_at": None,
        "slots": 3,
        "slots_busy": 0,
        "tickets_waiting": 0,
        "decisions": 0,
        "orders_working": 2,
        "positions_open": 1,
        "equity": Decimal("1000.5"),
        "day_pnl": None,
        "model_cost_usd": Decimal(0),
        "clock_skew_s": -0.25,
        "symbols": (symbol,),
        "notices": (),
    }
    return Status(**(fields | changes))


def scrape(registry: CollectorRegistry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read the page as Prometheus does."""
    text = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_finished_decision_counts_its_outcome_length_and_calls() -> None:
    """One decision of two calls, one of which failed."""
    registry = CollectorRegistry()
    calls = (
        Call(
            role=Role.DIRECTOR,
            attempt=1,
            model="m",
            prompt_digest="",
            raw="",
            tokens_in=100,
            tokens_out=20,
            cost_usd=0.5,
            latency_ms=1500,
        ),
        Call(
            role=Role.QUANT, attempt=1, model="m", prompt_digest="", raw="", error="ANALYST_TIMEOUT"
        ),
    )
    decision = Decision(
        id="d",
        symbol="A",
        window_digest="",
        analyst="m",
        outcome=Outcome.ABSTAINED,
        reason_code="ANALYST_TIMEOUT",
        as_of="",
        graph_version="1",
        ts_start="2026-01-01T00:00:00Z",
        ts_end="2026-01-01T00:00:02.5Z",
        calls=calls,
    )
    metrics = Metrics(registry)
    metrics.decision_finished(decision)
    found = scrape(registry)
    ended = (("code", "ANALYST_TIMEOUT"), ("outcome", "abstained"))
    assert found["autohedge_decisions_total", ended] == 1
    assert found["autohedge_decision_duration_seconds_sum", ()] == 2.5
    answered = (("result", "answered"), ("role", "director"))
    assert found["autohedge_model_calls_total", answered] == 1
    assert found["autohedge_model_call_duration_seconds_sum", (("role", "director"),)] == 1.5
    failed = (("result", "ANALYST_TIMEOUT"), ("role", "quant"))
    assert found["autohedge_model_calls_total", failed] == 1
    assert found["autohedge_model_tokens_total", (("direction", "in"),)] == 100
    assert found["autohedge_model_tokens_total", (("direction", "out"),)] == 20
    assert found["autohedge_model_cost_dollars_total", ()] == 0.5


def test_orders_fills_and_alerts_are_counted_by_their_closed_sets() -> None:
    """Each direct call moves one counter."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    metrics.order_denied("PRICE_MOVED", "entry")
    metrics.order_sent(Leg.ENTRY)
    metrics.order_answered(Leg.ENTRY, 0.02)
    metrics.ticket_waited(Priority.WOKEN, 0.5)
    metrics.order_ended(OrderState.FILLED)
    metrics.fill_received(
        Fill(
            client_order_id="c",
            execution_id="e",
            symbol="A",
            side=Side.BUY,
            quantity=Decimal(1),
            price=Decimal(100),
            ts_event="",
            leg=Leg.ENTRY,
            fee=Decimal("0.25"),
        )
    )
    metrics.position_protected(unprotected_s=0.3)
    metrics.alert_raised("FEED_REFUSED")
    found = scrape(registry)
    denied = (("code", "PRICE_MOVED"), ("purpose", "entry"))
    assert found["autohedge_orders_denied_total", denied] == 1
    assert found["autohedge_ticket_wait_seconds_sum", (("priority", "woken"),)] == 0.5
    assert found["autohedge_orders_sent_total", (("leg", "entry"),)] == 1
    assert found["autohedge_order_submit_duration_seconds_sum", ()] == 0.02
    assert found["autohedge_orders_ended_total", (("state", "filled"),)] == 1
    assert found["autohedge_fills_total", (("leg", "entry"), ("side", "buy"))] == 1
    assert found["autohedge_fees_dollars_total", ()] == 0.25
    assert (
        found["autohedge_position_unprotected_seconds_bucket", (("cause", "fill"), ("le", "0.5"))]
        == 1
    )
    assert found["autohedge_alerts_total", (("code", "FEED_REFUSED"),)] == 1


async def test_scrape_reads_status_and_limiter_as_they_stand() -> None:
    """Gauges follow the engine without being told."""
    registry, clock = CollectorRegistry(), ManualClock()
    limiter = Limiter(slots=3, queue_size=1, clock=clock)
    current = status()
    registry.register(StatusCollector(lambda: current, limiter))
    for symbol in "AB":
        limiter.offer(
            Ticket(
                id=symbol,
                symbol=symbol,
                reason=WakeReason.NEWS,
                priority=Priority.WOKEN,
                ts="",
            )
        )
    found = scrape(registry)
    assert found["autohedge_session_state", (("state", "running"),)] == 1
    assert found["autohedge_session_state", (("state", "stopped"),)] == 0
    assert found["autohedge_trading_state", (("state", "reducing"),)] == 1
    assert found["autohedge_up", (("part", "order_stream"),)] == 0
    assert found["autohedge_up", (("part", "journal"),)] == 1
    assert found["autohedge_equity_dollars", ()] == 1000.5
    assert found["autohedge_clock_skew_seconds", ()] == -0.25
    assert ("autohedge_day_profit_dollars", ()) not in found
    assert found["autohedge_quote_age_seconds", (("symbol", "BTC/USD"),)] == 0.5
    assert found["autohedge_symbol_stale", (("symbol", "BTC/USD"),)] == 1
    assert found["autohedge_tickets_dropped_total", (("priority", "woken"),)] == 1
    assert found["autohedge_slots", ()] == 3
    current = status(session=SessionState.STOPPED, day_pnl=Decimal(-3))
    found = scrape(registry)
    assert found["autohedge_session_state", (("state", "stopped"),)] == 1
    assert found["autohedge_day_profit_dollars", ()] == -3


def test_registering_reads_no_status_of_a_half_built_engine() -> None:
    """The collector may be registered before there is a status to read."""

    def unfinished() -> Status:
        raise AssertionError("read too early")

    limiter = Limiter(slots=1, queue_size=1, clock=ManualClock())
    CollectorRegistry().register(StatusCollector(unfinished, limiter))


def test_counts_kept_elsewhere_become_one_counter_a_key() -> None:
    """Feeds, dispatcher and bus count for themselves; the scrape reads them."""
    registry, counts = CollectorRegistry(), {"bar_closed": 2}
    registry.register(CountsCollector("dispatcher_events", lambda: counts))
    assert scrape(registry)["autohedge_dispatcher_events_total", (("kind", "bar_closed"),)] == 2
    counts["news"] = 1
    assert scrape(registry)["autohedge_dispatcher_events_total", (("kind", "news"),)] == 1


async def test_a_loop_that_is_held_up_shows_as_lag() -> None:
    """Somebody computes for 30 ms on the loop: the sleeper wakes that much too late."""
    lags: list[float] = []
    has_woken = asyncio.Event()

    def lagged(seconds: float) -> None:
        lags.append(seconds)
        has_woken.set()

    watching = asyncio.create_task(watch_loop(lagged, period_s=0.01))
    await asyncio.sleep(0)
    time.sleep(0.03)  # noqa: ASYNC251 - holding the loop up is what is tested
    await has_woken.wait()
    watching.cancel()
    assert lags[0] >= 0.015


def test_vitals_and_limits_are_read_at_the_scrape() -> None:
    """What the desk shows of its health, Prometheus gets from the same figures."""
    vitals = Vitals(
        since="",
        links=(LinkVital(symbol="A", is_up=True, losses=2, quote_age_s=None, message_age_s=None),),
        queue=QueueVital(
            slots=3, busy=1, is_paused=False, oldest_wait_s=4.5, waiting={"woken": 2}, dropped={}
        ),
        due={},
        model=(),
        budget=BudgetVital(
            spent_usd=1.25, usd_per_day=None, requests=0, requests_per_minute=None, tokens=0,
            tokens_per_minute=None, is_spent=False,
        ),
        journal=JournalVital(
            is_up=True, reason="", entries=41, queued=3, lost=1, commit_ms=2.0
        ),
        venue=VenueVital(
            latency=Latency(count=2, p50_ms=40.0, p95_ms=None), requests=7,
            requests_per_minute=180, clock_skew_s=None,
        ),
        feed_rejects={},
    )  # fmt: skip
    use = LimitUse(
        setting="MAX_DAILY_LOSS", code="DAILY_LOSS_REACHED", unit="USD", used=Decimal(1),
        limit=Decimal(4), share=0.25,
    )  # fmt: skip
    registry = CollectorRegistry()
    registry.register(VitalsCollector(lambda: vitals, lambda: (use,)))
    found = scrape(registry)
    assert found["autohedge_tickets_waiting", (("priority", "woken"),)] == 2
    assert found["autohedge_ticket_oldest_wait_seconds", ()] == 4.5
    assert found["autohedge_feed_losses_total", (("symbol", "A"),)] == 2
    assert found["autohedge_model_spent_dollars", ()] == 1.25
    assert ("autohedge_model_budget_dollars", ()) not in found
    assert found["autohedge_journal_commit_seconds", ()] == 0.002
    assert found["autohedge_venue_answer_seconds", (("quantile", "0.5"),)] == 0.04
    assert ("autohedge_venue_answer_seconds", (("quantile", "0.95"),)) not in found
    share = (("setting", "MAX_DAILY_LOSS"), ("symbol", ""))
    assert found["autohedge_limit_used_ratio", share] == 0.25
