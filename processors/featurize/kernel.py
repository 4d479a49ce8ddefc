"""Indicators as incremental kernels, one function each, and the loop that runs a program of them over bars.

Every indicator has the same signature, so that a new one is a function, a number and a line in ``program.py``:

    indicator(bar, ring, n, p, s, y)

    bar    shape (N_BAR,)        the closed bar: see the constants
    ring   shape (N_SERIES, W)   recent bars, bar number k in column k mod W; this bar is in it
    n      number of bars before this one
    p      shape (P_MAX,)        parameters, in the order of ``program.py``
    s      shape (n_state,)      state of this indicator alone, zeros before the first bar
    y      shape (Y_MAX,)        outputs; NaN stands for "not yet" or "not for this bar"

Windows are computed anew from the ring at every bar, from the oldest bar to the newest: running sums would drift and
would make a value depend on bars outside its window. Averages with an unbounded memory (exponential, Wilder's) start
with the plain mean of their first window, as TA-Lib's do.
"""
# Longer than 300 lines on purpose: numba's cache of a function does not see a change of what it calls in another file.
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

OPEN, HIGH, LOW, CLOSE, VOLUME, BID, ASK, DAY, OPENS_DAY = range(9)
"""Rows of a bar: prices, volume, quotes at the close (NaN for none), number of the session day, 1 where the bar is the
first of its session by the calendar."""
N_BAR = 9

R_CLOSE, R_HIGH, R_LOW, R_VOLUME, R_RETURN = range(5)
"""Rows of the ring. The return is the log return over one bar, NaN at the first bar and beside prices not above 0."""
N_SERIES = 5

P_MAX = 3
Y_MAX = 4

(LOG_RETURN, ROLL_RETURN, EWMA_VOL, RSI, ATR, EMA, MACD, DONCHIAN, BOLLINGER, BAR_SHAPE, VOLUME_RATIO, SPREAD,
 ADV_SHARE) = range(13)  # fmt: skip

ROW, REVISION, LATE = range(3)
"""Fates of a bar: gives a row; corrects a bar that already gave one; comes after a later bar of its series."""


@njit(cache=True)
def ratio(x: float, y: float) -> float:
    """Return x / y, NaN where y is not above 0."""
    return x / y if y > 0.0 else np.nan


@njit(cache=True)
def place(x: float, low: float, high: float) -> float:
    """Return where x lies between low (0) and high (1), the middle where they are equal."""
    return (x - low) / (high - low) if high > low else 0.5


@njit(cache=True)
def log_return(before: float, now: float) -> float:
    """Return the log return, NaN where a price is not above 0."""
    return math.log(now / before) if before > 0.0 and now > 0.0 else np.nan


@njit(cache=True)
def window_mean(series: F64, n: int, window: int) -> float:
    """Return the mean of the last ``window`` values, NaN before they are there or where one of them is missing."""
    if n + 1 < window:
        return np.nan
    total = 0.0
    for k in range(n + 1 - window, n + 1):
        total += series[k % len(series)]
    return total / window


@njit(cache=True)
def window_squares(series: F64, n: int, window: int, mean: float) -> float:
    """Return the sum of squared deviations of the last ``window`` values from their mean: the second of two passes."""
    total = 0.0
    for k in range(n + 1 - window, n + 1):
        d = series[k % len(series)] - mean
        total += d * d
    return total


@njit(cache=True)
def seeded_average(s: F64, at: int, x: float, window: int, weight: float) -> float:
    """Return the exponential average after x, NaN before ``window`` values; its seed is their mean.

    State is s[at] (sum, then average) and s[at + 1] (number of values, up to ``window``).
    """
    if s[at + 1] < window:
        s[at] += x
        s[at + 1] += 1.0
        if s[at + 1] < window:
            return np.nan
        s[at] /= window
    else:
        s[at] += weight * (x - s[at])
    return float(s[at])


@njit(cache=True)
def true_range(high: float, low: float, close_before: float) -> float:
    """Return the true range (Wilder, 1978)."""
    return max(high, close_before) - min(low, close_before)


