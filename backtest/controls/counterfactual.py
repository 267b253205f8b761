"""C4: show an agent another world and see whether it decides otherwise where it should.

Mirrored returns and news of the opposite sign must turn decisions; the order of stories and one
about nothing must not. An agent that ignores its window fails the first, one that a stray sentence
moves fails the last.
"""

from __future__ import annotations

import random
import re
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import numpy as np

from backtest.controls.switches import found
from backtest.controls.timing import rebuilt
from backtest.evidence.records import ControlResult
from backtest.records import Floats, Series
from backtest.statistics.intervals import share_interval
from domain.decisions import Action
from domain.errors import ConfigError
from domain.market import Window, WindowBar, WindowNews, WindowPosition, WindowQuote
from domain.records import Record
from graph.routing import may_short

ROC_BARS = 10
LEAST_FOLLOWED, LEAST_IGNORED = 0.5, 0.95
LEAST_WINDOWS = 10

_LEVELS = {"sma_20", "sma_50", "ema_12", "ema_26", "bb_upper", "bb_middle", "bb_lower"}

_OPPOSITES = (
    ("beats", "misses"), ("beat", "missed"), ("upgrade", "downgrade"), ("upgraded", "downgraded"),
    ("upgrades", "downgrades"), ("rise", "fall"), ("rises", "falls"), ("rose", "fell"),
    ("surge", "plunge"), ("surges", "plunges"), ("surged", "plunged"), ("gain", "loss"),
    ("gains", "losses"), ("up", "down"), ("high", "low"), ("higher", "lower"),
    ("raises", "cuts"), ("raised", "cut"), ("approves", "rejects"), ("approved", "rejected"),
    ("wins", "loses"), ("won", "lost"), ("growth", "decline"), ("grows", "shrinks"),
    ("strong", "weak"), ("stronger", "weaker"), ("bullish", "bearish"), ("profit", "deficit"),
    ("above", "below"), ("record", "worst"), ("optimistic", "pessimistic"), ("good", "bad"),
    ("positive", "negative"), ("better", "worse"), ("jumps", "drops"), ("jumped", "dropped"),
    ("success", "failure"), ("outperforms", "underperforms"), ("expands", "contracts"),
)  # fmt: skip
_FLIPS = {one: other for pair in _OPPOSITES for one, other in (pair, pair[::-1])}
_WORDS = re.compile(rf"\b(?:{'|'.join(sorted(_FLIPS, key=len, reverse=True))})\b", re.IGNORECASE)

_NOTHING = (
    ("The museum opens an hour later on Thursdays", "Visitors may use the garden entrance."),
    ("Choir looks for tenors", "Rehearsals are in the town hall."),
    ("Library extends its reading room", "Forty seats were added by the window."),
    ("A ferry was painted green", "The timetable stays as it was."),
)


def mirrored_series(series: Series) -> Series:
    """Return the series whose log returns have the opposite sign: each price p becomes `p0^2 / p`.

    The first open p0 stays; highs become lows. Volumes stay.
    """
    square = float(series.open[0]) ** 2
    columns = {
        "open": square / series.open,
        "high": square / series.low,
        "low": square / series.high,
        "close": square / series.close,
    }
    return rebuilt(series, columns, f"{series.source}, mirrored")


def mirrored(window: Window) -> Window:
    """Return the window reflected in its last close: each price p becomes `2 a - p`.

    A reflection is linear, so that every indicator of the mirrored market is known without the bars
    before the window: averages reflect, MACD changes sign, RSI becomes `100 - RSI`, ranges stay.
    A held position changes its side. Raises `ConfigError` where a price would not stay positive.
    """
    a = window.bars[-1].c
    bars = tuple(_mirrored_bar(bar, a) for bar in window.bars)
    quote = _mirrored_quote(window.quote, a)
    if min(quote.bid, *[bar.l for bar in bars]) <= 0:
        raise ConfigError(
            f"The window of {window.symbol} at {window.as_of} has no mirror: it more than halved.",
            remedy="Leave it out.",
            code="NO_MIRROR",
        )
    last, forming = window.last_trade, window.forming_bar
    return msgspec.structs.replace(
        window,
        bars=bars,
        quote=quote,
        indicators=_mirrored_indicators(window, bars),
        forming_bar=_mirrored_bar(forming, a) if forming else None,
        last_trade=msgspec.structs.replace(last, price=2 * a - last.price) if last else None,
        position=_mirrored_position(window.position, a),
    )


