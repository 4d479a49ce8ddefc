"""Statistics of returns against plain loops, and what must hold for all returns."""

import math
import statistics as plain

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

from offline.statistics import benchmark as b
from offline.statistics import drawdown as d
from offline.statistics import moments as m
from offline.statistics import ratios as r
from offline.statistics import returns as c
from offline.statistics.nelder_mead import nelder_mead
from offline.statistics.periods import periods_a_year
from offline.statistics.rolling import columns, rolling
from offline.statistics.tails import TailRisk, gpd_risk_estimates
from processors.errors import ConfigError

RETURNS = st.lists(st.floats(-0.3, 0.4).map(lambda x: round(x, 4)), min_size=2, max_size=40)


@given(RETURNS)
def test_compounding_is_a_product(values):
    """Cumulated returns are products, the last one is the final, and prices give the returns back."""
    x, value, path = np.array(values), 1.0, []
    for one in values:
        value *= 1 + one
        path.append(value - 1)
    assert c.cum_returns(x) == pytest.approx(path)
    assert c.cum_returns_final(x) == pytest.approx(path[-1])
    assert c.cum_returns(x, 100) == pytest.approx([100 * (1 + p) for p in path])
    assert c.simple_returns(np.r_[1.0, c.cum_returns(x, 1.0)]) == pytest.approx(values, abs=1e-9)
    assert c.annual_return(x, "monthly") == pytest.approx(value ** (12 / len(x)) - 1)


@given(RETURNS)
def test_ratios_are_what_they_are_called(values):
    """Sharpe, volatility, downside and omega by the standard library."""
    x = np.array(values)
    assume(x.max() - x.min() > 1e-3)
    spread = plain.stdev(values)
    assert c.annual_volatility(x) == pytest.approx(spread * math.sqrt(252))
    assert r.sharpe_ratio(x, 0.01, "weekly") == pytest.approx((plain.fmean(values) - 0.01) / spread * math.sqrt(52))
    lack = math.sqrt(plain.fmean(min(v - 0.02, 0.0) ** 2 for v in values))
    assert r.downside_risk(x, 0.02) == pytest.approx(lack * math.sqrt(252))
    gains, losses = sum(v for v in values if v > 0), -sum(v for v in values if v < 0)
    found = r.omega_ratio(x)
    assert math.isnan(found) if losses == 0 else found == pytest.approx(gains / losses)
    line = stats.linregress(np.arange(len(x)), np.cumsum(np.log1p(x)))
    assert r.stability_of_timeseries(x) == pytest.approx(line.rvalue**2, abs=1e-9, nan_ok=True)
    assert m.skewness(x) == pytest.approx(stats.skew(x), abs=1e-9)
    assert m.kurtosis(x) == pytest.approx(stats.kurtosis(x, fisher=False), abs=1e-9)


@given(RETURNS)
def test_drawdown_is_the_worst_of_all_pairs(values):
    """The deepest drawdown is the worst fall from any value to any later one, and never positive."""
    wealth = [1.0]
    for one in values:
        wealth.append(wealth[-1] * (1 + one))
    worst = min(late / early - 1 for i, early in enumerate(wealth) for late in wealth[i:])
    assert d.max_drawdown(np.array(values)) == pytest.approx(worst, abs=1e-12)
    assert (d.drawdown_series(np.array(values)) <= 0).all()


def naive_recovery(equity, days):
    longest, peak, since, below = 0.0, -math.inf, 0.0, False
    for value, day in zip(equity, days, strict=True):
        if value >= peak:
            longest = max(longest, day - since) if below else longest
            peak, since, below = value, day, False
        else:
            below = True
    return int(longest)


@given(st.lists(st.tuples(st.integers(90, 105), st.integers(1, 4)), max_size=30))
def test_recovery_by_walking(rows):
    """The longest recovery is that of a walk through the days, with gaps between them or without."""
    equity, days = np.array([a for a, _ in rows], float), np.cumsum([s for _, s in rows]).astype(float)
    assert d.recovery_days(equity, days) == naive_recovery(equity, days)
    assert d.recovery_days(equity) == naive_recovery(equity, range(len(equity)))


@given(RETURNS, st.floats(-2, 2), st.floats(-0.01, 0.01))
def test_a_line_through_the_benchmark_is_found(values, slope, shift):
    """Returns that are a line of the benchmark's have its slope as beta and its shift as alpha, missing ones aside."""
    x = np.array(values)
    assume(x.max() - x.min() > 1e-2)
    y = slope * x + shift
    y[0] = np.nan
    assume(np.ptp(x[1:]) > 1e-2)
    found = b.alpha_beta(y, x)
    assert found.beta == pytest.approx(slope, abs=1e-8)
    assert found.alpha == pytest.approx((1 + shift) ** 252 - 1, abs=1e-6)
    assert b.alpha(y, x, known_beta=slope) == pytest.approx(found.alpha, abs=1e-6)


