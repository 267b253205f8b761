"""Show what controls, standing and records answer."""

from __future__ import annotations

from typing import Any

STATUS: dict[str, Any] = {
    "session": "running",
    "trading": "active",
    "trading_code": "RESUMED",
    "trading_reason": "resumed",
    "mode": "demo",
    "analyst": "rules",
    "feed": "local exchange",
    "is_reconciled": True,
    "is_journal_up": True,
    "is_order_stream_up": True,
    "is_feed_up": True,
    "started_at": "2026-03-02T14:30:00.000000000Z",
    "slots": 3,
    "slots_busy": 1,
    "tickets_waiting": 0,
    "decisions": 41,
    "orders_working": 1,
    "positions_open": 1,
    "equity": "100012.48",
    "day_pnl": "12.48",
    "model_cost_usd": "0",
    "clock_skew_s": 0.004,
    "symbols": [
        {
            "symbol": "BTC/USD",
            "asset_class": "crypto",
            "label": "seeded market",
            "bars": 291,
            "is_warm": True,
            "is_stale": False,
            "is_halted": False,
            "is_reducing": False,
            "session": "always",
            "quote_age_s": 0.21,
            "bid": 64012.5,
            "ask": 64018.0,
            "last_price": 64015.1,
            "last_decision_at": "2026-03-02T15:11:01.204000000Z",
        }
    ],
    "approvals_pending": 0,
    "notices": [
        {
            "code": "FEED_RESTORED",
            "message": "The crypto stream is back; 12 bars were filled in.",
            "ts": "2026-03-02T15:02:44.000000000Z",
            "symbol": None,
        }
    ],
}

STATUS_STOPPED = STATUS | {
    "session": "stopped",
    "trading": "halted",
    "trading_code": "STOPPED",
    "trading_reason": "lunch",
    "slots_busy": 0,
    "orders_working": 0,
}

STATUS_HALTED = STATUS | {
    "trading": "halted",
    "trading_code": "OPERATOR",
    "trading_reason": "news",
    "orders_working": 0,
}

STATUS_REDUCING = STATUS_HALTED | {
    "trading": "reducing",
    "trading_reason": "earnings tonight",
}

HEALTH: dict[str, Any] = {
    "status": "ok",
    "version": "0.1.0",
    "session": "running",
    "trading": "active",
    "parts": {"journal": True, "feed": True, "order_stream": True, "reconciliation": True},
}

ACCOUNT: dict[str, Any] = {
    "account": {
        "account_id": "e6fe16f3-64a4-4921-8928-cadf02f92f98",
        "equity": "100012.48",
        "cash": "99915.03",
        "buying_power": "199930.06",
        "non_marginable_buying_power": "99915.03",
        "last_equity": "100000",
        "multiplier": "2",
        "shorting_enabled": True,
        "is_blocked": False,
    },
    "age_s": 0.8,
    "day_pnl": "12.48",
    "realized_pnl": "10.03",
    "exposure": "97.45",
    "reserved": "0",
    "peak_equity": "100015.11",
    "drawdown": "0.00002629",
}

POSITION: dict[str, Any] = {
    "symbol": "BTC/USD",
    "quantity": "0.001522",
    "average_price": "64012.5",
    "market_price": "64015.1",
    "market_value": "97.43",
    "unrealized_pnl": "0.004",
    "is_ours": True,
    "protected_by": "venue",
    "stop_price": "63610.2",
    "target_price": "64820.5",
    "opened_at": "2026-03-02T15:04:02.118000000Z",
    "is_dust": False,
}

NOTHING_LEFT: dict[str, Any] = {"items": [], "next": None}

INSTRUMENT: dict[str, Any] = {
    "symbol": "AAPL",
    "asset_class": "stock",
    "tick": "0.01",
    "lot": "0.000000001",
    "min_notional": "1",
    "fractionable": True,
    "shortable": True,
    "tradable": True,
    "min_quantity": "0",
    "max_notional": None,
    "name": "Apple Inc.",
}

TICKET: dict[str, Any] = {
    "id": "t19cae5f1a40-7",
    "symbol": "BTC/USD",
    "reason": "operator",
    "priority": "operator",
    "ts": "2026-03-02T15:11:00.000000000Z",
}

REQUEST: dict[str, Any] = {
    "decision_id": "1f0c6bb0b7a14b6c9d0e2a51",
    "leg": "entry",
    "symbol": "BTC/USD",
    "side": "buy",
    "quantity": "0.001522",
    "order_type": "limit",
    "time_in_force": "ioc",
    "reference_price": "64018",
    "valid_until": "2026-03-02T15:12:01.204000000Z",
    "client_order_id": "ah-1f0c6bb0b7a14b6c9d0e2a51-entry-1",
    "limit_price": "64024.4",
    "stop_price": None,
    "stop_loss": "63610.2",
    "take_profit": "64820.5",
    "order_class": "simple",
}

ORDER: dict[str, Any] = {
    "seq": 412,
    "ts": "2026-03-02T15:11:03.512000000Z",
    "order": {
        "request": REQUEST,
        "state": "filled",
        "venue_order_id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
        "filled_quantity": "0.001522",
        "average_price": "64018",
        "executions": ["20260302151103-1"],
        "executed_quantity": "0.001522",
        "parent_client_order_id": None,
        "group_id": None,
        "reason": "",
        "ts_submitted": "2026-03-02T15:11:03.530000000Z",
        "ts_updated": "2026-03-02T15:11:03.541000000Z",
    },
}

