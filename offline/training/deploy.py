"""The last fit, of all rows, as one file that has passed the gate."""

import tempfile
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.datasets.learned import learned
from offline.datasets.training_set import TrainingSet
from offline.export import gate
from offline.export.fold import fold
from offline.export.latency import Latency, measure_latency
from offline.models.kinds import versions
from offline.recipes.recipe import ModelRecipe
from offline.training.conformal import card_fields
from offline.training.fitting import Progress, Trained, inputs_of, train
from offline.training.folds import embargo_ns
from offline.training.parts import parts_of
from offline.training.payoffs import payoffs
from offline.training.threads import hold_one_thread
from offline.training.workers import Workers
from processors.score.model import TOPIC, Model, ModelCard
from processors.whole_file import write_whole
from schemas.registry import load_registry

I64 = NDArray[np.int64]

GATE_ROWS = 5_000
_NUMBERS_MAX = 8


@dataclass(frozen=True, slots=True)
class Deployed:
    """The file and what was seen of it."""

    raw: bytes
    trained: Trained
    card: ModelCard
    parity: gate.Parity
    latency: Latency

    @property
    def latency_ms(self) -> float:
        """Median of a call of one row."""
        return self.latency.p50_ms


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
        Too few rows.
    ExportError
        The file does not compute what was trained.
    """
    parts = parts_of(samples, data.ts_ns[data.at], data.end_ns, embargo_ns(recipe))
    hold_one_thread()
    trained = train(tuned, data, parts, checkpoint, progress)
    card = replace(card_of(recipe, data, parts.all, trained), **card_fields(recipe, data, parts, trained))
    made = export(trained, card, data, samples, progress)
    checkpoint.unlink(missing_ok=True)
    return made


def export(trained: Trained, card: ModelCard, data: TrainingSet, samples: I64, progress: Progress) -> Deployed:
    """Return a model as a file that has passed the gate on some of the samples.

    Raises
    ------
    ExportError
        The file does not compute what was trained.
    """
    progress("export", 1.0)
    raw = fold(trained.fitted.graph(), trained.head, card)
    spread = np.unique(np.linspace(0, len(samples) - 1, min(len(samples), GATE_ROWS)).astype(np.int64))
    progress("gate", 1.0)
    parity = gate.check(raw, trained.fitted, trained.head, inputs_of(data, samples[spread], trained.window_bars))
    row = inputs_of(data, samples[:1], trained.window_bars)
    return Deployed(raw, trained, card, parity, measure_latency(Model(raw, "the new file"), row))


def fit_away(
    tuned: ModelRecipe, samples: I64, checkpoint: Path, progress: Progress, workers: Workers, shared: Any
) -> None:
    """Have a worker do the last fit, and keep it as ``deploy`` finds one that was done before it was killed."""
    begun = checkpoint.read_bytes() if checkpoint.exists() else b""
    (done,) = workers.map(
        last_fit, [LastFit(tuned, samples, begun)], progress, shared=(shared,), what="last fit",
    )  # fmt: skip
    write_whole(checkpoint, done)


@dataclass(frozen=True, slots=True)
class LastFit:
    """The last fit as it is sent: with the file of what is done of it."""

    recipe: ModelRecipe
    samples: I64
    begun: bytes


def last_fit(data: TrainingSet, fit: LastFit, progress: Progress) -> bytes:
    """Return the checkpoint of the whole fit: no model has to be taken apart to be sent."""
    parts = parts_of(fit.samples, data.ts_ns[data.at], data.end_ns, embargo_ns(fit.recipe))
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "last.fit"
        if fit.begun:
            checkpoint.write_bytes(fit.begun)
        train(fit.recipe, data, parts, checkpoint, progress)
        return checkpoint.read_bytes()


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
        versions=versions(recipe.model.kind), kind=recipe.model.kind, window_bars=trained.window_bars,
        # Trees and lines have the same bits in any batch, and say nothing.
        batch_rows=getattr(trained.fitted, "batch_rows", 0), recipe_id=recipe.recipe_id, recipe_hash=recipe.hash,
        data_snapshot_id=data.meta.data_snapshot_id,
        calibration_method=recipe.calibration.method, conformal_method=recipe.conformal.method,
        schema_version=load_registry().current(TOPIC).version, packs=data.meta.packs, regime_model=recipe.regime_model,
    )  # fmt: skip
