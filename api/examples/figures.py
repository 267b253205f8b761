"""Show candles, limits in use, vitals, sums, and what was and is held against the venue."""

from __future__ import annotations

from typing import Any

from api.examples.answers import STORY

_AT = "2026-03-02T15:11:03.480000000Z"

BARS: dict[str, Any] = {
    "symbol": "BTC/USD",
    "interval_s": 60,
    "bars": [
        ["2026-03-02T15:10:00.000000000Z", 64001.0, 64030.5, 63990.0, 64015.1, 3.2, 41, 64011]
    ],
    "forming": [
        "2026-03-02T15:11:00.000000000Z",
        64015.1,
        64019.0,
        64012.0,
        64018.0,
        0.4,
        6,
        64016,
    ],
    "indicators": {"ema_12": [64009.4], "rsi_14": [58.2], "sma_50": [None]},
}

LIMIT_USE: dict[str, Any] = {
    "setting": "MAX_EXPOSURE_FRACTION",
    "code": "EXPOSURE_LIMIT_EXCEEDED",
    "unit": "USD",
    "used": "97.45",
    "limit": "50006.24",
    "share": 0.001949,
    "symbol": None,
}

_LATENCY: dict[str, Any] = {"count": 41, "p50_ms": 812.5, "p95_ms": 1904.2}

VITALS: dict[str, Any] = {
    "since": "2026-03-02T14:29:58.000000000Z",
    "links": [
        {
            "symbol": "BTC/USD",
            "is_up": True,
            "losses": 0,
            "quote_age_s": 0.21,
            "message_age_s": 0.08,
        }
    ],
    "queue": {
        "slots": 3,
        "busy": 1,
        "is_paused": False,
        "oldest_wait_s": 0.0,
        "waiting": {"operator": 0, "position": 0, "woken": 0, "scheduled": 0},
        "dropped": {"operator": 0, "position": 0, "woken": 0, "scheduled": 0},
    },
    "due": {"bar_closed": 44, "not_due": 3, "started": 41},
    "model": [
        {
            "role": "director",
            "calls": 41,
            "errors": {"ANALYST_TIMEOUT": 1},
            "latency": _LATENCY,
        }
    ],
    "budget": {
        "spent_usd": 0.31,
        "usd_per_day": 5.0,
        "requests": 6,
        "requests_per_minute": 60,
        "tokens": 11840,
        "tokens_per_minute": None,
        "is_spent": False,
    },
    "journal": {
        "is_up": True,
        "reason": "",
        "entries": 412,
        "queued": 0,
        "lost": 0,
        "commit_ms": 1.9,
    },
    "venue": {
        "latency": {"count": 88, "p50_ms": 41.0, "p95_ms": 97.3},
        "requests": 12,
        "requests_per_minute": 180,
        "clock_skew_s": 0.004,
    },
    "feed_rejects": {"quote_crossed": 2},
}

EQUITY: dict[str, Any] = {
    "seq": 401,
    "ts": _AT,
    "equity": "100012.48",
    "cash": "99915.03",
    "day": "2026-03-02",
    "day_start": "100000",
    "peak": "100015.11",
}

FILL: dict[str, Any] = STORY["orders"][0]["fills"][0]

ACTION: dict[str, Any] = {
    "seq": 377,
    "ts": _AT,
    "action": "halt",
    "actor": "http:127.0.0.1",
    "reason": "news",
    "args": {},
}

FUNNEL: dict[str, Any] = {
    "since": "2026-03-02T14:29:58.000000000Z",
    "due": 44,
    "started": 41,
    "by_outcome": {"held": 30, "ordered": 6, "quant_rejected": 3, "risk_rejected": 2},
    "denied": {"PRICE_MOVED": 1},
    "ordered": 5,
    "filled": 4,
}

REPLAY: dict[str, Any] = {
    "decision_id": STORY["decision"]["id"],
    "analyst": "recorded",
    "is_same": True,
    "differences": [],
    "decision": STORY["decision"],
}

REPORT: dict[str, Any] = {
    "since": None,
    "until": None,
    "decisions": 41,
    "by_outcome": {"held": 30, "ordered": 6, "quant_rejected": 3, "risk_rejected": 2},
    "by_reason": {"CONFIDENCE_BELOW_FLOOR": 12, "HOLD": 18},
    "authorized": 11,
    "denied": {"PRICE_MOVED": 1},
    "orders": {"filled": 9, "canceled": 2},
    "symbols": [
        {
            "symbol": "BTC/USD",
            "fills": 9,
            "bought": "480.02",
            "sold": "392.61",
            "fees": "2.11",
            "realized": "10.03",
            "wins": 3,
            "losses": 1,
            "quantity": "0.001522",
            "average_price": "64018",
            "unrealized": "0.02",
        }
    ],
    "models": [],
    "fills": 9,
    "realized": "10.03",
    "unrealized": "0.02",
    "fees": "2.11",
    "model_cost_usd": 0.0,
    "net_usd": "7.94",
}

RECONCILIATION: dict[str, Any] = {
    "ts": "2026-11-20T14:30:00.000000000Z",
    "trigger": "operator",
    "clean": False,
    "is_conclusive": True,
    "differences": [
        {
            "code": "POSITION_DIFFERS",
            "symbol": "AAPL",
            "message": "AAPL: ours 3, the venue's 5, and no fill explains it.",
            "is_settled": False,
            "ours": "3",
            "venue": "5",
            "client_order_id": None,
        }
    ],
}
