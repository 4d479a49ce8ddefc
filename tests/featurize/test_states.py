"""States against plain computations over the whole history, and at the edges."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from processors.featurize.indicators import layout as c
from processors.featurize.indicators.states_tools import N_QUANTILE, quantile
from processors.featurize.indicators.states_trend import N_TREND, trend_state_mtf
from processors.featurize.indicators.states_volatility import VOL_FLOOR
from schemas.timeframes import TIMEFRAMES
from tests.featurize import series
from tests.featurize.series import Series, past_scores, run, trend, walk

TREND = {"fast": 10, "slow": 30, "band": 0.5, "atr_window": 14}
VOL = {"decay": 0.94, "min_returns": 20}
V1 = VOL | {"memory": 200, "min_vols": 60, "margin": 0.1}
ZONES = {"wing": 3, "width": 0.5, "atr_window": 14, "half_life": 80}
STRESS = VOL | {"window": 20, "memory": 200, "min_vols": 60}
LIQUIDITY = {"window": 20, "memory": 200, "min_values": 60}


@pytest.fixture(scope="module", params=[1, 2, 3])
def bars(request: pytest.FixtureRequest) -> Series:
    """Return a walk."""
    return walk(700, request.param)


def test_the_trend_state_is_the_side_of_two_averages_outside_a_band(bars: Series) -> None:
    """State and strength follow from seeded averages and the average true range; all three states occur."""
    got = run("trend_state", bars, TREND)
    np.testing.assert_array_equal(got["state"], trend(bars, 10, 30, 0.5, 14))
    close = bars[:, c.CLOSE]
    expected = (series.ema(close, 10) - series.ema(close, 30)) / series.atr(bars, 14)
    np.testing.assert_allclose(got["strength"], expected, 1e-9)
    assert set(got["state"][~np.isnan(got["state"])]) == {-1, 0, 1}


class Timeframes:
    """One symbol's bars of several timeframes, one at a time, as the stage runs them."""

    WIDTH = 4
    PARAMETERS = np.array([2.0, 4.0, 0.2, 3.0, 0.5])

    def __init__(self) -> None:
        self.shared = np.zeros(c.N_SHARED)
        self.rings = [np.zeros((c.N_SERIES, 2 * self.WIDTH)) for _ in TIMEFRAMES]
        self.states = [np.zeros(N_TREND) for _ in TIMEFRAMES]
        self.seen = [0] * len(TIMEFRAMES)

    def add(self, tf: int, end: int, close: float) -> list[float]:
        """Add a bar; return the outputs."""
        bar, y = np.full(c.N_BAR, np.nan), np.zeros(c.Y_MAX)
        bar[[c.OPEN, c.HIGH, c.LOW, c.CLOSE]] = close, close + 0.3, close - 0.3, close
        bar[[c.TF, c.END_S, c.VOLUME]] = tf, end, 1.0
        bar[c.SHARED :] = self.shared
        n, ring = self.seen[tf], self.rings[tf]
        ring[c.R_CLOSE, [n % self.WIDTH, n % self.WIDTH + self.WIDTH]] = close
        trend_state_mtf(bar, ring, n, self.PARAMETERS, self.states[tf], y)
        self.shared = bar[c.SHARED :]
        self.seen[tf] += 1
        return y[:8].tolist()


