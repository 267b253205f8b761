"""The text of exit rules: what a person writes, and what a mistake is told."""

from decimal import Decimal

import pytest

from engine.orders.protection.rules import (
    Distance,
    ExitRules,
    Overnight,
    Unit,
    changes_by_symbol,
    distance_of,
    rules_by_symbol,
    seconds_of,
)


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("2%", "2", Unit.PERCENT),
        (" 0.75 % ", "0.75", Unit.PERCENT),
        ("3atr", "3", Unit.ATR),
        ("1.5 ATR", "1.5", Unit.ATR),
    ],
)
def test_a_distance_is_a_number_with_its_unit(text, value, unit):
    """The unit stands in the value, so one setting serves both."""
    assert distance_of(text) == Distance(value=Decimal(value), unit=unit)


@pytest.mark.parametrize("text", ["", "off", " OFF "])
def test_off_and_nothing_are_no_rule(text):
    """A symbol takes a general rule back with `off`."""
    assert distance_of(text) is None
    assert seconds_of(text) is None


@pytest.mark.parametrize("text", ["2", "%", "-2%", "0%", "100%", "2 points", "2%%", "nan%", "1e3%"])
def test_a_distance_without_sense_is_refused(text):
    """A bare number could be dollars, percent or ranges: nobody guesses with a stop."""
    with pytest.raises(ValueError, match=r"write a percentage \(2%\)"):
        distance_of(text)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("45m", 2700), ("4h", 14400), ("2d", 172_800), ("3600", 3600)],
)
def test_a_time_may_carry_its_unit(text, seconds):
    """A plain number is seconds, as in every other setting."""
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["soon", "0s", "0.5", "400d", "-4h", "4 hours"])
def test_a_time_without_sense_is_refused(text):
    """At least a second, at most a year."""
    with pytest.raises(ValueError, match="write a time"):
        seconds_of(text)


def test_rules_of_a_symbol_stand_beside_the_general_ones():
    """What is not said of a symbol is as it is for all."""
    rules = ExitRules(trailing_stop=distance_of("2%"), max_holding_s=600.0)
    text = "btc/usd: trailing_stop=3atr max_holding=off; AAPL: take_profit = 4%, overnight=flat;"
    made = rules_by_symbol(rules, changes_by_symbol(text))
    assert made["BTC/USD"] == ExitRules(trailing_stop=distance_of("3atr"))
    assert made["AAPL"] == ExitRules(
        trailing_stop=distance_of("2%"),
        max_holding_s=600.0,
        take_profit=distance_of("4%"),
        overnight=Overnight.FLAT,
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("BTC/USD trailing_stop=2%", "write SYMBOL: rule=value, not"),
        ("trailing_stop=2%", "write SYMBOL: rule=value, not"),
        ("BTC/USD:", "BTC/USD has no rule"),
        ("BTC/USD: trailing=2%", "'trailing' is no rule: trailing_stop is"),
        ("BTC/USD: foo=2%", "'foo' is no rule: there are stop_loss"),
        ("BTC/USD: trailing_stop", "BTC/USD: trailing_stop=: write a percentage"),
        ("BTC/USD: stop_loss=1% stop_loss=2%", "stop_loss is there twice"),
        ("AAPL: stop_loss=1%; aapl: stop_loss=2%", "AAPL is there twice"),
        ("AAPL: overnight=maybe", "write hold or flat"),
    ],
)
def test_each_mistake_is_one_line_that_names_it(text, told):
    """Somebody reads it at three in the morning."""
    with pytest.raises(ValueError, match=r"^[^\n]+$") as error:
        changes_by_symbol(text)
    assert told in str(error.value)


def test_a_distance_in_ranges_needs_the_range():
    """Percent is of the price; a range that is not known gives no distance."""
    assert distance_of("2%").of(Decimal(200), None) == 4
    assert distance_of("3atr").of(Decimal(200), Decimal("1.5")) == Decimal("4.5")
    assert distance_of("3atr").of(Decimal(200), None) is None