@njit(cache=True)
def returns(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Log return over p[0] bars."""
    back = int(p[0])
    y[0] = log_return(ring[R_CLOSE, (n - back) % ring.shape[1]], bar[CLOSE]) if n >= back else np.nan


@njit(cache=True)
def roll_return(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Mean and sample deviation of the last p[0] one-bar log returns."""
    window = int(p[0])
    y[0] = window_mean(ring[R_RETURN], n, window)
    y[1] = math.sqrt(window_squares(ring[R_RETURN], n, window, y[0]) / (window - 1)) if not math.isnan(y[0]) else np.nan


@njit(cache=True)
def ewma_vol(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Root of the exponential mean of squared returns, decay p[0], from p[1] returns on (RiskMetrics, 1996).

    The weights are divided by their sum, so the first return is no seed that outweighs the others.
    """
    r = ring[R_RETURN, n % ring.shape[1]]
    if not math.isnan(r):
        s[0] = p[0] * s[0] + (1.0 - p[0]) * r * r
        s[1] = p[0] * s[1] + (1.0 - p[0])
        s[2] = min(s[2] + 1.0, p[1])
    y[0] = math.sqrt(s[0] / s[1]) if s[2] >= p[1] else np.nan


@njit(cache=True)
def rsi(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Relative strength index over p[0] bars (Wilder, 1978), 50 where nothing moved."""
    y[0] = np.nan
    if n > 0:
        change = bar[CLOSE] - ring[R_CLOSE, (n - 1) % ring.shape[1]]
        up = seeded_average(s, 0, max(change, 0.0), int(p[0]), 1.0 / p[0])
        down = seeded_average(s, 2, max(-change, 0.0), int(p[0]), 1.0 / p[0])
        if not math.isnan(up):
            y[0] = 100.0 * up / (up + down) if up + down > 0.0 else 50.0


@njit(cache=True)
def atr(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Average true range over p[0] bars (Wilder, 1978), and over the close."""
    y[0] = np.nan
    if n > 0:
        width = true_range(bar[HIGH], bar[LOW], ring[R_CLOSE, (n - 1) % ring.shape[1]])
        y[0] = seeded_average(s, 0, width, int(p[0]), 1.0 / p[0])
    y[1] = ratio(y[0], bar[CLOSE])


@njit(cache=True)
def ema(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Exponential average of the close over p[0] bars, and the close over it less one."""
    y[0] = seeded_average(s, 0, bar[CLOSE], int(p[0]), 2.0 / (p[0] + 1.0))
    y[1] = ratio(bar[CLOSE] - y[0], y[0])


@njit(cache=True)
def macd(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Difference of two exponential averages, its own average and the rest; fast p[0], slow p[1], signal p[2].

    As in TA-Lib, the fast average starts together with the slow one, with the mean of the window that ends there.
    """
    y[0] = y[1] = np.nan
    if n + 1 == int(p[1]):
        s[0] = window_mean(ring[R_CLOSE], n, int(p[0]))
        s[1] = window_mean(ring[R_CLOSE], n, int(p[1]))
    elif n + 1 > int(p[1]):
        s[0] += 2.0 / (p[0] + 1.0) * (bar[CLOSE] - s[0])
        s[1] += 2.0 / (p[1] + 1.0) * (bar[CLOSE] - s[1])
    if n + 1 >= int(p[1]):
        y[0] = s[0] - s[1]
        y[1] = seeded_average(s, 2, y[0], int(p[2]), 2.0 / (p[2] + 1.0))
    y[2] = y[0] - y[1]
    y[3] = ratio(y[0], bar[CLOSE])


@njit(cache=True)
def donchian(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Highest high and lowest low of the last p[0] bars, this one included, and the close's place between them."""
    y[:3] = np.nan
    if n + 1 >= int(p[0]):
        y[0], y[1] = bar[HIGH], bar[LOW]
        for k in range(n + 1 - int(p[0]), n):
            y[0] = max(y[0], ring[R_HIGH, k % ring.shape[1]])
            y[1] = min(y[1], ring[R_LOW, k % ring.shape[1]])
        y[2] = place(bar[CLOSE], y[1], y[0])


@njit(cache=True)
def bollinger(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Bands of p[1] population deviations about the mean of the last p[0] closes (Bollinger, 2001)."""
    mean = window_mean(ring[R_CLOSE], n, int(p[0]))
    y[:4] = np.nan
    if not math.isnan(mean):
        half = p[1] * math.sqrt(window_squares(ring[R_CLOSE], n, int(p[0]), mean) / p[0])
        y[0], y[1] = mean + half, mean - half
        y[2] = place(bar[CLOSE], y[1], y[0])
        y[3] = ratio(2.0 * half, mean)


@njit(cache=True)
def bar_shape(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Place of the close within the bar, and the range over the close."""
    y[0] = place(bar[CLOSE], bar[LOW], bar[HIGH])
    y[1] = ratio(bar[HIGH] - bar[LOW], bar[CLOSE])


@njit(cache=True)
def volume_ratio(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Volume over the mean volume of the last p[0] bars."""
    y[0] = ratio(bar[VOLUME], window_mean(ring[R_VOLUME], n, int(p[0])))


@njit(cache=True)
def spread(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Quoted spread at the close, basis points of the mid; NaN for a missing, crossed or infinite quote."""
    mid = 0.5 * (bar[BID] + bar[ASK])
    y[0] = 1e4 * (bar[ASK] - bar[BID]) / mid if bar[ASK] >= bar[BID] and 0.0 < mid < np.inf else np.nan


@njit(cache=True)
def adv_share(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Volume over the mean volume of up to p[0] session days, each seen from its first bar to its last.

    State: day, its volume so far, whether it is seen from its start, number of days in the ring, then the ring. A day
    enters the ring when the next one begins. The very first day counts only if its first bar opens the session.
    """
    window = int(p[0])
    if n == 0 or bar[DAY] != s[0]:
        if n > 0 and s[2] == 1.0:
            s[4 + int(s[3]) % window] = s[1]
            # Wraps so that it stays small, and never below the window again.
            s[3] = s[3] + 1.0 if s[3] + 1.0 < 2 * window else float(window)
        s[0], s[1] = bar[DAY], 0.0
        s[2] = 1.0 if n > 0 else bar[OPENS_DAY]
    s[1] += bar[VOLUME]
    days = min(int(s[3]), window)
    total = 0.0
    for k in range(int(s[3]) - days, int(s[3])):
        total += s[4 + k % window]
    y[0] = ratio(bar[VOLUME] * days, total) if days > 0 else np.nan


@njit(cache=True)
def _indicator(op: int, bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Run one indicator by its number."""
    if op == LOG_RETURN:
        returns(bar, ring, n, p, s, y)
    elif op == ROLL_RETURN:
        roll_return(bar, ring, n, p, s, y)
    elif op == EWMA_VOL:
        ewma_vol(bar, ring, n, p, s, y)
    elif op == RSI:
        rsi(bar, ring, n, p, s, y)
    elif op == ATR:
        atr(bar, ring, n, p, s, y)
    elif op == EMA:
        ema(bar, ring, n, p, s, y)
    elif op == MACD:
        macd(bar, ring, n, p, s, y)
    elif op == DONCHIAN:
        donchian(bar, ring, n, p, s, y)
    elif op == BOLLINGER:
        bollinger(bar, ring, n, p, s, y)
    elif op == BAR_SHAPE:
        bar_shape(bar, ring, n, p, s, y)
    elif op == VOLUME_RATIO:
        volume_ratio(bar, ring, n, p, s, y)
    elif op == SPREAD:
        spread(bar, ring, n, p, s, y)
    elif op == ADV_SHARE:
        adv_share(bar, ring, n, p, s, y)


@njit(cache=True)
def step(bar: F64, ring: F64, n: int, ops: I64, p: F64, takes: I64, s: F64, out: F64) -> None:
    """Add one bar to a series and write its features.

    Parameters
    ----------
    bar, ring, n
        As above; the bar is put into the ring here.
    ops, p
        Shape (n_indicators, 5): number of the indicator, begin and end of its state in s, begin and end of its rows
        in takes; and shape (n_indicators, P_MAX).
    takes
        Shape (n_takes, 2): output of the indicator, position in out.
    s
        Shape (n_state,), state of all indicators.
    out
        Shape (n_out,).
    """
    column = n % ring.shape[1]
    before = ring[R_CLOSE, (n - 1) % ring.shape[1]] if n > 0 else np.nan
    ring[R_CLOSE, column], ring[R_HIGH, column], ring[R_LOW, column] = bar[CLOSE], bar[HIGH], bar[LOW]
    ring[R_VOLUME, column], ring[R_RETURN, column] = bar[VOLUME], log_return(before, bar[CLOSE])
    y = np.empty(Y_MAX)
    for i in range(len(ops)):
        _indicator(ops[i, 0], bar, ring, n, p[i], s[ops[i, 1] : ops[i, 2]], y)
        for j in range(ops[i, 3], ops[i, 4]):
            out[takes[j, 1]] = y[takes[j, 0]]


@njit(cache=True)
def run(
    slots: NDArray[np.int32], ts_ns: I64, revision: I64, bars: F64,
    last_ts_ns: I64, seen: I64, rings: F64, states: F64, dirty: NDArray[np.uint8],
    ops: I64, p: F64, takes: I64, out: F64, fate: I64,
) -> None:  # fmt: skip
    """Run the program over a batch of bars of many series: ``step`` for each bar in turn.

    Parameters
    ----------
    slots
        Shape (n,), the series of each bar.
    ts_ns, revision, bars
        Shape (n,), (n,) and (n, N_BAR).
    last_ts_ns, seen, rings, states, dirty
        State by slot: end of the last bar, number of bars, shape (n_slots, N_SERIES, W), (n_slots, n_state).
    out, fate
        Shape (n, n_out) and (n,): written. A bar whose fate is not ``ROW`` leaves its row of out as it was.
    """
    for i in range(len(slots)):
        slot = slots[i]
        if revision[i] > 0:
            fate[i] = REVISION
        elif seen[slot] > 0 and ts_ns[i] <= last_ts_ns[slot]:
            fate[i] = LATE
        else:
            fate[i] = ROW
            step(bars[i], rings[slot], seen[slot], ops, p, takes, states[slot], out[i])
            seen[slot] += 1
            last_ts_ns[slot] = ts_ns[i]
            dirty[slot] = 1
