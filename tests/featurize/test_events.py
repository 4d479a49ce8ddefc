"""Events and episodes against plain computations over the whole history, and at the edges."""

import numpy as np
import pytest

from processors.featurize.indicators import layout as c
from tests.featurize import series
from tests.featurize.series import Series, lasted, run, trend, walk, windows
from tests.featurize.test_states import TREND, V1, VOL

SQUEEZE = {"window": 20, "width": 2, "ranges": 1.5}


@pytest.fixture(scope="module", params=[4, 5, 6])
def bars(request: pytest.FixtureRequest) -> Series:
    """Return a walk."""
    return walk(600, request.param)


def shifted(x: Series) -> Series:
    """Return the value of the bar before, NaN at the first."""
    return np.r_[np.nan, x[:-1]]


def occurs(x: Series, *values: float) -> None:
    """Assert that an event takes each of the values, so that a comparison of it says something."""
    assert set(values) <= set(x[~np.isnan(x)])


def test_a_breakout_is_a_close_outside_the_bars_before(bars: Series) -> None:
    """Event and extent follow from the highs and lows of the window before this bar."""
    got, close = run("breakout", bars, {"window": 20}), bars[:, c.CLOSE]
    high, low = (shifted(windows(bars[:, k], 20, f)) for k, f in ((c.HIGH, np.max), (c.LOW, np.min)))
    event = np.where(np.isnan(high), np.nan, (close > high) * 1.0 - (close < low))
    np.testing.assert_array_equal(got["event"], event)
    extent = np.select([event == 1, event == -1], [close / high - 1, close / low - 1], 0 * event)
    np.testing.assert_allclose(got["extent"], extent, 1e-9, 1e-14)
    occurs(event, 1, -1, 0)


def test_averages_cross_where_their_order_turns(bars: Series) -> None:
    """The event is the new side, at the first bar on it."""
    close = bars[:, c.CLOSE]
    side = np.sign(series.ema(close, 10) - series.ema(close, 20))
    expected = np.where(side * shifted(side) < 0, side, np.where(np.isnan(side), np.nan, 0))
    got = run("average_cross", bars, {"fast": 10, "slow": 20})["event"]
    np.testing.assert_array_equal(got, expected)
    occurs(got, 1, -1, 0)


def test_averages_that_touch_do_not_cross() -> None:
    """Equal averages between two bars of one side are no event; through equality to the other side is one."""
    bars = np.full((5, c.N_BAR), 1.0)
    for closes, expected in (([2, 1, 1, 2, 2], 0.0), ([1, 2, 2, 1, 1], 0.0)):
        bars[:, c.CLOSE] = closes
        # Averages over 1 and 1 are the closes themselves: always equal, so never a cross.
        assert (run("average_cross", bars, {"fast": 1, "slow": 1})["event"] == expected).all()
    bars[:, c.CLOSE] = [4.0, 4.0, 4.0, 5.0, 1.0]
    assert run("average_cross", bars, {"fast": 1, "slow": 2})["event"].tolist()[1:] == [0, 0, 0, -1]


def test_the_strength_index_comes_back_over_its_bounds(bars: Series) -> None:
    """The event is at the bar at which the index is back at a bound after having been beyond it."""
    index = run("rsi", bars, {"window": 14})["value"]
    before = shifted(index)
    expected = ((before < 40) & (index >= 40)) * 1.0 - ((before > 60) & (index <= 60))
    expected[np.isnan(index)] = np.nan
    got = run("rsi_cross", bars, {"window": 14, "low": 40, "high": 60})["event"]
    np.testing.assert_array_equal(got, expected)
    occurs(got, 1, -1, 0)


def test_a_gap_is_an_open_far_from_the_close_before(bars: Series) -> None:
    """Event, extent and filling follow from the volatility of the bar before."""
    got, close = run("gap", bars, VOL | {"min_vols": 2}), bars[:, c.CLOSE]
    jump = np.log(bars[:, c.OPEN] / shifted(close))
    limit = shifted(series.vol(bars, 0.94, 20)) * 2
    event = np.where(np.isnan(limit), np.nan, np.where(np.abs(jump) >= limit, np.sign(jump), 0))
    np.testing.assert_array_equal(got["event"], event)
    np.testing.assert_allclose(got["extent"], np.where(event == 0, 0, np.where(np.isnan(event), np.nan, jump)))
    back = (bars[:, c.LOW] <= shifted(close)) & (bars[:, c.HIGH] >= shifted(close)) & (event != 0)
    np.testing.assert_array_equal(got["filled"], np.where(np.isnan(event), np.nan, back))
    occurs(event, 1, -1, 0)


