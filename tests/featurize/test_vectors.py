"""Vectors, the curve and facts in columns of bars, against their definitions."""

import numpy as np
import pytest

from processors.featurize.indicators import layout as c
from processors.featurize.indicators.vectors import HORIZONS
from tests.featurize import series
from tests.featurize.series import Series, run, walk, windows
from tests.featurize.test_states import VOL


@pytest.fixture(scope="module")
def bars() -> Series:
    """Return a walk."""
    return walk(500, 7)


def stacked(outputs: dict[str, Series]) -> Series:
    """Return the outputs as columns, shape (n, n_outputs)."""
    return np.column_stack(list(outputs.values()))


def test_returns_and_momentum_over_eight_horizons(bars: Series) -> None:
    """Each part is the return over its horizon, and that over as many bars' volatility."""
    close = bars[:, c.CLOSE]
    over = np.column_stack([np.r_[np.full(h, np.nan), np.log(close[h:] / close[:-h])] for h in HORIZONS])
    np.testing.assert_allclose(stacked(run("return_vector", bars)), over, 1e-12, 1e-15)
    scaled = over / (series.vol(bars, 0.94, 20)[:, None] * np.sqrt(HORIZONS))
    np.testing.assert_allclose(stacked(run("momentum_vector", bars, VOL)), scaled, 1e-9, 1e-12)


def test_the_shape_of_a_bar_adds_up(bars: Series) -> None:
    """Body and wicks are shares of the range that sum to one; gap, range and change are in average true ranges."""
    got = stacked(run("bar_shape_vector", bars, {"atr_window": 14}))
    o, h, l, close = (bars[:, k] for k in (c.OPEN, c.HIGH, c.LOW, c.CLOSE))
    np.testing.assert_allclose(np.abs(got[:, 0]) + got[:, 1] + got[:, 2], 1)
    np.testing.assert_allclose(got[:, 0] * (h - l), close - o, 1e-9, 1e-12)
    np.testing.assert_allclose(got[:, 2] * (h - l), np.minimum(o, close) - l, 1e-9, 1e-12)
    width, before = series.atr(bars, 14), np.r_[np.nan, close[:-1]]
    expected = np.column_stack([o - before, h - l, close - before]) / width[:, None]
    np.testing.assert_allclose(got[:, 3:], expected, 1e-9, 1e-12)


def test_the_volume_profile_is_the_histogram_of_typical_prices(bars: Series) -> None:
    """Shares are those of a weighted histogram of eight bins between the lowest low and the highest high."""
    got = stacked(run("volume_profile", bars, {"window": 40}))
    assert np.isnan(got[:39]).all()
    for i in range(39, len(bars)):
        w = bars[i - 39 : i + 1]
        typical = (w[:, c.HIGH] + w[:, c.LOW] + w[:, c.CLOSE]) / 3
        edges = (w[:, c.LOW].min(), w[:, c.HIGH].max())
        counts, _ = np.histogram(typical, 8, edges, weights=w[:, c.VOLUME])
        np.testing.assert_allclose(got[i, :8], counts / w[:, c.VOLUME].sum(), 1e-9, 1e-12)
        assert got[i, 8] == pytest.approx((w[-1, c.CLOSE] - edges[0]) / (edges[1] - edges[0]))
    silent = bars.copy()
    silent[:, c.VOLUME] = 0
    assert np.isnan(stacked(run("volume_profile", silent, {"window": 40}))).all()


def test_the_path_is_the_normalised_form_of_the_closes(bars: Series) -> None:
    """Eight closes, evenly apart, the newest last, in deviations from the mean of all; a flat one is 0."""
    got, close = stacked(run("path_vector", bars, {"window": 40})), bars[:, c.CLOSE]
    mean, deviation = windows(close, 40, np.mean), windows(close, 40, np.std)
    for i in range(39, len(bars)):
        np.testing.assert_allclose(got[i], (close[i - 35 : i + 1 : 5] - mean[i]) / deviation[i], 1e-8, 1e-10)
    flat = bars.copy()
    flat[:, c.CLOSE] = 0.1
    assert (stacked(run("path_vector", flat, {"window": 40}))[39:] == 0).all()


def test_the_clock_is_a_point_on_two_circles() -> None:
    """Monday midnight UTC is the top of both circles; noon is the bottom of the day's; Thursday noon of the week's."""
    bars = walk(4, 1)
    bars[:, c.END_S] = [np.datetime64(t, "s").astype(float) for t in
                        ("2024-01-01T00:00", "2024-01-01T12:00", "2024-01-04T12:00", "2024-01-01T06:00")]  # fmt: skip
    got = stacked(run("clock_vector", bars))
    np.testing.assert_allclose(got[0, :4], [0, 1, 0, 1], atol=1e-9)
    np.testing.assert_allclose(got[1, :2], [0, -1], atol=1e-9)
    np.testing.assert_allclose(got[2, 2:4], [0, -1], atol=1e-9)
    np.testing.assert_allclose(got[3, :2], [1, 0], atol=1e-9)
    np.testing.assert_array_equal(got[:, 4], bars[:, c.OPENS_DAY])