DECISION: dict[str, Any] = {
    "id": "1f0c6bb0b7a14b6c9d0e2a51",
    "seq": 409,
    "ts": "2026-03-02T15:11:03.480000000Z",
    "symbol": "BTC/USD",
    "outcome": "ordered",
    "reason_code": "ORDERED",
    "action": "buy",
    "confidence": 0.71,
    "analyst": "rules",
    "as_of": "2026-03-02T15:11:01.204000000Z",
    "ts_start": "2026-03-02T15:11:01.204000000Z",
    "ts_end": "2026-03-02T15:11:03.470000000Z",
    "window_digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "tokens_in": 0,
    "tokens_out": 0,
    "cost_usd": 0.0,
    "denial_code": None,
}

WINDOW: dict[str, Any] = {
    "symbol": "BTC/USD",
    "as_of": "2026-03-02T15:11:01.204000000Z",
    "bars": [
        ["2026-03-02T15:10:00.000000000Z", 64001.0, 64030.5, 63990.0, 64015.1, 3.2, 41, 64011]
    ],
    "indicators": {"rsi_14": 58.2, "atr_14": 201.4},
    "decision_id": "1f0c6bb0b7a14b6c9d0e2a51",
}

WINDOW_FILE: dict[str, Any] = {"schema": 1, "window": WINDOW}

_CHECK: dict[str, Any] = {"code": "PRICE_MOVED", "passed": True, "value": "0.8", "limit": "25"}

_DECIDED: dict[str, Any] = {
    "id": "1f0c6bb0b7a14b6c9d0e2a51",
    "symbol": "BTC/USD",
    "window_digest": DECISION["window_digest"],
    "analyst": "rules",
    "outcome": "ordered",
    "reason_code": "ORDERED",
    "as_of": DECISION["as_of"],
    "graph_version": "1",
    "ts_start": DECISION["ts_start"],
    "ts_end": DECISION["ts_end"],
    "directive": {
        "action": "buy",
        "confidence": 0.71,
        "thesis": "Price holds above its rising averages; momentum is positive.",
        "invalidation_price": 63610.2,
    },
    "signal": {
        "confirmed": True,
        "score": 0.66,
        "volatility": "normal",
        "reason": "Trend strength 24, no divergence.",
        "support": 63700.0,
        "resistance": 64900.0,
    },
    "verdict": {
        "approved": True,
        "size_fraction": 0.75,
        "reason": "Within limits.",
        "stop_loss": 63610.2,
        "take_profit": 64820.5,
    },
    "plan": {"style": "marketable", "limit_offset_bps": 1.0},
    "request": REQUEST,
    "checks": [_CHECK],
    "calls": [],
}

STORY: dict[str, Any] = {
    "seq": 409,
    "decision": _DECIDED,
    "window": WINDOW,
    "prompts": {},
    "gates": [
        {
            "seq": 411,
            "ts": "2026-03-02T15:11:03.509000000Z",
            "client_order_id": REQUEST["client_order_id"],
            "purpose": "entry",
            "authorized": True,
            "code": None,
            "checks": [_CHECK],
        }
    ],
    "orders": [
        {
            "order": ORDER["order"],
            "events": [
                {
                    "seq": 414,
                    "ts": "2026-03-02T15:11:03.542000000Z",
                    "client_order_id": REQUEST["client_order_id"],
                    "kind": "filled",
                    "state": "filled",
                    "ts_event": "2026-03-02T15:11:03.541000000Z",
                    "venue_order_id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
                    "execution_id": "20260302151103-1",
                    "fill_quantity": "0.001522",
                    "fill_price": "64018",
                    "reason": "",
                }
            ],
            "fills": [
                {
                    "seq": 415,
                    "ts": "2026-03-02T15:11:03.542000000Z",
                    "fill": {
                        "client_order_id": REQUEST["client_order_id"],
                        "execution_id": "20260302151103-1",
                        "symbol": "BTC/USD",
                        "side": "buy",
                        "quantity": "0.001522",
                        "price": "64018",
                        "ts_event": "2026-03-02T15:11:03.541000000Z",
                        "leg": "entry",
                        "fee": "0.24",
                    },
                }
            ],
        }
    ],
    "approval": None,
}

APPROVAL: dict[str, Any] = {
    "decision_id": "1f0c6bb0b7a14b6c9d0e2a51",
    "symbol": "BTC/USD",
    "status": "pending",
    "ts": "2026-03-02T15:11:03.490000000Z",
    "ts_closed": None,
    "expires_at": "2026-03-02T15:16:03.490000000Z",
    "seconds_left": 281.4,
    "actor": "",
    "reason": "",
    "analyst": "rules",
    "directive": _DECIDED["directive"],
    "request": REQUEST,
    "checks": [_CHECK],
}

_CLOSED: dict[str, Any] = {
    **APPROVAL,
    "ts_closed": "2026-03-02T15:11:22.090000000Z",
    "seconds_left": None,
    "actor": "http:127.0.0.1",
}

APPROVED: dict[str, Any] = {
    "message": "Approved: buy 0.001522 BTC/USD at 64025.6 is filled.",
    "outcome": "ordered",
    "approval": {**_CLOSED, "status": "approved", "reason": "the thesis holds"},
    "order": ORDER["order"],
    "denied_code": None,
}

REJECTED: dict[str, Any] = {
    "message": "Rejected: nothing is sent.",
    "outcome": "refused",
    "approval": {**_CLOSED, "status": "rejected", "reason": "too close to earnings"},
    "order": None,
    "denied_code": None,
}
