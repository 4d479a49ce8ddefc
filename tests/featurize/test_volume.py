"""Volume against plain computations, and where nothing is traded."""

import math

import numpy as np
import pytest

from processors.featurize.batch import bars_of
from processors.featurize.indicators import layout as c
from tests.featurize.series import ema, run
from tests.featurize.whole import Bars, tail_of, whole, windows


@pytest.fixture(scope="module")
def bars() -> Bars:
    """Return a random walk of 200 bars."""
    return whole(200, 11)


def test_rolling_and_session_prices_are_weighted_with_volume(bars: Bars) -> None:
    """Over 10 bars, and since the day began (days are of 100 bars), equal weighted means of whole arrays."""
    typical = (bars.high + bars.low + bars.close) / 3
    rolling = run("rolling_vwap", bars.table, {"window": 10, "price": 0})
    mean = windows(typical * bars.volume, 10).sum(1) / windows(bars.volume, 10).sum(1)
    tail_of(rolling["value"], mean)
    tail_of(rolling["deviation"], bars.close[9:] / mean - 1)
    days = [slice(0, 100), slice(100, 200)]
    since = [np.cumsum((typical * bars.volume)[d]) / np.cumsum(bars.volume[d]) for d in days]
    tail_of(run("session_vwap", bars.table, {"session": 1})["value"], np.concatenate(since))


def test_klingers_oscillator_is_the_difference_of_averages_of_its_force(bars: Bars) -> None:
    """The force of each bar from the trend and the range so far, averaged over 5 and 8 bars."""
    price, width = bars.high + bars.low + bars.close, bars.high - bars.low
    force, so_far, before = [], 0.0, 0.0
    for i in range(1, len(price)):
        trend = 1.0 if price[i] > price[i - 1] else -1.0
        if i > 1:
            so_far = width[i] + (width[i - 1] if so_far == 0 or trend != before else so_far)
            force.append(bars.volume[i] * abs(2 * (width[i] / so_far - 1)) * trend * 100)
        before = trend
    expected = ema(np.array(force), 5) - ema(np.array(force), 8)
    got = run("klinger", bars.table, {"fast": 5, "slow": 8, "signal": 4})
    tail_of(got["value"], expected[7:])
    tail_of(got["signal"], ema(expected[7:], 4)[3:])


def test_ease_of_movement_skips_bars_without_range_or_volume() -> None:
    """By hand: a bar without volume counts 0 and is not what the next one moves from."""
    table = bars_of([2.0, 3.0, 9.0, 4.0], high=[3.0, 4.0, 9.5, 5.0], low=[1.0, 2.0, 8.5, 3.0], volume=[10, 20, 0, 40])
    got = run("ease_of_movement", table, {"window": 1, "scale": 100})["value"]
    np.testing.assert_allclose(got, [0, 1 * 2 * 100 / 20, 0, 1 * 2 * 100 / 40])


def test_the_profile_is_what_its_text_says() -> None:
    """By hand, by volume and by bars: levels up to the next half, the heaviest one, and the area about it."""
    closes, volume = [10.1, 10.4, 10.6, 11.2, 10.9], [5.0, 1.0, 3.0, 4.0, 2.0]
    numbers = {"window": 5, "area": 0.6, "tick": 0.5, "parts": 1}
    got = {k: v[-1] for k, v in run("profile", bars_of(closes, volume=volume), numbers | {"by_volume": 1}).items()}
    # Levels: 10.5 with 6, 11.0 with 5, 11.5 with 4; 9 is wanted: 6, then 5 from above.
    assert got == {
        "control": 10.5, "control_weight": 6, "high": 11.5, "low": 10.5, "area_weight": pytest.approx(9),
        "area_high": 11.0, "area_low": 10.5, "control_ratio": pytest.approx(10.9 / 10.5 - 1),
    }  # fmt: skip
    got = {k: v[-1] for k, v in run("profile", bars_of(closes, volume=volume), numbers | {"by_volume": 0}).items()}
    # 10.5 and 11.0 with two bars each: 11.0 is the middle of the three levels. 3 is wanted: 2, then 2 from below.
    assert (got["control"], got["area_high"], got["area_low"]) == (11.0, 11.0, 10.5)


