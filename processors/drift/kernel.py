r"""One value at a time of one feature of one series: a sketch of its quantiles, a reference, and a test against it.

    values -> learn edges (quantile sketch) -> learn shares of bins (the reference) -> watch

While watching, each observation falls into one of B bins: between the deciles of the first values, beyond the least or
the greatest of them, or missing. With p
the share of a bin among all observations before it, the reference's and the watched ones, and q its share among the
recent of them,

    E = q(bin) / p(bin)        a bet at fair odds: nothing is won on average while nothing drifts
    S = (S + 1) E              the sum of all bets that were begun, one at each observation (Shiryaev and Roberts)

so S grows by 1 an observation on average, and the mean time to a false alarm of the rule "S reaches 1 / alpha" is at
least 1 / alpha observations, however often one looks (Shin, Ramdas and Rinaldo, 2022: e-detectors). p must learn on:
against a reference of n observations alone, q would win B / n a bet from the reference's own error. S is told in
logarithms. An alarm ends when PSI is back below a bound: then the bets begin anew.

    PSI = sum over bins of (q - r) ln(q / r)        KL = sum over bins of q ln(q / r)        r: the reference's share

Values of one series depend on each other, and bets need observations that do not: of a feature that looks back over w
bars one value in w is observed. Shares are of counts with half a count added to each bin (Krichevsky and Trofimov).

The sketch is the extended P2 algorithm (Jain and Chlamtac, 1985; Raatikainen, 1987): a marker at each quantile that is
asked for, one between each two of them, and the extremes.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

N_QUANTILES = 9
"""Inner deciles."""
MARKERS = np.r_[0.0, 0.005, 0.01, 0.05:0.951:0.05, 0.99, 0.995, 1.0]
"""Shares of the values that the markers of the sketch are to have below them: every twentieth, for deciles and
quartiles, and the hundredth at each end with one beyond: between an extreme and a twentieth lies a tail, no line."""
N_MARKERS = len(MARKERS)
N_EDGES = N_QUANTILES + 2
N_BINS = N_EDGES + 2
"""Ten between the deciles, one beyond each extreme, and the missing."""
MISSING = N_BINS - 1

(SEEN, PRESENT, MEAN, SQUARES, RUNS, RUN_MAX, RUN, SINCE_OBSERVED, LEARNED, LOG_S, STATE, SINCE_BARS) = range(12)
"""Scalars of a feature. Since the last report: values seen, values there, their mean and sum of squared deviations,
runs of missing values and the longest of them. Then the run that goes on, from its beginning; values since the last
observation, observations learned from, logarithm of S, state, rows in that state."""
N_SCALARS = 12

EDGES, SHARES, STEADY, DRIFTED = range(4)
"""States: learning the edges, learning the shares, watching without and with an alarm."""

(REFERENCE_ROWS, RECENT_DECAY, LOG_ALARM, PSI_RECOVERED) = range(4)
N_PARAMETERS = 4

NO_CHANGE, ALARM, RECOVERY = range(3)
"""Why a report is made: it was due, or the state changed."""

(FILL, AVERAGE, DEVIATION, PSI, KL, EVIDENCE, MISSING_RUNS, MISSING_RUN_MAX) = range(8)
"""Columns of a report: share of values there, their mean and sample deviation, divergences, log S, runs of missing
values and the longest of them; then quantiles."""
N_REPORT = 8


@njit(cache=True)
def sketch_add(x: float, heights: F64, at: F64, n_before: float) -> None:
    """Add a value to the sketch.

    Parameters
    ----------
    heights, at
        Shape (N_MARKERS,): value and position of each marker; zeros before the first value.
    n_before
        Values added so far.
    """
    m = len(heights)
    if n_before < m:
        i = int(n_before)
        while i > 0 and heights[i - 1] > x:
            heights[i] = heights[i - 1]
            i -= 1
        heights[i] = x
        at[int(n_before)] = n_before
        return
    if x < heights[0]:
        heights[0] = x
        cell = 0
    elif x >= heights[m - 1]:
        heights[m - 1] = x
        cell = m - 2
    else:
        cell = 0
        while x >= heights[cell + 1]:
            cell += 1
    for i in range(cell + 1, m):
        at[i] += 1.0
    for i in range(1, m - 1):
        gap = MARKERS[i] * n_before - at[i]
        if (gap >= 1.0 and at[i + 1] - at[i] > 1.0) or (gap <= -1.0 and at[i - 1] - at[i] < -1.0):
            _move(heights, at, i, 1.0 if gap > 0.0 else -1.0)


@njit(cache=True)
def _move(heights: F64, at: F64, i: int, by: float) -> None:
    """Move a marker one place along the parabola through it and its neighbours, or the line where that is no order."""
    before, after = at[i] - at[i - 1], at[i + 1] - at[i]
    moved = heights[i] + by / (at[i + 1] - at[i - 1]) * (
        (before + by) * (heights[i + 1] - heights[i]) / after + (after - by) * (heights[i] - heights[i - 1]) / before
    )
    if not heights[i - 1] < moved < heights[i + 1]:
        j = i + int(by)
        moved = heights[i] + by * (heights[j] - heights[i]) / (at[j] - at[i])
    heights[i] = moved
    at[i] += by


@njit(cache=True)
def sketch_quantile(share: float, heights: F64, at: F64, n: float) -> float:
    """Return the quantile of a share of the n values that were added, NaN where nothing was.

    By where the markers are, not by where they are to be: of a hundred values none can be at half a value.
    """
    if n == 0.0:
        return np.nan
    last = int(min(n, len(heights))) - 1
    place = share * (n - 1.0)
    i = 0
    while i < last and at[i + 1] <= place:
        i += 1
    if i == last:
        return float(heights[last])
    return float(heights[i] + (place - at[i]) / (at[i + 1] - at[i]) * (heights[i + 1] - heights[i]))


@njit(cache=True)
def learn_edges(heights: F64, at: F64, n: float, edges: F64) -> None:
    """Write the edges of the bins: the least of n values, their inner deciles, and just above the greatest.

    What leaves the range of the values has a bin of its own at each end. Else a value that many have, such as a limit,
    a flag or a constant, would share the first or the last bin with all beyond it, and a move there would be no change.
    """
    for i in range(N_EDGES):
        edges[i] = sketch_quantile(i / (N_EDGES - 1), heights, at, n)
    edges[N_EDGES - 1] = np.nextafter(edges[N_EDGES - 1], np.inf)


@njit(cache=True)
def bin_of(x: float, edges: F64) -> int:
    """Return the bin of a value: the number of edges that it is not below, or MISSING."""
    if not math.isfinite(x):
        return MISSING
    b = 0
    while b < len(edges) and x >= edges[b]:
        b += 1
    return b


@njit(cache=True)
def share_of(counts: F64, b: int) -> float:
    """Return the share of a bin, half a count added to each."""
    total = 0.0
    for c in counts:
        total += c
    return float((counts[b] + 0.5) / (total + 0.5 * len(counts)))


@njit(cache=True)
def divergences(reference: F64, recent: F64) -> tuple[float, float]:
    """Return PSI and KL of the recent shares from those of the reference, nats."""
    psi = kl = 0.0
    for b in range(len(reference)):
        p, q = share_of(reference, b), share_of(recent, b)
        psi += (q - p) * math.log(q / p)
        kl += q * math.log(q / p)
    return psi, kl


@njit(cache=True)
def watch(b: int, c: F64, s: F64, reference: F64, before: F64, recent: F64) -> int:
    """Bet on one observation's bin, then add it to the recent ones; return whether the state changed.

    Parameters
    ----------
    b, c
        Bin, and shape (N_PARAMETERS,).
    s, reference, before, recent
        Shape (N_SCALARS,), and counts of shape (N_BINS,): of the reference, of all observations, of the recent ones.
    """
    bet = math.log(share_of(recent, b) / share_of(before, b))
    # log(S + 1) without overflow; S = 0 has the logarithm -inf.
    s[LOG_S] = max(s[LOG_S], 0.0) + math.log1p(math.exp(-abs(s[LOG_S]))) + bet
    for i in range(N_BINS):
        recent[i] *= c[RECENT_DECAY]
    recent[b] += 1.0
    if s[STATE] == STEADY:
        before[b] += 1.0
    if s[STATE] == STEADY and s[LOG_S] >= c[LOG_ALARM]:
        s[STATE], s[SINCE_BARS] = DRIFTED, 0.0
        return ALARM
    if s[STATE] == DRIFTED:
        # Once told, it need not grow for ever.
        s[LOG_S] = min(s[LOG_S], c[LOG_ALARM])
        if divergences(reference, recent)[0] < c[PSI_RECOVERED]:
            s[STATE], s[SINCE_BARS], s[LOG_S] = STEADY, 0.0, -np.inf
            return RECOVERY
    return NO_CHANGE


@njit(cache=True)
def step(
    x: float, stride: int, c: F64, s: F64, heights: F64, at: F64, edges: F64, reference: F64, before: F64, recent: F64
) -> int:
    """Add one value of a feature, NaN for missing; return whether the state changed.

    Parameters
    ----------
    stride
        One value in so many is observed; 0 where the feature is described only.
    s, heights, at, edges, reference, before, recent
        State: shape (N_SCALARS,), (N_MARKERS,) twice, (N_EDGES,), (N_BINS,) three times; zeros before the first
        value.
    """
    s[SEEN] += 1.0
    s[SINCE_BARS] += 1.0
    # An infinity is of no more use than no value.
    if math.isfinite(x):
        sketch_add(x, heights, at, s[PRESENT])
        s[PRESENT] += 1.0
        d = x - s[MEAN]
        s[MEAN] += d / s[PRESENT]
        s[SQUARES] += d * (x - s[MEAN])
        s[RUN] = 0.0
    else:
        # A run that began before the last report counts in this one too.
        s[RUNS] += s[RUN] == 0.0 or s[SEEN] == 1.0
        s[RUN] += 1.0
        s[RUN_MAX] = max(s[RUN_MAX], s[RUN])
    s[SINCE_OBSERVED] += 1.0
    if stride == 0 or s[SINCE_OBSERVED] < stride:
        return NO_CHANGE
    s[SINCE_OBSERVED] = 0.0
    if s[STATE] >= STEADY:
        return watch(bin_of(x, edges), c, s, reference, before, recent)
    s[LEARNED] += 1.0
    if s[STATE] == SHARES:
        reference[bin_of(x, edges)] += 1.0
    if s[LEARNED] >= c[REFERENCE_ROWS]:
        if s[STATE] == EDGES:
            learn_edges(heights, at, s[PRESENT], edges)
            s[STATE] = SHARES
        else:
            # The first bets are on the reference itself: they win and lose nothing.
            for b in range(N_BINS):
                recent[b] = reference[b] * min(1.0, 1.0 / ((1.0 - c[RECENT_DECAY]) * c[REFERENCE_ROWS]))
                before[b] = reference[b]
            s[STATE], s[LOG_S] = STEADY, -np.inf
        s[LEARNED], s[SINCE_BARS] = 0.0, 0.0
    return NO_CHANGE


@njit(cache=True)
def begin_window(stride: int, s: F64, at: F64) -> None:
    """Forget moments and sketch after a report; while the edges are learned the sketch goes on.

    Parameters
    ----------
    stride
        See ``step``: what is described only learns no edges.
    """
    if s[STATE] != EDGES or stride == 0:
        s[SEEN] = s[PRESENT] = s[MEAN] = s[SQUARES] = s[RUNS] = s[RUN_MAX] = 0.0
        at[:] = 0.0


@njit(cache=True)
def report(s: F64, heights: F64, at: F64, reference: F64, recent: F64, shares: F64, y: F64) -> None:
    """Write what is known of a feature since the last report.

    Parameters
    ----------
    shares
        Shape (n_shares,): quantiles to tell.
    y
        Shape (N_REPORT + n_shares,), written; NaN where there is nothing to tell.
    """
    y[:] = np.nan
    y[FILL] = s[PRESENT] / s[SEEN] if s[SEEN] > 0.0 else np.nan
    if s[PRESENT] > 0.0:
        y[AVERAGE] = s[MEAN]
        for i in range(len(shares)):
            y[N_REPORT + i] = sketch_quantile(shares[i], heights, at, s[PRESENT])
    if s[PRESENT] > 1.0:
        y[DEVIATION] = math.sqrt(s[SQUARES] / (s[PRESENT] - 1.0))
    y[MISSING_RUNS], y[MISSING_RUN_MAX] = s[RUNS], s[RUN_MAX]
    if s[STATE] >= STEADY:
        y[PSI], y[KL] = divergences(reference, recent)
        y[EVIDENCE] = s[LOG_S]


@njit(cache=True)
def run(
    slots: NDArray[np.int32], tf: I64, x: F64, strides: I64, c: F64, report_bars: int, shares: F64,
    bars: I64, s: F64, heights: F64, at: F64, edges: F64, reference: F64, before: F64, recent: F64,
    dirty: NDArray[np.uint8], drifted: NDArray[np.bool_], row: I64, feature: I64, cause: I64, told: F64,
) -> int:  # fmt: skip
    """Add a batch of rows; return the number of reports written.

    Parameters
    ----------
    slots, tf, x
        Shape (n,), (n,) and (n, n_features): series, position of the timeframe, and values of each row.
    strides
        Shape (n_timeframes, n_features).
    bars, s, heights, at, edges, reference, before, recent, dirty
        State by slot: rows since the last report, shape (n_slots,); the rest as in ``step``, by feature.
    drifted
        Shape (n, n_features), written: which features are in drift as of each row.
    row, feature, cause, told
        Shape (n_room,) and (n_room, N_REPORT + n_shares + 2), written: the reports, with state and rows in that state
        at the end. At most one a row and feature.
    """
    n_told = 0
    last = told.shape[1] - 1
    for i in range(len(slots)):
        k = slots[i]
        dirty[k] = 1
        bars[k] += 1
        due = bars[k] >= report_bars
        if due:
            bars[k] = 0
        for f in range(x.shape[1]):
            stride = strides[tf[i], f]
            change = step(
                x[i, f], stride, c, s[k, f], heights[k, f], at[k, f], edges[k, f], reference[k, f], before[k, f],
                recent[k, f],
            )  # fmt: skip
            drifted[i, f] = s[k, f, STATE] == DRIFTED
            if change != NO_CHANGE or due:
                report(
                    s[k, f], heights[k, f], at[k, f], reference[k, f], recent[k, f], shares, told[n_told, : last - 1]
                )
                told[n_told, last - 1], told[n_told, last] = s[k, f, STATE], s[k, f, SINCE_BARS]
                row[n_told], feature[n_told], cause[n_told] = i, f, change
                n_told += 1
            if due:
                begin_window(stride, s[k, f], at[k, f])
    return n_told
