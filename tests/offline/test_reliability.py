"""Tables, calibration error and the parts of the Brier score against loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline import reliability as r
from processors.errors import ConfigError

ROWS = st.lists(st.tuples(st.floats(0, 1).map(lambda x: round(x, 3)), st.booleans()), min_size=1, max_size=60)


def columns(rows):
    return np.array([a for a, _ in rows]), np.array([float(b) for _, b in rows])


@settings(deadline=None)
@given(ROWS, st.integers(1, 12))
def test_equal_width_by_loops(rows, n_bins):
    """Bins are (low, high], the first with its lower border, and the error weighs them by rows."""
    p, up = columns(rows)
    table, total, at = r.reliability(p, up, n_bins, "width"), 0.0, 0
    borders = np.linspace(0, 1, n_bins + 1)
    for b in range(n_bins):
        here = [(a, c) for a, c in rows if (borders[b] < a or (b == 0 and a == 0)) and a <= borders[b + 1]]
        if here:
            said, came = np.mean([a for a, _ in here]), np.mean([c for _, c in here])
            assert (table.n[at], table.low[at], table.high[at]) == (len(here), borders[b], borders[b + 1])
            assert (table.said[at], table.came[at]) == pytest.approx((said, came))
            total += len(here) * abs(said - came) / len(rows)
            at += 1
    assert at == len(table.n)
    assert r.calibration_error(p, up, n_bins) == pytest.approx(total)
    assert r.maximum_calibration_error(p, up, n_bins) >= total - 1e-12


@settings(deadline=None)
@given(ROWS, st.integers(1, 12))
def test_equal_mass_does_not_depend_on_the_order_of_rows(rows, n_bins):
    """Bins ascend and hold equal probabilities together; of different ones they differ by one row at most."""
    p, up = columns(rows)
    table = r.reliability(p, up, n_bins)
    again = r.reliability(p[::-1], up[::-1], n_bins)
    assert table.n.tolist() == again.n.tolist()
    assert table.came == pytest.approx(again.came)
    assert table.n.sum() == len(rows)
    assert (table.low[1:] > table.high[:-1]).all()
    if len(set(p)) == len(p):
        assert np.ptp(table.n) <= 1
        assert len(table.n) == min(n_bins, len(p))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=2, max_size=60), st.randoms())
def test_the_calibration_error_of_tied_probabilities_knows_no_order_of_rows(rows, random):
    """Few different probabilities and any order of the rows: one error, and the same bins."""
    p, up = np.array([a / 4 for a, _ in rows]), np.array([float(b) for _, b in rows])
    order = list(range(len(rows)))
    random.shuffle(order)
    assert r.calibration_error(p, up, 10, "mass") == pytest.approx(r.calibration_error(p[order], up[order], 10, "mass"))
    assert r.bins_of(p, 10, "mass")[order].tolist() == r.bins_of(p[order], 10, "mass").tolist()


def test_a_constant_probability_is_judged_by_its_base_rate_not_by_drift():
    """The base rate over all rows has no error however ups drift in time; ten points off is ten points off."""
    rng = np.random.default_rng(0)
    up = (rng.random(10_000) < np.linspace(0.3, 0.7, 10_000)).astype(float)
    for binning in r.BINNINGS:
        assert r.calibration_error(np.full(10_000, up.mean()), up, 10, binning) < 1e-9
        assert r.calibration_error(np.full(10_000, up.mean() + 0.1), up, 10, binning) == pytest.approx(0.1)


def test_calibration_error_by_hand():
    """Two bins, one off by 0.1 and one exact: half of 0.1."""
    p = np.array([0.2] * 10 + [0.7] * 10)
    up = np.array([1.0] * 3 + [0.0] * 7 + [1.0] * 7 + [0.0] * 3)
    assert r.calibration_error(p, up, 2, "mass") == pytest.approx(0.05)


@settings(deadline=None)
@given(ROWS, st.integers(1, 12), st.sampled_from(r.BINNINGS))
def test_the_parts_of_brier_are_what_they_say(rows, n_bins, binning):
    """Parts add up, the last is variance less twice covariance within bins, and vanishes for single values."""
    p, up = columns(rows)
    found, at = r.brier(p, up, n_bins, binning), r.bins_of(p, n_bins, binning)
    assert found.score == pytest.approx(sum((a - b) ** 2 for a, b in rows) / len(rows))
    assert found.score == pytest.approx(found.reliability - found.resolution + found.uncertainty + found.within)
    within = 0.0
    for b in set(at):
        away, came = p[at == b] - p[at == b].mean(), up[at == b]
        within += ((away**2).sum() - 2 * (away * came).sum()) / len(p)
    assert found.within == pytest.approx(within, abs=1e-9)
    assert min(found.reliability, found.resolution, found.uncertainty) >= 0
    single = r.brier(p.round(0), up, 2, "width")
    assert single.within == pytest.approx(0, abs=1e-12)


def test_honest_probabilities_have_little_error():
    """Of honest ones nine of ten bins are within two standard errors; bold ones are found out."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0, 1, 20_000)
    up = (rng.random(20_000) < p).astype(float)
    table = r.reliability(p, up, 20)
    assert (np.abs(table.said - table.came) < 2 * table.standard_error).mean() >= 0.85
    assert r.calibration_error(p, up) < 0.02
    assert r.brier(p, up).reliability < 0.001
    bold = np.clip(2 * p - 0.5, 0, 1)
    assert r.calibration_error(bold, up) > 0.1
    assert r.brier(bold, up).reliability > 0.01


def test_what_is_honest_on_the_whole_may_not_be_in_each_regime():
    """Errors of two regimes that cancel are seen by regime."""
    rng = np.random.default_rng(1)
    regime = np.tile([3, 5], 10_000)
    up = (rng.random(20_000) < np.where(regime == 3, 0.3, 0.7)).astype(float)
    p = np.full(20_000, 0.5)
    assert r.honesty(p, up).error_by_width < 0.02
    found = r.honesty_by_regime(p, up, regime)
    assert list(found) == [3, 5]
    assert [one.n for one in found.values()] == [10_000, 10_000]
    for one, base in zip(found.values(), (0.3, 0.7), strict=True):
        assert one.base_rate == pytest.approx(base, abs=0.02)
        assert one.error_by_width == pytest.approx(0.2, abs=0.02)
        assert one.error_by_mass == one.error_by_width


def test_no_rows_have_no_measures_and_wrong_ones_are_refused():
    """NaN of none; a bin too few, another binning and what is no probability are ConfigErrors."""
    none = np.empty(0)
    assert math.isnan(r.calibration_error(none, none))
    assert math.isnan(r.maximum_calibration_error(none, none))
    assert all(math.isnan(part) for part in r.brier(none, none))
    assert r.honesty(none, none).n == 0
    for p, n_bins, binning in ((1.5, 3, "mass"), (0.5, 0, "mass"), (0.5, 3, "luck"), (math.nan, 3, "width")):
        with pytest.raises(ConfigError, match="reliability"):
            r.reliability(np.array([p]), np.ones(1), n_bins, binning)
