"""Trains recipes for ``mps train``: rows once for all that read the same, progress, tables at the end."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from cli.progress import Tasks, Tell
from deploy.local.paths import home

if TYPE_CHECKING:
    from offline.datasets.sources import GoldSource
    from offline.datasets.training_set import TrainingSet
    from offline.models.deep.clusters import Clusters
    from offline.registry.registry import Registry
    from offline.training.asked import Asked
    from offline.training.by_cluster import ByCluster
    from offline.training.run import Outcome
    from offline.training.workers import Workers


@dataclass(frozen=True, slots=True)
class Order:
    """What is the same for all recipes of a command.

    Parameters
    ----------
    out
        The model file; of several recipes the folder; the usual folder where None.
    until_ns, experiment
        See ``offline.training.run.run``.
    register
        Whether the registry is told.
    clusters
        Each network is refined for each of them; for none where None.
    cluster
        Address of the Dask scheduler; that of the environment where None.
    """

    out: Path | None
    until_ns: int | None
    experiment: str | None
    register: bool
    clusters: "Clusters | None"
    cluster: str | None


def train_recipes(files: tuple[Path, ...], source: "GoldSource", order: Order, *, as_json: bool) -> None:
    """Train the recipes of files on the rows of a source, and print what they came to.

    Raises
    ------
    ConfigError
        A recipe or the source is wrong, the rows are too few, the kind cannot be refined, or nobody answers at the
        cluster's address.
    PlatformError
        The cluster went away.
    ExportError
        A file does not compute what was trained.
    """
    from offline.registry.registry import Registry
    from offline.training.asked import ReadOnce, asked_for, rows_of
    from offline.training.workers import workers_at

    asked = asked_for(files)
    if order.clusters is not None:
        _check(asked, order.clusters)
    source, registry = ReadOnce(source), Registry() if order.register else None
    refined: dict[str, ByCluster] = {}
    with workers_at(order.cluster) as workers, Tasks(quiet=as_json) as tasks:

        def calls() -> Iterator[Callable[[], "Outcome"]]:
            for one in asked:
                tell = tasks.add(one.recipe.recipe_id)
                data, left_out = rows_of(one.recipe, source, tell)
                if order.clusters is not None:
                    _check_rows(data, order.until_ns, order.clusters)
                target = _target(one, order.out, alone=len(asked) == 1)
                fit = partial(_fit, one, data, left_out, target, order, registry, workers, tell)
                yield partial(_refined, one, fit, order, registry, tell, refined) if order.clusters else fit

        try:
            outcomes = workers.side_by_side(calls())
        except KeyboardInterrupt:
            click.echo("mps: stopped; folds that are done are kept, and the same command goes on from there", err=True)
            raise
    _print(outcomes, refined, as_json=as_json)


def _fit(
    one: "Asked", data: "TrainingSet", left_out: dict[str, int], target: Path, order: Order,
    registry: "Registry | None", workers: "Workers", tell: Tell,
) -> "Outcome":  # fmt: skip
    from offline.training.run import run

    return run(
        one.recipe, data, left_out, target, home().folder / "training", registry=registry,
        experiment=order.experiment, until_ns=order.until_ns, progress=tell, workers=workers,
        keep_basis=order.clusters is not None, costs=one.costs,
    )  # fmt: skip


def _refined(
    one: "Asked", fit: Callable[[], "Outcome"], order: Order, registry: "Registry | None", tell: Tell,
    refined: "dict[str, ByCluster]",
) -> "Outcome":  # fmt: skip
    """Fit the network of all, then that of each cluster, and keep those by the name of the first."""
    from offline.training.by_cluster import refine

    assert order.clusters is not None, "called with clusters only"
    outcome = fit()
    refined[one.recipe.recipe_id] = refine(
        one.recipe, outcome, order.clusters, registry=registry, experiment=order.experiment, progress=tell,
        costs=one.costs,
    )  # fmt: skip
    # The rows of all recipes together may be more than the memory holds.
    return replace(outcome, basis=None)


def _check(asked: "tuple[Asked, ...]", clusters: "Clusters") -> None:
    from offline.training.by_cluster import check_refinable

    for one in asked:
        check_refinable(one.recipe, clusters)


def _check_rows(data: "TrainingSet", until_ns: int | None, clusters: "Clusters") -> None:
    from offline.training.by_cluster import check_known

    check_known(data, until_ns, clusters)


def _target(one: "Asked", out: Path | None, *, alone: bool) -> Path:
    """Return where a model goes."""
    if alone and out is not None:
        return out
    return (out or home().folder / "models") / f"{one.recipe.recipe_id}.onnx"


def _print(outcomes: list["Outcome"], refined: dict[str, "ByCluster"], *, as_json: bool) -> None:
    from offline.training.table import READING, table_of

    reports = [o.report for o in outcomes]
    if as_json:
        told = [r | ({"clusters": refined[r["recipe"]].as_json()} if refined else {}) for r in reports]
        click.echo(json.dumps(told if len(told) > 1 else told[0], sort_keys=True))
        return
    console = Console()
    console.print(table_of(reports))
    for line in (*READING, *reports[0]["limits"]):
        console.print(line, style="dim")
    for o in outcomes:
        console.print(_line(o))
        if refined:
            _print_clusters(console, refined[o.report["recipe"]])
    console.print(f"rows of {reports[0]['data_snapshot_id']}", style="dim", soft_wrap=True)


def _print_clusters(console: Console, found: "ByCluster") -> None:
    from offline.training.beside import clusters_table

    if found.tuned:
        console.print(clusters_table([o.report for o in found.tuned.values()]))
    for outcome in found.tuned.values():
        for line in outcome.report["limits"][-2:]:
            console.print(line, style="dim")
        console.print(_line(outcome))
    for line in found.served_by_base():
        console.print(line, style="dim")


def _line(o: "Outcome") -> str:
    version = ""
    if o.version:
        said = "the same as" if o.again else "registered as"
        version = f"  {said} {o.version.name} version {o.version.version}"
    return f"[bold]{o.path}[/] {o.report['sha256'][:16]}  until {o.report['trained_until'][:19]}{version}"
