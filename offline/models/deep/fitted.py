"""A trained network: its predictions, its graph, and which inputs it listens to."""

import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import onnx
import spox

from offline.models.deep.jax_ops import JaxOps
from offline.models.deep.ops import Params
from offline.models.deep.parameters import DeepParameters
from offline.models.deep.scaling import fit_scaling, scaled
from offline.models.deep.spox_ops import SpoxOps
from offline.models.deep.training import PRECISION, SCALE, predict_batch
from offline.models.estimator import F32, F64, Raw
from processors.errors import ConfigError

PREDICT_ROWS = 256
"""Rows of one run: one shape, compiled once."""
OPSET = 17
"""Of every graph, whichever operators it has: graphs are joined only within one."""


@dataclass(frozen=True)
class DeepFitted:
    """See ``offline.models.estimator.Fitted``.

    Parameters
    ----------
    parameters
        How it was built and trained.
    params
        What was learned, the scaling included.
    losses
        Validation loss of each pass.
    """

    parameters: DeepParameters
    params: Params
    losses: list[float] = field(default_factory=list)

    @property
    def n_inputs(self) -> int:
        """Return the number of inputs of a row."""
        return len(self.params["scale.mean"])

    @property
    def batch_rows(self) -> int:
        """Return how many rows are to be scored together, for the card; see ``processors.score.batches``."""
        return self.parameters.score_batch_rows

    def predict(self, x: F32) -> Raw:
        """Return log-odds and quantiles of windows (n, window_bars, n_inputs)."""
        self._check(x)
        logit, quantiles = np.empty(len(x)), np.empty((len(x), 3))
        for begin in range(0, len(x), PREDICT_ROWS):
            part = x[begin : begin + PREDICT_ROWS]
            k = len(part)
            filled = np.concatenate([part, np.repeat(part[-1:], PREDICT_ROWS - k, axis=0)])
            found = self._forward(self._params, filled)
            logit[begin : begin + k] = np.asarray(found[0])[:k, 0]
            quantiles[begin : begin + k] = np.asarray(found[1])[:k]
        return Raw(logit, quantiles)

    def graph(self) -> onnx.ModelProto:
        """Return the graph, the same bytes for the same parameters."""
        f = SpoxOps(self.params)
        x = spox.argument(spox.Tensor(np.float32, ("n", self.parameters.window_bars, self.n_inputs)))
        logit, quantiles = self.parameters.forward(f, scaled(f, x, self.n_inputs))
        model = spox.build({"x": x}, {"logit": logit, "quantiles": quantiles})
        for used in model.opset_import:
            if used.domain == "":
                # What spox writes is what the operators need at least; they mean the same in this one.
                assert used.version <= OPSET
                used.version = OPSET
        onnx.checker.check_model(model, full_check=True)
        return model

    def edge_rows(self, base: F32) -> F32:
        """Return windows in which one input at a time stands at the ends of its clip, beside them, null or infinite.

        A network has no splits; these are the rows where its scaling changes what it does.
        """
        self._check(base)
        low, high, mean = (self.params[f"scale.{name}"] for name in ("low", "high", "mean"))
        down, up = np.float32(-np.inf), np.float32(np.inf)
        rows: list[F32] = []
        for j in range(self.n_inputs):
            for value in (
                low[j], np.nextafter(low[j], down), np.nextafter(low[j], up), high[j], np.nextafter(high[j], down),
                np.nextafter(high[j], up), mean[j], np.float32(np.nan), down, up,
            ):  # fmt: skip
                row = base[len(rows) % len(base)].copy()
                row[:, j] = value
                rows.append(row)
        return np.stack(rows)

    def importance(self, x: F32) -> F64:
        """Return the mean size of gradient times scaled input, summed over the window, shape (n_inputs,).

        The first order of what the log-odds would lose were the input at its mean all along the window (Shrikumar et
        al., 2017). No draws: the same rows give the same numbers.
        """
        self._check(x)
        total = np.zeros(self.n_inputs)
        for begin in range(0, len(x), PREDICT_ROWS):
            part = x[begin : begin + PREDICT_ROWS]
            filled = np.concatenate([part, np.repeat(part[-1:], PREDICT_ROWS - len(part), axis=0)])
            said = np.asarray(self._attribution(self._params, filled))[: len(part), : self.n_inputs]
            total += np.abs(said.astype(np.float64)).sum(axis=0)
        return total / max(len(x), 1)

    def statistics(self) -> F64:
        """Return the numbers of the scaling."""
        return _numbers(self.params)

    @staticmethod
    def learn_statistics(x: F32) -> F64:
        """Return the numbers of the scaling by these rows alone, shape (n, n_inputs)."""
        return _numbers(fit_scaling(x))

    def to_bytes(self) -> bytes:
        """Return parameters and arrays, to begin another fit with."""
        buffer = io.BytesIO()
        about = {"kind": self.parameters.kind, "parameters": asdict(self.parameters), "losses": self.losses}
        text = np.frombuffer(json.dumps(about).encode(), np.uint8)
        np.savez(buffer, about=text, **self.params)  # type: ignore[arg-type]
        return buffer.getvalue()

    @classmethod
    def from_bytes(cls, raw: bytes, kinds: Mapping[str, type[DeepParameters]]) -> "DeepFitted":
        """Return what ``to_bytes`` wrote.

        Parameters
        ----------
        kinds
            Kind -> its parameters.
        """
        with np.load(io.BytesIO(raw)) as found:
            arrays = {name: found[name] for name in found.files}
        about = json.loads(arrays.pop("about").tobytes())
        values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in about["parameters"].items()}
        return cls(kinds[about["kind"]](**values), arrays, about["losses"])

    @cached_property
    def _params(self) -> dict[str, Any]:
        return {name: jnp.asarray(value) for name, value in self.params.items()}

    @cached_property
    def _forward(self) -> Any:
        def forward(params: Any, x: Any) -> Any:
            with jax.default_matmul_precision(PRECISION):
                return predict_batch(self.parameters, params, x)

        return jax.jit(forward)

    @cached_property
    def _attribution(self) -> Any:
        def attribution(params: Any, x: Any) -> Any:
            f = JaxOps(params)
            values = scaled(f, x, self.n_inputs)
            with jax.default_matmul_precision(PRECISION):
                gradient = jax.grad(lambda v: self.parameters.forward(f, v)[0].sum())(values)
            return (gradient * values).sum(axis=1)

        return jax.jit(attribution)

    def _check(self, x: F32) -> None:
        wanted = (self.parameters.window_bars, self.n_inputs)
        if x.ndim != 3 or x.shape[1:] != wanted:
            raise ConfigError(f"model {self.parameters.kind}", "windows", x.shape, f"(n, {wanted[0]}, {wanted[1]})")


def _numbers(params: Params) -> F64:
    names = sorted(name for name in params if name.startswith(SCALE))
    return np.concatenate([np.asarray(params[name], np.float64) for name in names])
