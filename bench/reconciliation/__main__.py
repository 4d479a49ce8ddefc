"""``make reconciliation``: the known-truth table and the report on recorded ticks, into docs/reconciliation.md."""

import argparse
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.reconciliation import report
from bench.reconciliation.known_truth import COUNTS, MARKETS, run_all
from bench.reconciliation.recorded import EQUITY, SETS, DataSet, Recorded, reconcile_files
from bench.reconciliation.scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
QUICK_TICKS = 30_000


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="bench.reconciliation", description=__doc__)
    parser.add_argument("--market", type=Path, default=ROOT.parent / "shared/market", metavar="FOLDER",
                        help="recorded ticks: fx/, crypto/, cfd/ (default: ../shared/market)")  # fmt: skip
    parser.add_argument("--equity", type=Path, metavar="FOLDER",
                        help="folder of equity ticks of your own; only numbers are shown")  # fmt: skip
    parser.add_argument("--out", type=Path, default=ROOT / "docs", metavar="FOLDER",
                        help="gets reconciliation.md and reconciliation/*.svg (default: docs)")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=12, help="simulations of each row (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=1800.0, help="length of each (default %(default)s)")
    parser.add_argument("--quick", action="store_true",
                        help=f"2 seeds of 150 s, {QUICK_TICKS:,} ticks of each recording")  # fmt: skip
    return parser.parse_args(argv)


def recorded(data: DataSet, folder: Path | None, limit: int | None, bar: Progress) -> Recorded | None:
    """Return the report of a set, None where its files are absent."""
    if folder is None or not all((folder / name).exists() for name in data.files):
        return None
    task = bar.add_task(data.name, total=None)
    return reconcile_files(data, folder, lambda done, total: bar.update(task, completed=done, total=total), limit)


def main(argv: list[str] | None = None) -> None:
    """Run everything and write the report."""
    given = arguments(argv)
    seeds, seconds = (2, 150.0) if given.quick else (given.seeds, given.seconds)
    limit = QUICK_TICKS if given.quick else None
    console = Console()
    columns = (TextColumn("{task.description:12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("known truth", total=len(MARKETS) * len(SCENARIOS) * len(COUNTS) * seeds)
        rows = run_all(seeds, seconds, lambda: bar.advance(task))
        reports = [r for data in SETS if (r := recorded(data, given.market, limit, bar)) is not None]
        equity = recorded(EQUITY, given.equity, limit, bar)
    path = report.write(given.out, rows, seeds, seconds, reports, equity)
    console.print(f"wrote {path} and the plots in {path.with_suffix('')}/")


if __name__ == "__main__":
    main()
