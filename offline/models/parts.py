"""The four parts of a table model, learned one after another, each kept as its text when it is done."""

from collections.abc import Callable

from offline.models.checkpoint import Checkpoint
from offline.models.estimator import F64, Progress, Samples
from offline.models.parameters import levels

PARTS = ("probability", "low", "middle", "high")

Learn = Callable[[int, Callable[[float], None]], str]
"""Given the part's number and what takes the share of its rounds that is done, returns what was learned as text."""


def fit_parts(kept: Checkpoint, learn: Learn, progress: Progress) -> tuple[str, ...]:
    """Return the text of each of ``PARTS``; those that are kept are not learned again."""
    texts = []
    for i, name in enumerate(PARTS):

        def note(share: float, i: int = i, name: str = name) -> None:
            progress(name, (i + share) / len(PARTS))

        def one(i: int = i, note: Callable[[float], None] = note) -> str:
            return learn(i, note)

        texts.append(kept.part(name, one))
        progress(name, (i + 1) / len(PARTS))
    return tuple(texts)


def labels(part: int, train: Samples, valid: Samples) -> tuple[F64, F64]:
    """Return what a part learns from and stops on: ups for the probability, moves for a quantile."""
    return (train.up, valid.up) if part == 0 else (train.move, valid.move)


def weight(part: int, samples: Samples) -> F64:
    """Return how much each sample counts for a part."""
    return samples.side_weight if part == 0 else samples.weight


def is_settled(part: int, train: Samples) -> bool:
    """Return whether there is nothing to learn of a part: quantiles of moves that are all alike are these moves."""
    return part > 0 and len(train) > 0 and bool(train.move.min() == train.move.max())


def level(part: int, coverage: float) -> float:
    """Return the level of the quantile of a part: low, middle or high."""
    return levels(coverage)[part - 1]
