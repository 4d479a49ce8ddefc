"""Windows of a span of bars, which is one bar of a stream or a series from its first bar on.

Each window is computed anew, with its values in one order: so the bars of a series have the bits of a stream, nothing
drifts, and what left the window is gone. What a series saves is the waiting: eight windows are summed side by side
(``lanes``), and an extreme of many bars is that of two halves.
"""

import math
from typing import Any

import numpy as np
from numba import njit

from processors.featurize.indicators.averages import SMA, average, keep, kept
from processors.featurize.indicators.lanes import SCALAR, WIDTH, alike, load, store
from processors.featurize.indicators.terms import square, step, value
from processors.featurize.indicators.window import F64, back, higher, lower

BLOCK = 1024
"""Bars whose extremes are found together: what is between them stays in the nearest cache."""


@njit(cache=True, forceinline=True)
def _take(x: F64, i: int) -> float:
    """Return one number: what ``load`` is for eight."""
    return x[np.uint64(i)]  # type: ignore[no-any-return]


@njit(forceinline=True)
def _sum(take: Any, zero: Any, term: Any, ways: int, window: int, x: F64, y: F64, i: int, u: Any, v: Any) -> Any:
    """Return the sum of the terms of the window that begins at i, in so many ways: every so many-th term, 1, 2 or 4."""
    a = b = c = d = zero
    whole = window - window % ways
    for k in range(0, whole, ways):
        a += term(float(k), window, take(x, i + k), take(y, i + k), u, v)
        if ways > 1:
            b += term(k + 1.0, window, take(x, i + k + 1), take(y, i + k + 1), u, v)
        if ways > 2:
            c += term(k + 2.0, window, take(x, i + k + 2), take(y, i + k + 2), u, v)
            d += term(k + 3.0, window, take(x, i + k + 3), take(y, i + k + 3), u, v)
    for k in range(whole, window):
        a += term(float(k), window, take(x, i + k), take(y, i + k), u, v)
    return (a + b) + (c + d)


@njit(forceinline=True)
def _sums(term: Any, ways: int, window: int, x: F64, y: F64, u: F64, v: F64, out: F64) -> None:
    """Write the sum of the window that begins at i into out[i], for each."""
    i = 0
    if not SCALAR:
        while i + WIDTH <= len(out):
            store(out, i, _sum(load, alike(0.0), term, ways, window, x, y, i, load(u, i), load(v, i)))
            i += WIDTH
    while i < len(out):
        out[i] = _sum(_take, 0.0, term, ways, window, x, y, i, u[i], v[i])
        i += 1


@njit(cache=True, forceinline=True)
def _first(n: int, window: int, out: F64) -> int:
    """Write NaN for the bars of a span whose window is not full and return how many they are."""
    first = min(max(window - 1 - n, 0), len(out))
    out[:first] = np.nan
    return first


@njit(cache=True, forceinline=True)
def _missing(x: F64) -> int:
    """Return how many values are missing at the begin."""
    skip = 0
    while skip < len(x) and math.isnan(x[skip]):
        skip += 1
    return skip


@njit(cache=True, forceinline=True)
def _begin(row: F64, n: int, window: int) -> int:
    """Return where in a row of the ring the window of bar n begins."""
    half = len(row) // 2
    return (n if n < half else n % half) + half + 1 - window


@njit(forceinline=True)
def sums(term: Any, ways: int, window: int, x: F64, y: F64, n: int, u: F64, v: F64, out: F64) -> None:
    """Write the sum of terms over the last ``window`` values at each bar of a span, NaN before there are so many.

    Parameters
    ----------
    term, ways
        Function of the place in the window from 0, the window, values of x and y there, and u and v of the bar; and
        the number of sums that take turns at the terms, 1, 2 or 4.
    x, y
        Rows of the ring.
    n
        Number of the span's first bar.
    u, v, out
        Shape (bars of the span,).
    """
    first = _first(n, window, out)
    if first < len(out):
        at = _begin(x, n + first, window)
        _sums(term, ways, window, x[at:], y[at:], u[first:], v[first:], out[first:])


@njit(forceinline=True)
def paths(x: F64, n: int, window: int, out: F64) -> None:
    """Write the way along the last ``window`` moves of a row of the ring, NaN before there are so many."""
    first = _first(n, window + 1, out)
    if first < len(out):
        at = _begin(x, n + first, window + 1)
        _sums(step, 1, window, x[at + 1 :], x[at:], out[first:], out[first:], out[first:])


@njit(forceinline=True, error_model="numpy")
def efficiencies(x: F64, n: int, window: int, along: F64, out: F64) -> None:
    """Write the ways along the last ``window`` moves of a row of the ring, and the way between their ends over each.

    It is 1 where nothing moved, NaN before there are so many moves (Kaufman, 1995).
    """
    paths(x, n, window, along)
    for i in range(len(out)):
        out[i] = np.nan
        if n + i >= window:
            between = abs(back(x, n + i, 0) - back(x, n + i, window))
            out[i] = min(between / along[i], 1.0) if along[i] > 0.0 else 1.0


