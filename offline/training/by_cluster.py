"""One network for all instruments, then one for each cluster that begins with it, judged beside it and registered.

fold:      base of the fold --start--> rows of the cluster in the same window: fit | stop | calibrate
                                       rows of the cluster in the test window: judged, beside what the base said
last fit:  base ------------start--> rows of the cluster -> file through the gate -> <recipe>-<cluster>

Base and refined network see the same part of time: nothing that judges either was seen by one of them, and a cluster's
calibration rows are none that the base was fitted on.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from offline.datasets.training_set import TrainingSet
from offline.models.deep.clusters import Clusters
from offline.models.deep.estimator import DeepEstimator
from offline.models.deep.fine_tuning import SAMPLES_MIN, fine_tune
from offline.models.deep.fitted import DeepFitted
from offline.models.estimator import Fitted, make_estimator
from offline.models.flat import FlatFitted
from offline.recipes.recipe import WINDOW_KINDS, ModelRecipe, ModelSpec
from offline.registry.evidence import FoldSheet
from offline.registry.registry import Registry
from offline.registry.writing import check_name
from offline.training.alone import alone
from offline.training.beside import beside_base, limits_of
from offline.training.cluster_rows import ClusterRows, cluster_rows, enough, sizes_of, stem_of
from offline.training.conformal import card_fields
from offline.training.deploy import Deployed, card_of, export
from offline.training.experiment import experiment_of
from offline.training.fitting import Progress, Trained, fit, samples_of, told_of, with_head
from offline.training.folds import Fold, embargo_ns, folds_of
from offline.training.parts import ROWS_MIN, Parts, parts_of
from offline.training.returns import returns_of
from offline.training.run import Basis, Outcome, Refined, finish, trial_of
from offline.training.table import measures
from offline.training.tuning import widest_window
from offline.training.walk import FoldResult, fit_of, judge, walked_of
from processors.errors import ConfigError
from processors.score.config import ScoreConfig
from schemas.instruments import load_instruments

I64 = NDArray[np.int64]

FORWARD = ("walk_forward", "nested")
LAST = "last"
NO_SAMPLE = "no_sample"
"""Reason of a cluster's rows that are no samples: the reasons were counted over all symbols."""


@dataclass(frozen=True, slots=True)
class TooFew:
    """A cluster that the base serves.

    Parameters
    ----------
    samples
        Part of the last window -> samples of the cluster in it; ``judged``: in test windows of folds that had enough.
    """

    cluster: str
    symbols: tuple[str, ...]
    samples: dict[str, int]


