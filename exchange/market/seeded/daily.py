"""Walk a seeded symbol's days backwards from where its minutes begin."""

from zlib import crc32

import numpy as np

from exchange.market.hours import Hours
from exchange.market.minute import NS_PER_MINUTE, NS_PER_S
from exchange.market.records import Candle
from exchange.market.seeded.profile import SeededProfile

_DAYS = 400
_DAILY_VOLATILITIES = 18.0  # a day's standard deviation in calm minutes' ones
_DAY_NS = 86_400 * NS_PER_S
_SATURDAY = 5
_PRINTS_A_DAY = 30_000


def older_days(
    symbol: str, profile: SeededProfile, *, seed: int, hours: Hours, first_minute: int
) -> list[Candle]:
    """Return about 400 calendar days of daily bars; the newest closes where the minutes begin."""
    starts = _day_starts(hours, first_minute)
    rng = np.random.default_rng([seed, crc32(symbol.encode()), 0, 2])
    returns, wings, swing = rng.standard_normal((3, len(starts)))
    volumes = rng.uniform(0.6, 1.6, len(starts))
    sigma = profile.volatility_bps / 10_000 * _DAILY_VOLATILITIES
    closes = profile.start_price * np.exp(-sigma * (np.cumsum(returns[::-1])[::-1] - returns[-1]))
    opens = closes * np.exp(-sigma * returns * 0.8)
    highs = np.maximum(opens, closes) * np.exp(sigma * np.abs(wings) * 0.4)
    lows = np.minimum(opens, closes) * np.exp(-sigma * np.abs(swing) * 0.4)
    return [
        _candle(symbol, profile, start, (opens[k], highs[k], lows[k], closes[k]), volumes[k])
        for k, start in enumerate(starts)
    ]


def _day_starts(hours: Hours, first_minute: int) -> list[int]:
    """Return the midnights of the trading days before the first minute's day, oldest first."""
    newest = hours.day_start_ns(first_minute * NS_PER_MINUTE)
    noons = (newest + _DAY_NS // 2 - back * _DAY_NS for back in range(_DAYS, 0, -1))
    return [hours.day_start_ns(noon) for noon in noons if hours.is_trading_day(noon)]


def _candle(
    symbol: str,
    profile: SeededProfile,
    start_ns: int,
    prices: tuple[float, float, float, float],
    bustle: float,
) -> Candle:
    low_tick = 10**-profile.decimals
    opened, high, low, close = (
        max(low_tick, round(float(price), profile.decimals)) for price in prices
    )
    count = int(_PRINTS_A_DAY * bustle)
    volume = count * (150.0 if "/" not in symbol else round(1_500.0 / close, 6))
    return Candle(
        symbol=symbol,
        ts_event=start_ns,
        published_ns=start_ns + _DAY_NS,
        kind="d",
        open=opened,
        high=high,
        low=low,
        close=close,
        volume=volume,
        trade_count=count,
        vwap=round((high + low + close) / 3, 6),
    )
