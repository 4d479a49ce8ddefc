"""Price, statistics and cycles against plain computations."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.featurize.batch import bars_of
from processors.featurize.indicators import layout as c
from tests.featurize.series import run
from tests.featurize.whole import Bars, tail_of, whole, windows

prices = st.lists(st.sampled_from([1.0, 1.5, 2.0, 2.5, 3.0]), min_size=12, max_size=60)


@pytest.fixture(scope="module")
def bars() -> Bars:
    """Return a random walk of 160 bars."""
    return whole(160, 5)


def test_moments_of_returns_are_population_ones(bars: Bars) -> None:
    """Skewness and excess kurtosis of 20 log returns equal those of whole arrays."""
    r = windows(np.diff(np.log(bars.close)), 20)
    off = r - r.mean(1, keepdims=True)
    second = (off**2).mean(1)
    got = run("return_moments", bars.table, {"window": 20})
    tail_of(got["skewness"], (off**3).mean(1) / second**1.5, 1e-8)
    tail_of(got["kurtosis"], (off**4).mean(1) / second**2 - 3, 1e-8)


def test_a_line_is_that_of_least_squares(bars: Bars) -> None:
    """Value, slope, ends and fit over 12 closes equal those of a polynomial fit of degree 1."""
    got = run("regression", bars.table, {"window": 12})
    x = np.arange(12)
    for i in range(11, 160):
        y = bars.close[i - 11 : i + 1]
        slope, begin = np.polyfit(x, y, 1)
        rest = y - begin - slope * x
        expected = {
            "value": begin + 11 * slope, "slope": slope, "intercept": begin, "forecast": begin + 12 * slope,
            "angle": math.degrees(math.atan(slope)), "explained": 1 - (rest @ rest) / (12 * y.var()),
            "deviation": math.sqrt(rest @ rest / 10),
        }  # fmt: skip
        for name, value in expected.items():
            assert got[name][i] == pytest.approx(value, rel=1e-8, abs=1e-9), name


def test_correlations_are_those_of_whole_arrays(bars: Bars) -> None:
    """Of highs and lows, of returns with themselves later, and the variance ratio of Lo and MacKinlay."""
    got = run("correlation", bars.table, {"window": 15, "first": c.R_HIGH, "second": c.R_LOW})["value"]
    pairs = zip(windows(bars.high, 15), windows(bars.low, 15), strict=True)
    tail_of(got, np.array([np.corrcoef(a, b)[0, 1] for a, b in pairs]))
    r = windows(np.diff(np.log(bars.close)), 30)
    off = r - r.mean(1, keepdims=True)
    got = run("autocorrelation", bars.table, {"window": 30, "lag": 3})["value"]
    tail_of(got, (off[:, 3:] * off[:, :-3]).sum(1) / (off**2).sum(1))
    long = windows_of_rows(off, 4).sum(2)
    expected = (long**2).sum(1) / (4 * 27 * (1 - 4 / 30)) / ((off**2).sum(1) / 29)
    tail_of(run("variance_ratio", bars.table, {"window": 30, "bars": 4})["value"], expected, 1e-8)


def windows_of_rows(x: np.ndarray, n: int) -> np.ndarray:
    """Return the windows of n along each row."""
    return np.lib.stride_tricks.sliding_window_view(x, n, axis=1)


def test_the_hurst_exponent_is_the_slope_of_log_deviations(bars: Bars) -> None:
    """Of moves over 2 to 10 bars among 40 closes, against a fit; a straight line has no deviation."""
    got = run("hurst", bars.table, {"window": 40, "lag_max": 10})["value"]
    lags = np.arange(2, 11)
    deviations = np.array([[np.std(w[k:] - w[:-k]) for k in lags] for w in windows(bars.close, 40)])
    tail_of(got, np.polyfit(np.log(lags), np.log(deviations).T, 1)[0], 1e-7)
    straight = run("hurst", bars_of(np.arange(1.0, 60.0)), {"window": 40, "lag_max": 10})["value"]
    assert straight[-1] == pytest.approx(0.0, abs=1e-12)


@settings(deadline=None)
@given(prices)
def test_extremes_and_ranks_hold_for_any_closes(closes: list[float]) -> None:
    """Also among equal closes: the extremes, where they stand, nearest ranks, and the share below."""
    table, x = bars_of(closes), np.array(closes)
    got, rank = run("extremes", table, {"window": 7}), run("percentile", table, {"window": 7, "percent": 40})["value"]
    below = run("percent_rank", table, {"window": 7})["value"]
    for i in range(6, len(x)):
        window = x[i - 6 : i + 1]
        assert (got["high"][i], got["low"][i]) == (window.max(), window.min())
        assert x[i - int(got["bars_since_high"][i])] == window.max()
        assert x[i - int(got["bars_since_low"][i])] == window.min()
        assert max(got["bars_since_high"][i], got["bars_since_low"][i]) < 7
        assert rank[i] == np.sort(window)[math.ceil(0.4 * 7) - 1]
        if i > 6:
            assert below[i] == pytest.approx(100 * (x[i - 7 : i] < x[i]).mean())


@settings(deadline=None)
@given(prices, st.integers(1, 3), st.integers(1, 3), st.sampled_from([0, 1]))
def test_pivots_stand_out_on_both_sides(closes: list[float], high: int, low: int, strict: int) -> None:
    """A pivot is confirmed when its last neighbour closes, and its price is kept until the next."""
    numbers = {"high_side": high, "low_side": low, "strict": strict}
    got, x = run("pivots", bars_of(closes), numbers), np.array(closes)
    last = {"last_high": math.nan, "last_low": math.nan}
    for i in range(len(x)):
        found = 0
        for name, side, sign in (("last_high", high, 1), ("last_low", low, -1)):
            if i >= 2 * side:
                around = np.delete(sign * x[i - 2 * side : i + 1], side)
                top = sign * x[i - side]
                if (around < top).all() if strict else (around <= top).all():
                    last[name] = x[i - side]
                    found += 1 if sign == 1 else 10
        if i >= 2 * max(high, low):
            assert got["value"][i] == {0: 0, 1: 1, 10: -1, 11: 2}[found]
        for name, price in last.items():
            np.testing.assert_equal(got[name][i], price)


def test_the_hilbert_filter_answers_one_step_as_its_text_says() -> None:
    """The first values after a step, by hand: moves of 1 for as many bars as the window is long, then 0."""
    close = np.r_[np.ones(6), np.full(9, 2.0)]
    got = run("hilbert", bars_of(close), {"window": 2, "in_phase_factor": 0.5, "quadrature_factor": 0.25})
    move = np.r_[np.zeros(6), 1, 1, np.zeros(7)]
    in_phase, quadrature = np.zeros(15), np.zeros(15)
    for i in range(4, 15):
        in_phase[i] = 1.25 * (move[i - 3] - 0.5 * move[i - 1]) + 0.5 * in_phase[i - 3]
        quadrature[i] = move[i - 1] - 0.25 * move[i] + 0.25 * quadrature[i - 2]
    np.testing.assert_allclose(got["in_phase"][4:], in_phase[4:], 0, 1e-12)
    np.testing.assert_allclose(got["quadrature"][4:], quadrature[4:], 0, 1e-12)
    assert np.isnan(got["quadrature"][:3]).all()


def test_a_sine_has_the_period_that_it_has() -> None:
    """The dominant cycle of a sine of 20 bars is 20 bars, and the price is a cycle, no trend."""
    table = bars_of(100 + np.sin(np.arange(300) * 2 * np.pi / 20))
    assert run("ht_period", table)["period"][100:].mean() == pytest.approx(20, abs=0.3)
    assert run("ht_phase", table)["trend"][100:].mean() < 0.05


@pytest.mark.parametrize(("indicator", "numbers", "output", "expected"), [
    ("moments", {"window": 5, "less": 1}, "score", 0.0),
    ("return_moments", {"window": 5}, "kurtosis", 0.0),
    ("regression", {"window": 5}, "explained", 0.0),
    ("correlation", {"window": 5, "first": 1, "second": 2}, "value", 0.0),
    ("beta", {"window": 5, "first": 1, "second": 2}, "value", 0.0),
    ("autocorrelation", {"window": 5, "lag": 1}, "value", 0.0),
    ("variance_ratio", {"window": 9, "bars": 2}, "value", 1.0),
    ("percent_rank", {"window": 5}, "value", 0.0),
    ("hurst", {"window": 9, "lag_max": 4}, "value", 0.0),
    ("swing", {"limit": 3, "limit_ratio": 0}, "total", 0.0),
    ("mama", {"fast": 0.5, "slow": 0.05, "of_median": 1}, "value", 3.0),
    ("ht_phase", {}, "trendline", 3.0),
])  # fmt: skip
def test_where_nothing_moves_the_value_is_neutral(
    indicator: str, numbers: dict[str, float], output: str, expected: float
) -> None:
    """A flat market gives the neutral value that the indicator's text names."""
    got = run(indicator, bars_of(np.full(200, 3.0)), numbers)[output]
    assert got[-1] == pytest.approx(expected, abs=2e-3)