def on_curve(f: tuple[float, float, float], years: tuple[float, float, float] = (0.1, 0.35, 0.6)) -> dict[str, float]:
    """Return the outputs for one curve."""
    bars = walk(1, 1)
    bars[0, c.F1 : c.F3 + 1], bars[0, c.F1_YEARS : c.F3_YEARS + 1] = f, years
    return {name: float(x[0]) for name, x in run("curve", bars).items()}


def test_the_curve_by_its_definitions() -> None:
    """Slope, carry, spreads, butterfly and roll yield of a curve in backwardation."""
    f, t = (104.0, 102.0, 99.0), (0.1, 0.35, 0.6)
    got = on_curve(f, t)
    assert got["slope"] == pytest.approx(np.polyfit(t, np.log(f), 1)[0])
    assert got["carry"] == pytest.approx(np.log(104 / 102) / 0.25)
    assert (got["f1f2"], got["f2f3"], got["butterfly"], got["state"]) == (2.0, 3.0, -1.0, -1.0)
    assert got["roll_yield"] == pytest.approx((104 / 102 - 1) / 0.25)
    assert (got["f1f2_log"], got["f2f3_log"]) == pytest.approx((np.log(104 / 102), np.log(102 / 99)))
    assert got["f1_years"] == 0.1
    assert on_curve((1.0, 2.0, 3.0))["state"] == 1
    assert on_curve((1.0, 3.0, 2.0))["state"] == 0


def test_a_curve_of_two_contracts_and_of_negative_prices_gives_what_it_can() -> None:
    """Without a third contract the first spread and the carry stay; below zero the spreads in price stay."""
    two = on_curve((104.0, 102.0, np.nan), (0.1, 0.35, np.nan))
    assert two["f1f2"] == 2.0
    assert two["carry"] > 0
    assert all(np.isnan(two[k]) for k in ("slope", "f2f3", "butterfly", "state"))
    below = on_curve((-37.63, 20.0, 25.0))
    assert below["f1f2"] == -57.63
    assert all(np.isnan(below[k]) for k in ("slope", "carry", "roll_yield", "f1f2_log"))
    assert below["state"] == 1


def test_quality_is_scored_over_what_is_known() -> None:
    """Each known part over what counts as good, within one; missing ones are left out."""
    bars = walk(3, 1)
    bars[0, c.RETURN_ON_EQUITY : c.EARNINGS_GROWTH + 1] = [0.30, 0.20, 1.0, -0.05, -0.1]
    bars[1, c.GROSS_MARGIN] = 0.1
    got = run("quality", bars)
    np.testing.assert_allclose(got["score"], [(1 + 0.5 - 0.5 + 0.5 - 0.5) / 5, 0.25, np.nan])
    assert got["leverage"][0] == 1.0


def test_event_windows_by_minutes() -> None:
    """Before, inside, after and none by the minutes to the next and since the last event; nothing known is missing."""
    minutes = [(61, np.nan), (60, 91), (5, 29.9), (5, 30), (np.nan, 89.9), (np.nan, 90), (300, 0), (np.nan, np.nan)]
    bars = walk(len(minutes), 1)
    bars[:, c.END_S] = 1e9
    bars[:, c.NEXT_EVENT_S] = [1e9 + 60 * m for m, _ in minutes]
    bars[:, c.LAST_EVENT_S] = [1e9 - 60 * m for _, m in minutes]
    bars[:, c.EVENT_WEIGHT] = 0.75
    got = run("event_window_state", bars, {"before": 60, "inside": 30, "after": 60})
    np.testing.assert_array_equal(got["state"], [0, 1, 2, 1, 3, 0, 2, np.nan])
    np.testing.assert_array_equal(got["weight"], [0, 0.75, 0.75, 0.75, 0.75, 0, 0.75, np.nan])
    np.testing.assert_allclose(got["minutes_to"], [m for m, _ in minutes])
    np.testing.assert_allclose(got["minutes_since"], [m for _, m in minutes])


def test_the_fear_index_and_the_risk_budget_by_level() -> None:
    """Levels, codes and the last change of the index; codes of the budget at its bounds."""
    bars = walk(6, 1)
    bars[:, c.VIX] = [np.nan, 12.0, 15.0, 15.0, 30.0, 20.0]
    bars[:, c.RISK_BUDGET_UTIL] = [np.nan, 0.79, 0.8, 0.99, 1.0, 1.2]
    got, risk = run("vix", bars), run("risk_budget_util_v1", bars, {"near": 0.8})
    np.testing.assert_array_equal(got["state"], [np.nan, 0, 1, 1, 3, 2])
    np.testing.assert_allclose(got["change"], [np.nan, 0, 0.25, 0.25, 1.0, -1 / 3])
    np.testing.assert_array_equal(risk["state"], [np.nan, 0, 1, 1, 2, 2])
    np.testing.assert_array_equal(risk["value"], bars[:, c.RISK_BUDGET_UTIL])
