"""Whether a training label reaches into the time that judges, and the rows that are taken out for it.

A row at ``ts`` knows all up to ``ts``, and its label is what happened in ``(ts, end]``. Two labels overlap where these
spans do. The window of a test is the union of the spans of its rows.
"""

import numpy as np
from numpy.typing import NDArray

from processors.errors import ConfigError, PlatformError

I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]


class LeakageError(PlatformError):
    """A training row knows of the time that judges it."""


def windows(ts_ns: I64, end_ns: I64, embargo_ns: int = 0) -> tuple[I64, I64]:
    """Return begin and end of the joined spans of some labels, widened on both sides by the embargo, ascending."""
    order = np.argsort(ts_ns, kind="stable")
    begin, end = ts_ns[order] - embargo_ns, np.maximum.accumulate(end_ns[order] + embargo_ns)
    if len(begin) == 0:
        return begin, end
    new = np.r_[True, begin[1:] > end[:-1]]
    return begin[new], end[np.r_[np.flatnonzero(new)[1:] - 1, len(end) - 1]]


def overlaps(ts_ns: I64, end_ns: I64, test_ts_ns: I64, test_end_ns: I64, embargo_ns: int = 0) -> Mask:
    """Return which labels overlap the test window.

    Parameters
    ----------
    ts_ns, end_ns
        Shape (n,): event time of the rows, and when their labels are known, not before.
    test_ts_ns, test_end_ns
        Shape (m,): the same of the rows that judge.
    embargo_ns
        Time that is kept clear on both sides of the test window, nanoseconds.

    Returns
    -------
    Shape (n,). Spans that only touch do not overlap: what a test row knows at its ``ts`` includes labels known then.

    Raises
    ------
    ConfigError
        A label ends before its row.
    """
    _check_order(ts_ns, end_ns)
    _check_order(test_ts_ns, test_end_ns)
    begin, end = windows(test_ts_ns, test_end_ns, embargo_ns)
    if len(begin) == 0:
        return np.zeros(len(ts_ns), np.bool_)
    # The first window that ends behind the row's time; it overlaps if it begins before the label is known.
    at = np.searchsorted(end, ts_ns, side="right")
    return (at < len(end)) & (begin[np.minimum(at, len(begin) - 1)] < end_ns)


def _check_order(ts_ns: I64, end_ns: I64) -> None:
    wrong = np.flatnonzero(end_ns < ts_ns)
    if len(wrong):
        at = int(wrong[0])
        raise ConfigError("labels", "end", int(end_ns[at]), f"not before the row's time {int(ts_ns[at])}")


def purge(train: I64, test: I64, ts_ns: I64, end_ns: I64, embargo_ns: int = 0) -> I64:
    """Return the training rows whose labels stay clear of the test window.

    Parameters
    ----------
    train, test
        Positions of rows.
    ts_ns, end_ns, embargo_ns
        See ``overlaps``; of all rows.
    """
    return train[~overlaps(ts_ns[train], end_ns[train], ts_ns[test], end_ns[test], embargo_ns)]


def check_leakage(train: I64, test: I64, ts_ns: I64, end_ns: I64, embargo_ns: int = 0) -> None:
    """Refuse a split whose training labels overlap the test window, or that judges a row that it trained on.

    Parameters
    ----------
    train, test, ts_ns, end_ns, embargo_ns
        See ``purge``.

    Raises
    ------
    LeakageError
        With the number of such rows and the first of them.
    """
    both = np.intersect1d(train, test)
    if len(both):
        raise LeakageError(f"{len(both)} rows train and judge, the first at position {int(both[0])}")
    leaking = train[overlaps(ts_ns[train], end_ns[train], ts_ns[test], end_ns[test], embargo_ns)]
    if len(leaking):
        first = int(leaking[0])
        raise LeakageError(
            f"{len(leaking)} of {len(train)} training labels overlap the test window from {int(ts_ns[test].min())} to "
            f"{int(end_ns[test].max())} (embargo {embargo_ns} ns); the first, at position {first}, spans "
            f"{int(ts_ns[first])} to {int(end_ns[first])}"
        )