bars_of_tfs = st.lists(
    st.tuples(st.integers(0, 4), st.integers(1, 30), st.floats(90, 110)), min_size=1, max_size=60
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(drawn=bars_of_tfs, order=st.randoms(use_true_random=False))
def test_timeframes_are_combined_as_of_what_closed_before(drawn: list[tuple[int, int, float]], order: object) -> None:
    """The state at a bar is made of its own and of each other timeframe's last one that ended before it did."""
    by_place = {(end, tf): close for tf, end, close in drawn}
    places = sorted(by_place)
    order.shuffle(places)  # type: ignore[attr-defined]
    places.sort(key=lambda place: place[0])
    alone: dict[int, Series] = {}
    ends = {tf: sorted(end for end, t in by_place if t == tf) for tf in range(5)}
    for tf in range(5):
        closes = np.array([by_place[end, tf] for end in ends[tf]])
        one = np.column_stack([closes] * c.N_BAR)
        one[:, c.HIGH], one[:, c.LOW] = closes + 0.3, closes - 0.3
        alone[tf] = trend(one, 2, 4, 0.2, 3) if len(closes) else closes
    market = Timeframes()
    for end, tf in places:
        got = market.add(tf, end, by_place[end, tf])
        states = []
        for t in range(5):
            known = [s for e, s in zip(ends[t], alone[t], strict=True) if (e <= end if t == tf else e < end)]
            states.append(known[-1] if known else np.nan)
        if np.isnan(states[tf]):
            assert np.isnan(got).all()
            continue
        mean = np.nanmean(states)
        expected = [np.sign(mean) if abs(mean) >= 0.5 else 0, mean, np.sum(~np.isnan(states)), *states]
        np.testing.assert_allclose(got, expected)


def naive_quantile(values: Sequence[float], share: float) -> float:
    """Return the P2 estimate by the boxes of the paper, with five markers in lists."""
    heights, places = sorted(values[:5]), [1, 2, 3, 4, 5]
    for n, x in enumerate(values[5:], start=6):
        heights[0], heights[4] = min(heights[0], x), max(heights[4], x)
        cell = max(i for i in range(4) if heights[i] <= x)
        places = [p + (i > cell) for i, p in enumerate(places)]
        wanted = [1 + (n - 1) * d for d in (0, share / 2, share, (1 + share) / 2, 1)]
        for i in (1, 2, 3):
            off = wanted[i] - places[i]
            d = (
                1
                if off >= 1 and places[i + 1] - places[i] > 1
                else -1
                if off <= -1 and places[i - 1] - places[i] < -1
                else 0
            )
            if d:
                q, p = heights, places
                new = q[i] + d / (p[i + 1] - p[i - 1]) * (
                    (p[i] - p[i - 1] + d) * (q[i + 1] - q[i]) / (p[i + 1] - p[i])
                    + (p[i + 1] - p[i] - d) * (q[i] - q[i - 1]) / (p[i] - p[i - 1])
                )
                q[i] = new if q[i - 1] < new < q[i + 1] else q[i] + d * (q[i + d] - q[i]) / (p[i + d] - p[i])
                p[i] += d
    return heights[2]


def estimates(values: Sequence[float], share: float) -> list[float]:
    """Return the estimate after each value."""
    s = np.zeros(N_QUANTILE)
    return [quantile(s, 0, x, share) for x in values]


def test_the_quantile_of_the_paper() -> None:
    """The worked example of Jain and Chlamtac (1985): the median of twenty values is estimated at 4.44."""
    values = [0.02, 0.15, 0.74, 3.39, 0.83, 22.37, 10.15, 15.43, 38.62, 15.92, 34.60, 10.28, 1.47, 0.40, 0.05, 11.39,
              0.27, 0.42, 0.09, 11.37]  # fmt: skip
    assert estimates(values, 0.5)[-1] == pytest.approx(4.44, abs=0.005)


@settings(max_examples=60, deadline=None)
@given(values=st.lists(st.floats(0, 10, width=32), min_size=5, max_size=60), share=st.sampled_from([0.25, 0.5, 0.95]))
def test_the_quantile_is_the_algorithms(values: list[float], share: float) -> None:
    """With ties and in any order, the estimate is that of the algorithm's boxes."""
    assert estimates(values, share)[-1] == pytest.approx(naive_quantile(values, share), rel=1e-9, abs=1e-12)


def test_the_quantile_comes_near_the_true_one() -> None:
    """Of five thousand values the estimate is within two percent of the range of the exact quantile."""
    values = np.random.default_rng(1).gamma(2.0, 1.0, 5000)
    for share in (0.25, 0.5, 0.75, 0.95):
        assert estimates(values, share)[-1] == pytest.approx(np.quantile(values, share), rel=0.03)


def test_the_volatility_regime_is_the_place_among_all_volatilities(bars: Series) -> None:
    """State and ratio follow from the quantiles of all volatilities so far, from sixty of them on."""
    got = run("vol_regime_state", bars, VOL | {"min_vols": 60})
    vol = series.vol(bars, 0.94, 20)
    for i in range(0, len(bars), 7):
        if i < 79:
            assert np.isnan(got["state"][i])
            continue
        low, mid, high, extreme = (naive_quantile(vol[20 : i + 1].tolist(), s) for s in (0.25, 0.5, 0.75, 0.95))
        assert got["state"][i] == sum(bool(vol[i] >= bound) for bound in (low, high, extreme))
        assert got["ratio"][i] == pytest.approx(vol[i] / mid)


def test_the_volatility_regime_v1_is_the_distance_from_its_past_and_does_not_flicker(bars: Series) -> None:
    """State and percentile follow from the log volatility's past; a bound must be passed by the margin to move."""
    got = run("vol_regime_state_v1", bars, V1)
    z = past_scores(np.log(np.maximum(series.vol(bars, 0.94, 20), VOL_FLOOR)), 200, 60)
    np.testing.assert_allclose(got["percentile"], norm.cdf(z), 1e-7, 1e-9)
    bounds, state = norm.ppf([0.25, 0.75, 0.95]), None
    for i in np.flatnonzero(~np.isnan(z)):
        at, rises, falls = (int((x >= bounds).sum()) for x in (z[i], z[i] - 0.1, z[i] + 0.1))
        state = at if state is None else rises if rises > state else min(state, falls)
        assert got["state"][i] == state
    assert np.isnan(got["state"][:80]).all()


def naive_zones(bars: Series, wing: int, half_life: float) -> list[tuple[list[list[float]], float]]:
    """Return the zones after each bar, each as [price, touches, strength, last bar], and the width then."""
    high, low, width = bars[:, c.HIGH], bars[:, c.LOW], 0.5 * series.atr(bars, 14)
    zones: list[list[float]] = []
    out = []
    for n in range(len(bars)):
        m = n - wing
        if m >= wing and not np.isnan(width[n]):
            points = []
            if high[m] > max(high[m - wing : m]) and high[m] >= max(high[m + 1 : n + 1]):
                points.append(high[m])
            if low[m] < min(low[m - wing : m]) and low[m] <= min(low[m + 1 : n + 1]):
                points.append(low[m])
            for price in points:
                near = [z for z in zones if abs(z[0] - price) <= width[n]]
                zone = min(near, key=lambda z: abs(z[0] - price)) if near else None
                if zone is None:
                    zone = [0.0, 0.0, 0.0, n]
                    if len(zones) == 12:
                        weakest = min(zones, key=lambda z: z[2] * 0.5 ** ((n - z[3]) / half_life))
                        zones[zones.index(weakest)] = zone
                    else:
                        zones.append(zone)
                zone[2] = zone[2] * 0.5 ** ((n - zone[3]) / half_life) + 1
                zone[0] = (zone[0] * zone[1] + price) / (zone[1] + 1)
                zone[1] += 1
                zone[3] = n
        out.append(([list(z) for z in zones], width[n]))
    return out


def test_zones_are_means_of_confirmed_turning_points(bars: Series) -> None:
    """Distances, touches and strengths are those of the nearest zones of a plain list of turning points."""
    got, seen = run("sr_zone_v1", bars, ZONES), 0
    for n, (zones, width) in enumerate(naive_zones(bars, 3, 80)):
        close = bars[n, c.CLOSE]
        if np.isnan(width):
            assert np.isnan(got["zones"][n])
            continue
        assert got["zones"][n] == len(zones)
        assert got["in_zone"][n] == any(abs(z[0] - close) <= width for z in zones)
        for side, of in (
            ("support", max((z for z in zones if z[0] <= close), default=None)),
            ("resistance", min((z for z in zones if z[0] > close), default=None)),
        ):
            values = [got[f"{side}_{x}"][n] for x in ("distance", "touches", "strength")]
            if of is None:
                assert np.isnan(values).all()
                continue
            strength = of[2] * 0.5 ** ((n - of[3]) / 80)
            np.testing.assert_allclose(values, [abs(close - of[0]) / close, of[1], strength], 1e-9, 1e-12)
            seen += of[1] > 1
    assert seen > 100


def test_a_turning_point_is_known_only_when_it_is_confirmed() -> None:
    """One peak: no zone until wing bars after it, and the zone at its high from then on."""
    close = np.r_[np.linspace(100, 90, 25), np.linspace(90.4, 99, 20), np.linspace(98.9, 92, 20)]
    bars = np.full((len(close), c.N_BAR), np.nan)
    bars[:, c.OPEN], bars[:, c.CLOSE], bars[:, c.VOLUME] = close, close, 1.0
    bars[:, c.HIGH], bars[:, c.LOW] = close + 0.05, close - 0.05
    got = run("sr_zone_v1", bars, ZONES)
    # The trough at bar 24 is known at bar 27, the peak at bar 44 at bar 47.
    assert got["zones"][14:].tolist() == [0] * 13 + [1] * 20 + [2] * 18
    assert np.isnan(got["resistance_distance"][:47]).all()
    assert got["resistance_distance"][47] == pytest.approx((99.05 - close[47]) / close[47])


def test_stress_is_the_mean_of_its_two_largest_parts(bars: Series) -> None:
    """Parts, score and state follow from the volatility, drawdown, gap and range by their definitions."""
    got = run("stress_state_v1", bars, STRESS)
    vol, close = series.vol(bars, 0.94, 20), bars[:, c.CLOSE]
    before = np.r_[np.nan, vol[:-1]]
    z = past_scores(np.log(vol), 200, 60)
    peak = series.windows(close, 20, np.max)
    gap = np.abs(np.log(bars[1:, c.OPEN] / close[:-1]))
    wide = np.r_[np.nan, series.atr(bars, 20)[:-1]]
    parts = {
        "volatility": z / 3,
        "drawdown": np.log(peak / close) / (3 * before * np.sqrt(20)),
        "gap": np.r_[np.nan, gap] / (4 * before),
        "range": (series.true_ranges(bars) - wide) / (3 * wide),
    }
    clipped = np.array([np.clip(x, 0, 1) for x in parts.values()])
    score = np.sort(clipped, axis=0)[2:].mean(axis=0)
    there = ~np.isnan(z)
    for i, name in enumerate(parts):
        np.testing.assert_allclose(got[name][there], clipped[i][there], 1e-7, 1e-12, err_msg=name)
    np.testing.assert_allclose(got["score"][there], score[there], 1e-7)
    np.testing.assert_array_equal(got["state"][there], np.digitize(got["score"][there], [0.25, 0.5, 0.75]))
    for values in got.values():
        assert np.isnan(values[~there]).all()


def test_a_crash_is_a_crisis_and_a_calm_day_is_calm() -> None:
    """After quiet bars, a gap down of many deviations on a wide bar is state 3 at once."""
    bars = walk(300, 8, 0.001)
    bars[250:, c.OPEN : c.CLOSE + 1] *= 0.8
    got = run("stress_state_v1", bars, STRESS)
    assert got["state"][250] == 3
    assert got["gap"][250] == 1
    assert np.median(got["state"][100:250]) <= 1


def test_stress_of_liquidity_is_made_of_what_is_published(bars: Series) -> None:
    """Spread, price impact and missing volume against their past; without quotes or volume their parts are missing."""
    got, close, volume = run("liq_stress_v1", bars, LIQUIDITY), bars[:, c.CLOSE], bars[:, c.VOLUME]
    spread = 1e4 * (bars[:, c.ASK] - bars[:, c.BID]) / ((bars[:, c.ASK] + bars[:, c.BID]) / 2)
    impact = np.r_[np.nan, series.windows(np.abs(series.returns(bars)[1:]) / (close * volume)[1:], 20, np.mean)]
    mean = series.windows(np.log1p(volume), 20, np.mean)
    mean[19] = np.nan
    parts = [
        np.clip(sign * past_scores(x, 200, 60) / 3, 0, 1)
        for sign, x in ((1, np.log(spread)), (1, np.log(impact)), (-1, mean))
    ]
    for name, expected in zip(("spread", "impact", "volume"), parts, strict=True):
        np.testing.assert_allclose(got[name], expected, 1e-6, 1e-9, err_msg=name)
    both = ~np.isnan(parts[1])
    score = np.sort(np.array(parts)[:, both], axis=0)[1:].mean(axis=0)
    np.testing.assert_allclose(got["score"][both], score, 1e-6, 1e-9)
    np.testing.assert_array_equal(got["score"][60:80], got["spread"][60:80])
    silent = bars.copy()
    silent[:, c.BID] = np.nan
    np.testing.assert_array_equal(run("liq_stress_v1", silent, LIQUIDITY)["volume"], got["volume"])
    silent[:, c.VOLUME] = 0.0
    assert np.isnan(run("liq_stress_v1", silent, LIQUIDITY)["state"]).all()


def test_a_flat_market_has_no_trend_no_stress_and_a_normal_regime() -> None:
    """Where nothing moves: no trend, the quantile regime normal, no stress, no zone; and nothing is missing."""
    bars = walk(300, 1)
    bars[:, c.OPEN : c.CLOSE + 1] = 50.0
    assert run("trend_state", bars, TREND)["state"][-1] == 0
    assert run("vol_regime_state", bars, VOL | {"min_vols": 60})["state"][-1] == 1
    assert run("vol_regime_state_v1", bars, V1)["state"][-1] == 1
    assert run("stress_state_v1", bars, STRESS)["score"][-1] == 0
    zones = run("sr_zone_v1", bars, ZONES)
    assert zones["zones"][-1] == 0
    assert np.isnan(zones["support_distance"]).all()
