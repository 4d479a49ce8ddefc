"""``mps train``: recorded ticks to a deployed baseline model."""

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
@click.argument("files", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The model file.  [MPS_MODEL or .mps]")
@click.option("--until", metavar="TIME", help="Newest time that training may see (UTC).  [60 % of the rows]")
@click.option("--seed", default=1, show_default=True, help="The same rows and seed give the same file.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def train(files: tuple[Path, ...], out: Path | None, until: str | None, seed: int, as_json: bool) -> None:
    """Train the baseline on recorded ticks, export it to ONNX, and judge it on the rows after.

    FILES are recorded ticks in any form that `mps replay` takes; the shipped recordings where none is named. They run
    through the same stages as live ticks, in memory. The score stage never scores a row that training has seen.

    \b
      mps train                                  the shipped recordings
      mps train my_ticks.parquet --out my.onnx   your own; deploy with MPS_MODEL=my.onnx
    """
    from offline.dataset import record_gold
    from offline.train_baseline import train_baseline
    from processors.score.model import model_path

    recordings = list(files) or sorted(RECORDINGS.glob("*.parquet"))
    if not recordings:
        raise ConfigError(str(RECORDINGS), "*.parquet", "none", "name recorded ticks: mps train FILES...")
    path, until_ns = out or model_path(), _until_ns(until)
    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("ticks to gold rows", total=None)
        ticks = 0

        def count(n: int) -> None:
            nonlocal ticks
            ticks += n
            bar.update(task, description=f"ticks to gold rows: {ticks:,}")

        gold = record_gold(recordings, count)
        report = train_baseline(gold, path, seed, lambda step: bar.update(task, description=f"model: {step}"), until_ns)
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
