"""C3: an agent that knows its asset shines bright and is ordinary blind; masks are measured."""

from decimal import Decimal

import msgspec
import numpy as np
import pytest

from backtest.controls.blind.analyst import Blind, unmasked
from backtest.controls.blind.attack import (
    Guess,
    NearestNeighbour,
    Recognition,
    blindness,
    recognised,
)
from backtest.controls.blind.mask import masked, masks_of, scrubbed
from backtest.controls.blind.naming import asking, guess_in, naming
from backtest.statistics.figures import sharpe
from domain.decisions import Action, Brief, Call, Directive, Intent, Role
from domain.errors import AnalystTimeout, AnalystUnavailable
from domain.market import WindowNews, WindowPosition
from graph.analysts.rules import Rules

MASKS = masks_of(["AAPL", "MSFT", "BTC/USD"], 7, names={"AAPL": "Apple Inc. Common Stock"})
STORY = WindowNews(
    id="n1",
    ts="2015-12-01T10:00:00Z",
    headline="Apple beats: AAPL earned $1.2 billion in Q4 2015",
    summary="On December 1, 2015 apple said BTC was no plan of its.",
    source="wire",
)


def shown(series, window, walk_of, n=300, **changed):
    return window(series(walk_of(n)), n, **changed)


def test_the_memorising_agent_shines_bright_and_is_ordinary_blind(
    series, window, walk_of, earn, made, say
):
    """It knows tomorrow's close by ticker and date; where it knows nothing it tosses a coin."""
    closes = walk_of(900)
    data = series(closes)
    days = [str(np.datetime64(int(ns), "ns"))[:10] for ns in data.ts_ns]
    memory = {
        ("AAPL", day): bool(rises)
        for day, rises in zip(days, closes[1:] > closes[:-1], strict=False)
    }
    coin = np.random.default_rng(5).random(900) < 0.5

    def position(one, n):
        return float(memory.get((one.symbol, one.bars[-1].t[:10]), coin[n]))

    positions = {"bright": [0.0] * 300, "blind": [0.0] * 300}
    for n in range(301, 901):
        one = window(data, n, shows=2)
        positions["bright"].append(position(one, n - 1))
        positions["blind"].append(position(masked(one, MASKS), n - 1))
    returns = {name: earn(held, closes) for name, held in positions.items()}
    bright, blind = (sharpe(returns[name][300:], 252) for name in ("bright", "blind"))
    say(f"C3 memorising: Sharpe {bright:.1f} bright, {blind:.2f} blind")
    assert bright > 5
    assert abs(blind) < 1.5
    runs = [made(100 * np.cumprod(1 + returns[name])) for name in ("bright", "blind")]
    found = blindness(*runs, None, seed=1)
    assert not found.passed
    assert "knew what it traded" in found.line


async def test_a_rule_decides_the_same_blind_and_its_prices_come_back(series, window, walk_of):
    """Rules know no names, so a mask must change nothing but the last digits.

    Rounded to six digits, closes that tie with their average fell on the other side of it.
    """
    rules, acted = Rules(), 0
    for seed in range(40):
        brief = Brief(role=Role.DIRECTOR, window=window(series(walk_of(300, seed=seed)), 300))
        bright = (await rules.answer(brief)).content
        blind = (await Blind(rules, MASKS).answer(brief)).content
        assert blind["action"] == bright["action"]
        if bright["invalidation_price"] is not None:
            acted += 1
            expected = pytest.approx(bright["invalidation_price"], rel=1e-9)
            assert blind["invalidation_price"] == expected
    assert acted > 5