def _mirrored_bar(bar: WindowBar, a: float) -> WindowBar:
    o, h, l, c = (2 * a - price for price in (bar.o, bar.l, bar.h, bar.c))  # noqa: E741 - wire names
    return WindowBar(t=bar.t, o=o, h=h, l=l, c=c, v=bar.v, n=bar.n, vw=2 * a - bar.vw)


def _mirrored_quote(quote: WindowQuote, a: float) -> WindowQuote:
    return msgspec.structs.replace(
        quote,
        bid=2 * a - quote.ask,
        bid_size=quote.ask_size,
        ask=2 * a - quote.bid,
        ask_size=quote.bid_size,
    )


def _mirrored_position(held: WindowPosition | None, a: float) -> WindowPosition | None:
    if held is None:
        return None
    twice = 2 * type(held.average_price)(repr(a))
    stop, target = held.stop_price, held.target_price
    return msgspec.structs.replace(
        held,
        quantity=-held.quantity,
        average_price=twice - held.average_price,
        stop_price=None if stop is None else twice - stop,
        target_price=None if target is None else twice - target,
    )


def _mirrored_indicators(window: Window, bars: tuple[WindowBar, ...]) -> dict[str, float | None]:
    a, seen = window.bars[-1].c, window.indicators
    at = {name: 2 * a - x for name, x in seen.items() if x is not None and name in _LEVELS}
    turned = {name: -x for name, x in seen.items() if x is not None and name.startswith("macd")}
    changed: dict[str, float | None] = {**at, **turned}
    rsi = seen.get("rsi_14")
    changed["rsi_14"] = None if rsi is None else 100 - rsi
    changed["bb_upper"], changed["bb_lower"] = at.get("bb_lower"), at.get("bb_upper")
    has_roc = len(bars) > ROC_BARS and seen.get("roc_10") is not None
    changed["roc_10"] = 100 * (bars[-1].c / bars[-1 - ROC_BARS].c - 1) if has_roc else None
    return {name: changed.get(name, x) for name, x in seen.items()}


def flipped_news(window: Window) -> Window | None:
    """Return the window with the words of its news turned to their opposites; none if none had."""
    news = tuple(
        msgspec.structs.replace(
            item, headline=flipped(item.headline), summary=flipped(item.summary)
        )
        for item in window.news
    )
    return None if news == window.news else msgspec.structs.replace(window, news=news)


def flipped(text: str) -> str:
    """Turn every word that has an opposite; twice gives the text again. Capitals stay."""
    return _WORDS.sub(_opposite, text)


def _opposite(match: re.Match[str]) -> str:
    word = match[0]
    other = _FLIPS[word.lower()]
    if word.isupper():
        return other.upper()
    return other.capitalize() if word[0].isupper() else other


def shuffled_text(window: Window, seed: int) -> Window:
    """Return the window with its stories in another order, and one more that is about nothing."""
    toss = random.Random(f"{seed}:{window.digest}")  # noqa: S311 - an order, no secret
    headline, summary = toss.choice(_NOTHING)
    story = WindowNews(id="0", ts=window.as_of, headline=headline, summary=summary, source="")
    news = [*window.news, story]
    toss.shuffle(news)
    return msgspec.structs.replace(window, news=tuple(news))


class Followed(Record, frozen=True):
    """Of how many windows a decision did what another world asks for."""

    n: int
    hits: int

    @property
    def share(self) -> float | None:
        """Return the share, none of nothing."""
        return self.hits / self.n if self.n else None


