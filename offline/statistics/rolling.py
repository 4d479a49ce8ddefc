"""A statistic of several series, or of windows of one."""

from collections.abc import Callable
from typing import Any

import numpy as np

from offline.statistics.moments import F64
from processors.errors import ConfigError


def columns(statistic: Callable[..., Any], *series: F64, **options: Any) -> F64:
    """Return a statistic of each column.

    Parameters
    ----------
    statistic
        Takes as many series of shape (n,) and the options.
    series
        Shape (n, k); those of shape (n,) stand for k equal columns.

    Returns
    -------
    Shape (k,), or (k, m) where the statistic has m values.

    Raises
    ------
    ConfigError
        The series have different numbers of columns.
    """
    widths = {s.shape[1] for s in series if s.ndim == 2}
    if len(widths) > 1:
        raise ConfigError("statistics", "columns", sorted(widths), "the same number in every series")
    k = widths.pop() if widths else 1
    return np.array([statistic(*(s[:, i] if s.ndim == 2 else s for s in series), **options) for i in range(k)])


def rolling(statistic: Callable[..., Any], window: int, *series: F64, partial: bool = False, **options: Any) -> F64:
    """Return a statistic of each window, the one that ends first first.

    Parameters
    ----------
    statistic
        Takes as many series of shape (n,) and the options.
    window
        Periods, at least 1.
    series
        Shape (n,).
    partial
        Whether series that are shorter than the window give one value, of all there is; else none.

    Returns
    -------
    Shape (n - window + 1,), or (n - window + 1, m) where the statistic has m values.

    Raises
    ------
    ConfigError
        The window is below 1, or the series have different lengths.
    """
    n = len(series[0])
    if window < 1:
        raise ConfigError("statistics", "window", window, "at least 1 period")
    if any(len(s) != n for s in series):
        raise ConfigError("statistics", "lengths of the series", [len(s) for s in series], "the same")
    width = min(window, n) if partial else window
    found = [statistic(*(s[end - width : end] for s in series), **options) for end in range(max(width, 1), n + 1)]
    return np.array(found, np.float64)
