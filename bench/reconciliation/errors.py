"""Error against the truth of what each method knew at each instant, in basis points."""

from dataclasses import astuple, dataclass, fields

import numpy as np

from bench.reconciliation.truth import F64, I64, SECOND_NS, START_NS, Truth
from bench.reconciliation.vendors import Ticks

GRID_NS = 100_000_000
WARM_S = 60.0
"""Left out at the start: every method has to hear everyone first."""


@dataclass(frozen=True, slots=True)
class Error:
    """Basis points."""

    rmse: float
    mae: float
    p99: float
    max: float


NAMES = tuple(f.name for f in fields(Error))


def grid(seconds: float) -> I64:
    """Return the instants at which errors are taken, ns."""
    return np.arange(START_NS + int(WARM_S * SECOND_NS), START_NS + int(seconds * SECOND_NS), GRID_NS)


def as_of(known: I64, value: F64, at: I64) -> F64:
    """Return the last value that was known at each instant, NaN before the first; a NaN value says nothing.

    Parameters
    ----------
    known
        Shape (n,), ascending.
    """
    said = ~np.isnan(value)
    known, value = known[said], value[said]
    if not len(known):
        return np.full(len(at), np.nan)
    i = np.searchsorted(known, at, side="right") - 1
    out: F64 = np.where(i >= 0, value[np.maximum(i, 0)], np.nan)
    return out


def vendor_values(ticks: Ticks, n: int, at: I64) -> F64:
    """Return the last value received of each vendor at each instant, shape (n, n_instants)."""
    return np.stack([
        as_of(ticks.ts_recv[ticks.vendor == i], ticks.value[ticks.vendor == i], at) for i in range(n)
    ])  # fmt: skip


def error_of(value: F64, truth: Truth, at: I64) -> Error:
    """Return the error of a method over all instants at which it says something."""
    off = np.abs(value / truth.at(at) - 1.0)[~np.isnan(value)] * 1e4
    return Error(
        float(np.sqrt(np.mean(off**2))), float(np.mean(off)), float(np.percentile(off, 99)), float(np.max(off))
    )


def methods(ticks: Ticks, n: int, truth: Truth, at: I64) -> dict[str, Error]:
    """Return the errors of the methods that reconcile is compared with.

    The best vendor is chosen by hindsight: the one with the least RMSE against the truth that nobody knew.
    """
    values = vendor_values(ticks, n, at)
    alone = [error_of(v, truth, at) for v in values]
    delay = [float(np.mean((ticks.ts_recv - ticks.ts_event)[ticks.vendor == i])) for i in range(n)]
    return {
        "best vendor": min(alone, key=lambda e: e.rmse),
        "plain median": error_of(np.nanmedian(values, axis=0), truth, at),
        "mean": error_of(np.nanmean(values, axis=0), truth, at),
        "fastest vendor": alone[int(np.argmin(delay))],
    }


def as_array(error: Error) -> F64:
    """Return an error as numbers, in the order of ``NAMES``."""
    return np.array(astuple(error))
