"""Write the seeded market's news: some of it moves prices, most of it does not.

Every article says by its source that it is made up. Texts are our own.
"""

from collections.abc import Iterator
from zlib import crc32

from exchange.market.minute import NS_PER_S
from exchange.market.records import Article
from exchange.market.seeded.path import Place, Regime, Step

SOURCE = "seeded-market"
_AUTHOR = "Seeded Market Desk"
_REGIME_NEWS_ODDS = 0.35  # a new trend is told about
_PURPOSE = 1  # of the random numbers
_NOISE_ODDS = 0.02  # a minute, of an article about nothing

_RISES = (
    "{name} rallies as buyers step in",
    "{name} lifted by stronger than expected demand",
    "Analysts raise their view of {name}",
)
_FALLS = (
    "{name} slides as sellers take over",
    "{name} under pressure after weak demand figures",
    "Analysts cut their view of {name}",
)
_JUMPS_UP = ("{name} jumps on a surprise announcement", "{name} spikes in heavy trading")
_JUMPS_DOWN = ("{name} drops on a surprise announcement", "{name} tumbles in heavy trading")
_NOISE = (
    "What traders watch in {name} today",
    "{name}: five charts to know",
    "{name} mentioned in weekly round-up",
)


def articles(place: Place, step: Step, *, seed: int) -> list[Article]:
    """Return the articles that the minute's events bring, in the order they become public."""
    causes = list(_causes(step))
    if not causes:
        return []
    rng = place.dice(seed, _PURPOSE)
    told = [
        _article(place, number, int(rng.uniform(since_s, 59) * NS_PER_S), rng.choice(texts))
        for number, (since_s, texts) in enumerate(causes)
    ]
    return sorted(told, key=lambda article: article.published_ns)


def _causes(step: Step) -> Iterator[tuple[float, tuple[str, ...]]]:
    """Yield from which second on something can be told, and in which words."""
    if step.jump:
        yield step.jump_at * 59, _JUMPS_UP if step.jump > 0 else _JUMPS_DOWN
    is_trend = step.regime in (Regime.UP, Regime.DOWN)
    if step.is_new and is_trend and step.luck[0] < _REGIME_NEWS_ODDS:
        yield 1.0, _RISES if step.regime is Regime.UP else _FALLS
    elif step.luck[0] > 1 - _NOISE_ODDS:
        yield 1.0, _NOISE


def _article(place: Place, number: int, after_ns: int, text: str) -> Article:
    symbol, at_ns = place.symbol, place.start_ns + after_ns
    headline = text.format(name=symbol.partition("/")[0])
    article_id = (crc32(symbol.encode()) << 24) + place.nth * 4 + number
    return Article(
        symbol=symbol,
        ts_event=at_ns,
        published_ns=at_ns,
        article_id=article_id,
        headline=headline,
        summary=f"{headline}. A made-up story of a seeded market.",
        content=f"<p>{headline}. This is a made-up story of a seeded market, not news.</p>",
        author=_AUTHOR,
        source=SOURCE,
        url=f"https://seeded-market.invalid/{article_id}",
        symbols=(symbol.replace("/", ""),),
    )
