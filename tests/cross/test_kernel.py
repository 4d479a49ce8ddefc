"""The kernels of the cross-section against pandas and published tables."""

import csv

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.cross.kernel import (
    MCCLELLAN,
    alpha_series,
    beta_series,
    mcclellan_series,
    mcclellan_step,
    percentile_ranks,
)
from tests.support import SHARED

LEAN = SHARED / "conformance" / "indicators" / "lean"
VALUES = st.sampled_from([np.nan, 0.0, -0.0, 1.0, 2.0, -5.5, 1e300]) | st.floats(-1e6, 1e6)


def table(name: str) -> list[dict[str, str]]:
    """Return a published table; skip where it is not here."""
    path = LEAN / name
    if not path.is_file():
        pytest.skip(f"{name}: the conformance files are not here")
    with path.open(newline="") as f:
        return list(csv.DictReader(f))


@settings(deadline=None)
@given(st.lists(VALUES, max_size=30))
def test_ranks_are_those_of_pandas(values: list[float]) -> None:
    """Percentile ranks with average ties and no rank for nothing, as ``rank(pct=True)`` gives them."""
    given_ones, out = np.array(values, np.float64), np.zeros(len(values))
    n = percentile_ranks(given_ones, out)
    np.testing.assert_allclose(out, pd.Series(given_ones, dtype=float).rank(pct=True).to_numpy(), rtol=1e-14)
    assert n == np.sum(~np.isnan(given_ones))


@pytest.mark.parametrize(("name", "column", "series"), [
    ("alpha_indicator_datatest.csv", "Alpha", alpha_series), ("bi_datatest.csv", "Beta", beta_series),
])  # fmt: skip
def test_alpha_and_beta_are_those_of_the_table(name: str, column: str, series) -> None:
    """From the first full window on, each value of the reference's row is equal within the tolerance."""
    rows = table(name)
    target, reference = (np.array([float(r["close"]) for r in rows if r["symbol"] == s]) for s in ("AMZN", "SPX"))
    told = np.array([float(r[column]) for r in rows if r["symbol"] == "SPX"])
    ours = series(target, reference, 5)
    assert np.isnan(ours[:5]).all()
    np.testing.assert_allclose(ours[5:], told[5:], atol=1e-8)


def test_a_risk_free_rate_comes_off_both_sides() -> None:
    """Alpha with a rate is the intercept of excess returns."""
    rng = np.random.default_rng(3)
    market, own = np.cumprod(1 + rng.normal(0, 0.01, 12)), np.cumprod(1 + rng.normal(0, 0.02, 12))
    excess = [x[1:] / x[:-1] - 1 - 0.001 for x in (market, own)]
    _, intercept = np.polyfit(excess[0], excess[1], 1)
    assert alpha_series(own, market, 11, risk_free=0.001)[-1] == pytest.approx(intercept, abs=1e-12)


def test_mcclellan_is_that_of_the_table() -> None:
    """Oscillator and summation equal the table from the first full slow mean on.

    The table's means begin with values of days before it, which LEAN's test feeds in (McClellanSummationIndexTests.cs):
    -209.85 and -186.41 for the two means; and its summation counts from before the slow mean is full.
    """
    rows = table("mcclellan_data.csv")
    net = np.array([float(r["A/D Difference"]) for r in rows])
    told, summed = (np.array([float(r[c]) for r in rows]) for c in ("MO", "MSI"))
    fast, slow = net.copy(), net.copy()
    fast[0], slow[0] = -209.85, -186.41
    ours = oscillator_of(fast, slow)
    assert np.isnan(ours[:38]).all()
    np.testing.assert_allclose(ours[38:], told[38:], atol=1e-6)
    _, index = mcclellan_series(net)
    assert index[38] == pytest.approx(mcclellan_series(net)[0][38])
    np.testing.assert_allclose(np.cumsum(ours[39:]), summed[39:] - summed[38], atol=1e-4)


def oscillator_of(fast: np.ndarray, slow: np.ndarray) -> np.ndarray:
    """Return the oscillator of two series, one for each mean: means are linear, so each is run alone."""
    parts = []
    for series, other in ((fast, 1.0), (slow, 0.0)):
        row = np.zeros(1, MCCLELLAN).view(np.recarray)
        means = []
        for x in series:
            mcclellan_step(row, float(x), 19, 39)
            means.append(float(row["fast" if other else "slow"][0]))
        parts.append(np.array(means))
    return np.where(np.arange(len(fast)) < 38, np.nan, parts[0] - parts[1])
