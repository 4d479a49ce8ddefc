"""The gate before the registry: a file computes what was trained, calibrated and conformalised, or it is not written.

Three things are held to it, on real rows, on rows that stand on every split, and on rows of nulls, infinities and the
largest and smallest numbers:

- parity: the file against the trainer's own prediction through calibration and offsets in float64
- order: quantiles never cross, bounds neither, and all is finite
- batches: each row has the bits that it has alone, in whatever batch and wherever in it
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.export.errors import ExportError
from offline.export.head import F64, Head
from offline.models.estimator import Fitted, Raw
from processors.score.model import Model, Outputs

F32 = NDArray[np.float32]

TOLERANCE = 5e-6
"""Largest difference, as a share of the largest value: float32 sums of some hundred leaves or weights stay below a
fifth of it, a row that takes another branch is a hundred times above."""
BATCHES = (7, 64, 1024)
ALONE_MAX = 2000
"""Rows that are scored one by one, evenly spread; the batches take all of them."""
BLAMED_MAX = 16
"""Rows whose cause is looked for."""
_EPS = float(np.finfo(np.float32).eps)
_NAMES = ("logit", "quantiles", "bounds")


@dataclass(frozen=True, slots=True)
class Parity:
    """What the gate saw.

    Parameters
    ----------
    real, edge, wild
        Rows of each kind.
    difference
        Output -> largest difference that was allowed for and found, in the output's units.
    """

    real: int
    edge: int
    wild: int
    difference: dict[str, float]


def check(
    raw: bytes, fitted: Fitted, head: Head, real: F32, *, tolerance: float = TOLERANCE, alone_max: int = ALONE_MAX
) -> Parity:
    """Compare a file with what it was made of; return what was seen.

    Parameters
    ----------
    raw
        The ONNX file.
    fitted, head
        What it was made of.
    real
        Shape (n, n_inputs) or (n, window_bars, n_inputs), real rows, at least one.
    tolerance
        As ``TOLERANCE``.
    alone_max
        As ``ALONE_MAX``.

    Raises
    ------
    ExportError
        Names the row, the input that it hangs on, and both values.
    """
    model = Model(raw, "exported file")
    if len(real) == 0:
        raise ExportError("the gate needs real rows: it was given none")
    edge, wild = fitted.edge_rows(real), wild_rows(real)
    x = np.concatenate([real, edge, wild])
    rows = _Rows(x, len(real), len(edge), [i.name for i in model.card.inputs])
    got = _joined([model.run(part) for part in _parts(x, BATCHES[-1])])
    _check_order(got, rows)
    difference = _check_parity(model, fitted, head, got, rows, tolerance)
    _check_batches(model, got, rows, alone_max)
    return Parity(len(real), len(edge), len(wild), difference)


def wild_rows(base: F32) -> F32:
    """Return rows that no market sends and a feed can: each input, and all at once, null, infinite, huge, tiny, zero.

    Parameters
    ----------
    base
        Real rows to take the other inputs from, in turn.

    Returns
    -------
    Shape (9 * (n_inputs + 1), ...); where rows are windows, the newest bar has the value, and all bars in the last 9.
    """
    largest, tiny = np.finfo(np.float32).max, np.finfo(np.float32).smallest_subnormal
    values = np.array([np.nan, np.inf, -np.inf, largest, -largest, tiny, -tiny, 0.0, -0.0], np.float32)
    n_inputs = base.shape[-1]
    rows: F32 = base[np.arange(len(values) * (n_inputs + 1)) % len(base)].copy()
    for j in range(n_inputs):
        rows[j * len(values) : (j + 1) * len(values)].reshape(len(values), -1, n_inputs)[:, -1, j] = values
    last = rows[n_inputs * len(values) :]
    last[...] = values.reshape(-1, *(1,) * (base.ndim - 1))
    return rows


@dataclass(frozen=True, slots=True)
class _Rows:
    """The rows of the gate, real ones first, and how to speak of them."""

    x: F32
    n_real: int
    n_edge: int
    names: list[str]

    def name(self, row: int) -> str:
        """Return what to call a row."""
        if row < self.n_real:
            return f"real row {row}"
        row -= self.n_real
        return f"edge row {row}" if row < self.n_edge else f"wild row {row - self.n_edge}"


def _parts(x: F32, size: int) -> Iterator[F32]:
    return (x[i : i + size] for i in range(0, len(x), size))


def _joined(parts: list[Outputs]) -> dict[str, F64]:
    """Return each output of all rows, shape (n, width)."""
    out = {}
    for name in _NAMES:
        columns = [getattr(p, name) for p in parts]
        out[name] = np.concatenate([c.reshape(len(c), -1) for c in columns])
    return out


def _check_order(got: dict[str, F64], rows: _Rows) -> None:
    """Refuse values that are no numbers, and quantiles or bounds that cross."""
    for name, value in got.items():
        broken = ~np.isfinite(value).all(axis=1)
        if broken.any():
            row = int(broken.argmax())
            raise ExportError(f"{name} of {rows.name(row)} is {value[row].tolist()}: {int(broken.sum())} rows so")
        crossed = (np.diff(value, axis=1) < 0).any(axis=1)
        if crossed.any():
            row = int(crossed.argmax())
            raise ExportError(f"{name} of {rows.name(row)} cross: {value[row].tolist()}; {int(crossed.sum())} rows so")


def _check_parity(
    model: Model, fitted: Fitted, head: Head, got: dict[str, F64], rows: _Rows, tolerance: float
) -> dict[str, float]:
    """Refuse a file that differs from its parts; return the largest difference of each output."""
    want = _Wanted(fitted.predict(rows.x), head, tolerance)
    found = {}
    for name in _NAMES:
        excess = want.excess(name, got[name])
        # Not a number is an excess too.
        bad = np.flatnonzero(~(excess <= 0.0))
        if len(bad):

            def excess_of(x: F32, name: str = name) -> F64:
                scored = _joined([model.run(part) for part in _parts(x, BATCHES[-1])])
                return want.like(fitted.predict(x)).excess(name, scored[name])

            row, cause = _blame(excess_of, rows, bad, excess)
            raise ExportError(
                f"{name} of {rows.name(row)}: the file says {_told(got[name][row])}, what it was made of says "
                f"{_told(want.value[name][row])}; {len(bad)} of {len(excess)} rows differ; {cause}"
            )
        found[name] = float(np.abs(got[name] - want.value[name]).max())
    return found


def _told(value: F64) -> str:
    return ", ".join(f"{v:.9g}" for v in value)


class _Wanted:
    """What the file shall say, and how far it may be off.

    A curve may be steep, so what is allowed to the log-odds is allowed before calibration: the file must lie between
    the curve a little below and a little above the trainer's log-odds. Curves never fall, so it can do no other.
    """

    def __init__(self, raw: Raw, head: Head, tolerance: float, scales: tuple[float, float] | None = None) -> None:
        self._head, self._tolerance = head, tolerance
        self._scales = scales or (float(np.abs(raw.logit).max()), float(np.abs(raw.quantiles).max()))
        logit, quantiles, bounds = head.apply(raw)
        self.value = {"logit": logit[:, None], "quantiles": quantiles, "bounds": bounds}
        width = tolerance * self._scales[0]
        self._low, self._high = (head.curve.log_odds(raw.logit + side)[:, None] for side in (-width, width))

    def like(self, raw: Raw) -> "_Wanted":
        """Return the same of other rows, with the same allowance."""
        return _Wanted(raw, self._head, self._tolerance, self._scales)

    def excess(self, name: str, got: F64) -> F64:
        """Return by how much each row is further off than it may be, shape (n,); zero or less is parity."""
        value = self.value[name]
        if name == "logit":
            below, above, allowed = self._low - got, got - self._high, _EPS * (1.0 + np.abs(value))
        else:
            below, above = value - got, got - value
            largest = self._scales[1] + max(abs(self._head.down), abs(self._head.up))
            allowed = np.full_like(value, self._tolerance * self._scales[1] + _EPS * largest)
        worst: F64 = (np.maximum(below, above) - allowed).max(axis=1)
        return np.where(np.isnan(worst), np.inf, worst)


def _blame(excess_of: Callable[[F32], F64], rows: _Rows, bad: NDArray[np.int64], excess: F64) -> tuple[int, str]:
    """Return a row that differs, and which input its difference hangs on.

    A row that hangs on one input tells the most, a real one before others; where there is none among the first few, the
    worst row is told, and the whole model is meant.
    """
    for row in bad[:BLAMED_MAX].tolist():
        j = _cause(excess_of, rows, row, float(excess[row]))
        if j is not None:
            return row, f"it hangs on input {rows.names[j]}, which is {float(np.atleast_2d(rows.x[row])[-1, j])!r}"
    row = int(excess.argmax())
    inputs = dict(zip(rows.names, np.atleast_2d(rows.x[row])[-1].tolist(), strict=True))
    return row, f"it hangs on no single input, inputs are {inputs}"


def _cause(excess_of: Callable[[F32], F64], rows: _Rows, row: int, excess: float) -> int | None:
    """Return the input that, moved alone, makes a difference go: by one float32, or to values that it often has."""
    x, n_inputs = rows.x[row], rows.x.shape[-1]
    with np.errstate(over="ignore"):
        near = [np.nextafter(x, np.float32(to)) for to in (-np.inf, np.inf)]
    for i, moved in enumerate((*near, *(np.broadcast_to(u, x.shape) for u in _usual(rows)))):
        variants = np.repeat(x[None], n_inputs, axis=0)
        for j in range(n_inputs):
            variants[j, ..., j] = moved[..., j]
        left = excess_of(variants)
        # A split passed by one float32 is a cause; where nearly any other value makes it go, none is.
        if i < len(near) and left.min() < 0.5 * excess:
            return int(left.argmin())
        gone = np.flatnonzero(left <= 0.0)
        if 0 < len(gone) <= max(1, n_inputs // 2):
            return int(gone[0])
    return None


def _usual(rows: _Rows) -> F32:
    """Return low, middle and high values of the inputs on real rows, shape (3, n_inputs)."""
    flat = rows.x[: rows.n_real].reshape(-1, rows.x.shape[-1])
    usual = np.zeros((3, flat.shape[1]), np.float32)
    for j in range(flat.shape[1]):
        finite = np.sort(flat[np.isfinite(flat[:, j]), j])
        if len(finite):
            usual[:, j] = finite[[len(finite) // 6, len(finite) // 2, 5 * len(finite) // 6]]
    return usual


def _check_batches(model: Model, got: dict[str, F64], rows: _Rows, alone_max: int) -> None:
    """Refuse a row that scores unlike itself, to the bit, in batches of other sizes, at other places and alone."""
    n = len(rows.x)
    backwards = np.arange(n)[::-1]
    for size, order in (*((b, np.arange(n)) for b in BATCHES[:-1]), *((b, backwards) for b in BATCHES)):
        again = _joined([model.run(part) for part in _parts(rows.x[order], size)])
        _check_bits(got, again, order, rows, f"in a batch of {size}")
    few = np.unique(np.linspace(0, n - 1, min(n, alone_max)).astype(np.int64))
    again = _joined([model.run(part) for part in _parts(rows.x[few], 1)])
    _check_bits(got, again, few, rows, "alone")


def _check_bits(got: dict[str, F64], again: dict[str, F64], order: NDArray[np.int64], rows: _Rows, where: str) -> None:
    for name in _NAMES:
        one, other = np.ascontiguousarray(got[name][order]), np.ascontiguousarray(again[name])
        unlike = (one.view(np.int64) != other.view(np.int64)).any(axis=1)
        if unlike.any():
            i = int(unlike.argmax())
            raise ExportError(
                f"{name} of {rows.name(int(order[i]))}: {_told(other[i])} {where}, {_told(one[i])} in a batch of "
                f"{BATCHES[-1]}; {int(unlike.sum())} of {len(order)} rows score unlike themselves"
            )
