"""Trains recipes for ``mps train``: rows once for all that read the same, progress, one table at the end."""

import json
from collections.abc import Callable
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


def train_recipes(
    recipes: tuple[Path, ...], files: tuple[Path, ...], out: Path | None, until_ns: int | None,
    experiment: str | None, *, register: bool, as_json: bool,
) -> None:  # fmt: skip
    """Train each recipe on the ticks of some files, and print what they came to.

    Raises
    ------
    ConfigError
        A recipe or a file is wrong, or the rows are too few.
    ExportError
        A file does not compute what was trained.
    """
    from offline.datasets import leakage
    from offline.datasets.build import build
    from offline.datasets.shares import known_files
    from offline.datasets.sources import RecordedTicks
    from offline.recipes.reading import read_recipe
    from offline.registry.registry import Registry
    from offline.training.run import run
    from processors.feeds.files import present

    wanted = {path: read_recipe(path) for path in recipes}
    source = _Once(RecordedTicks(present(files), known_files()))
    targets = _targets(wanted, out)
    registry = Registry() if register else None
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(20), TimeElapsedColumn())
    outcomes = []
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=as_json) as bar:
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
            outcomes.append(
                run(recipe, data, report.as_json()["samples_left_out"], targets[path], home().folder / "training",
                    registry=registry, experiment=experiment, until_ns=until_ns, progress=tell)
            )  # fmt: skip
            bar.remove_task(task)
    _print(outcomes, as_json=as_json)


def _begin(tell: Callable[[str, float], None], step: str) -> None:
    tell(step, 0.0)


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


def _print(outcomes: list[Any], *, as_json: bool) -> None:
    from offline.training.table import table_of

    reports = [o.report for o in outcomes]
    if as_json:
        click.echo(json.dumps(reports if len(reports) > 1 else reports[0], sort_keys=True))
        return
    console = Console()
    console.print(table_of(reports))
    for line in reports[0]["limits"]:
        console.print(line, style="dim")
    for o in outcomes:
        version = f"  registered as {o.version.name} version {o.version.version}" if o.version else ""
        console.print(f"[bold]{o.path}[/] {o.report['sha256'][:16]}  until {o.report['trained_until'][:19]}{version}")
