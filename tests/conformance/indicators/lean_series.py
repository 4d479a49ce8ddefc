"""LEAN's indicators that are a series moved or forecast, in plain arithmetic."""

from typing import Any

import numpy as np

from tests.conformance.indicators.support import Columns, Mapping, Outputs, Series


def delayed(x: Series, bars: int) -> Series:
    """Return each value so many bars later."""
    return np.r_[np.full(min(bars, len(x)), np.nan), x[: max(len(x) - bars, 0)]]


def lagged(x: Series, lags: int) -> Series:
    """Return for each value from ``lags`` on the values before it, the nearest first: shape (n - lags, lags)."""
    return np.array([x[t - lags : t][::-1] for t in range(lags, len(x))]).reshape(-1, lags)


def fitted(x: Series, y: Series, *, constant: bool) -> tuple[float, Series]:
    """Return constant and coefficients of a regression by least squares; the constant is 0 where there is none."""
    design = np.column_stack([np.ones(len(y)), x]) if constant else x
    found = np.linalg.lstsq(design, y, rcond=None)[0]
    return (float(found[0]), found[1:]) if constant else (0.0, found)


def forecast(x: Series, p: int, d: int, q: int, *, constant: bool) -> float:
    """Return the next value of a window, by an autoregression and by one with its own errors (Hannan and Rissanen).

    LEAN's window runs from the newest value to the oldest, so each value is fitted to those that came after it; its
    error terms are the ones behind the first ``q`` and one more.
    """
    heads, y = [], x[::-1]
    for _ in range(d):
        heads.append(y[0])
        y = y[:-1] - y[1:]
    before, c = lagged(y, p), 0.0
    _, ar = fitted(before, y[p:], constant=False)
    total = 0.0
    if q:
        errors = np.r_[np.zeros(p), y[p:] - before @ ar]
        both = np.column_stack([before[: len(y) - max(p, q)], lagged(errors, q)[: len(y) - max(p, q)]])
        c, all_ = fitted(both, y[q:][: len(both)], constant=constant)
        ar, total = all_[:p], float(all_[p:] @ errors[q + 1 : 2 * q + 1])
    total += c + float(ar @ y[:p])
    return total + sum(heads)


def _arima(p: dict[str, Any], c: Columns) -> Outputs:
    x, n = c["close"], int(p["period"])
    orders = (int(p["ar_order"]), int(p["diff_order"]), int(p["ma_order"]))
    out = np.full(len(x), np.nan)
    for end in range(n, len(x) + 1):
        out[end - 1] = forecast(x[end - n : end], *orders, constant=bool(p.get("intercept", True)))
    return {"value": out}


MAPPING: Mapping = {
    "AutoRegressiveIntegratedMovingAverage": _arima,
    "Delay": lambda p, c: {"value": delayed(c["close"], p["period"])},
    "Identity": lambda _, c: {"value": np.asarray(c["close"])},
    "WindowIdentity": lambda _, c: {"value": np.asarray(c["close"])},
}
"""Indicator of LEAN -> its outputs as the manifest names them."""
