"""What stands between a fitted model and its file: calibration, the order of quantiles, conformal bounds.

Each is written twice, in NumPy as the word of what is meant and as ONNX nodes, and the gate holds one to the other:

    logit      curve(raw logit)                         never falling, finite
    quantiles  sorted(raw quantiles)                    never crossing
    bounds     low - down, high + up of the sorted      crossed ones become their mean, both

Curves are computed in float64: a steep one must not amplify float32. Exponentials and logarithms of a vector library
may round the last elements of an array unlike the first ones; a column that is written ``LANES`` times beside itself
has no such elements, and a row alone has the bits that it has in a batch.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from offline.calibration import LOG_ODDS_MAX
from offline.export.errors import ExportError
from offline.models.estimator import Raw

F64 = NDArray[np.float64]

LANES = 8
"""Doubles of the widest register."""
PROBABILITY_MIN = 1e-6
"""Isotonic curves end at 0 and 1 where the last block was of one kind: no count of rows makes a move certain."""


class Nodes:
    """Nodes and constants of a graph as they are made; every name begins with a mark of its own."""

    def __init__(self, mark: str = "head_") -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._mark = mark

    def add(self, operator: str, *inputs: str, output: str | None = None, **attributes: int) -> str:
        """Append a node of one output; return the output's name."""
        name = output or f"{self._mark}{len(self.nodes)}"
        stated: dict[str, Any] = dict(attributes)
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **stated))
        return name

    def constant(self, value: NDArray[np.generic] | float, dtype: type[np.generic] = np.float64) -> str:
        """Append a constant; return its name."""
        name = f"{self._mark}c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name


class Curve(Protocol):
    """A calibration of log-odds."""

    def log_odds(self, raw: F64) -> F64:
        """Return the calibrated log-odds, shape (n,): never falling in ``raw``, finite."""
        ...

    def write(self, to: Nodes, raw: str) -> str:
        """Append the nodes that do the same to a column of float64, shape (n, 1); return the column's name."""
        ...


@dataclass(frozen=True, slots=True)
class PlattCurve:
    """slope * raw + intercept, a slope of zero or more; slope 1 and intercept 0 change nothing.

    References
    ----------
    Platt (1999), "Probabilistic outputs for support vector machines".
    """

    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        """Refuse a slope that turns the order of rows round."""
        if not (0.0 <= self.slope < np.inf and np.isfinite(self.intercept)):
            raise ExportError(f"Platt with slope {self.slope} and intercept {self.intercept}: slope must be 0 or more")

    def log_odds(self, raw: F64) -> F64:
        """Return the line."""
        return self.slope * raw + self.intercept

    def write(self, to: Nodes, raw: str) -> str:
        """Append the line."""
        return to.add("Add", to.add("Mul", raw, to.constant(self.slope)), to.constant(self.intercept))


@dataclass(frozen=True, slots=True)
class BetaCurve:
    """a * ln p - b * ln(1 - p) + c of p = sigmoid(raw), a and b zero or more.

    References
    ----------
    Kull, Silva Filho and Flach (2017), "Beta calibration".
    """

    a: float
    b: float
    c: float

    def __post_init__(self) -> None:
        """Refuse numbers with which the curve falls."""
        if not (0.0 <= self.a < np.inf and 0.0 <= self.b < np.inf and np.isfinite(self.c)):
            raise ExportError(f"beta calibration with a {self.a}, b {self.b}, c {self.c}: a and b must be 0 or more")

    def log_odds(self, raw: F64) -> F64:
        """Return the curve."""
        z = np.clip(raw, -LOG_ODDS_MAX, LOG_ODDS_MAX)
        return self.b * np.logaddexp(0.0, z) - self.a * np.logaddexp(0.0, -z) + self.c

    def write(self, to: Nodes, raw: str) -> str:
        """Append b * max(z, 0) - a * max(-z, 0) + (b - a) * ln(1 + exp(-|z|)) + c, which is the same."""
        z = to.add("Clip", raw, to.constant(-LOG_ODDS_MAX), to.constant(LOG_ODDS_MAX))
        e = to.add("Exp", to.add("Neg", to.add("Abs", _lanes(to, z))))
        soft = _first_lane(to, to.add("Log", to.add("Add", e, to.constant(1.0))))
        zero = to.constant(0.0)
        up = to.add("Mul", to.add("Max", z, zero), to.constant(self.b))
        down = to.add("Mul", to.add("Min", z, zero), to.constant(self.a))
        bent = to.add("Mul", soft, to.constant(self.b - self.a))
        return to.add("Add", to.add("Add", to.add("Add", up, down), bent), to.constant(self.c))


