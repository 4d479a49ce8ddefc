"""``mps train``: recorded ticks to a deployed baseline model, or recipes to registered models."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.local.paths import CHECKOUT
from processors.errors import ConfigError
from schemas.features import FOUNDING_PACK

COLUMNS = (
    "indep.: rows whose outcomes do not overlap. base: log loss of always saying the share of ups in training. "
    "cover: share of outcomes inside the interval."
)
RECORDINGS = CHECKOUT / "deploy" / "demo" / "market"


def _until_ns(text: str | None) -> int | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError("--until", "time", text, "an ISO time, for example 2014-05-05T12:00") from None
    at = at.replace(tzinfo=at.tzinfo or UTC)
    return int(at.timestamp()) * 1_000_000_000


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
@click.option("--no-register", is_flag=True, help="Of recipes: leave the registry alone.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def train(
    *, files: tuple[Path, ...], out: Path | None, until: str | None, pack: str, seed: int, experiment: str | None,
    no_register: bool, as_json: bool,
) -> None:  # fmt: skip
    """Train a model on recorded ticks, export it to ONNX, and judge it on rows that it has not seen.

    FILES are recorded ticks in any form that `mps replay` takes; the shipped recordings where none is named. They run
    through the same stages as live ticks, in memory. The score stage never scores a row that training has seen.

    Files that end in .yaml are recipes: each is walked forward fold by fold, calibrated, given conformal intervals,
    exported through the gate, and registered with its evidence (`mps models list`). A run that was broken off goes on
    where it was. Without a recipe the baseline is trained.

    \b
      mps train                                      the baseline on the shipped recordings
      mps train my_ticks.parquet --out my.onnx       your own; deploy with MPS_MODEL=my.onnx
      mps train offline/recipes/examples/fx_tft.yaml
      mps train offline/recipes/examples/fx_*.yaml --experiment fx
    """
    recipes = tuple(f for f in files if f.suffix in {".yaml", ".yml"})
    if recipes:
        from cli.recipes import train_recipes

        ticks = tuple(f for f in files if f not in recipes)
        train_recipes(
            recipes, ticks or (RECORDINGS,), out, _until_ns(until), experiment, register=not no_register,
            as_json=as_json,
        )  # fmt: skip
        return
    _baseline(files, out, until, pack, seed, as_json=as_json)


def _baseline(
    files: tuple[Path, ...], out: Path | None, until: str | None, pack: str, seed: int, *, as_json: bool
) -> None:
    from offline.dataset import record_gold, record_rows
    from offline.features.packs import load_view
    from offline.features.sources import CROSS
    from offline.train_baseline import train_baseline
    from processors.feeds.files import present
    from processors.score.model import model_path

    recordings = present(files or (RECORDINGS,))
    path, until_ns, of_cross = out or model_path(), _until_ns(until), load_view(pack).source is CROSS
    if of_cross and out is None:
        raise ConfigError("mps train", "--out", None, f"a file of its own: a model of {pack} cannot be deployed")
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("ticks to gold rows", total=None)
        ticks = 0

        def count(n: int) -> None:
            nonlocal ticks
            ticks += n
            bar.update(task, description=f"ticks to gold rows: {ticks:,}")

        gold, cross = record_rows(recordings, count) if of_cross else (record_gold(recordings, count), None)
        report = train_baseline(
            gold, path, seed, lambda step: bar.update(task, description=f"model: {step}"), until_ns, pack, cross
        )
    if as_json:
        click.echo(json.dumps(report, sort_keys=True))
        return
    out_console = Console()
    out_console.print(_table(report))
    out_console.print(COLUMNS, report["limits"], style="dim")
    rows = report["rows"]
    out_console.print(
        f"[bold]{path}[/] {report['sha256'][:16]}  seed {seed}  {len(gold):,} gold rows of {ticks:,} ticks; "
        f"fit {rows['fit']:,}, calibration {rows['calibration']:,}, until {report['trained_until'][:19]} UTC"
    )
