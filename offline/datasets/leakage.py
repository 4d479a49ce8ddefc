"""What a model must not know: checks that find the label in the features, in the split, and in what was fitted.

    label_in_features   a feature that the label, or the returns of the horizon, explain      find_feature_leaks
    known_later         a feature that another one shows only bars later                      find_feature_leaks
    fitted_on_all       a scaling or encoder that has seen more than its fold                 check_fitted

A training label that reaches into the test window is found by ``offline.validation.leakage``. Training calls each.

An honest feature of a market explains some hundredths of a move; what these find explains a good part of it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.datasets.training_set import F64, I64, TrainingSet
from offline.statistics.ranks import mid_ranks
from offline.validation.leakage import LeakageError

LABEL, LATER, FITTED = "label_in_features", "known_later", "fitted_on_all"
EXPLAINED_MAX = 0.3
"""Share of a feature's variance that the label or the returns of its horizon may explain. Below: a feature that knows
the trend of its own past. Far above, near 1: any function of the label, and a return of the bars to come."""
SAME_SHARE_MAX = 0.9
"""Share of rows in which a feature may equal another column some bars later."""
ROWS_MAX = 20_000
"""Rows that are looked at: enough to tell 0.3 from 0.1."""
ROWS_MIN = 200
LATER_BARS = 5
"""How far a feature is compared with later rows; what is shifted by more shows in the returns of the horizon."""


@dataclass(frozen=True, slots=True)
class Leak:
    """One finding.

    Parameters
    ----------
    kind
        ``label_in_features`` or ``known_later``.
    name
        The feature.
    """

    kind: str
    name: str
    detail: str


def find_feature_leaks(data: TrainingSet) -> list[Leak]:
    """Return the inputs that know the label, a function of it, or what comes after their row."""
    if len(data) < ROWS_MIN:
        return []
    chosen = _chosen(len(data))
    at = data.at[chosen]
    label = mid_ranks(data.move[chosen])
    before, after = _returns(data, at)
    told = [("move", _bins(label)), ("target", _bins(mid_ranks(data.target[chosen])))]
    found: list[Leak] = []
    spans: dict[bytes, tuple[F64, F64]] = {}
    for j, column in enumerate(data.inputs):
        value = data.x[at, j].astype(np.float64)
        known = np.isfinite(value)
        if known.sum() < ROWS_MIN or np.ptp(value[known]) == 0:
            continue
        rank = mid_ranks(value[known])
        shares = {name: _explained_by_bins(rank, bins[known]) for name, bins in told}
        name, share = max(shares.items(), key=lambda s: s[1])
        if share > EXPLAINED_MAX:
            found.append(Leak(LABEL, column.name, f"the {name} explains {share:.0%} of it"))
            continue
        # Most columns have the same nulls, that is none.
        key = known.tobytes()
        if key not in spans:
            spans[key] = _span(before[known]), _span(np.column_stack([before, after])[known])
        share = _explained_by_later(rank, *spans[key])
        if share > EXPLAINED_MAX:
            told_by = f"the returns of the bars after it explain {share:.0%} of what those before leave"
            found.append(Leak(LATER, column.name, told_by))
            continue
        later = _later_twin(data, at, j)
        if later:
            found.append(Leak(LATER, column.name, later))
    return found


def check_features(data: TrainingSet) -> None:
    """Refuse a set with such inputs.

    Raises
    ------
    LeakageError
        Names each with its kind.
    """
    found = find_feature_leaks(data)
    if found:
        raise LeakageError("; ".join(f"{leak.kind}: {leak.name}: {leak.detail}" for leak in found))


def _chosen(n: int) -> I64:
    """Return the samples that are looked at, ascending, the same at every call.

    They are drawn: samples of one time come by symbol, so that every k-th may be of one symbol alone.
    """
    if n <= ROWS_MAX:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, ROWS_MAX, replace=False))


def _bins(rank: F64) -> I64:
    """Return the bin of each rank: as many bins as leave some twenty rows each, 64 at most; ties stay together."""
    n = min(64, max(2, len(rank) // 20))
    bins: I64 = np.minimum(((rank - 0.5) * n / len(rank)).astype(np.int64), n - 1)
    return bins


def _explained_by_bins(rank: F64, bins: I64) -> float:
    """Return the share of the variance that lies between the bins, adjusted for their number."""
    _, code = np.unique(bins, return_inverse=True)
    k, n = int(code.max()) + 1, len(rank)
    count = np.bincount(code)
    mean = np.bincount(code, rank) / count
    within, total = float(((rank - mean[code]) ** 2).sum()), float(((rank - rank.mean()) ** 2).sum())
    return 0.0 if total == 0 or n <= k else float(1.0 - (within / (n - k)) / (total / (n - 1)))


def _explained_by_later(rank: F64, past: F64, whole: F64) -> float:
    """Return what share of the variance that returns up to the row leave is explained by returns after it, adjusted.

    What is honest is made of the past, and the future adds nothing; what is shifted by a bar is made of that bar too.

    Parameters
    ----------
    past, whole
        Orthonormal columns that span the returns up to the row, and all of them.
    """
    left = _left(rank, past)
    # Made of the returns before it and of nothing else.
    if left < 1e-6 * float(((rank - rank.mean()) ** 2).mean()):
        return 0.0
    return 1.0 - _left(rank, whole) / left


def _left(rank: F64, span: F64) -> float:
    """Return the variance that lies outside a span, adjusted for its size."""
    rest = rank - span @ (span.T @ rank)
    return float((rest**2).sum()) / max(len(rank) - int(span.shape[1]), 1)


def _span(returns: F64) -> F64:
    span: F64 = np.linalg.qr(np.column_stack([np.ones(len(returns)), returns]))[0]
    return span


def _returns(data: TrainingSet, at: I64) -> tuple[F64, F64]:
    """Return the ranks of the one-bar returns up to each row and after it, shape (n, bars) each, 0 where there is none.

    The input ``log_return_1`` tells them; where a recipe has none, the label alone is looked at.
    """
    names = [i.name for i in data.inputs]
    bars = min(data.meta.horizon_bars, 64)
    if "features.log_return_1" not in names:
        return np.empty((len(at), 0)), np.empty((len(at), 0))
    step = data.x[:, names.index("features.log_return_1")].astype(np.float64)
    out = np.zeros((len(at), 2 * bars))
    for place, k in enumerate((*range(-bars + 1, 1), *range(1, bars + 1))):
        rows = np.clip(at + k, 0, len(step) - 1)
        good = (data.symbol[rows] == data.symbol[at]) & (rows == at + k) & np.isfinite(step[rows])
        out[good, place] = mid_ranks(step[rows][good]) - (good.sum() + 1) / 2
    return out[:, :bars], out[:, bars:]


def _later_twin(data: TrainingSet, at: I64, j: int) -> str:
    """Return which column of the gold row an input equals some bars later, and how many; empty where none.

    Columns of transformations are not compared with: a lag of an input is that input some bars later.
    """
    plain = np.array([i.name.startswith(("features.", "regime.")) for i in data.inputs], np.bool_)
    for k in range(1, LATER_BARS + 1):
        rows = at + k
        whole = rows < len(data.x)
        here, there = at[whole], rows[whole]
        same = data.symbol[here] == data.symbol[there]
        here, there = here[same], there[same]
        value = data.x[here, j][:, None]
        now, later = data.x[here], data.x[there]
        moves = (now != later) & np.isfinite(value) & np.isfinite(later) & plain
        equal = (value == later) & moves
        enough = moves.sum(axis=0) >= ROWS_MIN
        share = np.where(enough, equal.sum(axis=0) / np.maximum(moves.sum(axis=0), 1), 0.0)
        best = int(share.argmax())
        if share[best] > SAME_SHARE_MAX:
            return f"it is {data.inputs[best].name} of {k} bars later"
    return ""


def check_fitted(
    name: str, found: F64, learn: Callable[..., F64], rows: I64, *arrays: NDArray[Any], tolerance: float = 1e-9
) -> None:
    """Refuse what was fitted on other rows than those of its fold.

    Parameters
    ----------
    name
        For the error.
    found
        The numbers that were learnt.
    learn
        Learns them again, such as ``LinearFitted.learn_statistics``.
    rows
        Positions of the fold's training rows.
    arrays
        What they are learnt from, of all rows.

    Raises
    ------
    LeakageError
        The numbers are not those of the fold; says so where they are those of all rows.
    """
    if _same(found, learn(*(a[rows] for a in arrays)), tolerance):
        return
    whose = "those of all rows, test rows among them" if _same(found, learn(*arrays), tolerance) else "of other rows"
    raise LeakageError(f"{FITTED}: {name}: its numbers are {whose}, not those of the {len(rows)} rows of the fold")


def _same(a: F64, b: F64, tolerance: float) -> bool:
    return a.shape == b.shape and bool(np.allclose(a, b, rtol=tolerance, atol=tolerance, equal_nan=True))
