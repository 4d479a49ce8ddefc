"""The baseline: one LightGBM over all symbols and timeframes, calibrated, exported, and measured on later rows.

    time ->   fit                    | embargo | calibration      | embargo | never seen
              trees                            | Platt, interval            | the report
                                                                  ^ trained_until_ns

Training ends with the last label that any row of fit or calibration needs; the score stage refuses every row at or
before that time.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
from numpy.typing import NDArray

from offline.calibration import platt, sigmoid
from offline.dataset import HORIZON_BARS, Dataset, make_dataset
from offline.evaluation import CANNOT_SHOW, out_of_sample
from offline.export.baseline import check_parity, sidecar, to_onnx
from offline.models.kinds import versions
from processors.errors import ConfigError
from processors.runtime.batch import Columns
from processors.score.model import TOPIC, ModelCard
from processors.whole_file import write_whole
from schemas.features import FOUNDING_PACK
from schemas.registry import load_registry

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

TRAIN_SHARE = 0.6
"""Share of the labelled rows, earliest first, that training may see."""
CALIBRATION_SHARE = 0.25
"""Share of those rows, latest first, kept from the trees for calibration and interval."""
EMBARGO_NS = 60 * 60_000_000_000
"""Pause beyond the purge of labels: an hour, since volatility and regime remember about that long."""
ROWS_MIN = 200
"""Fewest rows of fit and of calibration, over all timeframes and for a timeframe to be scored at all."""
SPARE = 1.1
"""More recordings are asked for than the rows would need: days differ."""
COVERAGE = 0.9
SHRINKAGE_ROWS = 50.0
"""The mean over all regimes, in the baseline of both sides, weighs like this many independent rows in the gain or loss
of each: a stress that happened to fall in the recording must not become a bet on falling."""

PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    # Shallow, slow and heavily averaged: some thousand overlapping labels hold little to learn.
    "num_leaves": 15,
    "learning_rate": 0.03,
    "min_data_in_leaf": 60,
    "feature_fraction": 0.7,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    # The same bytes on every run.
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
ROUNDS = 150


@dataclass(frozen=True, slots=True)
class Split:
    """Which rows train, calibrate and judge; each a mask of shape (n,)."""

    fit: Mask
    calibration: Mask
    later: Mask
    trained_until_ns: int


def split_by_time(data: Dataset, until_ns: int | None = None) -> Split:
    """Return the split of the module's picture: labels end before the next part begins, an embargo apart.

    Parameters
    ----------
    until_ns
        Event time that training must not pass; the time of the row at ``TRAIN_SHARE`` where None.

    Raises
    ------
    ConfigError
        Too few rows are left.
    """
    if until_ns is None:
        until_ns = int(np.quantile(data.ts_ns, TRAIN_SHARE, method="lower"))
    seen = data.end_ns <= until_ns
    if seen.sum() < 2 * ROWS_MIN:
        remedy = f"at least {2 * ROWS_MIN}; {_remedy(data, CALIBRATION_SHARE * seen.sum())}"
        raise ConfigError("training", f"labelled rows up to {_utc(until_ns)}", int(seen.sum()), remedy)
    calibration_from = int(np.quantile(data.ts_ns[seen], 1.0 - CALIBRATION_SHARE, method="lower"))
    fit = data.end_ns <= calibration_from - EMBARGO_NS
    calibration = seen & (data.ts_ns > calibration_from)
    if min(fit.sum(), calibration.sum()) < ROWS_MIN:
        found = f"{int(fit.sum())} and {int(calibration.sum())}"
        remedy = f"at least {ROWS_MIN} each; {_remedy(data, min(fit.sum(), calibration.sum()))}"
        raise ConfigError("training", "rows to fit and to calibrate", found, remedy)
    trained_until_ns = int(data.end_ns[fit | calibration].max())
    # The judge's rows keep the embargo too; the stage scores what lies in it, since it was not trained on.
    return Split(fit, calibration, data.ts_ns > trained_until_ns + EMBARGO_NS, trained_until_ns)


def _utc(ns: int) -> str:
    return f"{np.datetime64(int(ns), 'ns').astype('datetime64[s]')}Z"


def _remedy(data: Dataset, smaller: float) -> str:
    """Return what to do about too few rows; ``data`` holds at least one.

    Parameters
    ----------
    smaller
        Rows of the smaller part: both grow with the recordings, so ``ROWS_MIN`` needs as many times their length.
    """
    span = f"{len(data):,} labelled rows from {_utc(data.ts_ns.min())} to {_utc(data.ts_ns.max())}"
    times = f"about {np.ceil(10 * SPARE * ROWS_MIN / smaller) / 10:.1f}" if smaller >= 1 else "many"
    return f"the recordings give {span}: {times} times as much is needed: name more of them, or a later --until"


def train_baseline(
    gold: Columns,
    out_path: Path,
    seed: int = 1,
    progress: Callable[[str], None] = lambda _: None,
    until_ns: int | None = None,
    pack_id: str = FOUNDING_PACK,
    cross: Columns | None = None,
) -> dict[str, Any]:
    """Train, calibrate, export and judge the baseline; return the report.

    Parameters
    ----------
    gold
        Rows of ``gold.v1`` in any order.
    out_path
        The ONNX file; its digest goes to ``<file>.sha256``, the report to ``<file>.json``.
    seed
        Of LightGBM. The same rows and seed give the same bytes.
    progress
        Called with the name of each step as it begins.
    until_ns
        As in ``split_by_time``.
    pack_id, cross
        As in ``make_dataset``. A model of a pack of the cross-section is for research: score refuses it, and says why.

    Raises
    ------
    ConfigError
        Too few rows.
    ExportError
        The exported graph does not compute what was trained; nothing is written.
    """
    progress("label")
    data = make_dataset(gold, pack_id=pack_id, cross=cross)
    split = split_by_time(data, until_ns)
    timeframes = _timeframes(data, split)
    progress("fit")
    booster = fit_trees(data.take(split.fit), seed)
    progress("calibrate")
    calibrating = data.take(split.calibration)
    # Neighbouring labels share all but one of their bars: together they count as one.
    weight = 1.0 / np.array([HORIZON_BARS[tf] for tf in data.timeframes])[calibrating.tf]
    calibration = platt(np.asarray(booster.predict(calibrating.x, raw_score=True)), calibrating.up, weight)
    probability = sigmoid(calibration[0] * np.asarray(booster.predict(data.x, raw_score=True)) + calibration[1])
    card = _card(
        data, split, timeframes, probability=probability, calibration=calibration, seed=seed,
        regime_model=_regime_model(gold),
    )  # fmt: skip
    progress("export")
    raw = to_onnx(booster, card)
    parity = check_parity(raw, booster, calibration, data.x)
    progress("judge")
    later = split.later & np.isin(data.tf, [data.timeframes.index(tf) for tf in timeframes])
    report = {
        "model": out_path.name,
        "sha256": hashlib.sha256(raw).hexdigest(),
        "seed": seed,
        "pack": data.pack_id,
        "timeframes": timeframes,
        "rows": {"fit": int(split.fit.sum()), "calibration": int(split.calibration.sum()), "later": int(later.sum())},
        "trained_until": str(np.datetime64(split.trained_until_ns, "ns")),
        "calibration": {"slope": calibration[0], "intercept": calibration[1]},
        "parity_max_logit_difference": parity,
        "base_rate": float(data.up[split.fit | split.calibration].mean()),
        "out_of_sample": out_of_sample(data.take(later), probability[later], card, data.up[split.fit].mean()),
        "limits": CANNOT_SHOW,
        "versions": versions("lgbm"),
    }
    write_model(out_path, raw, report)
    return report


def _regime_model(gold: Columns) -> str:
    """Return whose regimes the rows have; empty where they are of several."""
    found = np.unique(np.asarray(gold["regime.model"], np.int64))
    return gold.layout.symbols["regime.model"][found[0]] if len(found) == 1 else ""


def fit_trees(data: Dataset, seed: int) -> lgb.Booster:
    """Return the booster of the rows: float32 inputs, so that thresholds lie between values that occur in serving."""
    names = [i.name.replace(".", "_") for i in data.inputs]
    rows = lgb.Dataset(data.x, data.up, feature_name=names, params={"verbose": -1})
    return lgb.train({**PARAMETERS, "seed": seed}, rows, ROUNDS)


def _timeframes(data: Dataset, split: Split) -> tuple[str, ...]:
    """Return the timeframes with enough rows to be scored."""
    smaller = [
        int(min((split.fit & (data.tf == at)).sum(), (split.calibration & (data.tf == at)).sum()))
        for at in range(len(data.timeframes))
    ]
    if max(smaller) < ROWS_MIN:
        remedy = f"one with {ROWS_MIN} rows to fit and to calibrate; {_remedy(data, max(smaller))}"
        raise ConfigError("training", "timeframes", "none", remedy)
    return tuple(tf for tf, rows in zip(data.timeframes, smaller, strict=True) if rows >= ROWS_MIN)


def _card(
    data: Dataset,
    split: Split,
    timeframes: tuple[str, ...],
    *,
    probability: F64,
    calibration: tuple[float, float],
    seed: int,
    regime_model: str,
) -> ModelCard:
    """Return the card: gains and losses from all rows seen, the interval from the calibration rows alone."""
    seen = split.fit | split.calibration
    gains, losses, quantiles = {}, {}, {}
    for tf in timeframes:
        here = data.tf == data.timeframes.index(tf)
        move, regime = data.move[seen & here], data.regime[seen & here]
        gain, loss = mean_size_by_regime(move, regime, len(data.regimes), HORIZON_BARS[tf])
        rows = split.calibration & here
        predicted = probability[rows] * gain[data.regime[rows]] - (1 - probability[rows]) * loss[data.regime[rows]]
        gains[tf], losses[tf] = tuple(gain.tolist()), tuple(loss.tolist())
        quantiles[tf] = conformal_quantiles(data.move[rows] - predicted, COVERAGE)
    never_null: list[bool] = (~np.isnan(data.x[seen])).all(axis=0).tolist()  # type: ignore[assignment]
    return ModelCard(
        name="lgbm_baseline",
        inputs=data.inputs,
        required=tuple(i.name for i, whole in zip(data.inputs, never_null, strict=True) if whole),
        pack_id=data.pack_id,
        pack_hash=data.pack_hash,
        horizon_bars={tf: HORIZON_BARS[tf] for tf in timeframes},
        regimes=data.regimes,
        gain_vols=gains,
        loss_vols=losses,
        residual_quantiles=quantiles,
        coverage=COVERAGE,
        calibration=calibration,
        trained_until_ns=split.trained_until_ns,
        seed=seed,
        dataset_sha256=data.take(seen).sha256(),
        versions=versions("lgbm"),
        schema_version=load_registry().current(TOPIC).version,
        regime_model=regime_model,
    )


def mean_size_by_regime(move: F64, regime: NDArray[np.int64], n_regimes: int, horizon_bars: int) -> tuple[F64, F64]:
    """Return the mean gain of the ups and the mean loss of all others, drawn to the mean size of what moves.

    What does not move is no up: it counts as a loss of zero, as it counts against the probability.

    Parameters
    ----------
    move
        Shape (n,), signed.

    Returns
    -------
    Two of shape (n_regimes,), positive.

    Raises
    ------
    ConfigError
        Nothing moved up, or nothing down.
    """
    up, down = move > 0, move < 0
    if not (up.any() and down.any()):
        raise ConfigError("training", "moves of one side", "none", "recordings in which prices go up and down")
    size = np.abs(move)
    overall = float(size[up | down].mean())
    # Of what is no up only a part moves: were ups and downs as many, both means would pay for each other.
    thinned = overall * float(down.sum() / (~up).sum())
    return (
        drawn_means(size[up], regime[up], n_regimes, horizon_bars, overall),
        drawn_means(size[~up], regime[~up], n_regimes, horizon_bars, thinned),
    )


def drawn_means(value: F64, regime: NDArray[np.int64], n_regimes: int, horizon_bars: int, overall: float) -> F64:
    """Return the mean of each regime, drawn to one of all by ``SHRINKAGE_ROWS``, shape (n_regimes,).

    Parameters
    ----------
    value
        Shape (n,), of overlapping horizons: as many rows as a horizon has bars count as one.
    """
    total = np.bincount(regime, value, n_regimes) / horizon_bars
    count = np.bincount(regime, minlength=n_regimes) / horizon_bars
    return np.asarray((total + SHRINKAGE_ROWS * overall) / (count + SHRINKAGE_ROWS))


def conformal_quantiles(residual: F64, coverage: float) -> tuple[float, float]:
    """Return the bounds that hold a new residual with at least the coverage, were the rows exchangeable.

    References
    ----------
    Romano, Patterson and Candes (2019), "Conformalized Quantile Regression", split conformal with two tails.
    """
    ordered = np.sort(residual)
    n = len(ordered)
    upper = min(n - 1, int(np.ceil((n + 1) * (1.0 + coverage) / 2.0)) - 1)
    return float(ordered[n - 1 - upper]), float(ordered[upper])


def write_model(path: Path, raw: bytes, report: dict[str, Any]) -> None:
    """Write model, digest and report; a reader sees the old file or the new one, never a part.

    Raises
    ------
    ConfigError
        The folder cannot be written.
    """
    digest = hashlib.sha256(raw).hexdigest()
    beside = path.with_name(path.name + ".sha256")
    # Between two renames no digest lies beside the file, rather than a wrong one.
    try:
        beside.unlink(missing_ok=True)
    except OSError as e:
        raise ConfigError(str(beside), "file", e.strerror, "a file that can be written") from e
    write_whole(path, raw)
    write_whole(beside, f"{digest}  {path.name}\n")
    write_whole(path.with_name(path.name + ".json"), sidecar(report))