@pytest.mark.parametrize("tick", [0.0, 0.5])
def test_the_area_holds_its_share_and_the_profile_all_closes(bars: Bars, tick: float) -> None:
    """Every window: weights of levels sum to the volume, the area reaches its share, the control lies in it."""
    got = run("profile", bars.table, {"window": 20, "area": 0.7, "tick": tick, "parts": 8, "by_volume": 1})
    step = windows(bars.close, 20)
    for i, (closes, volumes) in enumerate(zip(step, windows(bars.volume, 20), strict=True)):
        o = {name: values[i + 19] for name, values in got.items()}
        unit = tick or (closes.max() - closes.min()) / 8
        inside = (closes <= o["area_high"] + 1e-6 * unit) & (closes > o["area_low"] - unit * (1 - 1e-6))
        inside |= np.isclose(closes, closes.min()) & np.isclose(o["area_low"], o["low"])
        assert volumes[inside].sum() >= o["area_weight"] - 1e-9
        assert o["area_low"] <= o["control"] <= o["area_high"]
        assert o["area_weight"] == pytest.approx(0.7 * volumes.sum())
        assert o["low"] <= closes.min() + unit
        assert o["high"] >= closes.max() - 1e-6 * unit


def test_a_day_is_compared_with_days_before_at_the_same_time() -> None:
    """Four bars a day, one in each slot of six hours; the fourth day against the two before it."""
    volume = np.array([1, 2, 3, 4, 10, 20, 30, 40, 2, 2, 2, 2, 6, 6, 6, 6], float)
    other = {c.DAY: np.repeat([0.0, 1.0, 2.0, 3.0], 4), c.END_S: 21_600.0 * np.arange(1.0, 17.0)}
    got = run("relative_day_volume", bars_of(np.ones(16), volume=volume, other=other), {"window_days": 2, "slots": 4})
    so_far = np.cumsum(volume.reshape(4, 4), axis=1)
    expected = np.r_[so_far[2] / so_far[:2].mean(0), so_far[3] / so_far[1:3].mean(0)]
    tail_of(got["value"], expected)


@pytest.mark.parametrize(("indicator", "numbers", "output", "expected"), [
    ("accumulation", {}, "value", 0.0),
    ("chaikin_money_flow", {"window": 3}, "value", 0.0),
    ("rolling_vwap", {"window": 3, "price": 1}, "value", math.nan),
    ("session_vwap", {"session": 0}, "value", 5.0),
    ("facilitation", {}, "value", 0.0),
    ("volume_oscillator", {"fast": 2, "slow": 3, "kind": 1}, "value", 0.0),
    ("relative_volume", {"window": 3}, "value", math.nan),
    ("volume_score", {"window": 3}, "value", 0.0),
    ("profile", {"window": 3, "area": 0.7, "tick": 0, "parts": 5, "by_volume": 1}, "control", math.nan),
    ("profile", {"window": 3, "area": 0.7, "tick": 0, "parts": 5, "by_volume": 0}, "control", 5.0),
    ("klinger", {"fast": 2, "slow": 3, "signal": 2}, "value", 0.0),
    ("volume_indices", {}, "negative", 1000.0),
])  # fmt: skip
def test_without_volume_or_moves_the_value_is_neutral(
    indicator: str, numbers: dict[str, float], output: str, expected: float
) -> None:
    """Twenty bars of one price and no volume give what the indicator's text names."""
    got = run(indicator, bars_of(np.full(20, 5.0)), numbers)[output]
    np.testing.assert_allclose(got[-1], expected, 1e-12)