async def test_the_next_agent_hears_masked_prices_too(series, window, walk_of):
    """The director's bright price of 80 must reach a blind quant as the mask shows it."""
    heard = []

    class Listening(Rules):
        async def answer(self, brief):
            heard.append(brief)
            return await super().answer(brief)

    said = Directive(action=Action.BUY, confidence=0.9, thesis="up", invalidation_price=80.0)
    one = shown(series, window, walk_of)
    brief = Brief(role=Role.QUANT, window=one, directive=said, intent=Intent.OPEN_LONG)
    await Blind(Listening(), MASKS).answer(brief)
    expected = pytest.approx(80 * MASKS["AAPL"].price_factor, rel=1e-5)
    assert heard[0].directive.invalidation_price == expected
    assert heard[0].window.symbol == MASKS["AAPL"].alias


def test_nothing_in_a_masked_window_names_the_asset_or_its_time(series, window, walk_of):
    one = shown(series, window, walk_of, news=(STORY,), wake_reason="news: Apple rises", feed="iex")
    text = msgspec.json.encode(masked(one, MASKS)).decode()
    for word in ("AAPL", "Apple", "apple", "BTC", "2015", "December", "iex", "wire", "$1.2"):
        assert word not in text, word


def test_weekday_and_hour_stay_and_values_in_dollars_too(series, window, walk_of):
    held = WindowPosition(
        quantity=Decimal(10),
        average_price=Decimal("99.5"),
        unrealized_pnl=Decimal(5),
        stop_price=Decimal(95),
        opened_at="2015-06-01T14:31:00Z",
    )
    one = shown(series, window, walk_of, position=held)
    blind = masked(one, MASKS)
    moved = (np.datetime64(one.as_of[:19]) - np.datetime64(blind.as_of[:19])).astype(int)
    assert moved % (7 * 86_400) == 0
    assert moved >= 2 * 52 * 7 * 86_400
    notional = blind.position.quantity * blind.position.average_price
    assert float(notional) == pytest.approx(995, rel=1e-4)
    assert blind.account == one.account
    assert blind.quote.spread_bps == pytest.approx(one.quote.spread_bps, rel=0.05)


def test_returns_survive_the_mask(series, window, walk_of):
    one = shown(series, window, walk_of)
    bright, blind = (np.log([bar.c for bar in w.bars]) for w in (one, masked(one, MASKS)))
    assert np.diff(blind) == pytest.approx(np.diff(bright), abs=1e-12)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("MSFT up", "{MSFT} up"),
        ("msft is a word here", "msft is a word here"),
        ("BTC/USD and BTC", "{BTC/USD} and {BTC/USD}"),
        ("APPLE pie", "{AAPL} pie"),
        ("On Sept 3, 2013 it paid \u20ac5m", "On a date it paid an amount"),
        ("may rise by 3 in Q3 2014", "may rise by 3 in a date"),
    ],
)
def test_texts_lose_who_when_and_how_much(text, expected):
    for symbol, mask in MASKS.items():
        expected = expected.replace(f"{{{symbol}}}", mask.alias)
    assert scrubbed(text, MASKS) == expected


def test_masks_are_made_again_by_their_seed_and_no_two_share_a_name():
    symbols = [f"S{n}" for n in range(300)]
    masks = masks_of(symbols, 1)
    assert masks == masks_of(symbols, 1)
    assert masks != masks_of(symbols, 2)
    assert len({mask.alias for mask in masks.values()}) == 300


def test_an_answer_outside_its_schema_is_left_for_the_graph_to_refuse():
    said = {"stop_loss": "ninety", "take_profit": None, "support": True, "size_fraction": 0.5}
    assert unmasked(said, MASKS["AAPL"]) == said


def test_rescaling_hides_nothing_from_one_who_compares_returns(walk_of, say):
    """The nearest neighbour finds 20 bars among 20 symbols whatever they are multiplied by."""
    library = {f"S{n}": walk_of(600, seed=n) for n in range(20)}
    attacker = NearestNeighbour(library, 20)
    rng = np.random.default_rng(3)
    hits = {0.0: 0, 0.005: 0}
    for _ in range(100):
        symbol, start = f"S{rng.integers(20)}", int(rng.integers(580))
        closes = library[symbol][start : start + 20] * 3.7
        for noise in hits:
            seen = closes * np.exp(rng.normal(0, noise, 20))
            hits[noise] += attacker.find(seen) == (symbol, start)
    bare, noisy = (count / 100 for count in hits.values())
    say(f"C3 a nearest neighbour names {bare:.1%} of masked windows, {noisy:.1%} under 50 bp noise")
    assert bare == 1.0
    assert noisy > 0.8


