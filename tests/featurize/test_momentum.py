"""Momentum indicators that no library's table holds, each against its definition over the whole history."""

import math
from itertools import pairwise

import numpy as np
import pytest

from processors.featurize.indicators import layout as c
from tests.featurize.series import Series, ema, run, smoothed, true_ranges, walk, windows

NEAR = {"rtol": 1e-9, "atol": 1e-9}
N = 400


@pytest.fixture(name="bars", scope="module", params=[1, 2])
def _bars(request: pytest.FixtureRequest) -> Series:
    return walk(N, request.param)


def means(x: Series, n: int) -> Series:
    """Return the mean of n values, NaN where one is missing."""
    return windows(x, n, np.mean)


def strength(x: Series, n: int) -> Series:
    """Return Wilder's relative strength of a series."""
    moves = np.r_[np.nan, np.diff(x)]
    up, down = (smoothed(np.where(np.isnan(moves), np.nan, np.maximum(s * moves, 0)), n, 1 / n) for s in (1, -1))
    return np.where(up + down > 0, 100 * up / np.where(up + down > 0, up + down, 1), np.where(np.isnan(up), np.nan, 50))


def changes(x: Series, n: int) -> Series:
    """Return the percent change over n bars."""
    return np.r_[np.full(n, np.nan), 100 * (x[n:] / x[:-n] - 1)]


def place(bars: Series, n: int) -> Series:
    """Return the close's place in its channel of n bars, percent."""
    low, high = windows(bars[:, c.LOW], n, np.min), windows(bars[:, c.HIGH], n, np.max)
    return 100 * (bars[:, c.CLOSE] - low) / (high - low)


def test_connors_strength_is_the_mean_of_three(bars: Series) -> None:
    """Strength of the close, strength of the run, and the percent rank of the last change among those before it."""
    close = bars[:, c.CLOSE]
    runs = np.zeros(N)
    for i in range(1, N):
        step = np.sign(close[i] - close[i - 1])
        # A bar that does not move leaves the run as it is.
        runs[i] = runs[i - 1] + step if step * runs[i - 1] >= 0 else step
    moved = np.r_[0.0, close[1:] / close[:-1] - 1]
    rank = np.full(N, np.nan)
    for i in range(30, N):
        rank[i] = 100 * (moved[i - 30 : i] < moved[i]).mean()
    expected = (strength(close, 3) + strength(runs, 2) + rank) / 3
    numbers = {"window": 3, "run": 2, "rank": 30}
    np.testing.assert_allclose(run("connors", bars, numbers | {"first": 0})["value"], expected, **NEAR)
    with_first = run("connors", bars, numbers | {"first": 1})["value"]
    np.testing.assert_allclose(with_first[30:], expected[30:], **NEAR)
    assert with_first[29] == pytest.approx((strength(close, 3)[29] + strength(runs, 2)[29]) / 3)


def test_the_derivative_is_smoothed_strength_less_its_mean(bars: Series) -> None:
    """Strength, two exponential averages, and the mean taken off."""
    twice = ema(ema(strength(bars[:, c.CLOSE], 14), 5), 3)
    out = run("derivative", bars, {"window": 14, "first": 5, "second": 3, "signal": 9})["value"]
    np.testing.assert_allclose(out, twice - means(twice, 9), **NEAR)


def test_know_sure_thing_weighs_four_smoothed_changes(bars: Series) -> None:
    """Four means of percent changes, one to four times, and the mean of the sum."""
    close, rates, lengths = bars[:, c.CLOSE], (4, 6, 8, 12), (3, 4, 5, 6)
    expected = sum((i + 1) * means(changes(close, r), m) for i, (r, m) in enumerate(zip(rates, lengths, strict=True)))
    numbers = {f"roc_{i + 1}": r for i, r in enumerate(rates)} | {f"ma_{i + 1}": m for i, m in enumerate(lengths)}
    out = run("know_sure_thing", bars, numbers | {"signal": 5, "ma": 0})
    np.testing.assert_allclose(out["value"], expected, **NEAR)
    np.testing.assert_allclose(out["signal"], means(np.asarray(expected), 5), **NEAR)


