"""The operations of a network in JAX: for training, prediction and gradients."""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from offline.models.deep.ops import F32, LAYER_NORM_EPSILON


class JaxOps:
    """See ``offline.models.deep.ops.Ops``.

    Parameters
    ----------
    params
        Name -> array, traced or not.
    key
        Randomness of dropout; None outside of training: nothing is dropped.
    """

    def __init__(self, params: Mapping[str, Any], key: jax.Array | None = None) -> None:
        self._params, self._key, self._drops = params, key, 0

    def has(self, name: str) -> bool:
        """Return whether there is a parameter of that name."""
        return name in self._params

    def shape(self, name: str) -> tuple[int, ...]:
        """Return the shape of a parameter."""
        return tuple(self._params[name].shape)

    def param(self, name: str) -> Any:
        """Return a parameter."""
        return self._params[name]

    def const(self, value: F32) -> Any:
        """Return a constant."""
        return jnp.asarray(value)

    def matmul(self, a: Any, b: Any) -> Any:
        """Return a @ b."""
        return jnp.matmul(a, b)

    def add(self, a: Any, b: Any) -> Any:
        """Return a + b."""
        return a + b

    def sub(self, a: Any, b: Any) -> Any:
        """Return a - b."""
        return a - b

    def mul(self, a: Any, b: Any) -> Any:
        """Return a * b."""
        return a * b

    def minimum(self, a: Any, b: Any) -> Any:
        """Return the smaller of both."""
        return jnp.minimum(a, b)

    def maximum(self, a: Any, b: Any) -> Any:
        """Return the larger of both."""
        return jnp.maximum(a, b)

    def is_nan(self, x: Any) -> Any:
        """Return which elements are NaN."""
        return jnp.isnan(x)

    def where(self, mask: Any, a: Any, b: Any) -> Any:
        """Return a where the mask holds, else b."""
        return jnp.where(mask, a, b)

    def as_float(self, mask: Any) -> Any:
        """Return the mask as numbers."""
        return mask.astype(jnp.float32)

    def relu(self, x: Any) -> Any:
        """Return max(x, 0)."""
        return jax.nn.relu(x)

    def elu(self, x: Any) -> Any:
        """Return x where positive, else exp(x) - 1, as ONNX computes it."""
        # The minimum keeps the branch that is not taken from overflowing in the gradient.
        return jnp.where(x > 0, x, jnp.exp(jnp.minimum(x, 0.0)) - 1.0)

    def sigmoid(self, x: Any) -> Any:
        """Return 1 / (1 + exp(-x))."""
        return jax.nn.sigmoid(x)

    def softplus(self, x: Any) -> Any:
        """Return log(1 + exp(x))."""
        return jax.nn.softplus(x)

    def softmax(self, x: Any) -> Any:
        """Return the softmax over the last axis."""
        return jax.nn.softmax(x, axis=-1)

    def layer_norm(self, x: Any, gain: Any, bias: Any) -> Any:
        """Return x normalised over the last axis, then times gain plus bias."""
        mean = x.mean(-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) / jnp.sqrt(variance + LAYER_NORM_EPSILON) * gain + bias

    def reshape(self, x: Any, shape: Sequence[int]) -> Any:
        """Return x in another shape."""
        return x.reshape(tuple(shape))

    def transpose(self, x: Any, order: Sequence[int]) -> Any:
        """Return x with its axes in another order."""
        return jnp.transpose(x, tuple(order))

    def concat(self, parts: Sequence[Any], axis: int) -> Any:
        """Return the parts one after another along an axis."""
        return jnp.concatenate(list(parts), axis=axis)

    def slice(self, x: Any, axis: int, begin: int, end: int) -> Any:
        """Return x from begin to before end along an axis."""
        return jax.lax.slice_in_dim(x, begin, end, axis=axis)

    def halves(self, x: Any) -> tuple[Any, Any]:
        """Return the first and the second half of the last axis."""
        half = x.shape[-1] // 2
        return x[..., :half], x[..., half:]

    def pick(self, x: Any, axis: int, at: Sequence[int]) -> Any:
        """Return x at these positions of an axis."""
        return jnp.take(x, jnp.asarray(list(at)), axis=axis)

    def sum(self, x: Any, axis: int) -> Any:
        """Return the sum over an axis."""
        return x.sum(axis)

    def mean(self, x: Any, axis: int) -> Any:
        """Return the mean over an axis."""
        return x.mean(axis)

    def lstm(self, x: Any, name: str, begin: tuple[Any, Any] | None) -> Any:
        """Return the hidden states of an LSTM."""
        w, r, b = (self._params[f"{name}.{part}"] for part in ("w", "r", "b"))
        inputs = jnp.matmul(x, w.T) + b
        if begin is None:
            zero = jnp.zeros((x.shape[1], r.shape[1]), x.dtype)
            begin = (zero, zero)

        def step(carry: tuple[Any, Any], z: Any) -> tuple[tuple[Any, Any], Any]:
            hidden, cell = carry
            i, o, forget, new = jnp.split(z + jnp.matmul(hidden, r.T), 4, axis=-1)
            cell = jax.nn.sigmoid(forget) * cell + jax.nn.sigmoid(i) * jnp.tanh(new)
            hidden = jax.nn.sigmoid(o) * jnp.tanh(cell)
            return (hidden, cell), hidden

        return jax.lax.scan(step, begin, inputs)[1]

    def dropout(self, x: Any, rate: float) -> Any:
        """Return x with a share of its elements zeroed; each call of one pass draws its own."""
        if self._key is None or rate <= 0.0:
            return x
        self._drops += 1
        kept = jax.random.bernoulli(jax.random.fold_in(self._key, self._drops), 1.0 - rate, x.shape)
        return jnp.where(kept, x / (1.0 - rate), 0.0)