class IsotonicCurve:
    """A probability that never falls: straight between points, flat outside, kept off 0 and 1.

    Parameters
    ----------
    raw
        Shape (k,), log-odds of the model, ascending.
    level
        Shape (k,), probability at each, never falling.

    References
    ----------
    Zadrozny and Elkan (2002), "Transforming Classifier Scores into Accurate Multiclass Probability Estimates".
    """

    def __init__(self, raw: F64, level: F64) -> None:
        self.raw, given = np.asarray(raw, np.float64), np.asarray(level, np.float64)
        if len(self.raw) == 0 or self.raw.shape != given.shape:
            raise ExportError(f"isotonic curve of {len(self.raw)} points and {len(given)} levels")
        if not (np.isfinite(self.raw).all() and (np.diff(self.raw) > 0).all()):
            raise ExportError("isotonic curve whose log-odds do not ascend")
        if not ((np.diff(given) >= 0).all() and given[0] >= 0.0 and given[-1] <= 1.0):
            raise ExportError("isotonic curve that falls, or is no probability")
        self.level = np.clip(given, PROBABILITY_MIN, 1.0 - PROBABILITY_MIN)

    def log_odds(self, raw: F64) -> F64:
        """Return the log-odds of the curve."""
        p = np.interp(raw, self.raw, self.level)
        return np.asarray(np.log(p / (1.0 - p)), np.float64)

    def write(self, to: Nodes, raw: str) -> str:
        """Append the curve: which stretch, the line on it, held between its ends so that it never falls."""
        # One point is a curve of two.
        at = self.raw if len(self.raw) > 1 else np.array([self.raw[0], self.raw[0] + 1.0])
        level = self.level if len(self.raw) > 1 else np.repeat(self.level, 2)
        if len(at) > 2:
            passed = to.add("GreaterOrEqual", raw, to.constant(at[None, 1:-1]))
            counts = to.add("Cast", passed, to=TensorProto.INT64)
            stretch = to.add("ReduceSum", counts, to.constant(np.array([1]), np.int64), keepdims=1)
        else:
            stretch = to.add("Cast", to.add("Mul", raw, to.constant(0.0)), to=TensorProto.INT64)
        with np.errstate(over="ignore"):
            slopes = np.minimum(np.diff(level) / np.diff(at), np.finfo(np.float64).max)
        begin, low, high, slope = (
            to.add("Gather", to.constant(a), stretch, axis=0) for a in (at[:-1], level[:-1], level[1:], slopes)
        )
        line = to.add("Add", low, to.add("Mul", to.add("Sub", raw, begin), slope))
        p = to.add("Min", to.add("Max", line, low), high)
        odds = to.add("Div", p, to.add("Sub", to.constant(1.0), p))
        return _first_lane(to, to.add("Log", _lanes(to, odds)))


def _lanes(to: Nodes, column: str) -> str:
    return to.add("Concat", *([column] * LANES), axis=1)


def _first_lane(to: Nodes, lanes: str) -> str:
    return to.add("Gather", lanes, to.constant(np.array([0]), np.int64), axis=1)


CURVES: dict[str, Callable[..., Curve]] = {"platt": PlattCurve, "beta": BetaCurve, "isotonic": IsotonicCurve}
"""By the name that a calibration says of itself (``Calibrator.curve``)."""


def curve_of(calibrator: object) -> Curve:
    """Return the curve that a fitted calibration says it is.

    Raises
    ------
    ExportError
        It says none that has a form in a graph: one a regime, say, which a graph that reads one row cannot tell apart.
    """
    told = getattr(calibrator, "curve", None)
    name, numbers = told() if told is not None else ("", {})
    if name not in CURVES:
        what = f"{type(calibrator).__name__} ({name or 'says no curve'})"
        raise ExportError(f"calibration {what} has no form in a graph: those that have are {', '.join(CURVES)}")
    return CURVES[name](**numbers)


@dataclass(frozen=True, slots=True)
class Head:
    """Calibration and conformal offsets of a model.

    Parameters
    ----------
    curve
        Of the log-odds.
    down, up
        By how much the low bound lies below the low quantile, and the high one above the high quantile, in units of
        the move; negative where quantiles were too wide. Equal ones are conformalised quantile regression.

    References
    ----------
    Romano, Patterson and Candes (2019), "Conformalized Quantile Regression".
    """

    curve: Curve
    down: float
    up: float

    def __post_init__(self) -> None:
        """Refuse bounds that hold everything or nothing."""
        if not (np.isfinite(self.down) and np.isfinite(self.up)):
            raise ExportError(f"conformal offsets {self.down} and {self.up}: too few rows for the coverage")

    def apply(self, raw: Raw) -> tuple[F64, F64, F64]:
        """Return log-odds (n,), quantiles (n, 3) and bounds (n, 2) as the file shall, in float64."""
        quantiles = np.sort(raw.quantiles, axis=1)
        low, high = quantiles[:, 0] - self.down, quantiles[:, 2] + self.up
        mean = 0.5 * (low + high)
        bounds = np.stack([np.minimum(low, mean), np.maximum(high, mean)], axis=1)
        return self.curve.log_odds(raw.logit), quantiles, bounds

    def write(self, to: Nodes, logit: str, quantiles: str) -> None:
        """Append the nodes from raw ``logit`` (n, 1) and ``quantiles`` (n, 3) to the three outputs, float32."""
        column = to.add("Cast", logit, to=TensorProto.DOUBLE)
        to.add("Cast", self.curve.write(to, column), output="logit", to=TensorProto.FLOAT)
        three = to.constant(np.array([3]), np.int64)
        to.nodes.append(
            helper.make_node("TopK", [quantiles, three], ["quantiles", "head_order"], axis=1, largest=0, sorted=1)
        )
        ends = to.add("Gather", "quantiles", to.constant(np.array([0, 2]), np.int64), axis=1)
        offsets = to.constant(np.array([[-self.down, self.up]]), np.float32)
        if self.down + self.up >= 0.0:
            to.add("Add", ends, offsets, output="bounds")
            return
        moved = to.add("Add", ends, offsets)
        low, high = (to.add("Gather", moved, to.constant(np.array([i]), np.int64), axis=1) for i in (0, 1))
        mean = to.add("Mul", to.add("Add", low, high), to.constant(0.5, np.float32))
        to.add("Concat", to.add("Min", low, mean), to.add("Max", high, mean), output="bounds", axis=1)
