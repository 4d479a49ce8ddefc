"""The linear baseline: logistic and quantile regression on scaled inputs, by a solver of its own.

What trees and networks must beat. An input is centred on its median and scaled by half the distance between its 16th
and 84th percentile, cut at ``CUT`` of these, and 0 where it is null; all of that is part of the graph.
"""

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from offline.export.trees import table_graph
from offline.models.checkpoint import Checkpoint, fingerprint
from offline.models.estimator import F32, F64, Progress, Raw, Samples
from offline.models.newton import LogisticLoss, PinballLoss, minimise
from offline.models.parts import fit_parts, is_settled, level, weight
from offline.models.table_parameters import LinearParameters
from processors.errors import ConfigError

CUT = 8.0
"""Scales from the median at which an input is cut: fat tails stay, a broken tick does not pull the line."""


class LinearEstimator:
    """Fits the four lines, one after another."""

    kind: ClassVar[str] = "linear"
    parameters: ClassVar[type] = LinearParameters

    def __init__(self, parameters: LinearParameters | None = None) -> None:
        self.window_bars = 1
        self.given = parameters or LinearParameters()

    def fit(
        self, train: Samples, valid: Samples, *, seed: int, progress: Progress, checkpoint: Path | None
    ) -> "LinearFitted":
        """Return the lines; see ``Estimator.fit``. Nothing is drawn: every seed gives the same lines."""
        if len(train) == 0 or not (train.weight.sum() > 0 and train.side_weight.sum() > 0):
            raise ConfigError("model linear", "samples to learn from", len(train), "one or more with a weight")
        del seed
        kept = Checkpoint(checkpoint, fingerprint(self.kind, self.given, 0, np.__version__, train, valid))
        centre, scale = scaling(train.x)
        z, z_valid = (scaled(s.x, centre, scale) for s in (train, valid))
        lines = fit_parts(kept, lambda part, _note: self._line(part, train, valid, z, z_valid), progress)
        return LinearFitted(centre, scale, np.asarray([json.loads(line) for line in lines], np.float32))

    def _line(self, part: int, train: Samples, valid: Samples, z: F64, z_valid: F64) -> str:
        """Return the weights of one line, the intercept last, as JSON."""
        if is_settled(part, train):
            return json.dumps([*np.zeros(z.shape[1]), float(train.move[0])])
        if part == 0:
            loss, judge = LogisticLoss(train.up), LogisticLoss(valid.up)
        else:
            alpha = level(part, self.given.coverage)
            loss, judge = PinballLoss(train.move, alpha), PinballLoss(valid.move, alpha)  # type: ignore[assignment]
        design, judged = _with_one(z), _with_one(z_valid)
        counts, judges = weight(part, train), weight(part, valid)
        best, least, line = None, np.inf, np.zeros(design.shape[1])
        for penalty in sorted(self.given.penalties, reverse=True):
            line = minimise(loss, design, counts / counts.sum(), penalty, line)
            total = float(judges.sum()) if len(valid) else 0.0
            found = float(judges @ judge.exact(judged @ line)) / total if total > 0 else 0.0
            if found < least:
                best, least = line, found
        assert best is not None
        return json.dumps(best.tolist())


def _with_one(z: F64) -> F64:
    return np.column_stack([z, np.ones(len(z))])


def scaling(x: F32) -> tuple[F32, F32]:
    """Return centre and scale of each input, float32 as the graph has them.

    Parameters
    ----------
    x
        Shape (n, n_inputs), at least one row.

    Returns
    -------
    Two of shape (n_inputs,): the median, and half the distance of the 16th and the 84th percentile, of the finite
    values. Where that is 0 the standard deviation, and where that is 0 too, or there are none, 1.
    """
    centre, scale = np.zeros(x.shape[1], np.float32), np.ones(x.shape[1], np.float32)
    for j in range(x.shape[1]):
        value = x[np.isfinite(x[:, j]), j].astype(np.float64)
        if len(value):
            low, middle, high = np.quantile(value, (0.16, 0.5, 0.84))
            centre[j] = middle
            spread = np.float32(0.5 * (high - low) or value.std())
            scale[j] = spread if np.isfinite(spread) and spread > np.finfo(np.float32).tiny else 1.0
    return centre, scale


def scaled(x: F32, centre: F32, scale: F32) -> F64:
    """Return the inputs in scales from their centre, cut at ``CUT``, 0 where null; the graph does the same."""
    with np.errstate(over="ignore", invalid="ignore"):
        z = (x.astype(np.float64) - centre) / scale.astype(np.float64)
    return np.where(np.isnan(x), 0.0, np.clip(z, -CUT, CUT))


