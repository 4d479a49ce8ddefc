"""Trend indicators that no library's table holds, each against its definition over the whole history."""

import math

import numpy as np
import pytest

from processors.featurize.indicators import layout as c
from tests.featurize.series import Series, ema, run, smoothed, true_ranges, walk, windows

NEAR = {"rtol": 1e-9, "atol": 1e-9}
N = 400


@pytest.fixture(name="bars", scope="module", params=[1, 2])
def _bars(request: pytest.FixtureRequest) -> Series:
    return walk(N, request.param)


def middles(bars: Series, n: int) -> Series:
    """Return the middle between highest high and lowest low of n bars."""
    return (windows(bars[:, c.HIGH], n, np.max) + windows(bars[:, c.LOW], n, np.min)) / 2


def later(x: Series, bars: int) -> Series:
    """Return the values of some bars before."""
    return np.r_[np.full(bars, np.nan), x[: len(x) - bars]]


def over(close: Series, average: Series) -> Series:
    """Return the close over an average, less one."""
    return close / average - 1


def test_each_average_gives_the_close_over_itself(bars: Series) -> None:
    """The second output of every average of the close is the close over the first, less one."""
    cases = {
        "sma": {"window": 9}, "wma": {"window": 9}, "dema": {"window": 5}, "tema": {"window": 5},
        "trima": {"window": 9}, "t3": {"window": 3, "factor": 0.7}, "kama": {"window": 9, "fast": 2, "slow": 30},
        "wilder_average": {"window": 9}, "hull": {"window": 9, "half": 4, "root": 3}, "mcginley": {"window": 9},
        "zlema": {"window": 9, "lag": 4}, "alma": {"window": 9, "sigma": 6, "offset": 0.85}, "vwma": {"window": 9},
        "vidya": {"window": 9}, "frama": {"window": 8, "slowest": 50}, "relative_average": {"window": 4},
    }  # fmt: skip
    for name, parameters in cases.items():
        out = run(name, bars, parameters)
        np.testing.assert_allclose(out["ratio"], over(bars[:, c.CLOSE], out["value"]), **NEAR, err_msg=name)


def test_a_mean_longer_than_the_ring_shall_be_keeps_its_own_closes(bars: Series) -> None:
    """The mean of 150 closes, beyond the windows of the ring, is their mean."""
    np.testing.assert_allclose(
        run("sma", bars, {"window": 150})["value"], windows(bars[:, c.CLOSE], 150, np.mean), **NEAR
    )


def test_vidya_moves_by_the_size_of_momentum(bars: Series) -> None:
    """The variable average takes 2 / (n + 1) times the size of Wilder's momentum of each step to the close."""
    close, n = bars[:, c.CLOSE], 9
    moves = np.r_[np.nan, np.diff(close)]
    up, down = (smoothed(np.where(np.isnan(moves), np.nan, np.maximum(s * moves, 0)), n, 1 / n) for s in (1, -1))
    expected, value = np.full(N, np.nan), close[n - 1]
    for i in range(n, N):
        strength = abs(up[i] - down[i]) / (up[i] + down[i]) if up[i] + down[i] > 0 else 0.0
        value += 2 / (n + 1) * strength * (close[i] - value)
        expected[i] = value
    np.testing.assert_allclose(run("vidya", bars, {"window": n})["value"], expected, **NEAR)


def test_frama_slows_with_the_fractal_dimension(bars: Series) -> None:
    """The weight is 2 / (slowest + 1) to the power of the dimension of the way less one, within 0.01 and 1."""
    high, low, n = bars[:, c.HIGH], bars[:, c.LOW], 8
    middle = (high + low) / 2
    expected, value = np.full(N, np.nan), middle[n - 1]
    expected[n - 1] = value
    for i in range(n, N):
        h, l = high[i - n + 1 : i + 1], low[i - n + 1 : i + 1]
        parts = (h[4:].max() - l[4:].min() + h[:4].max() - l[:4].min()) / 4
        dimension = math.log2(parts / ((h.max() - l.min()) / n))
        value += np.clip((2 / 51) ** (dimension - 1), 0.01, 1) * (middle[i] - value)
        expected[i] = value
    np.testing.assert_allclose(run("frama", bars, {"window": n, "slowest": 50})["value"], expected, **NEAR)


