"""A wide universe on one core: one-minute bars of thousands of symbols through featurize, regime and cross.

Every minute all symbols close a bar at once. The stages run one after another, bytes in and bytes out, on one core:
featurize and regime as one process would (``mps run featurize regime``), cross on what featurize gathers for it. The
market is a random walk of each symbol. State is what the changelogs keep; restoring is what processes do that take over
all of it::

    python -m bench.universe --symbols 5000 --minutes 90
"""

import argparse
import os
import resource
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from processors.featurize.universe import UNIVERSE
from processors.runtime.batch import Columns, MessageBatch
from processors.runtime.memory import message_batch
from processors.runtime.pipeline import Pipeline
from processors.runtime.strings import STRINGS
from processors.topology import build_stage
from schemas.features import load_features
from schemas.timeframes import MINUTE_NS

STAGES = ("featurize", "regime")
START_NS = 1_731_335_400_000_000_000
"""A Monday at 14:30 UTC: the open of New York."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was seen.

    Parameters
    ----------
    rows_per_s
        Gold rows a second of processor time of all three stages, after the windows are full.
    cross_share
        What cross has of that time.
    slowest_s
        Longest time that all bars of one minute took.
    """

    symbols: int
    features: int
    rows: int
    ranked: int
    rows_per_s: float
    cross_share: float
    slowest_s: float
    state_mb: float
    restore_s: float
    memory_mb: float


def instruments_file(path: Path, symbols: int) -> list[str]:
    """Write an instruments file of many shares, and return their symbols."""
    names = [f"S{i:05d}:US" for i in range(symbols)]
    head = "symbol_id,asset_class,price_basis,tick_size,lot_size,multiplier,currency,calendar,partition_key"
    path.write_text("\n".join([head, *(f"{name},equity,trade,0.01,1,1,USD,XNYS," for name in names)]) + "\n")
    return names


def minutes(pipeline: Pipeline, names: list[str], n_minutes: int) -> list[MessageBatch]:
    """Return the bars of each minute, as they would come from ``bars.v1``."""
    codec = pipeline.codecs["bars.v1"]
    rng = np.random.default_rng(1)
    n = len(names)
    symbol = np.array([STRINGS.code(name) for name in names], np.int64)
    keys = symbol
    close = 20.0 + 180.0 * rng.random(n)
    batches = []
    for minute in range(n_minutes):
        bars = Columns.empty(codec.layout, n)
        opened, close = close, close * np.exp(rng.normal(0, 5e-4, n))
        bars["ts_start"] = START_NS + minute * MINUTE_NS
        bars["ts"] = START_NS + (minute + 1) * MINUTE_NS
        bars["symbol_id"], bars["tf"] = symbol, STRINGS.code("1m")
        bars["o"], bars["c"], bars["vwap"] = opened, close, (opened + close) / 2
        bars["h"] = np.maximum(opened, close) * (1 + 2e-4 * rng.random(n))
        bars["l"] = np.minimum(opened, close) * (1 - 2e-4 * rng.random(n))
        bars["v"], bars["n_trades"] = rng.integers(100, 10_000, n).astype(float), rng.integers(1, 99, n)
        bars["bid"], bars["ask"] = close - 0.01, close + 0.01
        batches.append(message_batch(codec.encode("bars.v1", 0, bars, keys), minute * n))
    return batches


def measure(symbols: int, n_minutes: int, console: Console) -> Figures:
    """Return the figures of one run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instruments.csv"
        names = instruments_file(path, symbols)
        os.environ["MPS_INSTRUMENTS"] = str(path)
        pipeline = Pipeline([build_stage(name) for name in STAGES])
        cross = Pipeline([build_stage("cross")])
    pipeline.warm()
    cross.warm()
    state, ranks = pipeline.open(), cross.open()
    took, ranking, rows, ranked = [], [], 0, 0
    for batch in track(minutes(pipeline, names, n_minutes), f"{symbols:,} symbols", console=console, transient=True):
        began = time.process_time()
        out = pipeline.run(state, batch)
        half = time.process_time()
        for gathered in (records for records in out if records.topic == UNIVERSE):
            ranked += sum(map(len, cross.run(ranks, message_batch(gathered, int(batch.offset[0])))))
        took.append(time.process_time() - began)
        ranking.append(time.process_time() - half)
        rows += sum(len(records) for records in out if records.topic == "gold.v1")
    # The second half: every window of the packs is full, or nearly.
    late, of_cross = took[len(took) // 2 :], ranking[len(ranking) // 2 :]
    changelogs = [(pipeline, dict(state.changed())), (cross, dict(ranks.changed()))]
    size_mb = sum(len(k) + len(v) for _, changelog in changelogs for k, v in changelog.items()) / 1e6
    began = time.process_time()
    for of, changelog in changelogs:
        of.open().restore(changelog)
    restore_s = time.process_time() - began
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Figures(
        symbols, len(load_features()), rows, ranked, symbols * len(late) / sum(late), sum(of_cross) / sum(late),
        max(late), size_mb, restore_s, memory_mb,
    )  # fmt: skip


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="bench.universe", description=__doc__)
    parser.add_argument("--symbols", type=int, default=5_000, help="shares (default %(default)s)")
    parser.add_argument("--minutes", type=int, default=90, help="one-minute bars of each (default %(default)s)")
    given = parser.parse_args()
    console = Console()
    f = measure(given.symbols, given.minutes, console)
    need = f.symbols / 60
    table = Table(
        title=f"{f.symbols:,} symbols, one-minute bars, {', '.join(STAGES)} and cross on one core", title_justify="left"
    )
    table.add_column("what")
    table.add_column("figure", justify="right")
    packs = os.environ.get("MPS_FEATURE_PACKS", "the default packs")
    for what, figure in (
        ("packs", packs),
        ("gold rows", f"{f.rows:,}"),
        ("ranked rows", f"{f.ranked:,}"),
        ("rows/s of processor time", f"{f.rows_per_s:,.0f}"),
        ("of it in cross", f"{f.cross_share:.0%}"),
        ("needed rows/s", f"{need:,.1f}"),
        ("headroom", f"{f.rows_per_s / need:,.0f} x"),
        ("slowest minute, s", f"{f.slowest_s:.2f}"),
        ("state, MB", f"{f.state_mb:,.0f}"),
        ("state a series, kB", f"{1000 * f.state_mb / f.symbols:,.1f}"),
        ("restoring it, s", f"{f.restore_s:.2f}"),
        ("memory of the process, MB", f"{f.memory_mb:,.0f}"),
    ):
        table.add_row(what, figure)
    console.print(table)


if __name__ == "__main__":
    main()
