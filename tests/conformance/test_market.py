"""Indicators of two symbols, of a market's breadth and of one series, against numbers worked out by hand."""

import numpy as np
import pytest

from tests.conformance.indicators.lean_series import fitted, forecast
from tests.conformance.indicators.support import mappings
from tests.conformance.kinds.indicators import columns_of

LEAN = mappings("lean")
NAN = np.nan


def market(tmp_path, text):
    """Return rows of symbol, time, high, low, close and volume as columns."""
    (tmp_path / "t.csv").write_text("symbol,time,high,low,close,volume\n" + text)
    return columns_of(tmp_path / "t.csv")


THREE = """A,1,1,1,1,100
B,1,1,1,1,100
C,1,1,1,1,100
A,2,2,2,2,60
B,2,1,0.5,0.5,10
C,2,3,3,3,40
A,3,2,2,2,30
C,3,2,2,2,20
A,4,5,5,5,7
B,4,4,4,4,5
C,4,1,1,1,4
A,5,5,5,5,9
B,5,6,6,6,8
C,5,2,2,2,4
"""
"""Two up and one down; then a time without B; then A up, C down, and B of which no last close is known; then two up and
one as it was."""


@pytest.mark.parametrize(("indicator", "expected"), [
    ("AdvanceDeclineDifference", [1, 0, 2]), ("AdvanceDeclineRatio", [2, 1, 2]),
    ("AdvanceDeclineVolumeRatio", [10, 7 / 4, 12]), ("ArmsIndex", [0.2, 4 / 7, 2 / 12]),
])  # fmt: skip
def test_breadth_counts_closes_above_and_below_the_last(tmp_path, indicator, expected):
    """The value comes with the last symbol of a time and stands until the next complete one; at first it is 0."""
    two, four, five = expected
    out = LEAN[indicator]({}, market(tmp_path, THREE))["value"]
    np.testing.assert_allclose(out, [NAN, NAN, NAN, 0, 0, two, two, two, two, two, four, four, four, five])


def test_breadth_is_of_the_symbols_that_a_case_names(tmp_path):
    """A row of another symbol changes nothing, and is not waited for."""
    out = LEAN["AdvanceDeclineDifference"]({"symbols": ["A", "C R735"]}, market(tmp_path, THREE))["value"]
    np.testing.assert_array_equal(out, [NAN, NAN, NAN, 0, 0, 2, 2, -1, -1, -1, 0, 0, 0, 1])


HIGHS = """A,1,5,3,4,10
B,1,7,4,5,20
A,2,6,2,4,11
B,2,8,5,5,21
A,3,7,2,4,12
B,3,8,3,5,24
A,4,7,4,4,13
B,4,9,2,5,26
"""


@pytest.mark.parametrize(("output", "expected"), [
    ("difference", [0, 0]), ("ratio", [1, 1]), ("volume_ratio", [0.5, 1]),
])  # fmt: skip
def test_new_highs_and_lows_are_beyond_all_bars_of_the_window_before(tmp_path, output, expected):
    """Window 2: A's 7 is a new high and B's 3 a new low; then B's 9 is a new high and its 2 a new low."""
    three, four = expected
    out = LEAN["NewHighsNewLowsVolume"]({"period": 2}, market(tmp_path, HIGHS))
    np.testing.assert_allclose(out[output], [NAN, NAN, NAN, NAN, 0, three, three, four])
    np.testing.assert_array_equal(out["value"], out["volume_ratio"])
    assert LEAN["NewHighsNewLows"]({"period": 2}, market(tmp_path, HIGHS))["value"][-1] == 0


PAIR = (
    "A,1,0,0,10,1\nB,1,0,0,35,1\nA,2,0,0,15,1\nB,2,0,0,80,1\nA,3,0,0,99,1\nA,4,0,0,90,1\nB,4,0,0,37,1\nA,5,0,0,80,1\n"
)


