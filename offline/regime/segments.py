"""Change points of a recorded series, one setting for every series: for research, on the whole of it.

Values are standardised by their own whole-series mean and deviation. What follows is ``laws``: the most probable
segmentation under three laws, in hindsight.
"""

import numpy as np

from offline.regime import laws

HAZARD = 0.01
"""A change every hundred values: what BOCPD has where nobody says else (R package ocp), so that the two differ in what
a segment is, not in how many there are."""
PRIOR = np.array([5.0, 0.1, 0.1, 1.0, 0.1, 49.0, 0.5])
"""A noise worth ten values, or a few equal ones would be a law; drifts of three noises, levels and slopes of three
deviations, b one around 1: wide; a tenth of a shock in fifty values, so that the first is dear and those that keep
coming are not; the first value of a segment a shock or not."""
FLOOR = 0.1
"""Least usual noise in deviations of the series: what is smaller is not seen beside the rest of it."""


def change_points(values: laws.F64, hazard: float = HAZARD, prior: laws.F64 = PRIOR, floor: float = FLOOR) -> list[int]:
    """Return the positions at which a new segment begins, ascending, without 0.

    Parameters
    ----------
    values
        Shape (n,) or (n, D); NaN where missing.
    hazard, prior
        As in ``laws``.
    floor
        See ``FLOOR``.
    """
    if len(values) < 2:
        return []
    y = np.asarray(values, np.float64).reshape(len(values), -1)
    y = y[:, ~np.isnan(y).all(axis=0)]
    deviation = np.nanstd(y, axis=0)
    y = (y - np.nanmean(y, axis=0)) / np.where(deviation > 0, deviation, 1.0)
    scale = np.array([max(usual_change(series), floor) for series in y.T])
    length = np.zeros(len(y), np.int64)
    laws.segment_lengths(y, hazard, prior, laws.fresh(scale, prior), length)
    found, t = [], len(y) - 1
    while t >= 1:
        begin = t - int(length[t]) + 1
        if begin > 1:
            found.append(begin)
        t = begin - 1
    return found[::-1]


def usual_change(series: laws.F64) -> float:
    """Return the usual distance of a change from the middle one, as a deviation: by the median, 0 without changes.

    Where more than half of the changes are equal, as of a price that rests, by the mean.
    """
    there = np.diff(series[~np.isnan(series)])
    if not len(there):
        return 0.0
    distance = np.abs(there - np.median(there))
    return float(1.4826 * np.median(distance) or 1.2533 * distance.mean())
