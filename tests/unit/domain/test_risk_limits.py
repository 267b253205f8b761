"""The one table of limits, and which codes bind which purpose."""

from __future__ import annotations

import math

import pytest

from domain.limits import seconds
from domain.orders import Purpose
from domain.records import parse, plain
from domain.risk import BINDS, DEFAULT_LIMITS, LIMITS_TABLE, Code, Limits
from domain.risk.checks import CHECKS


def test_every_field_of_limits_has_one_row():
    assert [row.field for row in LIMITS_TABLE] == list(Limits.__struct_fields__)


@pytest.mark.parametrize("row", LIMITS_TABLE, ids=lambda row: row.setting)
def test_row_names_setting_default_range_and_meaning(row):
    assert row.setting == row.field.upper()
    assert row.default == getattr(DEFAULT_LIMITS, row.field)
    assert row.minimum <= float(row.default) <= row.maximum
    assert math.isfinite(row.maximum)
    assert row.unit
    assert row.doc.endswith(".")


def test_limits_survive_the_window_file_they_live_in():
    assert parse(plain(DEFAULT_LIMITS), Limits) == DEFAULT_LIMITS


def test_documented_defaults_hold():
    """The document's own numbers."""
    assert str(DEFAULT_LIMITS.max_order_amount) == "100.0"
    assert (DEFAULT_LIMITS.max_risk_per_trade, DEFAULT_LIMITS.min_reward_risk) == (0.01, 1.0)
    assert (DEFAULT_LIMITS.stop_min_atr, DEFAULT_LIMITS.stop_max_atr) == (0.5, 5.0)
    assert seconds(DEFAULT_LIMITS.decision_max_age_s) == 60_000_000_000
    assert (DEFAULT_LIMITS.open_delay_s, DEFAULT_LIMITS.close_cutoff_s) == (300, 600)
    assert DEFAULT_LIMITS.allow_short is False


def test_every_code_has_one_check_in_the_order_people_read_it():
    assert [code for code, _ in CHECKS] == list(Code)


def test_every_code_binds_some_purpose_and_every_purpose_has_a_row():
    assert set(BINDS) == set(Purpose)
    assert frozenset().union(*BINDS.values()) == frozenset(Code)


def test_protection_and_flatten_are_bound_by_form_and_by_zero_alone():
    """Law 1: no model, feed, journal, clock or halt can stand between a position and its stop."""
    least = {Code.PRECISION, Code.ASSET_NOT_TRADABLE, Code.CROSSES_ZERO}
    assert BINDS[Purpose.PROTECT] == BINDS[Purpose.FLATTEN] == least


def test_size_and_loss_limits_never_bind_a_close():
    spared = {
        Code.NOTIONAL_EXCEEDS_MAX,
        Code.NOTIONAL_BELOW_MIN,
        Code.RISK_EXCEEDS_MAX,
        Code.DAILY_LOSS_REACHED,
        Code.DRAWDOWN_REACHED,
        Code.BUYING_POWER_EXCEEDED,
        Code.REDUCE_ONLY,
        Code.PRICE_MOVED,
        Code.ACCOUNT_STALE,
    }
    assert not BINDS[Purpose.REDUCE] & spared
    assert BINDS[Purpose.REDUCE] > BINDS[Purpose.PROTECT]