class LinearFitted:
    """Four lines on scaled inputs.

    Parameters
    ----------
    centre, scale
        Shape (n_inputs,), float32.
    lines
        Shape (4, n_inputs + 1), float32: log-odds, low, middle and high quantile; the intercept last.
    """

    def __init__(self, centre: F32, scale: F32, lines: F32) -> None:
        self.centre, self.scale, self.lines = centre, scale, lines

    def predict(self, x: F32) -> Raw:
        """Return the lines at the rows, in float64."""
        lines = self.lines.astype(np.float64)
        found = scaled(x, self.centre, self.scale) @ lines[:, :-1].T + lines[:, -1]
        return Raw(np.ascontiguousarray(found[:, 0]), np.ascontiguousarray(found[:, 1:]))

    def graph(self) -> onnx.ModelProto:
        """Return the lines as a graph.

        A product of matrices sums in an order that depends on the number of rows. Here inputs are filled up with zeros
        to a power of two and the halves are added until one is left: a row alone has the bits that it has in a batch.
        """
        n_inputs = len(self.centre)
        width = 1 << max(n_inputs - 1, 0).bit_length()
        fill = [(0, 0), (0, width - n_inputs)]
        weights = np.pad(self.lines[:, :-1], fill)[None]
        constants = {
            "centre": self.centre[None], "scale": self.scale[None], "zero": np.zeros((), np.float32),
            "floor": np.float32(-CUT), "ceiling": np.float32(CUT), "weights": weights,
            "intercepts": self.lines[None, :, -1], "fill": np.array([0, 0, 0, width - n_inputs], np.int64),
            "one": np.array([1], np.int64), "last": np.array([2], np.int64), "parts": np.array([1, 3], np.int64),
        }  # fmt: skip
        nodes = [
            helper.make_node("Sub", ["x", "centre"], ["moved"]),
            helper.make_node("Div", ["moved", "scale"], ["divided"]),
            helper.make_node("Clip", ["divided", "floor", "ceiling"], ["cut"]),
            helper.make_node("IsNaN", ["x"], ["null"]),
            helper.make_node("Where", ["null", "zero", "cut"], ["z"]),
            helper.make_node("Pad", ["z", "fill", "zero"], ["filled"]),
            helper.make_node("Unsqueeze", ["filled", "one"], ["rows"]),
            helper.make_node("Mul", ["rows", "weights"], [f"sum_{width}"]),
        ]
        while width > 1:
            half = width // 2
            constants[f"halves_{half}"] = np.array([half, half], np.int64)
            halves = [f"first_{half}", f"second_{half}"]
            nodes.append(helper.make_node("Split", [f"sum_{width}", f"halves_{half}"], halves, axis=2))
            nodes.append(helper.make_node("Add", halves, [f"sum_{half}"]))
            width = half
        nodes += [
            helper.make_node("Squeeze", ["sum_1", "last"], ["sums"]),
            helper.make_node("Add", ["sums", "intercepts"], ["lines"]),
            helper.make_node("Split", ["lines", "parts"], ["logit", "quantiles"], axis=1),
        ]
        arrays = [numpy_helper.from_array(np.ascontiguousarray(a), name) for name, a in constants.items()]
        assert all(a.data_type in {TensorProto.FLOAT, TensorProto.INT64} for a in arrays)
        return table_graph(nodes, n_inputs, arrays)

    def statistics(self) -> F64:
        """Return centre and scale of each input."""
        return np.concatenate([self.centre, self.scale]).astype(np.float64)

    @staticmethod
    def learn_statistics(x: F32) -> F64:
        """Return centre and scale by these rows alone."""
        return np.concatenate(scaling(x)).astype(np.float64)

    def edge_rows(self, base: F32) -> F32:
        """Return rows that stand where an input is cut, one float32 below and above it, and null there."""
        rows: list[F32] = []
        for j, (centre, scale) in enumerate(zip(self.centre, self.scale, strict=True)):
            for side in (-CUT, CUT):
                at = np.float32(float(centre) + side * float(scale))
                four = np.tile(base[len(rows) % len(base)], (4, 1))
                four[:, j] = (np.nextafter(at, np.float32(-np.inf)), at, np.nextafter(at, np.float32(np.inf)), np.nan)
                rows.append(four)
        return np.concatenate(rows)

    def importance(self, x: F32) -> F64:
        """Return the size of each weight in the log-odds times the standard deviation of its scaled input."""
        return np.asarray(np.abs(self.lines[0, :-1]) * scaled(x, self.centre, self.scale).std(axis=0), np.float64)