@dataclass(frozen=True, slots=True)
class ByCluster:
    """What refining came to.

    Parameters
    ----------
    tuned
        Cluster -> its model, whose report has ``lineage`` and ``beside_base``.
    too_few
        Clusters that the base serves.
    no_cluster
        Symbols of no cluster, which the base serves too.
    """

    tuned: dict[str, Outcome]
    too_few: tuple[TooFew, ...]
    no_cluster: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it in words of JSON."""
        return {
            "tuned": {name: o.report for name, o in self.tuned.items()},
            "too_few": [asdict(one) for one in self.too_few], "no_cluster": list(self.no_cluster),
        }  # fmt: skip

    def served_by_base(self) -> list[str]:
        """Return a sentence for each cluster and symbol that the base serves."""
        least = f"{SAMPLES_MIN} to fit, {ROWS_MIN} each to stop, to calibrate and to judge"
        out = []
        for one in self.too_few:
            counts = ", ".join(f"{n:,} to {part}" for part, n in one.samples.items())
            out.append(f"{one.cluster} is served by the base: too few samples, {counts} (at least {least}).")
        if self.no_cluster:
            out.append(f"Of no cluster, served by the base: {', '.join(self.no_cluster)}.")
        return out


def check_refinable(recipe: ModelRecipe, clusters: Clusters) -> None:
    """Refuse a recipe that cannot be refined: called before anything is trained.

    Raises
    ------
    ConfigError
        It is no network, its folds train on rows after those that they judge, or a cluster's name is no model's name.
    """
    if recipe.model.kind not in WINDOW_KINDS:
        raise ConfigError(
            recipe.place("model.kind"), "kind", recipe.model.kind,
            f"{' or '.join(WINDOW_KINDS)} to fine-tune: other kinds do not go on from a fit",
        )  # fmt: skip
    if recipe.validation.scheme not in FORWARD:
        raise ConfigError(
            recipe.place("validation.scheme"), "scheme", recipe.validation.scheme,
            f"{' or '.join(FORWARD)} to fine-tune: base and refined network are judged on rows after their own",
        )  # fmt: skip
    if recipe.encoders:
        raise ConfigError(
            recipe.place("encoders"), "encoders", [e.input for e in recipe.encoders],
            "none to fine-tune: a cluster's categories mean something else than those of all instruments",
        )  # fmt: skip
    for name in clusters.names:
        check_name(f"{recipe.recipe_id}-{name}")


def check_known(data: TrainingSet, until_ns: int | None, clusters: Clusters) -> None:
    """Refuse rows of symbols that nothing says the cluster of: called as soon as they are read.

    Parameters
    ----------
    until_ns
        As ``run`` takes it: symbols whose rows begin later are none of the training.

    Raises
    ------
    ConfigError
        A symbol is no instrument.
    """
    seen = np.unique(data.symbol if until_ns is None else data.symbol[data.ts_ns <= until_ns])
    clusters.of_symbols([data.symbols[i] for i in seen], load_instruments())


def refine(
    recipe: ModelRecipe, base: Outcome, clusters: Clusters, *, registry: Registry | None,
    experiment: str | None = None, progress: Progress, costs: ScoreConfig | None = None,
) -> ByCluster:  # fmt: skip
    """Return a model for each cluster that has samples enough; each is written beside the base, and registered.

    Parameters
    ----------
    base
        Of ``run`` with ``keep_basis``; the checkpoints of its folds are deleted at the end.
    experiment
        Whose trial the base is; those of a cluster have its name behind it. That of what is predicted where None.
    costs
        See ``run``.

    Raises
    ------
    ConfigError
        A symbol is no instrument.
    RetryableError
        Another process does the same.
    ExportError
        A file does not compute what was trained.
    """
    basis = base.basis
    assert basis is not None, "run was called without keep_basis"
    with alone(basis.folder):
        return _each_cluster(recipe, base, basis, clusters, registry, experiment, progress, costs)


def _each_cluster(
    recipe: ModelRecipe, base: Outcome, basis: Basis, clusters: Clusters, registry: Registry | None,
    experiment: str | None, progress: Progress, costs: ScoreConfig | None,
) -> ByCluster:  # fmt: skip
    data = basis.data
    of_symbol = clusters.of_symbols(data.symbols, load_instruments())
    offered = data.offered(widest_window(recipe))
    last = parts_of(offered, data.ts_ns[data.at], data.end_ns, embargo_ns(recipe))
    begun: list[ClusterRows] = []
    too_few: list[TooFew] = []
    for at in np.unique(of_symbol[of_symbol >= 0]).tolist():
        one = cluster_rows(clusters.names[at], data, np.flatnonzero(of_symbol == at), basis.folder)
        sizes = sizes_of(one.parts(last))
        if enough(sizes):
            begun.append(one)
        else:
            too_few.append(TooFew(one.name, one.data.symbols, sizes))
    judged = _walk(recipe, basis, begun, offered, progress)
    tuned = {}
    for one in begun:
        if judged[one.name]:
            tuned[one.name] = _finished(
                recipe, base, one, judged[one.name], last, offered, registry, experiment or experiment_of(recipe),
                progress, costs,
            )  # fmt: skip
        else:
            too_few.append(TooFew(one.name, one.data.symbols, {**sizes_of(one.parts(last)), "judged": 0}))
    for number in range(len(basis.walked.folds)):
        fit_of(basis.folder, number).unlink(missing_ok=True)
    return ByCluster(tuned, tuple(too_few), tuple(s for s, c in zip(data.symbols, of_symbol, strict=True) if c < 0))


def _walk(
    recipe: ModelRecipe, basis: Basis, clusters: list[ClusterRows], offered: I64, progress: Progress
) -> dict[str, list[FoldResult]]:
    """Return what the refined networks of each cluster say of its test windows; folds with too few rows are left out.

    A fold that is done is not done again.
    """
    data = basis.data
    found: dict[str, list[FoldResult]] = {one.name: [] for one in clusters}
    folds = folds_of(recipe, data, offered)
    for fold in folds:

        def tell(step: str, share: float, number: int = fold.number) -> None:
            progress(f"clusters, fold {number + 1} of {len(folds)}: {step}", (number + share) / len(folds))

        parts = parts_of(fold.train, data.ts_ns[data.at], data.end_ns, embargo_ns(recipe))
        test = np.concatenate(fold.tests)
        able = [o for o in clusters if enough(sizes_of(o.parts(parts))) and len(o.of(test)) >= ROWS_MIN]
        missing = [one for one in able if not one.done(fold.number).exists()]
        if missing:
            params = basis.walked.folds[fold.number].params
            of_fold = replace(recipe, model=ModelSpec(recipe.model.kind, params))
            # The walk has kept its checkpoint: the fit is read. Where a cluster did it, it is done again, the same.
            base = fit(of_fold, data, parts, fit_of(basis.folder, fold.number), tell)
        for one in missing:
            one.folder.mkdir(parents=True, exist_ok=True)
            _fold(of_fold, data, one, parts, fold, base, tell).write(one.done(fold.number))
            one.kept(stem_of(fold.number)).unlink(missing_ok=True)
        for one in able:
            found[one.name].append(FoldResult.read(one.done(fold.number)))
    return found


def _fold(
    recipe: ModelRecipe, data: TrainingSet, one: ClusterRows, parts: Parts, fold: Fold, base: Fitted, progress: Progress
) -> FoldResult:
    ts, test, mine = data.ts_ns[data.at], np.concatenate(fold.tests), one.parts(parts)
    judged = one.of(test)
    model = _refined(recipe, base, one, mine, stem_of(fold.number), progress)
    # The times of the base: what it has seen, the refined network has seen.
    sheet = FoldSheet(
        int(ts[fold.train].min()), int(data.end_ns[parts.all].max()), int(ts[test].min()), int(ts[test].max()),
        len(mine.all), len(judged),
    )  # fmt: skip
    paths = np.zeros(len(judged), np.int64)
    return judge(model, one.data, judged, paths, mine, sheet, dict(recipe.model.params))


def _refined(
    recipe: ModelRecipe, base: Fitted, one: ClusterRows, parts: Parts, stem: str, progress: Progress
) -> Trained:
    """Return the refined network with calibration and offsets of its cluster's own rows."""
    begin = cast("DeepFitted", base.fitted if isinstance(base, FlatFitted) else base)
    estimator = cast("type[DeepEstimator]", type(make_estimator(recipe.model.kind)))(begin.parameters)
    window = estimator.window_bars
    found = fine_tune(
        estimator, begin, samples_of(one.data, parts.fit, window), samples_of(one.data, parts.stop, window),
        np.zeros(len(one.data.symbols), np.int64), (one.name,), seed=recipe.seed, progress=progress,
        checkpoint=one.folder / stem,
    )  # fmt: skip
    told = told_of(recipe, one.data, parts, found[one.name])
    return with_head(recipe, one.data, told, parts.calibrate, window)


