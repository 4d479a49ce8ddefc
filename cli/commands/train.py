"""``mps train``: recorded ticks to a deployed baseline model, or recipes and rows to registered models."""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli.progress import Tasks
from cli.sources import RECIPES, gold_source, refuse_recipe_as_place, source_options
from deploy.local.paths import SHIPPED_TICKS
from processors.errors import ConfigError
from schemas.features import FOUNDING_PACK

COLUMNS = (
    "indep.: rows whose outcomes do not overlap. base: log loss of always saying the share of ups in training. "
    "cover: share of outcomes inside the interval."
)


def _until_ns(text: str | None) -> int | None:
    from offline.features.times import parse_time

    return None if text is None else parse_time(text, "--until", "mps train", or_utc=True)


def _table(report: dict[str, Any]) -> Table:
    # Without lines between the columns: it has to fit 80 of a terminal.
    table = Table(title="Later rows, never seen in training", title_justify="left", box=None, pad_edge=False)
    for name in ("tf", "rows", "indep.", "up", "AUC ± se", "log loss", "base", "ECE", "cover"):
        table.add_column(name, justify="left" if name == "tf" else "right", no_wrap=True)
    for row in report["out_of_sample"]:
        area = "-" if row["auc"] is None else f"{row['auc']:.2f} ± {row['auc_standard_error']:.2f}"
        table.add_row(
            row["timeframe"], f"{row['n']:,}", f"{row['n_independent']:,.0f}", f"{row['up_share']:.3f}", area,
            f"{row['log_loss']:.4f}", f"{row['log_loss_base_rate']:.4f}", f"{row['ece']:.3f}",
            f"{row['interval_coverage']:.3f}",
        )  # fmt: skip
    return table


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@source_options
@click.option("--out", type=click.Path(path_type=Path),
              help="The model file; of several recipes the folder.  [MPS_MODEL or .mps]")  # fmt: skip
@click.option("--until", metavar="TIME",
              help="Newest time that training may see (UTC).  [60 % of the rows; of a recipe all]")  # fmt: skip
@click.option("--pack", default=FOUNDING_PACK, show_default=True,
              help="Of the baseline: feature pack; a model of cross_section_v1 or v2 is for research, no stage scores "
                   "it.")  # fmt: skip
@click.option("--seed", default=1, show_default=True,
              help="Of the baseline; a recipe has its own. The same rows and seed give the same file.")  # fmt: skip
@click.option(
    "--experiment",
    help="Of recipes: whose trials they are, in the registry.  [what is predicted: universe, timeframe, label]",
)
@click.option("--cluster", metavar="ADDRESS", help="Of recipes: a Dask scheduler whose workers do the fits, such as "
              "tcp://10.0.0.5:8786; the model is the same to the byte.  [MPS_CLUSTER, else this process]")  # fmt: skip
@click.option("--no-register", is_flag=True, help="Of recipes: leave the registry alone.")
@click.option("--fine-tune", is_flag=True,
              help="Of tft and nbeats: also a network for each cluster of instruments that begins with the one of all, "
                   "judged beside it and registered as RECIPE-CLUSTER.")  # fmt: skip
