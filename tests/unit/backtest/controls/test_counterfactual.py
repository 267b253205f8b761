"""C4: a constant agent fails the mirror, one that reads the market passes; idle text moves none."""

import msgspec
import numpy as np
import pytest

from backtest.baselines.table import policy
from backtest.controls.counterfactual import (
    Followed,
    agreement,
    counterfactuals,
    flipped,
    flipped_news,
    follow,
    mirrored,
    mirrored_series,
    shuffled_text,
)
from domain.decisions import Action, Brief, Role
from domain.errors import ConfigError
from domain.indicators import BarArrays, Indicators
from domain.market import AssetClass, WindowNews
from graph.analysts.rules import Rules

GOOD = "Profit rises: the maker beats estimates"


def story(headline, n=1):
    return WindowNews(
        id=str(n), ts="2015-06-01T10:00:00Z", headline=headline, summary="", source=""
    )


@pytest.fixture
def windows(series, window, walk_of):
    """Forty windows with two stories each, half of them good."""
    data = [series(walk_of(300, seed=seed)) for seed in range(40)]
    return [
        window(one, 300, news=(story(GOOD if n % 2 else flipped(GOOD)), story("A visit", 2)))
        for n, one in enumerate(data)
    ]


async def by_rules(window):
    return Action(
        (await Rules().answer(Brief(role=Role.DIRECTOR, window=window))).content["action"]
    )


async def always_buying(_):
    return Action.BUY


async def by_headlines(window):
    good = sum("beats" in item.headline for item in window.news)
    return Action.BUY if good else Action.SELL


async def by_the_first_story(window):
    return Action.BUY if "visit" in window.news[0].headline else Action.SELL


async def test_a_constant_agent_fails_the_mirror_and_the_rules_pass_it(windows, say):
    constant = counterfactuals(*await follow(windows, always_buying, 1))
    rules = counterfactuals(*await follow(windows, by_rules, 1))
    say(f"C4 always buying: {constant.line}\nC4 rules: {rules.line}")
    assert not constant.passed
    assert constant.figures["mirror"] == 0
    assert rules.figures["mirror"] == 1.0
    assert rules.figures["idle"] == 1.0


async def test_rules_that_read_no_news_fail_where_news_are_what_is_asked(windows):
    """They decide as before on news of the opposite sign: nobody may say that they read them."""
    _, news, _ = await follow(windows, by_rules, 1)
    assert news.n > 10
    assert news.hits == 0


async def test_an_agent_that_reads_headlines_follows_their_sign(windows):
    mirror, news, idle = await follow(windows, by_headlines, 1)
    assert (news.hits, news.n) == (40, 40)
    assert idle.hits == 40
    assert mirror.hits == 0


async def test_an_agent_that_a_stray_sentence_moves_fails(windows):
    idle = (await follow(windows, by_the_first_story, 1))[2]
    assert idle.hits < 38
    passing = Followed(n=40, hits=40)
    assert not counterfactuals(passing, passing, idle).passed
    assert counterfactuals(passing, passing, passing).passed


def test_too_few_windows_are_not_judged():
    few, many = Followed(n=9, hits=9), Followed(n=40, hits=40)
    assert counterfactuals(few, many, many).passed is None
    assert counterfactuals(many, Followed(n=0, hits=0), many).passed


def test_a_momentum_rule_follows_a_mirrored_series_and_a_constant_one_does_not(series, walk_of):
    data = series(walk_of(1_500))
    mirror = mirrored_series(data)

    def positions(name, closes):
        rule, held, found = policy(name, share=1.0)("X"), 0.0, []
        view = type("View", (), {"quantity": 0.0})()
        for price in closes.tolist():
            view.price = price
            wish = rule.target(view)
            held = held if wish is None else wish
            found.append(held)
            view.quantity = held
        return np.array(found[252:])

    momentum = agreement(*(positions("momentum", one.close) for one in (data, mirror)))
    constant = agreement(*(positions("buy-and-hold", one.close) for one in (data, mirror)))
    assert momentum.share > 0.99
    assert constant.share == 0.0


def test_mirrored_returns_have_the_opposite_sign_and_highs_become_lows(series, walk_of):
    data = series(walk_of(100))
    mirror = mirrored_series(data)
    ours, theirs = (np.diff(np.log(one.close)) for one in (data, mirror))
    assert theirs == pytest.approx(-ours, abs=1e-12)
    assert (mirror.high >= np.maximum(mirror.open, mirror.close)).all()
    assert (mirror.low <= np.minimum(mirror.open, mirror.close)).all()
    assert mirror.open[0] == pytest.approx(data.open[0])


def test_every_mirrored_indicator_is_that_of_the_mirrored_market(series, window, walk_of):
    """The window holds 50 bars of 300: the reflection must agree with all of them all the same."""
    data = series(walk_of(300))
    one = window(data, 300)
    a = one.bars[-1].c
    turned = (2 * a - data.low, 2 * a - data.high, 2 * a - data.close, data.volume)
    indicators = Indicators()
    indicators.open(BarArrays(*(np.ascontiguousarray(column) for column in turned)))
    found = mirrored(one).indicators
    for name, value in indicators.values().items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_a_mirror_of_a_mirror_is_the_window(series, window, walk_of):
    one = window(series(walk_of(300)), 300)
    again = mirrored(mirrored(one))
    for bar, other in zip(one.bars, again.bars, strict=True):
        assert (bar.o, bar.h, bar.l, bar.c) == pytest.approx((other.o, other.h, other.l, other.c))
    assert again.quote.bid == pytest.approx(one.quote.bid)


async def test_a_window_that_more_than_halved_has_no_mirror_and_is_left_out(
    series, window, walk_of
):
    closes = walk_of(300)
    closes[270:] /= 3
    one = window(series(closes), 300)
    with pytest.raises(ConfigError, match="no mirror"):
        mirrored(one)
    mirror, _, _ = await follow([one], always_buying, 1)
    assert mirror.n == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Profit BEATS and Rises", "Deficit MISSES and Falls"),
        ("upgraded to strong", "downgraded to weak"),
        ("The museum", "The museum"),
    ],
)
def test_flipping_turns_words_and_twice_gives_the_text_again(text, expected):
    assert flipped(text) == expected
    assert flipped(expected) == text


def test_news_without_a_sign_cannot_be_flipped(series, window, walk_of):
    assert flipped_news(window(series(walk_of(300)), 300, news=(story("A visit"),))) is None


def test_idle_text_adds_one_story_and_takes_none_away(series, window, walk_of):
    one = window(series(walk_of(300)), 300, news=(story("A"), story("B", 2)))
    other = shuffled_text(one, 1)
    assert {"A", "B"} < {item.headline for item in other.news}
    assert len(other.news) == 3
    assert msgspec.structs.replace(other, news=()) == msgspec.structs.replace(one, news=())


async def test_where_a_market_has_no_shorts_any_other_answer_follows(series, window, walk_of):
    """The rules cannot say sell in the mirror of a coin that they would buy: they hold."""
    coins = [
        window(
            series(walk_of(300, seed=seed), symbol="BTC/USD"), 300, asset_class=AssetClass.CRYPTO
        )
        for seed in range(40)
    ]
    mirror, _, _ = await follow(coins, by_rules, 1)
    assert mirror.n > 10
    assert mirror.hits == mirror.n
    constant, _, _ = await follow(coins, always_buying, 1)
    assert constant.hits == 0