def _finished(
    recipe: ModelRecipe, base: Outcome, one: ClusterRows, judged: list[FoldResult], last: Parts, offered: I64,
    registry: Registry | None, experiment: str, progress: Progress, costs: ScoreConfig | None,
) -> Outcome:  # fmt: skip
    """Fit the cluster's rows a last time, export, compare with the base, and register."""
    basis = cast("Basis", base.basis)
    # The id is no part of a recipe's meaning: its hash stays.
    named = replace(recipe, recipe_id=f"{recipe.recipe_id}-{one.name}")
    walked = walked_of(recipe, one.data, judged)
    lineage = {
        "base": recipe.recipe_id, "base_version": base.version.label if base.version else "not registered",
        "base_sha256": base.report["sha256"], "cluster": one.name,
    }  # fmt: skip

    def tell(step: str, share: float) -> None:
        progress(f"last fit of {one.name}: {step}", share)

    # Its rows are others than the base's, so that its trials are of an experiment of their own.
    trials = f"{experiment}-{one.name}"
    with trial_of(registry, trials, named, lineage) as done:
        deployed = _deploy(named, basis.deployed, one, one.parts(last), one.of(offered), tell)
        told, returns = measures(walked.rows), returns_of(one.data, walked, costs)
        done(returns=returns, ece=told["ece"], latency_ms=deployed.latency_ms)
    both = beside_base(basis.walked, one.origin[walked.sample], walked.rows)
    n_rows, n = len(one.data.x), len(one.data)
    outcome = finish(
        named, one.data, {NO_SAMPLE: n_rows - n} if n_rows > n else {},
        base.path.with_name(f"{base.path.stem}-{one.name}{base.path.suffix}"), walked, deployed, told, returns,
        trials, registry, refined=Refined(lineage, both, limits_of(one.name, lineage["base_version"], both)),
        costs=costs,
    )  # fmt: skip
    one.kept(LAST).unlink(missing_ok=True)
    return outcome


def _deploy(
    named: ModelRecipe, base: Deployed, one: ClusterRows, parts: Parts, samples: I64, progress: Progress
) -> Deployed:
    trained = _refined(named, base.trained.fitted, one, parts, LAST, progress)
    card = replace(card_of(named, one.data, parts.all, trained), **card_fields(named, one.data, parts, trained))
    # What the base has seen, the refined network has seen too.
    card = replace(card, trained_until_ns=max(card.trained_until_ns, base.card.trained_until_ns))
    return export(trained, card, one.data, samples, progress)
