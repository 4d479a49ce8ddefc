"""Parameters that all networks share, and what a network is to the one who trains it."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from offline.models.deep.ops import Ops, Params
from offline.models.parameters import within
from processors.errors import ConfigError


@dataclass(frozen=True, slots=True)
class DeepParameters:
    """How a network is trained; its subclasses say how it is built.

    Parameters
    ----------
    window_bars
        Rows that a prediction reads. 32: half an hour of minutes, six weeks of days.
    coverage
        Nominal share of moves between the low and the high quantile.
    epochs_max
        Passes over the training samples; the learning rate falls to nothing over all of them.
    patience
        Passes without a better loss of the validation samples after which training ends.
    batch_rows
        Samples of a step.
    learning_rate
        Highest, after the first twentieth of the steps. 0.002 is AdamW's usual range for networks this small.
    weight_decay
        Of matrices, not of biases and norms (Loshchilov and Hutter, 2019).
    clip_norm
        Largest norm of a gradient; a longer one is shortened.
    dropout
        Share that training drops.
    quantile_weight
        Of the pinball loss beside the cross entropy.
    frozen
        Beginnings of names of layers that keep what they start with, for fine-tuning.
    """

    kind: ClassVar[str] = ""
    score_batch_rows: ClassVar[int] = 1
    """Rows that are scored together: see ``processors.score.batches``. A lone row costs a whole batch."""

    window_bars: int = 32
    coverage: float = 0.9
    epochs_max: int = 30
    patience: int = 5
    batch_rows: int = 256
    learning_rate: float = 0.002
    weight_decay: float = 0.01
    clip_norm: float = 1.0
    dropout: float = 0.1
    quantile_weight: float = 1.0
    frozen: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse what no training can mean.

        Raises
        ------
        ConfigError
            Names the parameter, its value and what is allowed.
        """
        where = f"model {self.kind}"
        for name, low, high in (
            ("window_bars", 2, 512), ("coverage", 0.01, 0.999), ("epochs_max", 1, math.inf), ("patience", 1, math.inf),
            ("batch_rows", 1, math.inf), ("learning_rate", 1e-8, 1.0), ("weight_decay", 0.0, 10.0),
            ("clip_norm", 1e-6, math.inf), ("dropout", 0.0, 0.9), ("quantile_weight", 0.0, math.inf),
        ):  # fmt: skip
            within(where, name, getattr(self, name), low, high)
        self._check(where)

    def _check(self, where: str) -> None:
        """Refuse a network that cannot be built."""

    def initial(self, n_variables: int, seed: int) -> Params:
        """Return the first parameters of the network."""
        raise NotImplementedError

    def forward(self, f: Ops, x: Any) -> tuple[Any, Any]:
        """Return log-odds (n, 1) and quantiles (n, 3) of scaled windows (n, window_bars, n_variables)."""
        raise NotImplementedError


def positive(where: str, name: str, value: int) -> None:
    """Refuse a count below one."""
    if value < 1:
        raise ConfigError(where, name, value, "at least 1")