async def test_recognition_counts_what_a_model_names(series, window, walk_of):
    """The first sees through every mask by a returns' neighbour; the second knows nothing."""
    closes = walk_of(400)
    data = series(closes)
    windows = [window(data, n) for n in range(300, 400, 5)]
    attacker = NearestNeighbour({"AAPL": closes, "MSFT": walk_of(400, seed=2)}, 50)

    async def see_through(one):
        symbol, start = attacker.find(np.array([bar.c for bar in one.bars]))
        month = str(np.datetime64("2015-01-05") + np.timedelta64(start + 50, "D"))[:7]
        return Guess(ticker=symbol, month=month)

    async def know_nothing(_):
        return Guess(ticker="SPY", month="1999-01")

    seen = await recognised(windows, MASKS, see_through)
    assert seen == Recognition(n=20, tickers=20, months=20)
    assert await recognised(windows, MASKS, know_nothing) == Recognition(n=20, tickers=0, months=0)


def test_a_mask_that_leaks_fails(made):
    run = made(100 * np.cumprod(1 + np.random.default_rng(1).normal(0, 0.01, 100)))
    assert blindness(run, run, Recognition(n=100, tickers=5, months=2), seed=1).passed
    found = blindness(run, run, Recognition(n=100, tickers=6, months=0), seed=1)
    assert not found.passed
    assert "6 tickers and 0 months of 100" in found.line


@pytest.mark.parametrize(
    ("raw", "guess"),
    [
        ('{"ticker": "aapl", "month": "2015-12"}', Guess(ticker="AAPL", month="2015-12")),
        ('{"ticker": " $BTC ", "month": ""}', Guess(ticker="BTC")),
        ('{"ticker": "", "month": "December 2015"}', Guess()),
        ('{"ticker": null, "month": 201512}', Guess()),
        ("I would say it is Apple.", Guess()),
        ("", Guess()),
    ],
)
def test_what_names_nothing_is_no_guess(raw, guess):
    """Prose is not searched for a ticker, and a month that cannot be read is none."""
    assert guess_in(raw) == guess


def test_the_question_shows_the_window_as_its_director_sees_it(series, window, walk_of):
    """What it must not see is not in it, and its answer has a shape of its own."""
    prompt = naming(masked(shown(series, window, walk_of), MASKS))
    assert MASKS["AAPL"].alias in prompt.text
    assert "AAPL" not in prompt.messages[1][1]
    assert set(prompt.schema["properties"]) == {"ticker", "month"}


async def test_silence_is_no_ignorance(series, window, walk_of):
    """A time-out named nothing either, and the mask would have passed for one."""

    async def silent(prompt, attempt):
        return Call(
            role=prompt.role,
            attempt=attempt,
            model="m",
            prompt_digest=prompt.digest,
            raw="",
            error=AnalystTimeout.code,
        )

    with pytest.raises(AnalystUnavailable):
        await asking(silent)(shown(series, window, walk_of))


def test_a_model_that_nobody_asked_is_not_judged(made, spec):
    """A run as good blind as bright says nothing of a mask that was never measured."""
    curve = 100 * np.cumprod(np.full(80, 1.001))
    model = made(curve, spec=msgspec.structs.replace(spec, analyst="llm:m"))
    assert blindness(model, model, None, seed=1).passed is None
    assert blindness(model, model, Recognition(n=50, tickers=0, months=0), seed=1).passed is True
    assert blindness(made(curve), made(curve), None, seed=1).passed is True