def test_ichimoku_moves_its_cloud_forward(bars: Series) -> None:
    """Senkou lines are middles of bars ago; tenkan and kijun are those of now; chikou is an old close."""
    numbers = {"tenkan": 9, "kijun": 26, "senkou": 52, "lag_a": 26, "lag_b": 20}
    expected = {
        "tenkan": middles(bars, 9), "kijun": middles(bars, 26),
        "senkou_a": later((middles(bars, 9) + middles(bars, 26)) / 2, 26),
        "senkou_b": later(middles(bars, 52), 20), "chikou": later(bars[:, c.CLOSE], 26),
    }  # fmt: skip
    for name, values in run("ichimoku", bars, numbers).items():
        np.testing.assert_allclose(values, expected[name], **NEAR, err_msg=name)


def test_the_trailing_band_of_lean_counts_the_first_range(bars: Series) -> None:
    """With ``first`` 1 the band stands after as many bars as its window, and its first side is told by the close."""
    n, width, close = 7, 2.0, bars[:, c.CLOSE]
    ranges = true_ranges(bars)
    ranges[0] = bars[0, c.HIGH] - bars[0, c.LOW]
    span, middle = width * windows(ranges, n, np.mean), (bars[:, c.HIGH] + bars[:, c.LOW]) / 2
    upper, lower, side, line = middle[n - 1] + span[n - 1], middle[n - 1] - span[n - 1], 0, np.full(N, np.nan)
    for i in range(n - 1, N):
        if i >= n:
            top, bottom = middle[i] + span[i], middle[i] - span[i]
            upper, lower = (
                top if top < upper or close[i - 1] > upper else upper,
                bottom if bottom > lower or close[i - 1] < lower else lower,
            )
        stays_up = close[i] >= lower if side == 1 else close[i] > upper
        side = 1 if stays_up else -1
        line[i] = lower if side == 1 else upper
    out = run("supertrend", bars, {"window": n, "width": width, "ma": 0, "first": 1})
    np.testing.assert_allclose(out["value"], line, **NEAR)


def test_directional_movement_of_lean_starts_with_a_whole_sum(bars: Series) -> None:
    """With ``seed`` 1 the first sum is of as many moves as the window, and equal moves count as up."""
    n, high, low = 5, bars[:, c.HIGH], bars[:, c.LOW]
    up, down = np.diff(high), -np.diff(low)
    plus = np.where((up > 0) & (up >= down), up, 0.0)
    ranges = true_ranges(bars)[1:]
    sums = []
    for moves in (plus, ranges):
        total = moves[:n].sum()
        sums.append([total])
        for x in moves[n:]:
            total += x - total / n
            sums[-1].append(total)
    expected = np.r_[np.full(n, np.nan), 100 * np.array(sums[0]) / np.array(sums[1])]
    np.testing.assert_allclose(run("dmi", bars, {"window": n, "seed": 1})["plus_di"], expected, **NEAR)


def filters(n: int, delta: float) -> list[tuple[list[float], list[float]]]:
    """Return weights of three closes and of two outputs of each filter, as LEAN has them."""
    turn = 2 * math.pi / n
    beta = 2.415 * (1 - math.cos(turn))
    a = -beta + math.sqrt(beta * beta + 2 * beta)
    h = (math.cos(turn) + math.sin(turn) - 1) / math.cos(turn)
    gamma = 1 / math.cos(4 * math.pi * delta / n)
    b = gamma - math.sqrt(gamma * gamma - 1)
    poles = [2 * (1 - a), -((1 - a) ** 2)]
    return [
        ([a * a, 0, 0], poles),
        ([a * a / 4, a * a / 2, a * a / 4], poles),
        ([(1 + h) / 2, -(1 + h) / 2, 0], [1 - h, 0]),
        ([(1 + a) ** 2 / 4, -((1 + a) ** 2) / 2, (1 + a) ** 2 / 4], poles),
        ([(1 - b) / 2, 0, -(1 - b) / 2], [-math.cos(turn) * (1 - b), b]),
    ]