@click.option("--clusters", metavar="FILE", type=click.Path(path_type=Path),
              help="Beside --fine-tune: what belongs together.  [offline/models/deep/clusters.yaml]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def train(
    *, files: tuple[Path, ...], out: Path | None, until: str | None, pack: str, seed: int, experiment: str | None,
    cluster: str | None, no_register: bool, fine_tune: bool, clusters: Path | None, as_json: bool, **flags: Any,
) -> None:  # fmt: skip
    """Train a model on recorded ticks or stored rows, export it to ONNX, and judge it on rows that it has not seen.

    FILES are recorded ticks in any form that `mps replay` takes; the shipped recordings where none is named. They run
    through the same stages as live ticks, in memory. The score stage never scores a row that training has seen.

    Files that end in .yaml are recipes: each is walked forward fold by fold, calibrated, given conformal intervals,
    exported through the gate, and registered with its evidence (`mps models list`). A strategy file asks for a recipe
    of each of its models, judged by its own costs. A run that was broken off goes on where it was. On a cluster (`dask
    scheduler`, then `dask worker tcp://HOST:8786` on each machine) tuning, folds and last fits of all recipes run side
    by side. Without a recipe the baseline is trained, on recorded ticks.

    In place of FILES a recipe reads gold rows that exist, by the flags of `mps dataset build`: of Parquet files, of the
    warehouse, or of the lake, whose snapshot reads the same for good. The model names the state that it was made of.

    \b
      mps train                                      the baseline on the shipped recordings
      mps train my_ticks.parquet --out my.onnx       your own; deploy with MPS_MODEL=my.onnx
      mps train offline/recipes/examples/fx_tft.yaml
      mps train offline/recipes/examples/fx_*.yaml --experiment fx
      mps train offline/recipes/examples/strategy_fx.yaml
      mps train offline/recipes/examples/fx_lgbm.yaml --lake
      mps train offline/recipes/examples/fx_tft.yaml --fine-tune
      mps train offline/recipes/examples/fx_*.yaml --cluster tcp://127.0.0.1:8786
    """
    recipes = tuple(f for f in files if f.suffix in RECIPES)
    refuse_recipe_as_place("mps train", flags["lake"])
    if recipes:
        _refuse_of_baseline()
    if clusters is not None and not fine_tune:
        raise ConfigError("mps train", "--clusters", str(clusters), "beside --fine-tune only")
    if recipes:
        from cli.recipes import Order, train_recipes

        source = gold_source("mps train", tuple(f for f in files if f not in recipes), **flags)
        refine = _clusters(clusters) if fine_tune else None
        order = Order(out, _until_ns(until), experiment, not no_register, refine, cluster)
        train_recipes(recipes, source, order, as_json=as_json)
        return
    for flag, given in {"fine-tune": fine_tune, **flags}.items():
        # The usual lake is an empty place.
        if given or given == "":
            raise ConfigError("mps train", f"--{flag}", given, "beside a recipe, which is a .yaml file: the baseline "
                              "is trained on recorded ticks")  # fmt: skip
    _baseline(files, out, until, pack, seed, as_json=as_json)


def _refuse_of_baseline() -> None:
    """Refuse what is said beside a recipe and would be passed over."""
    context = click.get_current_context()
    for name in ("seed", "pack"):
        if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            raise ConfigError("mps train", f"--{name}", context.params[name], "of the baseline: a recipe names its own")


def _clusters(file: Path | None) -> Any:
    from offline.models.deep.clusters import PATH, read_clusters

    return read_clusters(file or PATH)


def _baseline(
    files: tuple[Path, ...], out: Path | None, until: str | None, pack: str, seed: int, *, as_json: bool
) -> None:
    from offline.dataset import record_gold, record_rows
    from offline.features.packs import load_view
    from offline.features.sources import CROSS
    from offline.train_baseline import train_baseline
    from processors.feeds.files import present
    from processors.score.model import model_path

    recordings = present(files or (SHIPPED_TICKS,))
    path, until_ns, of_cross = out or model_path(), _until_ns(until), load_view(pack).source is CROSS
    if of_cross and out is None:
        raise ConfigError("mps train", "--out", None, f"a file of its own: a model of {pack} cannot be deployed")
    with Tasks(quiet=as_json) as tasks:
        tell, ticks = tasks.add("baseline"), 0

        def count(n: int) -> None:
            nonlocal ticks
            ticks += n
            tell(f"ticks to gold rows, {ticks:,}", None)

        gold, cross = record_rows(recordings, count) if of_cross else (record_gold(recordings, count), None)
        report = train_baseline(gold, path, seed, lambda step: tell(step, None), until_ns, pack, cross)
    if as_json:
        click.echo(json.dumps(report, sort_keys=True))
        return
    console = Console()
    console.print(_table(report))
    console.print(COLUMNS, report["limits"], style="dim")
    rows = report["rows"]
    console.print(
        f"[bold]{path}[/] {report['sha256'][:16]}  seed {seed}  {len(gold):,} gold rows of {ticks:,} ticks; "
        f"fit {rows['fit']:,}, calibration {rows['calibration']:,}, until {report['trained_until'][:19]} UTC"
    )
