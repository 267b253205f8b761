"""Sound messages and bodies in the venue's form: what garbage is made of.

Shapes are the venue's own as its documentation prints them; values are made up.
"""

from __future__ import annotations

from typing import Any

TIME = "2026-03-02T15:04:05.123456789Z"
SYMBOLS = ("AAPL", "BTC/USD")

FRAMES: tuple[dict[str, Any], ...] = (
    {"T": "q", "S": "AAPL", "bx": "V", "bp": 99.5, "bs": 100, "ax": "V", "ap": 100.5, "as": 200,
     "c": ["R"], "z": "C", "t": TIME},
    {"T": "q", "S": "BTC/USD", "bp": 64000.1, "bs": 0.4, "ap": 64010.2, "as": 0.1, "t": TIME},
    {"T": "t", "S": "AAPL", "i": 7, "x": "V", "p": 100.25, "s": 5, "c": ["@", "I"], "z": "C",
     "t": TIME},
    {"T": "t", "S": "BTC/USD", "p": 64005.5, "s": 0.01, "i": 2**40, "tks": "B", "t": TIME},
    {"T": "b", "S": "AAPL", "o": 100, "h": 101, "l": 99, "c": 100.5, "v": 1000, "n": 20,
     "vw": 100.2, "t": "2026-03-02T15:04:00Z"},
    {"T": "u", "S": "AAPL", "o": 100, "h": 102, "l": 99, "c": 100.5, "v": 1100, "n": 21,
     "vw": 100.3, "t": "2026-03-02T15:03:00Z"},
    {"T": "s", "S": "AAPL", "sc": "H", "sm": "Trading Halt", "rc": "T12", "rm": "News", "t": TIME,
     "z": "C"},
    {"T": "c", "S": "AAPL", "x": "V", "oi": 7, "op": 100.25, "os": 5, "oc": ["@"], "ci": 8,
     "cp": 100.2, "cs": 5, "cc": ["@"], "z": "C", "t": TIME},
    {"T": "x", "S": "AAPL", "i": 7, "x": "V", "p": 100.25, "s": 5, "a": "C", "z": "C", "t": TIME},
    {"T": "n", "id": 42, "headline": "Apples", "summary": "ripe", "author": "a", "source": "wire",
     "created_at": TIME, "updated_at": TIME, "url": None, "content": "", "symbols": ["AAPL"]},
    {"T": "success", "msg": "authenticated"},
    {"T": "error", "code": 406, "msg": "connection limit exceeded"},
    {"T": "subscription", "trades": ["AAPL"], "quotes": ["AAPL"], "bars": [], "updatedBars": []},
    {"T": "d", "S": "AAPL", "o": 1, "h": 2, "l": 1, "c": 2, "v": 5, "t": TIME},
    {"T": "l", "S": "AAPL", "u": 110.0, "d": 90.0, "i": "B", "t": TIME, "z": "C"},
)  # fmt: skip

ORDER: dict[str, Any] = {
    "id": "7b7653c4-7468-494a-aeb3-d5f255789473", "client_order_id": "ah-0123-entry-1",
    "created_at": TIME, "submitted_at": TIME, "updated_at": TIME, "symbol": "AAPL",
    "asset_class": "us_equity", "qty": "3", "notional": None, "filled_qty": "1",
    "filled_avg_price": "105.88", "order_class": "bracket", "type": "limit", "side": "buy",
    "time_in_force": "gtc", "limit_price": "106", "stop_price": None, "status": "partially_filled",
    "replaced_by": None, "replaces": None,
    "legs": [
        {"id": "0f2b3a55-0000-494a-aeb3-d5f255789473", "client_order_id": "c1", "symbol": "AAPL",
         "asset_class": "us_equity", "qty": "3", "filled_qty": "0", "order_class": "bracket",
         "type": "stop", "side": "sell", "time_in_force": "gtc", "stop_price": "100",
         "status": "held", "submitted_at": TIME, "legs": None},
    ],
}  # fmt: skip

EVENT: dict[str, Any] = {
    "stream": "trade_updates",
    "data": {"event": "partial_fill", "execution_id": "e-1", "timestamp": TIME, "price": "105.88",
             "qty": "1", "position_qty": "1", "order": ORDER},
}  # fmt: skip

BODIES: dict[str, dict[str, Any]] = {
    "order_report": ORDER,
    "position": {
        "asset_id": "a", "symbol": "BTCUSD", "exchange": "CRYPTO", "asset_class": "crypto",
        "qty": "0.119784", "qty_available": "0", "side": "long", "avg_entry_price": "64000.5",
        "current_price": "64100", "market_value": "7678.1", "unrealized_pl": "11.9",
    },
    "account": {
        "id": "a-1", "account_number": "PA1", "status": "ACTIVE", "currency": "USD",
        "cash": "10000.5", "buying_power": "20000", "non_marginable_buying_power": "10000.5",
        "portfolio_value": "12000", "equity": "12000", "last_equity": "11900",
        "trading_blocked": False, "account_blocked": False, "trade_suspended_by_user": False,
        "shorting_enabled": True, "multiplier": "2", "daytrade_count": 0,
    },
    "instrument": {
        "id": "a", "class": "crypto", "exchange": "CRYPTO", "symbol": "BTC/USD", "status": "active",
        "tradable": True, "marginable": False, "shortable": False, "easy_to_borrow": False,
        "fractionable": True, "min_order_size": "0.00001", "min_trade_increment": "0.000000001",
        "price_increment": "0.01",
    },
    "activity": {
        "id": "20260302150405123::1", "activity_type": "FILL", "transaction_time": TIME,
        "type": "fill", "price": "105.88", "qty": "1", "side": "buy", "symbol": "AAPL",
        "leaves_qty": "2", "order_id": "7b7653c4", "cum_qty": "1", "order_status": "filled",
    },
    "venue_time": {
        "timestamp": TIME, "is_open": True, "next_open": "2026-03-03T14:30:00Z",
        "next_close": "2026-03-02T21:00:00Z",
    },
    "session": {
        "date": "2026-03-02", "open": "09:30", "close": "16:00", "session_open": "0400",
        "session_close": "2000",
    },
}  # fmt: skip
"""A sound body of each kind that `broker.decode` reads, by the name of its reader."""