Direct = Callable[[Window], Awaitable[Action]]
"""Ask an agent for the direction of one window."""
_SIGNS = {Action.BUY: 1, Action.SELL: -1, Action.HOLD: 0}


async def follow(
    windows: Sequence[Window], direct: Direct, seed: int
) -> tuple[Followed, Followed, Followed]:
    """Count how decisions follow mirrored returns and flipped news, and ignore idle text.

    Following is the opposite direction. The mirror is asked where shorts are allowed, or nobody
    could say the opposite of a purchase; where a market has none (crypto) any other answer follows.
    Windows that are held in both worlds show nothing and are left out, and so are those without a
    mirror or without news that could be flipped.
    """
    mirror: list[bool] = []
    news: list[bool] = []
    idle: list[bool] = []
    for window in windows:
        action = await direct(window)
        idle.append(await direct(shuffled_text(window, seed)) is action)
        turned = flipped_news(window)
        if turned is not None:
            _judge(news, action, await direct(turned))
        if _has_mirror(window):
            free = _with_shorts(window)
            pair = (await direct(free), await direct(mirrored(free)))
            _judge(mirror, *pair, has_shorts=may_short(free))
    return _counted(mirror), _counted(news), _counted(idle)


def _has_mirror(window: Window) -> bool:
    a = window.bars[-1].c
    return max(window.quote.ask, *[bar.h for bar in window.bars]) < 2 * a


def _with_shorts(window: Window) -> Window:
    """Return the window as it were if shorts were allowed in its market."""
    return msgspec.structs.replace(
        window,
        limits=window.limits | {"allow_short": True},
        instrument=msgspec.structs.replace(window.instrument, shortable=True),
    )


def _judge(judged: list[bool], action: Action, other: Action, *, has_shorts: bool = True) -> None:
    if action is not Action.HOLD or other is not Action.HOLD:
        is_opposite = _SIGNS[action] == -_SIGNS[other]
        judged.append(is_opposite or (not has_shorts and action is not other))


def _counted(judged: list[bool]) -> Followed:
    return Followed(n=len(judged), hits=sum(judged))


def agreement(ours: Floats, mirror: Floats) -> Followed:
    """Count how the positions of a long-or-flat rule follow a mirrored series.

    Shape (n,) each, a share of equity a bar. Following is being in the one world's market while out
    of the other's; a constant rule is in both or in neither.
    """
    is_in, is_in_mirror = ours > 0, mirror > 0
    return Followed(n=len(ours), hits=int(np.sum(is_in != is_in_mirror)))


def counterfactuals(mirror: Followed, news: Followed, idle: Followed) -> ControlResult:
    """Report C4: more follow than not beyond chance's interval, and idle text moves hardly any.

    What fewer than `LEAST_WINDOWS` windows could show is not judged, and no judgement is no pass.
    """
    judged = [_follows(mirror), _follows(news), _ignores(idle)]
    verdicts = [verdict for verdict in judged if verdict is not None]
    line = ", ".join(
        (
            _told("mirrored returns", mirror, "followed"),
            _told("flipped news", news, "followed"),
            _told("idle text", idle, "ignored"),
        )
    )
    figures = {"mirror": mirror.share, "news": news.share, "idle": idle.share}
    return found("C4", line, passed=all(verdicts) if judged[0] is not None else None, **figures)


def _follows(followed: Followed) -> bool | None:
    if followed.n < LEAST_WINDOWS:
        return None
    interval = share_interval(followed.hits, followed.n)
    return interval is not None and interval.low > LEAST_FOLLOWED


def _ignores(followed: Followed) -> bool | None:
    if followed.n < LEAST_WINDOWS:
        return None
    return followed.hits >= LEAST_IGNORED * followed.n


def _told(what: str, followed: Followed, done: str) -> str:
    return f"{what} {done} in {followed.hits} of {followed.n}"