def test_two_symbols_are_compared_at_the_times_that_both_have(tmp_path):
    """A time without one symbol is left out; the value stands until the next time that both have."""
    columns = market(tmp_path, PAIR)
    numbers = {"target": "A", "reference": "B", "period": 2}
    own, other = [15 / 10 - 1, 90 / 15 - 1], [80 / 35 - 1, 37 / 80 - 1]
    expected = np.cov(own, other)[0, 1]
    np.testing.assert_allclose(LEAN["Covariance"](numbers, columns)["value"], [NAN] * 6 + [expected] * 2)
    numbers = {"symbols": ["A", "B RIWIV7K5Z9LX"], "period": 3}
    out = LEAN["Correlation"](numbers, columns)
    np.testing.assert_allclose(out["value"][-1], np.corrcoef([10, 15, 90], [35, 80, 37])[0, 1])
    np.testing.assert_allclose(LEAN["Correlation"](numbers | {"type": "Spearman"}, columns)["value"][-1], 0.5)


def test_equal_closes_share_their_rank(tmp_path):
    """Spearman of 1, 1, 2 and 1, 2, 3: ranks 1.5, 1.5, 3."""
    text = "".join(f"A,{i},0,0,{a},1\nB,{i},0,0,{b},1\n" for i, (a, b) in enumerate(((1, 1), (1, 2), (2, 3))))
    out = LEAN["CorrelationSpearman"]({"target": "A", "reference": "B", "period": 3}, market(tmp_path, text))
    np.testing.assert_allclose(out["value"][-1], np.corrcoef([1.5, 1.5, 3], [1, 2, 3])[0, 1])


def test_a_log_return_begins_a_bar_early():
    """Window 3: the first value spans two bars, the others three."""
    close = np.array([1.0, 2.0, 4.0, 3.0, 5.0])
    out = LEAN["LogReturn"]({"period": 3}, {"close": close})["value"]
    np.testing.assert_allclose(out, [NAN, NAN, np.log(4), np.log(3), np.log(5 / 2)])


def test_a_delay_is_a_value_of_so_many_bars_before():
    """Two bars late; a series shorter than the delay has no value."""
    np.testing.assert_array_equal(
        LEAN["Delay"]({"period": 2}, {"close": np.array([1.0, 2.0, 3.0])})["value"], [NAN, NAN, 1]
    )
    assert np.isnan(LEAN["Delay"]({"period": 9}, {"close": np.ones(3)})["value"]).all()


def test_a_forecast_without_errors_goes_on_as_the_window_did():
    """A geometric series goes on by its ratio, one that grows evenly by its step once it is differenced."""
    x = 100 * 1.1 ** -np.arange(20.0)
    assert forecast(x, 1, 0, 0, constant=False) == pytest.approx(x[-1] * 1.1)
    assert forecast(np.arange(20.0), 1, 1, 0, constant=False) == pytest.approx(20)


def test_a_forecast_with_errors_is_that_of_two_regressions_written_out():
    """Orders 1, 0, 1 with a constant, over a window from the newest value to the oldest."""
    x = np.random.default_rng(5).normal(100, 2, 30)
    y = x[::-1]
    slope = (y[:-1] @ y[1:]) / (y[:-1] @ y[:-1])
    errors = np.r_[0.0, y[1:] - slope * y[:-1]]
    constant, (ar, ma) = fitted(np.column_stack([y[:-1], errors[:-1]]), y[1:], constant=True)
    assert forecast(x, 1, 0, 1, constant=True) == pytest.approx(constant + ar * y[0] + ma * errors[2])
    out = LEAN["AutoRegressiveIntegratedMovingAverage"](
        {"ar_order": 1, "diff_order": 0, "ma_order": 1, "period": 30}, {"close": x}
    )  # fmt: skip
    assert out["value"][-1] == forecast(x, 1, 0, 1, constant=True)
    assert np.isnan(out["value"][:-1]).all()
