"""Volatility against plain computations, and where nothing moves."""

import math
from statistics import NormalDist

import numpy as np
import pytest

from processors.featurize.batch import bars_of, indicator_values
from tests.featurize.series import run
from tests.featurize.whole import Bars, tail_of, whole, windows


@pytest.fixture(scope="module")
def bars() -> Bars:
    """Return a random walk of 200 bars."""
    return whole(200, 7)


def test_deviations_from_ranges_are_their_published_formulas(bars: Bars) -> None:
    """Parkinson, Garman-Klass, Rogers-Satchell and Yang-Zhang over 12 bars equal their formulas on whole arrays."""
    got, n = run("range_deviation", bars.table, {"window": 12}), 12
    u, d, r = np.log(bars.high / bars.open), np.log(bars.low / bars.open), np.log(bars.close / bars.open)
    gap = np.log(bars.open[1:] / bars.close[:-1])
    rs = u * (u - r) + d * (d - r)
    tail_of(got["parkinson"], np.sqrt(windows((u - d) ** 2 / (4 * math.log(2)), n).mean(1)))
    tail_of(got["garman_klass"], np.sqrt(windows(0.5 * (u - d) ** 2 - (2 * math.log(2) - 1) * r**2, n).mean(1)))
    tail_of(got["rogers_satchell"], np.sqrt(windows(rs, n).mean(1)))
    k = 0.34 / (1.34 + (n + 1) / (n - 1))
    inside, before = windows(r[1:], n).var(1, ddof=1), windows(gap, n).var(1, ddof=1)
    tail_of(got["yang_zhang"], np.sqrt(before + k * inside + (1 - k) * windows(rs[1:], n).mean(1)))


def test_risk_ratios_and_value_at_risk_are_their_definitions(bars: Bars) -> None:
    """Sharpe, Sortino, downside deviation and value at risk of 15 returns equal those of whole arrays."""
    r = windows(bars.close[1:] / bars.close[:-1] - 1, 15)
    got = run("risk_ratios", bars.table, {"window": 15, "target": 0.001})
    short = np.sqrt((np.minimum(r - 0.001, 0) ** 2).mean(1))
    tail_of(got["sharpe"], (r.mean(1) - 0.001) / r.std(1))
    tail_of(got["sortino"], (r.mean(1) - 0.001) / short)
    tail_of(got["downside"], short)
    for confidence in (0.9, 0.95, 0.99, 0.3):
        got = run("value_at_risk", bars.table, {"window": 15, "confidence": confidence})
        tail_of(got["value"], r.mean(1) + NormalDist().inv_cdf(1 - confidence) * r.std(1, ddof=1))


def test_the_ulcer_index_is_the_root_mean_square_of_drawdowns(bars: Bars) -> None:
    """The highest close is that of the window which ends with the bar drawn down."""
    top = windows(bars.close, 9).max(1)
    down = 100 * (bars.close[8:] / top - 1)
    tail_of(run("ulcer", bars.table, {"window": 9})["value"], np.sqrt((windows(down, 9) ** 2).mean(1)))


def test_annual_deviation_scales_the_deviation_of_returns(bars: Bars) -> None:
    """Historical volatility is the sample deviation of log returns times the root of the bars of a year."""
    r = windows(np.diff(np.log(bars.close)), 20)
    got = run("historical_volatility", bars.table, {"window": 20, "bars_per_year": 252})["value"]
    tail_of(got, r.std(1, ddof=1) * math.sqrt(252))


@pytest.mark.parametrize(("indicator", "numbers", "output", "expected"), [
    ("range_deviation", {"window": 5}, "yang_zhang", 0.0),
    ("relative_volatility", {"window": 5, "deviation_window": 4}, "value", 50.0),
    ("augen_spike", {"window": 5}, "value", 0.0),
    ("ulcer", {"window": 5}, "value", 0.0),
    ("risk_ratios", {"window": 5, "target": 0}, "sharpe", math.nan),
    ("risk_ratios", {"window": 5, "target": 0}, "downside", 0.0),
    ("chaikin_volatility", {"window": 4, "bars": 3}, "value", 0.0),
    ("range_expansion", {"window": 3, "bars": 4}, "value", 4.0),
    ("keltner", {"window": 4, "atr_window": 4, "width": 2, "kind": 0, "atr_kind": 0, "typical": 0}, "position", 0.5),
    ("bands", {"window": 4, "up": 2, "down": 2, "kind": 1}, "position", 0.5),
])  # fmt: skip
def test_where_nothing_moves_the_value_is_neutral(
    indicator: str, numbers: dict[str, float], output: str, expected: float
) -> None:
    """A flat market gives the neutral value that the indicator's text names."""
    got = indicator_values(indicator, numbers, bars_of(np.full(40, 3.0)))[output]
    np.testing.assert_allclose(got[-1], expected, 0, 1e-12)


def test_prices_not_above_zero_have_no_logarithm_and_leave_with_the_window() -> None:
    """A price of 0 makes logs missing as long as it is in the window, and no longer."""
    close = np.full(30, 2.0)
    close[10] = 0.0
    got = indicator_values("range_deviation", {"window": 4}, bars_of(close))["yang_zhang"]
    assert np.flatnonzero(np.isnan(got)).tolist() == [0, 1, 2, 3, 10, 11, 12, 13, 14]


def test_the_first_bar_counts_in_the_average_range_only_where_it_is_told_to(bars: Bars) -> None:
    """With ``first`` the first value is the mean of 5 ranges, the first bar's own among them; without, a bar later."""
    counted = run("atr_average", bars.table, {"window": 5, "kind": 13, "first": 1})["value"]
    left = run("atr_average", bars.table, {"window": 5, "kind": 13, "first": 0})["value"]
    np.testing.assert_array_equal(left, run("atr", bars.table, {"window": 5})["value"])
    assert [int(np.argmin(np.isnan(x))) for x in (counted, left)] == [4, 5]
    own = np.r_[bars.high[0] - bars.low[0], run("true_range", bars.table, {})["value"][1:5]]
    assert counted[4] == pytest.approx(own.mean(), rel=1e-12)
