"""Layers that the networks are made of, each with the function that makes its parameters.

The names follow Lim et al. (2021), "Temporal Fusion Transformers for Interpretable Multi-horizon Time Series
Forecasting", section 4.
"""

from typing import Any

import numpy as np

from offline.models.deep.ops import Ops, Params

FORGET = 2
"""Place of the forget gate among the four of ``Ops.lstm``."""
HINGES = ((0.0, 1.0), (1.0, 1.0), (-1.0, -1.0))
"""Where, in deviations, and towards which side the transform of a variable may bend."""


class Initial:
    """Draws the first parameters of a network; the same seed and the same order of calls give the same.

    Parameters
    ----------
    seed
        Of the draws.
    """

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.params: Params = {}

    def weights(self, name: str, *shape: int) -> None:
        """Draw a matrix, uniform within the bounds of Glorot and Bengio (2010), eq. 16; leading axes are copies."""
        bound = np.sqrt(6.0 / (shape[-1] + shape[-2]))
        self.params[name] = self._rng.uniform(-bound, bound, shape).astype(np.float32)

    def zeros(self, name: str, *shape: int) -> None:
        """Begin with zeros."""
        self.params[name] = np.zeros(shape, np.float32)

    def dense(self, name: str, n_in: int, n_out: int) -> None:
        """Begin a dense layer."""
        self.weights(f"{name}.w", n_in, n_out)
        self.zeros(f"{name}.b", n_out)

    def norm(self, name: str, width: int) -> None:
        """Begin a layer norm."""
        self.params[f"{name}.gain"] = np.ones(width, np.float32)
        self.zeros(f"{name}.bias", width)

    def grn(self, name: str, n_in: int, width: int, n_out: int, *, context: int = 0) -> None:
        """Begin a gated residual network; ``context``: width of its context, 0 for none."""
        self.dense(f"{name}.in", n_in, width)
        if context:
            self.weights(f"{name}.context.w", context, width)
        self.dense(f"{name}.gate", width, 2 * n_out)
        if n_in != n_out:
            self.weights(f"{name}.skip.w", n_in, n_out)
        self.norm(f"{name}.norm", n_out)

    def gate(self, name: str, width: int) -> None:
        """Begin a gated skip."""
        self.dense(f"{name}.gate", width, 2 * width)
        self.norm(f"{name}.norm", width)

    def selection(self, name: str, n_variables: int, width: int, *, context: int = 0) -> None:
        """Begin a variable selection."""
        self.grn(f"{name}.weights", n_variables, width, n_variables, context=context)
        self.weights(f"{name}.variables.w", (1 + len(HINGES)) * n_variables, width)
        self.weights(f"{name}.variables.b", n_variables, width)
        self.grn(f"{name}.after", width, width, width)

    def lstm(self, name: str, n_in: int, width: int) -> None:
        """Begin an LSTM that forgets nothing at first: its forget gate begins at 1 (Gers et al., 2000)."""
        self.weights(f"{name}.w", 4 * width, n_in)
        self.weights(f"{name}.r", 4 * width, width)
        self.zeros(f"{name}.b", 4 * width)
        self.params[f"{name}.b"][FORGET * width : (FORGET + 1) * width] = 1.0


def dense(f: Ops, name: str, x: Any) -> Any:
    """Return x @ w + b."""
    return f.add(f.matmul(x, f.param(f"{name}.w")), f.param(f"{name}.b"))


def norm(f: Ops, name: str, x: Any) -> Any:
    """Return x with each vector of its last axis normalised, then scaled."""
    return f.layer_norm(x, f.param(f"{name}.gain"), f.param(f"{name}.bias"))


def _gated(f: Ops, h: Any, rate: float) -> Any:
    """Return the first half of the last axis, times the sigmoid of the second: a gated linear unit."""
    value, gate = f.halves(f.dropout(h, rate))
    return f.mul(value, f.sigmoid(gate))


def grn(f: Ops, name: str, x: Any, *, context: Any = None, rate: float = 0.0) -> Any:
    """Return a gated residual network of x, eq. 2 to 5.

    Parameters
    ----------
    context
        Added before the first activation; None where the layer has none.
    rate
        Of dropout, before the gate.
    """
    h = dense(f, f"{name}.in", x)
    if context is not None:
        h = f.add(h, f.matmul(context, f.param(f"{name}.context.w")))
    h = dense(f, f"{name}.gate", f.elu(h))
    skip = f.matmul(x, f.param(f"{name}.skip.w")) if f.has(f"{name}.skip.w") else x
    return norm(f, f"{name}.norm", f.add(skip, _gated(f, h, rate)))


def gate(f: Ops, name: str, x: Any, skip: Any, rate: float = 0.0) -> Any:
    """Return the norm of skip plus a gated x."""
    return norm(f, f"{name}.norm", f.add(skip, _gated(f, dense(f, f"{name}.gate", x), rate)))


def select(f: Ops, name: str, x: Any, n_variables: int, *, context: Any = None, rate: float = 0.0) -> tuple[Any, Any]:
    """Return the weighted sum of transformed variables, and the weights, eq. 6 to 8.

    In the paper each variable has a gated network of its own (eq. 7). Here its own transform is piecewise linear, with
    ``HINGES``, and one gated network follows the sum: then the sum over variables is one product of matrices, which
    makes training some twenty times faster at forty variables.

    Parameters
    ----------
    x
        Shape (m, n_variables), scaled.

    Returns
    -------
    Shapes (m, d) and (m, n_variables).
    """
    weights = f.softmax(grn(f, f"{name}.weights", x, context=context, rate=rate))
    pieces = [
        x,
        *(
            f.relu(f.mul(f.sub(x, f.const(np.array(at, np.float32))), f.const(np.array(side, np.float32))))
            for at, side in HINGES
        ),
    ]
    weighted = f.concat([f.mul(piece, weights) for piece in pieces], 1)
    own = f.matmul(weighted, f.param(f"{name}.variables.w"))
    # A weight is about one in the number of variables: back to the size of one variable.
    both = f.add(own, f.matmul(weights, f.param(f"{name}.variables.b")))
    size = f.const(np.array(np.sqrt(n_variables), np.float32))
    return grn(f, f"{name}.after", f.mul(both, size), rate=rate), weights


HEAD_WIDTH = 4
"""Log-odds, the middle quantile, and the distances of the two others to it, before their softplus."""


def head(f: Ops, raw: Any) -> tuple[Any, Any]:
    """Return log-odds (n, 1) and quantiles (n, 3), low, middle, high, of four numbers a row; they cannot cross."""
    logit, middle = f.slice(raw, 1, 0, 1), f.slice(raw, 1, 1, 2)
    low = f.sub(middle, f.softplus(f.slice(raw, 1, 2, 3)))
    high = f.add(middle, f.softplus(f.slice(raw, 1, 3, 4)))
    return logit, f.concat([low, middle, high], 1)
