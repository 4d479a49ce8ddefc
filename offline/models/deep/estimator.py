"""Fits a network: begins it anew, or with another fit that it refines."""

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from offline.models.deep.parameters import DeepParameters
from offline.models.deep.scaling import fit_scaling
from offline.models.estimator import Progress, Samples
from processors.errors import ConfigError

if TYPE_CHECKING:
    from offline.models.deep.fitted import DeepFitted


class DeepEstimator:
    """See ``offline.models.estimator.Estimator``; its subclasses name their parameters.

    Parameters
    ----------
    given
        How the network is built and trained.
    """

    kind: ClassVar[str]
    parameters: ClassVar[type[DeepParameters]]

    def __init__(self, given: DeepParameters | None = None) -> None:
        self.given = given or self.parameters()
        self.window_bars = self.given.window_bars

    def fit(
        self,
        train: Samples,
        valid: Samples,
        *,
        seed: int,
        progress: Progress,
        checkpoint: Path | None,
        start: "DeepFitted | None" = None,
    ) -> "DeepFitted":
        """Return the fitted network.

        Parameters
        ----------
        train
            To learn from; windows (n, window_bars, n_inputs).
        valid
            To stop on; where it is empty, all passes are taken.
        start
            A fit of the same network to go on from: its scaling stays, since its first layer reads numbers of that
            scale. What ``frozen`` names stays too. Give a learning rate of a tenth or so.

        Raises
        ------
        ConfigError
            There are no samples, their windows have another shape, or ``start`` is another network.
        """
        # JAX takes seconds and hundreds of megabytes: who only reads parameters does without.
        from offline.models.deep import training
        from offline.models.deep.fitted import DeepFitted

        wanted = (len(train), self.window_bars)
        if train.x.ndim != 3 or train.x.shape[:2] != wanted or len(train) == 0:
            raise ConfigError(
                f"model {self.kind}", "samples", train.x.shape, f"at least one window of {self.window_bars} rows"
            )
        n_inputs = train.x.shape[2]
        first = self.given.initial(n_inputs + 1, seed)
        if start is None:
            # The newest row of each window: every row once, not once a window.
            first |= fit_scaling(train.x[:, -1])
        else:
            shapes = {name: value.shape for name, value in first.items()}
            found = {name: v.shape for name, v in start.params.items() if not name.startswith("scale.")}
            if found != shapes or start.n_inputs != n_inputs or start.parameters.window_bars != self.window_bars:
                raise ConfigError(f"model {self.kind}", "start", start.parameters, f"a fit of {self.given}")
            first = dict(start.params)
        best, losses = training.train(
            self.given, first, train, valid, seed=seed, progress=progress, checkpoint=checkpoint
        )
        return DeepFitted(self.given, best, losses)
