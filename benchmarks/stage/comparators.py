"""Run one of the others on the same bars: a program of its own, on libraries of its own.

It is started with `PYTHONPATH` at what `benchmarks.backtest` installed, prints one line of JSON,
and imports nothing of ours: `python comparators.py NAME BARS.npz FAST SLOW`.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np

CASH = 100_000.0


def backtesting_py(bars, fast, slow):
    import pandas as pd
    from backtesting import Backtest, Strategy
    from backtesting.lib import crossover

    def sma(values, n):
        return pd.Series(values).rolling(n).mean()

    class Cross(Strategy):
        def init(self):
            self.fast = self.I(sma, self.data.Close, fast)
            self.slow = self.I(sma, self.data.Close, slow)

        def next(self):
            if crossover(self.fast, self.slow):
                self.buy()
            elif crossover(self.slow, self.fast):
                self.position.close()

    frame = pd.DataFrame(
        {
            "Open": bars["open"],
            "High": bars["high"],
            "Low": bars["low"],
            "Close": bars["close"],
            "Volume": bars["volume"],
        },
        index=pd.to_datetime(bars["ts_ns"]),
    )
    began = time.process_time()
    done = Backtest(frame, Cross, cash=CASH, commission=0.0).run()
    return time.process_time() - began, 2 * int(done["# Trades"])


def backtrader(bars, fast, slow):
    import backtrader as bt
    import pandas as pd

    class Cross(bt.Strategy):
        def __init__(self):
            averages = (bt.ind.SMA(period=fast), bt.ind.SMA(period=slow))
            self.cross = bt.ind.CrossOver(*averages)
            self.orders = 0

        def next(self):
            if not self.position and self.cross > 0:
                self.order_target_percent(target=0.99)
            elif self.position and self.cross < 0:
                self.close()

        def notify_order(self, order):
            self.orders += order.status == order.Completed

    frame = pd.DataFrame(
        {name: bars[name] for name in ("open", "high", "low", "close", "volume")},
        index=pd.to_datetime(bars["ts_ns"]),
    )
    cerebro = bt.Cerebro(stdstats=False)
    cerebro.broker.setcash(CASH)
    cerebro.adddata(bt.feeds.PandasData(dataname=frame))
    cerebro.addstrategy(Cross)
    began = time.process_time()
    (done,) = cerebro.run()
    return time.process_time() - began, done.orders


def nautilus(bars, fast, slow):
    from decimal import Decimal

    from nautilus_trader.backtest.engine import BacktestEngine, BacktestEngineConfig
    from nautilus_trader.config import LoggingConfig
    from nautilus_trader.examples.strategies.ema_cross_long_only import (
        EMACrossLongOnly,
        EMACrossLongOnlyConfig,
    )
    from nautilus_trader.model.currencies import USD
    from nautilus_trader.model.data import Bar, BarType
    from nautilus_trader.model.enums import AccountType, OmsType
    from nautilus_trader.model.identifiers import Venue
    from nautilus_trader.model.objects import Money
    from nautilus_trader.test_kit.providers import TestInstrumentProvider

    venue = Venue("XNAS")
    share = TestInstrumentProvider.equity(symbol="AAPL", venue="XNAS")
    kind = BarType.from_str(f"{share.id}-1-MINUTE-LAST-EXTERNAL")
    config = BacktestEngineConfig(logging=LoggingConfig(bypass_logging=True))
    engine = BacktestEngine(config=config)
    engine.add_venue(
        venue=venue,
        oms_type=OmsType.NETTING,
        account_type=AccountType.CASH,
        base_currency=USD,
        starting_balances=[Money(CASH, USD)],
    )
    engine.add_instrument(share)
    columns = [bars[name].tolist() for name in ("open", "high", "low", "close", "ts_ns")]
    price = share.make_price
    engine.add_data(
        [
            Bar(kind, price(o), price(h), price(low), price(c), share.make_qty(10_000), ts, ts)
            for o, h, low, c, ts in zip(*columns, strict=True)
        ]
    )
    rule = EMACrossLongOnlyConfig(
        instrument_id=share.id,
        bar_type=kind,
        trade_size=Decimal(100),
        fast_ema_period=fast,
        slow_ema_period=slow,
        request_historical_bars=False,
    )
    engine.add_strategy(EMACrossLongOnly(config=rule))
    began = time.process_time()
    engine.run()
    took = time.process_time() - began
    return took, len(engine.cache.orders_closed())


def main():
    warnings.simplefilter("ignore")
    name, path, fast, slow = sys.argv[1:5]
    runner = {"backtesting": backtesting_py, "backtrader": backtrader, "nautilus": nautilus}[name]
    with np.load(path) as bars:
        cpu_s, orders = runner(dict(bars), int(fast), int(slow))
    print(json.dumps({"cpu_s": cpu_s, "orders": orders}))


if __name__ == "__main__":
    main()
