"""The last fit, of all rows, as one file that has passed the gate."""

import time
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.datasets.learned import learned
from offline.datasets.training_set import TrainingSet
from offline.export import gate
from offline.export.baseline import versions
from offline.export.fold import fold
from offline.recipes.recipe import ModelRecipe, check_servable
from offline.training.fitting import Progress, Trained, inputs_of, train
from offline.training.folds import embargo_ns
from offline.training.parts import parts_of
from offline.training.payoffs import payoffs
from processors.score.model import Model, ModelCard

I64 = NDArray[np.int64]

GATE_ROWS = 5_000
LATENCY_CALLS = 200
_NUMBERS_MAX = 8


@dataclass(frozen=True, slots=True)
class Deployed:
    """The file and what was seen of it.

    Parameters
    ----------
    latency_ms
        Median of a call of one row.
    """

    raw: bytes
    trained: Trained
    card: ModelCard
    parity: gate.Parity
    latency_ms: float


def deploy(
    recipe: ModelRecipe, tuned: ModelRecipe, data: TrainingSet, samples: I64, checkpoint: Path, progress: Progress
) -> Deployed:
    """Return the file of a model of some samples, all of which it has seen.

    Parameters
    ----------
    recipe, tuned
        What was asked for, which the card names, and the same with the parameters that were chosen.

    Raises
    ------
    ConfigError
        Too few rows, or columns that the score stage cannot compute.
    ExportError
        The file does not compute what was trained.
    """
    check_servable(recipe)
    parts = parts_of(samples, data.ts_ns[data.at], data.end_ns, embargo_ns(recipe))
    trained = train(tuned, data, parts, checkpoint, progress)
    card = card_of(recipe, data, parts.all, trained)
    progress("export", 1.0)
    raw = fold(trained.fitted.graph(), trained.head, card)
    spread = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), GATE_ROWS)).astype(np.int64))
    progress("gate", 1.0)
    parity = gate.check(raw, trained.fitted, trained.head, inputs_of(data, samples[spread], trained.window_bars))
    checkpoint.unlink(missing_ok=True)
    return Deployed(raw, trained, card, parity, latency_ms(raw, data, samples))


def card_of(recipe: ModelRecipe, data: TrainingSet, seen: I64, trained: Trained) -> ModelCard:
    """Return the card of a model that has seen some samples."""
    tf, horizon = recipe.universe.timeframe, recipe.label.horizon_bars
    gain, loss = payoffs(learned(data, seen), data.regime[data.at[seen]], len(data.regimes), horizon)
    nulls = np.isnan(data.x[data.at[seen]]).sum(axis=0)
    numbers: tuple[Any, ...] = astuple(trained.calibrator)  # type: ignore[call-overload]  # all of them are records
    flat = [float(n) for value in numbers for n in np.atleast_1d(value)]
    return ModelCard(
        name=recipe.recipe_id, inputs=data.inputs,
        required=tuple(i.name for j, i in enumerate(data.inputs) if nulls[j] == 0),
        pack_id=data.meta.pack_id, pack_hash=data.meta.pack_hash, horizon_bars={tf: horizon}, regimes=data.regimes,
        gain_vols={tf: tuple(gain.tolist())}, loss_vols={tf: tuple(loss.tolist())},
        residual_quantiles={}, coverage=recipe.conformal.coverage,
        # A curve of a hundred points is in the graph; here it would only be long.
        calibration=tuple(flat) if len(flat) <= _NUMBERS_MAX else (),
        trained_until_ns=int(data.end_ns[seen].max()), seed=recipe.seed, dataset_sha256=data.meta.sha256,
        versions=versions(), kind=recipe.model.kind, window_bars=trained.window_bars,
        # Trees and lines have the same bits in any batch, and say nothing.
        batch_rows=getattr(trained.fitted, "batch_rows", 0), recipe_id=recipe.recipe_id, recipe_hash=recipe.hash,
        data_snapshot_id=data.meta.data_snapshot_id,
        calibration_method=recipe.calibration.method, conformal_method=recipe.conformal.method,
    )  # fmt: skip


def latency_ms(raw: bytes, data: TrainingSet, samples: I64) -> float:
    """Return the median time of scoring one row, after some calls to warm up."""
    model = Model(raw, "the new file")
    x = inputs_of(data, samples[:1], model.card.window_bars)
    took = []
    for _ in range(LATENCY_CALLS):
        began = time.perf_counter()
        model.run(x)
        took.append(time.perf_counter() - began)
    return float(np.median(took[LATENCY_CALLS // 10 :])) * 1e3