def test_a_new_extreme_is_beyond_all_bars_before(bars: Series) -> None:
    """Of the series, and of the session day, each from its second bar on."""
    got = run("new_extreme", bars)
    high, low, day = bars[:, c.HIGH], bars[:, c.LOW], bars[:, c.DAY]
    for name, of in (("event", np.zeros(len(bars))), ("day_event", day)):
        for i in range(1, len(bars)):
            before = np.flatnonzero(of[:i] == of[i])
            up, down = (len(before) and high[i] > high[before].max()), (len(before) and low[i] < low[before].min())
            assert got[name][i] == (2 if up and down else 1 if up else -1 if down else 0)
    occurs(got["day_event"], 1, -1, 0)


def test_volume_spikes_and_wide_ranges_are_measured_by_the_bars_before(bars: Series) -> None:
    """Both take the sign of the close's change, and are not measured by themselves; no volume is no event."""
    close, volume = bars[:, c.CLOSE], bars[:, c.VOLUME]
    sign = np.where(close >= shifted(close), 1.0, -1.0)
    mean = shifted(windows(volume, 20, np.mean))
    expected = np.where(np.isnan(mean), np.nan, np.where(volume >= 3 * mean, sign, 0))
    np.testing.assert_array_equal(run("volume_spike", bars, {"window": 20, "times": 3})["event"], expected)
    occurs(expected, 1, -1, 0)
    width, average = series.true_ranges(bars), shifted(series.atr(bars, 14))
    expected = np.where(np.isnan(average), np.nan, np.where(width >= 2 * average, sign, 0))
    np.testing.assert_array_equal(run("wide_range", bars, {"window": 14, "times": 2})["event"], expected)
    occurs(expected, 1, -1, 0)
    silent = bars.copy()
    silent[:, c.VOLUME] = 0
    assert np.isnan(run("volume_spike", silent, {"window": 20, "times": 3})["event"]).all()


def squeezes(bars: Series) -> Series:
    """Return 1 in a squeeze, else 0."""
    deviation, width = windows(bars[:, c.CLOSE], 20, np.std), series.atr(bars, 20)
    return np.where(np.isnan(width), np.nan, 2 * deviation < 1.5 * width)


def test_a_squeeze_is_narrow_bands_and_its_release_the_bar_that_leaves_it(bars: Series) -> None:
    """State, release and episode follow from deviations and ranges."""
    on, close = squeezes(bars), bars[:, c.CLOSE]
    got, episode = run("squeeze", bars, SQUEEZE), run("squeeze_episode", bars, SQUEEZE)
    np.testing.assert_array_equal(got["on"], on)
    side = np.where(close >= windows(close, 20, np.mean), 1.0, -1.0)
    left = (shifted(on) == 1) & (on == 0)
    np.testing.assert_array_equal(got["release"], np.where(np.isnan(on), np.nan, np.where(left, side, 0)))
    np.testing.assert_array_equal(episode["bars"], lasted(on) * on)
    began = since_begin(close, lasted(on))
    np.testing.assert_allclose(episode["extent"], np.where(on == 1, began, 0 * on), 1e-9, 1e-12)
    occurs(got["release"], 1, -1, 0)


def since_begin(close: Series, bars_lasted: Series) -> Series:
    """Return the log return since the close before an episode began."""
    out = np.full(len(close), np.nan)
    for i in np.flatnonzero(~np.isnan(bars_lasted)):
        at = i - int(bars_lasted[i])
        out[i] = np.log(close[i] / close[at]) if at >= 0 else np.nan
    return out


def test_changes_of_state_and_their_episodes(bars: Series) -> None:
    """Change and duration of the trend state and of the volatility regime are those of the states themselves."""
    state = trend(bars, 10, 30, 0.5, 14)
    regime = run("vol_regime_state_v1", bars, V1)["state"]
    for name, parameters, of in (("trend", TREND, state), ("vol_regime", V1, regime)):
        change = np.where(np.isnan(of), np.nan, np.nan_to_num(of - shifted(of)))
        np.testing.assert_array_equal(run(f"{name}_change", bars, parameters)["event"], change)
        got = run(f"{name}_episode", bars, parameters)
        np.testing.assert_array_equal(got["bars"], lasted(of))
        if name == "trend":
            expected = since_begin(bars[:, c.CLOSE], lasted(of))
            np.testing.assert_allclose(got["extent"], expected, 1e-9, 1e-12)
        assert len(set(change[~np.isnan(change)])) > 1