def test_momersion_counts_moves_that_go_on(bars: Series) -> None:
    """Of the last pairs of moves, the share of those of one sign, 50 where half or more did not move."""
    moves = np.diff(bars[:, c.CLOSE])
    products, expected = moves[1:] * moves[:-1], np.full(N, np.nan)
    for i in range(11, N):
        last = products[max(i - 21, 0) : i - 1]
        turned, on = (last < 0).sum(), (last > 0).sum()
        expected[i] = 100 * on / (on + turned) if 2 * (last == 0).sum() < len(last) else 50
    np.testing.assert_allclose(run("momersion", bars, {"window": 20, "least": 10})["value"], expected, **NEAR)


def test_vigor_weighs_four_bars(bars: Series) -> None:
    """Close less open over high less low, weighed 1, 2, 2, 1, averaged, and its own weighed mean."""
    weights = np.array([1, 2, 2, 1]) / 6
    four = lambda x: windows(x, 4, lambda w: float(w @ weights))  # noqa: E731
    moved, width = four(bars[:, c.CLOSE] - bars[:, c.OPEN]), four(bars[:, c.HIGH] - bars[:, c.LOW])
    expected = means(moved, 10) / means(width, 10)
    out = run("vigor", bars, {"window": 10, "ma": 0})
    np.testing.assert_allclose(out["value"], expected, **NEAR)
    np.testing.assert_allclose(out["signal"], four(expected), **NEAR)


def test_the_premier_stochastic_is_pressed_into_one(bars: Series) -> None:
    """The smoothed place x, a tenth of its distance from 50, gives (exp x - 1) / (exp x + 1)."""
    x = ema(ema((place(bars, 8) - 50) / 10, 5), 5)
    out = run("premier", bars, {"window": 8, "smooth": 5})["value"]
    np.testing.assert_allclose(out, (np.exp(x) - 1) / (np.exp(x) + 1), **NEAR)


def test_the_wave_trend_is_in_mean_distances(bars: Series) -> None:
    """The typical price's distance from its average, over 0.015 of its averaged size, averaged."""
    typical = (bars[:, c.HIGH] + bars[:, c.LOW] + bars[:, c.CLOSE]) / 3
    off = typical - ema(typical, 10)
    expected = ema(off / (0.015 * ema(np.abs(off), 10)), 21)
    out = run("wave_trend", bars, {"channel": 10, "average": 21, "signal": 4})
    np.testing.assert_allclose(out["value"], expected, **NEAR)
    np.testing.assert_allclose(out["signal"], means(expected, 4), **NEAR)


def test_choppiness_is_the_way_over_the_channel(bars: Series) -> None:
    """The logarithm of the true ranges over the channel, to the base of the window."""
    ranges = true_ranges(bars)
    ranges[0] = bars[0, c.HIGH] - bars[0, c.LOW]
    width = windows(bars[:, c.HIGH], 14, np.max) - windows(bars[:, c.LOW], 14, np.min)
    expected = 100 * np.log10(windows(ranges, 14, np.sum) / width) / math.log10(14)
    np.testing.assert_allclose(run("choppiness", bars, {"window": 14})["value"], expected, **NEAR)


def test_a_squeeze_is_bands_within_the_channel(bars: Series) -> None:
    """1 where both bands lie inside the channel, else -1; both happen."""
    close, typical = bars[:, c.CLOSE], (bars[:, c.HIGH] + bars[:, c.LOW] + bars[:, c.CLOSE]) / 3
    ranges = true_ranges(bars)
    ranges[0] = bars[0, c.HIGH] - bars[0, c.LOW]
    half, middle, width = 2 * windows(close, 20, np.std), ema(typical, 20), 1.5 * means(ranges, 20)
    inside = (middle + width > means(close, 20) + half) & (middle - width < means(close, 20) - half)
    expected = np.where(np.isnan(half), np.nan, np.where(inside, 1.0, -1.0))
    numbers = {"window": 20, "width": 2, "channel": 20, "channel_width": 1.5}
    np.testing.assert_array_equal(run("squeeze_momentum", bars, numbers)["value"], expected)
    assert set(expected[19:]) == {1.0, -1.0}


