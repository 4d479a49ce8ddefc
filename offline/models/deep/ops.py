"""The operations that a network is written in, and what holds its numbers.

A network calls these and nothing else, so that one text of it trains in JAX (``jax_ops``) and is served as an ONNX
graph (``spox_ops``). Arrays are of the backend's own kind. Where a shape is given, one -1 is allowed.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Params = dict[str, F32]
"""Name -> float32 array. ``scale.*`` are the numbers of the scaling; a dot ends the name of a layer."""

LAYER_NORM_EPSILON = 1e-5


class Ops(Protocol):
    """One backend, with the parameters of one network."""

    def has(self, name: str) -> bool:
        """Return whether there is a parameter of that name."""

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a parameter."""

    def param(self, name: str) -> Any:
        """Return a parameter."""

    def const(self, value: F32) -> Any:
        """Return a constant."""

    def matmul(self, a: Any, b: Any) -> Any:
        """Return a @ b, over leading axes too."""

    def add(self, a: Any, b: Any) -> Any:
        """Return a + b, broadcast."""

    def sub(self, a: Any, b: Any) -> Any:
        """Return a - b, broadcast."""

    def mul(self, a: Any, b: Any) -> Any:
        """Return a * b, broadcast."""

    def minimum(self, a: Any, b: Any) -> Any:
        """Return the smaller of both, broadcast."""

    def maximum(self, a: Any, b: Any) -> Any:
        """Return the larger of both, broadcast."""

    def is_nan(self, x: Any) -> Any:
        """Return which elements are NaN, as a mask for ``where``."""

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        """Return a where the mask holds, else b, broadcast."""

    def as_float(self, mask: Any) -> Any:
        """Return 1.0 where the mask holds, else 0.0."""

    def relu(self, x: Any) -> Any:
        """Return max(x, 0)."""

    def elu(self, x: Any) -> Any:
        """Return x where positive, else exp(x) - 1."""

    def sigmoid(self, x: Any) -> Any:
        """Return 1 / (1 + exp(-x))."""

    def softplus(self, x: Any) -> Any:
        """Return log(1 + exp(x))."""

    def softmax(self, x: Any) -> Any:
        """Return the softmax over the last axis."""

    def layer_norm(self, x: Any, gain: Any, bias: Any) -> Any:
        """Return x normalised over the last axis, then times gain plus bias, both of shape (d,)."""

    def reshape(self, x: Any, shape: Sequence[int]) -> Any:
        """Return x in another shape."""

    def transpose(self, x: Any, order: Sequence[int]) -> Any:
        """Return x with its axes in another order."""

    def concat(self, parts: Sequence[Any], axis: int) -> Any:
        """Return the parts one after another along an axis."""

    def slice(self, x: Any, axis: int, begin: int, end: int) -> Any:
        """Return x from begin to before end along an axis."""

    def halves(self, x: Any) -> tuple[Any, Any]:
        """Return the first and the second half of the last axis."""

    def pick(self, x: Any, axis: int, at: Sequence[int]) -> Any:
        """Return x at these positions of an axis."""

    def sum(self, x: Any, axis: int) -> Any:
        """Return the sum over an axis, which goes away."""

    def mean(self, x: Any, axis: int) -> Any:
        """Return the mean over an axis, which goes away."""

    def lstm(self, x: Any, name: str, begin: tuple[Any, Any] | None) -> Any:
        """Return the hidden states of an LSTM, shape (L, n, d).

        Parameters
        ----------
        x
            Shape (L, n, d_in).
        name
            ``.w`` (4 d, d_in), ``.r`` (4 d, d) and ``.b`` (4 d,); gates in ONNX's order: input, output, forget, cell.
        begin
            Hidden and cell state before the first step, each (n, d); zero where None.
        """

    def dropout(self, x: Any, rate: float) -> Any:
        """Return x with a share of its elements zeroed and the others raised, in training; else x."""
