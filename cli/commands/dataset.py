"""``mps dataset``: gold rows into the training set of a recipe, and what was left out."""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli.progress import Tasks
from cli.sources import gold_source, source_options


@click.group()
def dataset() -> None:
    """Build the training set of a recipe, and show one.

    \b
    mps dataset build offline/recipes/examples/fx_lgbm.yaml --out my_set
    mps dataset show my_set
    """


@dataset.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--out",
    required=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder of the set; one that is there is replaced.",
)
@source_options
@click.option("--no-leak-check", is_flag=True, help="Write the set also where an input seems to know the label.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON, and no progress bar.")
def build(
    *, recipe: Path, files: tuple[Path, ...], out: Path, no_leak_check: bool, as_json: bool, **flags: Any
) -> None:
    """Make the rows with labels of RECIPE, and count what was left out.

    FILES are recorded ticks in any form that `mps replay` takes; the shipped recordings where none is named. They run
    through the same stages as live ticks, with the packs of the recipe. --gold, --clickhouse and --lake read rows that
    exist; `mps train` takes the same flags. A snapshot of the lake reads the same for good.

    Labels are returns of a holder: splits and dividends of --facts, or of the warehouse's events, are no moves.

    An input that knows the label, or what comes after its row, is refused by name (exit code 1). Equal rows and an
    equal recipe give the same bytes.

    \b
    mps dataset build offline/recipes/examples/fx_lgbm.yaml --out my_set
    mps dataset build offline/recipes/examples/fx_tft.yaml my_ticks.parquet --out my_set
    mps dataset build offline/recipes/examples/fx_lgbm.yaml --clickhouse --out my_set
    mps dataset build offline/recipes/examples/fx_lgbm.yaml --lake --out my_set
    """
    from offline.datasets import leakage, training_set
    from offline.datasets.build import build as make
    from offline.recipes.reading import read_recipe

    # Before rows are read, which takes longer.
    training_set.check_place(out)
    source = gold_source("mps dataset build", files, **flags)
    wanted = read_recipe(recipe)
    with Tasks(quiet=as_json) as tasks:
        tell, seen = tasks.add(wanted.recipe_id), 0

        def count(what: str, n: int) -> None:
            nonlocal seen
            seen += n
            tell(f"gold rows, {seen:,} {what}", None)

        data, report = make(wanted, source, count, lambda step: tell(step, None))
        if not no_leak_check:
            tell("leaks", None)
            leakage.check_features(data)
        tell("write", None)
        training_set.write(data, out, report.as_json())
    _show(out, data, report.as_json(), as_json=as_json)


@dataset.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def show(*, folder: Path, as_json: bool) -> None:
    """Show what the set in FOLDER is made of, what was left out and why; its digest is checked.

    Example: mps dataset show my_set
    """
    from offline.datasets import training_set

    data, report = training_set.read(folder)
    _show(folder, data, report, as_json=as_json)


def _show(folder: Path, data: Any, report: dict[str, Any], *, as_json: bool) -> None:
    from dataclasses import asdict

    from offline.datasets.reasons import ROW_REASONS, SAMPLE_REASONS, in_words
    from serving.records import iso

    if as_json:
        click.echo(json.dumps({"folder": str(folder), "meta": asdict(data.meta), "report": report}, sort_keys=True))
        return
    console = Console(highlight=False)
    table = Table(title="What became of every row", title_justify="left", box=None, pad_edge=False)
    table.add_column("what")
    table.add_column("rows", justify="right")
    table.add_row("read", f"{report['rows_read']:,}")
    for words, n in in_words(report["rows_left_out"], ROW_REASONS):
        table.add_row(f"  left out: {words}", f"{n:,}")
    table.add_row("rows, which windows read", f"{report['rows']:,}")
    for words, n in in_words(report["samples_left_out"], SAMPLE_REASONS):
        table.add_row(f"  no sample: {words}", f"{n:,}")
    table.add_row("samples", f"{report['samples']:,}")
    console.print(table)
    table = Table(box=None, pad_edge=False)
    for name in ("symbol", "rows", "samples", "up", "first", "last"):
        table.add_column(name, justify="right" if name in {"rows", "samples", "up"} else "left")
    for symbol, row in report["symbols"].items():
        ends = [iso(row[k])[:16] if row["samples"] else "-" for k in ("first_ns", "last_ns")]
        up = f"{row['up_share']:.3f}" if row["samples"] else "-"
        table.add_row(symbol, f"{row['rows']:,}", f"{row['samples']:,}", up, *ends)
    console.print(table)
    absent = [symbol for symbol, row in report["symbols"].items() if not row["rows"]]
    if absent:
        console.print(f"[yellow]no rows of {', '.join(absent)}[/], which the recipe names", soft_wrap=True)
    nulls = [f"{n.removeprefix('features.')} {s:.0%}" for n, s in report["nulls"].items()]
    if nulls:
        console.print("null: " + ", ".join(nulls), style="dim", soft_wrap=True)
    meta = data.meta
    what = f"{meta.target} over {meta.horizon_bars} bars of {meta.timeframe}"
    console.print(f"{folder}  {len(data.inputs)} inputs, {what}", soft_wrap=True)
    console.print(f"sha256 {meta.sha256[:16]}  recipe {meta.recipe_hash[:16]}  {meta.data_snapshot_id}", soft_wrap=True)