@njit(forceinline=True)
def sums_of(
    term: Any, ways: int, window: int, x: F64, s: F64, at: int, u: F64, v: F64, out: F64, size: int = 0, known: int = 0
) -> None:
    """Write the same of values that are not in the ring: x, of this span; a stream keeps them in s (``keep``).

    ``size`` is how many are kept, where that is more than the window; nothing is summed before there are so many.
    ``known`` is not 0 where another sum of this bar has kept them already.
    """
    size = max(window, size)
    if len(x) == 1:
        out[0] = np.nan
        full = s[at] >= size if known else keep(s, at, size, x[0])
        if full:
            past = kept(s, at, size, window)
            out[0] = _sum(_take, 0.0, term, ways, window, past, past, 0, u[0], v[0])
    else:
        first = _first(0, size, out)
        if first < len(out):
            late = x[size - window :]
            _sums(term, ways, window, late, late, u[first:], v[first:], out[first:])


@njit(cache=True, forceinline=True)
def lagged(x: F64, n: int, bars: int, out: F64) -> None:
    """Write the value of a row of the ring that many bars ago, NaN before there is one."""
    first = _first(n, bars + 1, out)
    if first < len(out):
        at = _begin(x, n + first, bars + 1)
        for i in range(first, len(out)):
            out[i] = x[np.uint64(at + i - first)]


@njit(forceinline=True)
def lagged_of(x: F64, s: F64, at: int, window: int, out: F64) -> None:
    """Write the first of the last ``window`` values of x, where it is in the ring in ``lagged``; NaN are no values."""
    skip = _missing(x)
    out[:skip] = np.nan
    for i in range(skip, len(x)):
        if len(x) == 1:
            out[i] = kept(s, at, window, window)[0] if keep(s, at, window, x[i]) else np.nan
        else:
            out[i] = x[i + 1 - window] if i + 1 - window >= skip else np.nan


@njit(forceinline=True)
def means(x: F64, n: int, window: int, out: F64) -> None:
    """Write the mean of a row of the ring: ``window_mean`` at each bar of a span."""
    sums(value, 4, window, x, x, n, out, out, out)
    for i in range(len(out)):
        out[i] /= window


@njit(forceinline=True)
def squares_about(x: F64, n: int, window: int, mean: F64, out: F64) -> None:
    """Write the sum of squared deviations from a mean: ``window_squares`` at each bar of a span."""
    sums(square, 4, window, x, x, n, mean, mean, out)


@njit(forceinline=True)
def means_of(x: F64, s: F64, at: int, window: int, out: F64) -> None:
    """Write the mean of other values: ``averages.simple`` at each bar of a span."""
    sums_of(value, 4, window, x, s, at, x, x, out)
    for i in range(len(out)):
        out[i] /= window


@njit(forceinline=True)
def averages(kind: int, x: F64, s: F64, at: int, window: int, out: F64) -> None:
    """Write an average of any kind at each bar of a span; values that are NaN at the begin are none."""
    skip = _missing(x)
    out[:skip] = np.nan
    if kind == SMA and skip < len(x):
        means_of(x[skip:], s, at, window, out[skip:])
    else:
        for i in range(skip, len(x)):
            out[i] = average(kind, x[i], s, at, window)


@njit(forceinline=True)
def _reach(pick: Any, x: F64, window: int, part: F64, out: F64) -> None:
    """Write which of the window that begins at i is picked into out[i]: of two windows that cover it."""
    size, span = len(out) + window - 1, 1
    part[:size] = x[:size]
    while 2 * span <= window:
        size -= span
        for j in range(size):
            part[j] = pick(part[j], part[j + span])
        span *= 2
    rest = part[window - span :]
    for j in range(len(out)):
        out[j] = pick(part[j], rest[j])


@njit(forceinline=True)
def extremes(pick: Any, x: F64, n: int, window: int, out: F64) -> None:
    """Write the highest (pick ``higher``) or the lowest (``lower``) of the last ``window`` values of a row of the ring.

    NaN before there are so many.
    """
    first = _first(n, window, out)
    if first == len(out):
        return
    at = _begin(x, n + first, window)
    if len(out) == 1:
        out[0] = x[at]
        for k in range(1, window):
            out[0] = pick(out[0], x[at + k])
        return
    part = np.empty(BLOCK + window)
    for i in range(first, len(out), BLOCK):
        _reach(pick, x[at + i - first :], window, part, out[i : i + BLOCK])


@njit(cache=True, forceinline=True, error_model="numpy")
def places(x: F64, low: F64, high: F64, out: F64) -> None:
    """Write where x lies between low (0) and high (1), the middle where they are equal, NaN where there are none."""
    for i in range(len(out)):
        width = high[i] - low[i]
        out[i] = (x[i] - low[i]) / width if width > 0.0 else 0.5 + 0.0 * width


@njit(forceinline=True)
def highs(x: F64, n: int, window: int, out: F64) -> None:
    """Write the highest values."""
    extremes(higher, x, n, window, out)


@njit(forceinline=True)
def lows(x: F64, n: int, window: int, out: F64) -> None:
    """Write the lowest values."""
    extremes(lower, x, n, window, out)
