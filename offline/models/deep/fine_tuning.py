"""One network for all instruments, then one for each cluster that begins with it.

all instruments -> fit -> base -+-> fit on equities,    start=base -> equities
                                +-> fit on energy,      start=base -> energy
                                +-> ...
"""

from dataclasses import replace
from pathlib import Path

from offline.models.deep.estimator import DeepEstimator
from offline.models.deep.fitted import DeepFitted
from offline.models.estimator import I64, Progress, Samples

RATE_SHARE = 0.1
"""Of the learning rate of the base: enough to shift it, not to forget what all instruments taught."""
SAMPLES_MIN = 500
"""Fewer samples of a cluster do not move a network of ten thousand weights by anything but chance."""


def fine_tune(
    estimator: DeepEstimator,
    base: DeepFitted,
    train: Samples,
    valid: Samples,
    cluster_of_group: I64,
    names: tuple[str, ...],
    *,
    seed: int,
    progress: Progress,
    checkpoint: Path | None,
    frozen: tuple[str, ...] = (),
    rate_share: float = RATE_SHARE,
    samples_min: int = SAMPLES_MIN,
) -> dict[str, DeepFitted]:
    """Return the refined network of each cluster that has samples enough; the others are served by the base.

    Parameters
    ----------
    estimator, base
        What fitted the base, and the base.
    train, valid
        Samples of all clusters; ``group`` says whose.
    cluster_of_group
        Shape (n_groups,), position of each symbol's cluster in ``names``, -1 for none: ``Clusters.of_symbols``.
    checkpoint
        Beginning of the names of the files, one a cluster.
    frozen
        Layers that keep what the base learned, by the beginnings of their names.
    rate_share
        Learning rate as a share of the base's.
    """
    given = replace(estimator.given, frozen=frozen, learning_rate=rate_share * estimator.given.learning_rate)
    out = {}
    for at, name in enumerate(names):
        mine = [s.take(cluster_of_group[s.group] == at) for s in (train, valid)]
        if len(mine[0]) < samples_min:
            continue
        file = None if checkpoint is None else checkpoint.with_name(f"{checkpoint.name}.{name}")

        def told(step: str, share: float, name: str = name, at: int = at) -> None:
            progress(f"{name}: {step}", (at + share) / len(names))

        out[name] = type(estimator)(given).fit(*mine, seed=seed, progress=told, checkpoint=file, start=base)
    return out
