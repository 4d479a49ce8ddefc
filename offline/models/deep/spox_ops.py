"""The operations of a network as an ONNX graph, built operator by operator with spox."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import spox.opset.ai.onnx.v17 as op

from offline.models.deep.ops import F32, LAYER_NORM_EPSILON, Params


class SpoxOps:
    """See ``offline.models.deep.ops.Ops``; each call adds an operator to the graph.

    Parameters
    ----------
    params
        Become constants of the graph.
    """

    def __init__(self, params: Params) -> None:
        self._params = params
        self._made: dict[str, Any] = {}

    def has(self, name: str) -> bool:
        """Return whether there is a parameter of that name."""
        return name in self._params

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a parameter."""
        return self._params[name].shape

    def param(self, name: str) -> Any:
        """Return a parameter, the same constant at every call."""
        if name not in self._made:
            self._made[name] = self.const(self._params[name])
        return self._made[name]

    def const(self, value: F32) -> Any:
        """Return a constant."""
        return op.const(np.ascontiguousarray(value, np.float32))

    def matmul(self, a: Any, b: Any) -> Any:
        """Return a @ b."""
        return op.matmul(a, b)

    def add(self, a: Any, b: Any) -> Any:
        """Return a + b."""
        return op.add(a, b)

    def sub(self, a: Any, b: Any) -> Any:
        """Return a - b."""
        return op.sub(a, b)

    def mul(self, a: Any, b: Any) -> Any:
        """Return a * b."""
        return op.mul(a, b)

    def minimum(self, a: Any, b: Any) -> Any:
        """Return the smaller of both."""
        return op.min([a, b])

    def maximum(self, a: Any, b: Any) -> Any:
        """Return the larger of both."""
        return op.max([a, b])

    def is_nan(self, x: Any) -> Any:
        """Return which elements are NaN."""
        return op.isnan(x)

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        """Return a where the mask holds, else b."""
        return op.where(mask, a, b)

    def as_float(self, mask: Any) -> Any:
        """Return the mask as numbers."""
        return op.cast(mask, to=np.float32)

    def relu(self, x: Any) -> Any:
        """Return max(x, 0)."""
        return op.relu(x)

    def elu(self, x: Any) -> Any:
        """Return x where positive, else exp(x) - 1."""
        return op.elu(x)

    def sigmoid(self, x: Any) -> Any:
        """Return 1 / (1 + exp(-x))."""
        return op.sigmoid(x)

    def softplus(self, x: Any) -> Any:
        """Return log(1 + exp(x))."""
        return op.softplus(x)

    def softmax(self, x: Any) -> Any:
        """Return the softmax over the last axis."""
        return op.softmax(x, axis=-1)

    def layer_norm(self, x: Any, gain: Any, bias: Any) -> Any:
        """Return x normalised over the last axis, then times gain plus bias."""
        return op.layer_normalization(x, gain, bias, axis=-1, epsilon=LAYER_NORM_EPSILON)[0]

    def reshape(self, x: Any, shape: Sequence[int]) -> Any:
        """Return x in another shape."""
        return op.reshape(x, _i64(shape))

    def transpose(self, x: Any, order: Sequence[int]) -> Any:
        """Return x with its axes in another order."""
        return op.transpose(x, perm=list(order))

    def concat(self, parts: Sequence[Any], axis: int) -> Any:
        """Return the parts one after another along an axis."""
        return op.concat(list(parts), axis=axis)

    def slice(self, x: Any, axis: int, begin: int, end: int) -> Any:
        """Return x from begin to before end along an axis."""
        return op.slice(x, _i64([begin]), _i64([end]), _i64([axis]))

    def halves(self, x: Any) -> tuple[Any, Any]:
        """Return the first and the second half of the last axis."""
        first, second = op.split(x, outputs_count=2, axis=-1)
        return first, second

    def pick(self, x: Any, axis: int, at: Sequence[int]) -> Any:
        """Return x at these positions of an axis."""
        return op.gather(x, _i64(at), axis=axis)

    def sum(self, x: Any, axis: int) -> Any:
        """Return the sum over an axis."""
        return op.reduce_sum(x, _i64([axis]), keepdims=0)

    def mean(self, x: Any, axis: int) -> Any:
        """Return the mean over an axis."""
        return op.reduce_mean(x, axes=[axis], keepdims=0)

    def lstm(self, x: Any, name: str, begin: tuple[Any, Any] | None) -> Any:
        """Return the hidden states of an LSTM: ONNX's own operator, with the one direction as its first axis."""
        width = self._params[f"{name}.r"].shape[1]
        w, r = (self.const(self._params[f"{name}.{part}"][None]) for part in ("w", "r"))
        # ONNX has a second bias, for the recurrence.
        b = self.const(np.concatenate([self._params[f"{name}.b"], np.zeros(4 * width, np.float32)])[None])
        states = [None, None] if begin is None else [op.unsqueeze(state, _i64([0])) for state in begin]
        out = op.lstm(x, w, r, b, None, *states, hidden_size=width)
        return op.squeeze(out[0], _i64([1]))

    def dropout(self, x: Any, rate: float) -> Any:  # noqa: ARG002 - the other backend needs it
        """Return x: nothing is dropped where a model is served."""
        return x


def _i64(values: Sequence[int]) -> Any:
    return op.const(np.asarray(list(values), np.int64))