def test_a_run_is_consecutive_closes_in_one_direction(bars: Series) -> None:
    """Length, sign and extent; an unchanged close ends a run."""
    got, close = run("run", bars), bars[:, c.CLOSE]
    direction = np.sign(close - shifted(close))
    np.testing.assert_array_equal(got["bars"], direction * lasted(direction))
    expected = np.where(direction == 0, 0, since_begin(close, lasted(direction)))
    np.testing.assert_allclose(got["extent"], expected, 1e-9, 1e-12)
    assert np.nanmax(got["bars"]) >= 4
    assert (got["bars"] == 0).any()


def test_a_drawdown_is_measured_from_the_highest_close(bars: Series) -> None:
    """Depth, deepest since the peak, and bars since it."""
    got, close = run("drawdown", bars), bars[:, c.CLOSE]
    peak = np.maximum.accumulate(close)
    at = np.array([np.flatnonzero(close[: i + 1] == peak[i])[-1] for i in range(len(close))])
    depth = 1 - close / peak
    np.testing.assert_allclose(got["depth"], depth, 1e-9, 1e-14)
    np.testing.assert_array_equal(got["bars"], np.arange(len(close)) - at)
    deepest = [depth[at[i] : i + 1].max() for i in range(len(close))]
    np.testing.assert_allclose(got["deepest"], deepest, 1e-9, 1e-14)
    assert got["bars"].max() > 20


def test_bars_since_the_extremes_of_a_window(bars: Series) -> None:
    """The later of equal extremes counts; 0 where it is this bar's."""
    got = run("since_extreme", bars, {"window": 20})
    for name, column, f in (("high", c.HIGH, np.argmax), ("low", c.LOW, np.argmin)):
        expected = windows(bars[:, column], 20, lambda w, f=f: float(f(w[::-1])))
        np.testing.assert_array_equal(got[name], expected)


def test_the_side_of_an_average_and_how_long(bars: Series) -> None:
    """Bars above count up, bars below count down."""
    side = np.sign(bars[:, c.CLOSE] - windows(bars[:, c.CLOSE], 20, np.mean))
    got = run("side_of_average", bars, {"window": 20})["bars"]
    np.testing.assert_array_equal(got, side * lasted(side))
    assert np.nanmin(got) < -3 < 3 < np.nanmax(got)


def test_the_session_day_begins_anew_with_its_first_bar(bars: Series) -> None:
    """Bars, return since the day's open and place in the day's range, each day by itself."""
    got, day = run("session_episode", bars), bars[:, c.DAY]
    for i in range(len(bars)):
        of = bars[: i + 1][day[: i + 1] == day[i]]
        high, low, close = of[:, c.HIGH].max(), of[:, c.LOW].min(), bars[i, c.CLOSE]
        expected = [len(of), np.log(close / of[0, c.OPEN]), (close - low) / (high - low)]
        np.testing.assert_allclose([got[k][i] for k in ("bars", "extent", "position")], expected, 1e-9, 1e-12)


def test_the_first_bars_and_a_flat_market() -> None:
    """One bar gives what needs no other; where nothing moves there is no event, no run and the middle of the range."""
    one = walk(1, 1)
    assert np.isnan(run("run", one)["bars"]).all()
    assert run("drawdown", one)["depth"].tolist() == [0]
    assert run("session_episode", one)["bars"].tolist() == [1]
    bars = walk(200, 1)
    bars[:, c.OPEN : c.CLOSE + 1] = 7.5
    for name, parameters in (
        ("breakout", {"window": 20}), ("gap", VOL | {"min_vols": 3}), ("wide_range", {"window": 14, "times": 2}),
        ("average_cross", {"fast": 10, "slow": 20}), ("trend_change", TREND), ("new_extreme", {}),
    ):  # fmt: skip
        assert run(name, bars, parameters)["event"][-1] == 0, name
    assert run("run", bars)["bars"][-1] == 0
    assert run("session_episode", bars)["position"][-1] == 0.5
    assert run("squeeze", bars, SQUEEZE)["on"][-1] == 0
