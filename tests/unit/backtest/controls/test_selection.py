"""C8 and C9: every try counts, also last month's; and nobody is better than his random twins."""

import msgspec
import numpy as np
import pytest

from backtest.controls.selection import Tries, baselines, selection
from backtest.evidence.records import HeadlineRow
from backtest.statistics.figures import figures_of
from backtest.statistics.selection import Superiority, deflated_sharpe, probabilistic_sharpe
from domain.errors import ConfigError


def row(made, equity, *, name="rules", deflated=None):
    return HeadlineRow(
        name=name,
        is_baseline=name != "rules",
        figures=figures_of(made(equity), 252),
        sharpe_interval=None,
        deflated_sharpe=deflated,
        excess=None,
        excess_interval=None,
        net_return=None,
    )


def test_the_over_fitting_agent_shines_until_its_tries_are_counted(walk_of, earn, made, say):
    """It tries 200 pairs of averages on a market without memory and shows the best one."""
    closes = walk_of(1_000, deviation=0.01)
    sums = np.concatenate(([0.0], np.cumsum(closes)))
    tried = []
    for fast in range(2, 22):
        for slow in range(25, 125, 10):
            means = [(sums[slow:] - sums[:-slow]) / slow, (sums[fast:] - sums[:-fast]) / fast]
            is_up = np.zeros(1_000)
            is_up[slow - 1 :] = means[1][slow - fast :] > means[0]
            tried.append(earn(2 * is_up - 1, closes))
    ratios = [one.mean() / one.std(ddof=1) for one in tried]
    best = tried[int(np.argmax(ratios))]
    shining = probabilistic_sharpe(best)
    ordinary = deflated_sharpe(best, len(tried), ratios)
    say(
        f"C8 over-fitting: the best of {len(tried)} has a Sharpe of {max(ratios) * 252**0.5:.2f}, "
        f"skill {shining:.1%} probable alone, {ordinary:.1%} with its tries counted"
    )
    equity = 100 * np.cumprod(1 + best)
    alone, counted = row(made, equity, deflated=shining), row(made, equity, deflated=ordinary)
    assert selection(alone, n_tries=1, superiority=None).passed
    assert not selection(counted, n_tries=len(tried), superiority=None).passed


def test_a_configuration_counts_once_and_another_seed_is_another(tmp_path, spec):
    tries = Tries(tmp_path / "kept" / "tries.jsonl")
    assert tries.record(spec, 0.01) == 1
    assert tries.record(spec, 0.01) == 1
    assert tries.record(msgspec.structs.replace(spec, seed=2), None) == 2
    assert Tries(tmp_path / "kept" / "tries.jsonl").ratios() == [0.01]


def test_a_line_that_a_crash_cut_off_is_no_try(tmp_path, spec):
    path = tmp_path / "tries.jsonl"
    tries = Tries(path)
    tries.record(spec, 0.01)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:20])
    assert len(tries.all()) == 1


def test_a_damaged_line_is_named(tmp_path, spec):
    path = tmp_path / "tries.jsonl"
    tries = Tries(path)
    tries.record(spec, 0.01)
    path.write_bytes(path.read_bytes() + b"{}\n")
    with pytest.raises(ConfigError, match="line 2") as caught:
        tries.all()
    assert caught.value.code == "TRIES_UNREADABLE"


def test_a_place_that_cannot_be_written_is_told_in_a_line(tmp_path, spec):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be"):
        Tries(tmp_path / "file" / "tries.jsonl").record(spec, None)


def test_selection_passes_only_what_survives_its_tries(made):
    p = Superiority(lower=0.3, consistent=0.4, upper=0.5)
    good = selection(row(made, [101.0], deflated=0.97), n_tries=20, superiority=p)
    assert good.passed
    assert "20 configurations tried" in good.line
    assert "p = 0.400" in good.line
    assert not selection(row(made, [101.0], deflated=0.9), n_tries=1, superiority=None).passed
    assert selection(row(made, [101.0]), n_tries=1, superiority=None).passed is None


def test_one_who_beats_buy_and_hold_and_most_random_traders_passes(made):
    hold = row(made, [105.0], name="buy-and-hold")
    lucky = [0.2] + [0.0] * 19
    assert baselines(row(made, [110.0]), [hold], lucky).passed
    assert not baselines(row(made, [104.0]), [hold], lucky).passed
    assert not baselines(row(made, [110.0]), [hold], [0.2, 0.2] + [0.0] * 18).passed
    assert baselines(row(made, [110.0]), [hold], []).passed is None
