"""Trains recipes for ``mps train``: rows once for all that read the same, progress, tables at the end."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from deploy.local.paths import home
from processors.errors import ConfigError

if TYPE_CHECKING:
    from offline.datasets.sources import GoldRows, GoldSource, Wanted
    from offline.models.deep.clusters import Clusters
    from offline.recipes.recipe import ModelRecipe
    from offline.training.by_cluster import ByCluster
    from offline.training.run import Outcome


def train_recipes(
    recipes: tuple[Path, ...], source: "GoldSource", out: Path | None, until_ns: int | None,
    experiment: str | None, *, register: bool, clusters: "Clusters | None", as_json: bool, cluster: str | None = None,
) -> None:  # fmt: skip
    """Train each recipe on the rows of a source, and print what they came to.

    Parameters
    ----------
    clusters
        Each network is refined for each of them; for none where None.

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
    from offline.datasets import leakage
    from offline.datasets.build import build
    from offline.recipes.reading import read_recipe
    from offline.registry.registry import Registry
    from offline.training.run import Outcome, run
    from offline.training.workers import workers_at

    wanted = {path: read_recipe(path) for path in recipes}
    if clusters is not None:
        _check(wanted.values(), clusters)
    source = _Once(source)
    targets = _targets(wanted, out)
    registry = Registry() if register else None
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
    refined: dict[str, ByCluster] = {}
    with (
        workers_at(cluster) as workers,
        Progress(*columns, console=Console(stderr=True), transient=True, disable=as_json) as bar,
    ):

        def one(recipe: "ModelRecipe", *given: Any, **more: Any) -> Outcome:
            outcome = run(recipe, *given, **more)
            if clusters is not None:
                from offline.training.by_cluster import refine

                refined[recipe.recipe_id] = refine(
                    recipe, outcome, clusters, registry=registry, experiment=experiment, progress=more["progress"]
                )
            # The rows of all recipes together may be more than the memory holds.
            return replace(outcome, basis=None)

        def calls() -> Iterator[Callable[[], Outcome]]:
            for path, recipe in wanted.items():
                task, seen = bar.add_task(f"{recipe.recipe_id}: gold rows", total=None), 0

                def count(what: str, n: int, task: Any = task, name: str = recipe.recipe_id) -> None:
                    nonlocal seen
                    seen += n
                    bar.update(task, description=f"{name}: gold rows, {seen:,} {what}")

                def tell(step: str, share: float, task: Any = task, name: str = recipe.recipe_id) -> None:
                    bar.update(task, description=f"{name}: {step}", total=1.0, completed=share)

                data, report = build(recipe, source, count, partial(_begin, tell))
                leakage.check_features(data)
                yield partial(
                    one, recipe, data, report.as_json()["samples_left_out"], targets[path], home().folder / "training",
                    registry=registry, experiment=experiment, until_ns=until_ns, progress=tell, workers=workers,
                    keep_basis=clusters is not None,
                )  # fmt: skip

        outcomes = workers.side_by_side(calls())
    _print(outcomes, refined, as_json=as_json)


def _begin(tell: Callable[[str, float], None], step: str) -> None:
    tell(step, 0.0)


def _check(recipes: "Iterable[ModelRecipe]", clusters: "Clusters") -> None:
    from offline.training.by_cluster import check_refinable

    for recipe in recipes:
        check_refinable(recipe, clusters)


class _Once:
    """A source that reads the same rows once."""

    def __init__(self, source: "GoldSource") -> None:
        self._source = source
        self._found: dict[Wanted, GoldRows] = {}

    def rows(self, wanted: "Wanted", progress: "Callable[[str, int], None]" = lambda _what, _n: None) -> "GoldRows":
        """Return the rows; see ``GoldSource``."""
        if wanted not in self._found:
            self._found[wanted] = self._source.rows(wanted, progress)
        return self._found[wanted]


def _targets(recipes: dict[Path, Any], out: Path | None) -> dict[Path, Path]:
    """Return where each model goes."""
    if len(recipes) == 1 and out is not None:
        return dict.fromkeys(recipes, out)
    folder = out or home().folder / "models"
    names = [recipe.recipe_id for recipe in recipes.values()]
    for path, recipe in recipes.items():
        if names.count(recipe.recipe_id) > 1:
            raise ConfigError(str(path), "id", recipe.recipe_id, "an id of its own: another recipe has it too")
    return {path: folder / f"{recipe.recipe_id}.onnx" for path, recipe in recipes.items()}


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
    version = f"  registered as {o.version.name} version {o.version.version}" if o.version else ""
    return f"[bold]{o.path}[/] {o.report['sha256'][:16]}  until {o.report['trained_until'][:19]}{version}"
