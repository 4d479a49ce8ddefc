"""N-BEATS over several variables: stacks of blocks that explain the window, each what the ones before left.

    window (L, variables) -> channels (L, c) -> [block: take off a backcast, add to the forecast] * -> head

After Oreshkin et al. (2020), "N-BEATS: Neural basis expansion analysis for interpretable time series forecasting". A
trend stack explains each channel by polynomials, a seasonality stack by Fourier terms, a generic one by bases that it
learns. The forecast is no path but the four numbers of the head: each is a channel of its own that the bases carry
past the window, as their mean over the next quarter of its length.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from offline.models.deep.estimator import DeepEstimator
from offline.models.deep.layers import HEAD_WIDTH, Initial, dense, head
from offline.models.deep.ops import F32, Ops, Params
from offline.models.deep.parameters import DeepParameters, positive
from offline.models.parameters import within
from processors.errors import ConfigError

STACKS = ("trend", "seasonality", "generic")


@dataclass(frozen=True, slots=True)
class NbeatsParameters(DeepParameters):
    """Shape of the network, and how it is trained.

    Parameters
    ----------
    channels
        Series that the variables are mixed into before the first block: the window is read flat, and with all
        variables the first layer alone would have more weights than a small training set has rows.
    stacks
        Kinds, in order, of ``STACKS``.
    blocks
        In each stack.
    width, layers
        Of the dense layers of a block.
    degree
        Highest power of the trend.
    harmonics
        Fourier terms of the seasonality, besides the mean; the k-th has k periods in the window.
    theta
        Bases of a generic block.
    dropout, weight_decay
        Stronger than those of the TFT: a network that is read flat learns a few thousand windows by heart in a pass.
    """

    kind: ClassVar[str] = "nbeats"
    score_batch_rows: ClassVar[int] = 16
    """A batch is one reading of the weights: sixteen rows take little longer than one."""

    channels: int = 8
    stacks: tuple[str, ...] = STACKS
    blocks: int = 1
    width: int = 64
    layers: int = 2
    degree: int = 2
    harmonics: int = 4
    theta: int = 16
    dropout: float = 0.3
    weight_decay: float = 0.1

    def _check(self, where: str) -> None:
        for name in ("channels", "blocks", "width", "layers", "theta"):
            positive(where, name, getattr(self, name))
        for name in ("degree", "harmonics"):
            within(where, name, getattr(self, name), 0, 16)
        if not self.stacks or any(kind not in STACKS for kind in self.stacks):
            raise ConfigError(where, "stacks", self.stacks, f"one or more of {', '.join(STACKS)}")

    def initial(self, n_variables: int, seed: int) -> Params:
        """Return the first parameters."""
        first, window_bars = Initial(seed), self.window_bars
        first.dense("mix", n_variables, self.channels)
        for name, kind in self._names():
            n_in = window_bars * self.channels
            for layer in range(self.layers):
                first.dense(f"{name}.dense{layer}", n_in, self.width)
                n_in = self.width
            n_bases = self.theta if kind == "generic" else len(self._bases(kind, window_bars)[0])
            n_back = self.theta if kind == "generic" else n_bases * self.channels
            first.weights(f"{name}.back", self.width, n_back)
            first.weights(f"{name}.ahead", self.width, HEAD_WIDTH * n_bases)
            # Blocks add up: each begins with a small say, so that the first forecast is near nothing.
            first.params[f"{name}.ahead"] *= 0.1
            if kind == "generic":
                first.weights(f"{name}.back_basis", self.theta, window_bars * self.channels)
                first.weights(f"{name}.ahead_basis", self.theta, 1)
        first.zeros("head.b", HEAD_WIDTH)
        return first.params

    def forward(self, f: Ops, x: Any) -> tuple[Any, Any]:
        """Return log-odds (n, 1) and quantiles (n, 3)."""
        window_bars = self.window_bars
        flat = window_bars * self.channels
        left = f.reshape(dense(f, "mix", x), (-1, flat))
        told = f.param("head.b")
        for name, kind in self._names():
            h = left
            for layer in range(self.layers):
                h = f.dropout(f.relu(dense(f, f"{name}.dense{layer}", h)), self.dropout)
            back, ahead = f.matmul(h, f.param(f"{name}.back")), f.matmul(h, f.param(f"{name}.ahead"))
            if kind == "generic":
                explained = f.matmul(back, f.param(f"{name}.back_basis"))
                basis_ahead, n_bases = f.param(f"{name}.ahead_basis"), self.theta
            else:
                inside, beyond = self._bases(kind, window_bars)
                n_bases = len(inside)
                # (n, channels, bases) @ (bases, L) -> (n, L, channels) as the window lies.
                series = f.matmul(f.reshape(back, (-1, self.channels, n_bases)), f.const(inside))
                explained = f.reshape(f.transpose(series, (0, 2, 1)), (-1, flat))
                basis_ahead = f.const(beyond)
            left = f.sub(left, explained)
            step = f.matmul(f.reshape(ahead, (-1, HEAD_WIDTH, n_bases)), basis_ahead)
            told = f.add(told, f.reshape(step, (-1, HEAD_WIDTH)))
        return head(f, told)

    def _names(self) -> list[tuple[str, str]]:
        """Return name and kind of each block, in order."""
        return [(f"stack{s}.block{b}", kind) for s, kind in enumerate(self.stacks) for b in range(self.blocks)]

    def _bases(self, kind: str, window_bars: int) -> tuple[F32, F32]:
        """Return the bases over the window (k, L), and their mean over the bars after it (k, 1)."""
        ahead = max(window_bars // 4, 1)
        t = np.arange(window_bars + ahead) / window_bars
        if kind == "trend":
            rows = [t**power for power in range(self.degree + 1)]
        else:
            turns = [2 * np.pi * k * t for k in range(1, self.harmonics + 1)]
            rows = [np.ones_like(t), *(np.cos(turn) for turn in turns), *(np.sin(turn) for turn in turns)]
        bases = np.stack(rows)
        beyond = bases[:, window_bars:].mean(axis=1, keepdims=True)
        return bases[:, :window_bars].astype(np.float32), beyond.astype(np.float32)


class NbeatsEstimator(DeepEstimator):
    """Fits an N-BEATS."""

    kind: ClassVar[str] = "nbeats"
    parameters = NbeatsParameters