def test_a_zigzag_turns_where_the_price_has_come_back(bars: Series) -> None:
    """Each turn is an extreme of the bars since the turn before, and the next bar beyond the share ends it."""
    out = run("zigzag", bars, {"least": 0.03, "bars": 1})
    sides, values = out["side"][1:], out["value"][1:]
    turns = np.flatnonzero(np.diff(sides)) + 1
    assert len(turns) > 10
    for begin, end in pairwise(turns):
        leg, last = slice(begin + 1, end + 1), values[end - 1]
        if sides[begin] > 0:
            assert last == bars[leg, c.HIGH].max()
            assert values[end] <= last * 0.97
        else:
            assert last == bars[leg, c.LOW].min()
            assert values[end] >= last * 1.03


def test_the_sequential_counts_nine_and_thirteen() -> None:
    """A fall behind a rise: nine setup bars, the last of them perfect, then thirteen of the countdown, then none."""
    bars = walk(60, 1)
    close = np.r_[np.arange(100.0, 110.0), np.arange(104.0, 54.0, -1)]
    for column, shift in ((c.OPEN, 0.5), (c.HIGH, 0.6), (c.LOW, -0.6), (c.CLOSE, 0.0)):
        bars[:, column] = close + shift
    out = run("sequential", bars)
    phase, setup, countdown = out["phase"], out["setup"], out["countdown"]
    first = int(np.argmax(phase == 1))
    assert close[first] < close[first - 4]
    assert close[first - 1] > close[first - 5]
    np.testing.assert_array_equal(setup[first : first + 9], -np.arange(1.0, 10.0))
    np.testing.assert_array_equal(phase[first : first + 9], [1.0] * 8 + [5.0])
    # The ninth bar of the setup is the first of the countdown, for its close is below the low of two bars ago.
    np.testing.assert_array_equal(countdown[first + 8 : first + 21], -np.arange(1.0, 14.0))
    np.testing.assert_array_equal(phase[first + 9 : first + 21], [3.0] * 12)
    assert phase[first + 21] == 0.0


def test_a_setup_that_breaks_counts_no_further() -> None:
    """A close back above that of four bars ago ends the setup, and there is no countdown."""
    bars = walk(30, 1)
    close = np.r_[np.arange(100.0, 110.0), np.arange(104.0, 99.0, -1), np.full(15, 120.0)]
    for column in (c.OPEN, c.HIGH, c.LOW, c.CLOSE):
        bars[:, column] = close
    phase = run("sequential", bars)["phase"]
    assert 1.0 in phase
    assert phase[15] == 0.0
    assert not np.isin(phase, [3.0, 4.0, 5.0, 6.0]).any()


@pytest.mark.parametrize(
    ("indicator", "numbers", "output", "expected"),
    [
        ("relative_strength", {"window": 9, "ma": 0}, "rsi", 50.0),
        ("stoch_rsi", {"window": 9, "channel": 5, "k": 3, "k_ma": 0, "d": 3, "d_ma": 0}, "k", 50.0),
        ("stoch", {"window": 9, "k": 3, "k_ma": 0, "d": 3, "d_ma": 0}, "d", 50.0),
        ("williams", {"window": 9}, "value", -50.0),
        ("cci", {"window": 9}, "value", 0.0),
        ("ultimate", {"short": 3, "middle": 5, "long": 7}, "value", 50.0),
        ("vortex", {"window": 9, "first": 0}, "plus", 1.0),
        ("imi", {"window": 9}, "value", 50.0),
        ("efficiency", {"window": 9}, "value", 1.0),
        ("choppiness", {"window": 9}, "value", 100.0),
        ("momersion", {"window": 9, "least": 9}, "value", 50.0),
        ("mass_index", {"average": 3, "window": 5}, "value", 5.0),
    ],
)
def test_where_nothing_moves_the_value_is_neutral(
    indicator: str, numbers: dict[str, float], output: str, expected: float
) -> None:
    """Over bars of one price an oscillator stands in its middle, and nothing is missing."""
    flat = walk(100, 1)
    flat[:, [c.OPEN, c.HIGH, c.LOW, c.CLOSE]] = 7.0
    assert run(indicator, flat, numbers)[output][-1] == expected


def test_without_volume_there_is_no_money_flow() -> None:
    """Money flow and the volume-weighted mean are missing where nothing is published, and there again behind it."""
    bars = walk(100, 1)
    bars[20:60, c.VOLUME] = 0.0
    for name in ("mfi", "vwma"):
        values = run(name, bars, {"window": 9})[{"mfi": "value", "vwma": "value"}[name]]
        assert np.isnan(values[29:60]).all()
        assert not np.isnan(values[70:]).any()