def test_benchmark_measures_by_hand():
    """Capture, batting and fragility of four periods by hand."""
    x, y = np.array([0.02, -0.01, 0.03, -0.02]), np.array([0.01, -0.02, 0.01, -0.01])
    up = ((1.02 * 1.03) ** 0.5 - 1) / ((1.01 * 1.01) ** 0.5 - 1)
    down = ((0.99 * 0.98) ** 0.5 - 1) / ((0.98 * 0.99) ** 0.5 - 1)
    assert b.up_capture(x, y, "yearly") == pytest.approx(up)
    assert b.up_down_capture(x, y, "yearly") == pytest.approx(up / down)
    assert b.batting_average(x, y) == (0.75, 1.0, 0.5)
    # In the order of the benchmark: -0.01, -0.02, then 0.02 in the middle, 0.03 at the end.
    assert b.beta_fragility_heuristic(x, y) == pytest.approx(0.0 * -0.01 + 0.0 * 0.03 + 1.0 * -0.01 - 0.02, abs=0.05)
    assert b.beta_fragility_heuristic(x[:2], y[:2]) != b.beta_fragility_heuristic(x[:2], y[:2])


def test_returns_by_calendar_period():
    """Weeks go across the year, months and quarters do not."""
    days = pd.DatetimeIndex(["2020-12-30", "2020-12-31", "2021-01-01", "2021-01-04", "2021-04-01"])
    x = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    assert c.aggregate_returns(x, days, "weekly") == pytest.approx([1.1 * 1.2 * 1.3 - 1, 0.4, 0.5])
    assert c.aggregate_returns(x, days, "monthly") == pytest.approx([1.1 * 1.2 - 1, 1.3 * 1.4 - 1, 0.5])
    assert c.aggregate_returns(x, days, "yearly") == pytest.approx([1.1 * 1.2 - 1, 1.3 * 1.4 * 1.5 - 1])
    with pytest.raises(ConfigError, match="hourly"):
        c.aggregate_returns(x, days, "hourly")


def test_nothing_and_equal_values_have_their_answers():
    """No returns are NaN, equal ones have no risk: infinite ratios, whatever the rounding."""
    none, flat = np.empty(0), np.full(9, 0.1)
    for statistic in (c.annual_return, c.annual_volatility, c.cum_returns_final, d.max_drawdown, d.calmar_ratio,
                      r.sharpe_ratio, r.sortino_ratio, r.omega_ratio, r.downside_risk, r.tail_ratio, r.value_at_risk,
                      r.conditional_value_at_risk, r.stability_of_timeseries):  # fmt: skip
        assert math.isnan(statistic(none))
    for statistic in (b.alpha, b.beta, b.excess_sharpe, b.capture, b.up_capture, b.up_down_capture):
        assert math.isnan(statistic(none, none))
    assert r.sharpe_ratio(flat) == math.inf
    assert r.sharpe_ratio(-flat) == -math.inf
    assert math.isnan(r.sharpe_ratio(flat * 0))
    assert r.sortino_ratio(flat) == math.inf
    with pytest.raises(ConfigError, match="fortnightly"):
        periods_a_year("fortnightly")
    with pytest.raises(ConfigError, match="annualization"):
        periods_a_year(annualization=0)


def test_windows_and_columns():
    """Windows end one period apart; a series shorter than the window has one value or none; columns go one by one."""
    x = np.arange(12.0).reshape(6, 2)
    assert columns(np.sum, x).tolist() == [30.0, 36.0]
    assert rolling(np.sum, 3, x[:, 0]).tolist() == [6.0, 12.0, 18.0, 24.0]
    assert rolling(np.sum, 9, x[:, 0]).tolist() == []
    assert rolling(np.sum, 9, x[:, 0], partial=True).tolist() == [30.0]
    assert rolling(b.alpha_beta, 4, x[:, 0] / 100, x[:, 1] / 100).shape == (3, 2)
    assert rolling(np.sum, 9, x[:0, 0], partial=True).tolist() == []
    with pytest.raises(ConfigError, match="window"):
        rolling(np.sum, 0, x[:, 0])
    with pytest.raises(ConfigError, match="columns"):
        columns(np.dot, x, np.ones((6, 3)))
    with pytest.raises(ConfigError, match="lengths"):
        rolling(np.dot, 2, x[:, 0], x[:3, 0])


@settings(deadline=None, max_examples=40)
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=3), st.floats(-2, 2), st.floats(0.2, 5))
def test_the_simplex_goes_where_scipy_goes(start, centre, bend):
    """Success, and with it point and value, are those of SciPy, on a bent valley."""

    def valley(x):
        return float(((x - centre) ** 2).sum() + bend * abs(x[0] - x[-1] ** 2))

    ours = nelder_mead(valley, np.array(start))
    theirs = optimize.minimize(valley, start, method="Nelder-Mead")
    assert ours.converged == theirs.success
    if ours.converged:
        assert ours.at == pytest.approx(theirs.x, abs=1e-12)
        assert ours.value == pytest.approx(theirs.fun, abs=1e-12)


def test_a_heavy_tail_is_found_and_none_is_none():
    """Gains have no tail of losses; heavier losses have a larger value at risk; the shortfall lies beyond it."""
    assert gpd_risk_estimates(np.full(9, 0.01)) == TailRisk()
    assert gpd_risk_estimates(np.array([-0.1, -0.2])) == TailRisk()
    rng = np.random.default_rng(2)
    losses = -stats.genpareto.rvs(0.3, scale=0.02, size=300, random_state=rng)
    one, two = gpd_risk_estimates(losses), gpd_risk_estimates(2 * losses)
    assert 0 < one.value_at_risk < two.value_at_risk
    assert one.expected_shortfall > one.value_at_risk