@pytest.mark.parametrize("tool", range(5))
def test_filters_are_their_recursion(bars: Series, tool: int) -> None:
    """Weights of three closes and two outputs, from outputs of 0 and the first close before it all."""
    closes, outputs = np.r_[bars[0, c.CLOSE], bars[0, c.CLOSE], bars[:, c.CLOSE]], [0.0, 0.0]
    of_close, of_output = filters(20, 0.1)[tool]
    for i in range(2, N + 2):
        outputs.append(
            float(np.dot(of_close, closes[i - 2 : i + 1][::-1]) + np.dot(of_output, [outputs[-1], outputs[-2]]))
        )
    expected = np.where(np.arange(N) >= 19, outputs[2:], np.nan)
    out = run("swiss_knife", bars, {"window": 20, "delta": 0.1, "tool": tool})["value"]
    np.testing.assert_allclose(out, expected, **NEAR)


def test_the_fixed_difference_has_the_weights_of_the_first_one(bars: Series) -> None:
    """Its averages move by 0.15 and 0.075 of the way; MACD with 12 and 26 by 2/13 and 2/27."""
    numbers = {"fast": 12, "slow": 26, "signal": 9}
    fixed, usual = (run(name, bars, numbers)["value"] for name in ("macd_fixed", "macd"))
    assert fixed[25] == usual[25]
    close = bars[:, c.CLOSE]
    fast, slow = close[14:26].mean(), close[:26].mean()
    for i in range(26, 60):
        fast, slow = fast + 0.15 * (close[i] - fast), slow + 0.075 * (close[i] - slow)
    assert fixed[59] == pytest.approx(fast - slow, rel=1e-9)
    assert abs(usual[59] - fixed[59]) > 1e-6


def test_the_signal_of_a_difference_is_its_average(bars: Series) -> None:
    """Signal and rest of ``price_oscillator`` are made of the difference itself."""
    numbers = {"fast": 5, "slow": 9, "signal": 4, "fast_ma": 1, "slow_ma": 1, "signal_ma": 1, "together": 0}
    out, close = run("price_oscillator", bars, numbers), bars[:, c.CLOSE]
    difference = ema(close, 5) - ema(close, 9)
    np.testing.assert_allclose(out["value"], difference, **NEAR)
    np.testing.assert_allclose(out["signal"], ema(difference, 4), **NEAR)
    np.testing.assert_allclose(out["hist"], difference - ema(difference, 4), **NEAR)


def test_where_nothing_moves_lines_lie_on_the_price() -> None:
    """Over bars of one price every average is that price, and directional movement is 0."""
    flat = walk(200, 1)
    flat[:, [c.OPEN, c.HIGH, c.LOW, c.CLOSE]] = 7.0
    for name, numbers in {"kama": {"window": 9, "fast": 2, "slow": 30}, "vidya": {"window": 9},
                          "frama": {"window": 8, "slowest": 50}, "mcginley": {"window": 9}}.items():  # fmt: skip
        assert run(name, flat, numbers)["value"][-1] == pytest.approx(7.0), name
    assert run("dmi", flat, {"window": 9, "seed": 0})["adx"][-1] == 0.0
    assert run("supertrend", flat, {"window": 9, "width": 3, "ma": 13, "first": 0})["side"][-1] == 1.0


def test_mcginleys_average_does_not_pass_a_price_that_fell_by_a_split() -> None:
    """After a fall to a twentieth the average goes down to the price at most, and stays there."""
    bars = walk(60, 1)
    bars[:, c.CLOSE] = np.where(np.arange(60) < 30, 100.0, 5.0)
    value = run("mcginley", bars, {"window": 9})["value"]
    assert value[29] == pytest.approx(100.0)
    assert value[30:] == pytest.approx(5.0)
