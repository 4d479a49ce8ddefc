"""``python -m bench.skew``: print the table of skew, and write it where asked.

    python -m bench.skew --write docs/skew.md      recorded ticks and the made-up ones between them, three minutes
    python -m bench.skew --short                   the made-up ones alone, about a minute

The exit code is 1 where a cell differs, or where a feature is in no row.
"""

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import MARKET
from bench.skew import cells, sample
from deploy.local.paths import SHIPPED_TICKS
from processors.errors import ConfigError
from processors.reference.load import load
from processors.reference.records import MarketEvent

FUTURES, VIX = Path("futures") / "gc_tick_trades.parquet", Path("macro") / "vix_daily.parquet"
INTRODUCTION = """\
Every feature of every pack, as five processes (reconcile, bars, featurize, regime, cross) published it through Kafka, \
against the same stages run in memory over the same ticks in batches of another size, as training sets are made. A \
cell differs when its bits do; a missing value equals a missing one. Rows of `cross_section_v1` and \
`cross_section_v2` are those of `cross.v1`, of all others those of `gold.v1`. A feature that is in no row would be \
compared with nothing: it is named, and fails.

Ticks: the shipped ones (FX and gold of 2014-05, crypto of 2024-08), trades of gold futures of 2013-10-07 and 08, and \
made-up ones of four symbols, two minutes every four hours from 2013-10 to 2014-05 and around the crypto, so that no \
partition falls silent between the recordings and half a year of sessions is there. Facts: the recorded closes of the \
VIX; made up are the figures and earnings dates of the four symbols, the policy meetings, the rates and the use of the \
risk budget. They are published in portions while the stream runs, each before the time in which it becomes known; the \
batch has them all at its start. Ticks are published 32 hours at a time, each portion once the one before is through, \
and `MPS_CROSS_LIMIT_S` is twice as long: a partition that lags further is not waited for.

Made by `python -m bench.skew --write docs/skew.md`."""


def recorded(market: Path) -> tuple[Path, list[MarketEvent]]:
    """Return the file of futures trades and the closes of the VIX over the time of the sample.

    Raises
    ------
    ConfigError
        The folder lacks one.
    """
    for name in (FUTURES, VIX):
        if not (market / name).is_file():
            raise ConfigError("bench.skew", "--market", str(market), f"a folder with {name}; --short needs none")
    low, high = sample.BEGIN_NS - 20 * sample.DAY_NS, sample.WHOLE.end_ns
    closes = [e for e in load([market / VIX]).events if e.name == "close" and low <= e.ts_event < high]
    return market / FUTURES, closes


def measure(folder: Path, files: list[Path], facts: list[sample.Fact], console: Console) -> list[cells.Skew]:
    """Return the skew over files of ticks and facts; the broker lives in the folder."""
    # Only now: what is imported here reads the instruments.
    from bench.skew.live import streamed
    from bench.skew.offline import computed
    from deploy.local.kafka import EmbeddedKafka
    from deploy.local.kafka_prepare import prepare_kafka
    from processors.feeds.files import open_recording

    prepare_kafka()
    began = time.monotonic()
    with EmbeddedKafka(folder / "kafka", folder / "logs") as broker, console.status("stream: five processes"):
        live = streamed(broker.bootstrap_servers, open_recording(files), facts)
    between = time.monotonic()
    with console.status("batch: in memory"):
        offline = computed(files, facts)
    console.print(f"stream {between - began:.0f} s, batch {time.monotonic() - between:.0f} s")
    return cells.compare(live, offline, cells.all_packs())


def main() -> int:
    """Make the sample, measure and report."""
    parser = argparse.ArgumentParser(prog="bench.skew", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="recorded ticks (default: the shipped ones)")
    parser.add_argument("--market", type=Path, default=MARKET, help="folder of recorded futures")
    parser.add_argument("--short", action="store_true", help="made-up ticks and facts alone")
    parser.add_argument("--write", type=Path, help="file for the table, in Markdown")
    given = parser.parse_args()
    # A log has no width of its own: the table whole.
    console = Console(width=None if sys.stdout.isatty() else 140)
    os.environ["MPS_FEATURE_PACKS"] = cells.packs_of_rows()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["MPS_INSTRUMENTS"] = str(folder / "instruments.csv")
        sample.write_instruments(folder / "instruments.csv")
        span, made = sample.SHORT if given.short else sample.WHOLE, folder / "made.parquet"
        sample.write_ticks(made, span, futures=given.short)
        files, facts = [made], sample.made_facts(span, vix=given.short)
        if not given.short:
            futures, closes = recorded(given.market)
            files += [futures, *(given.files or sorted(SHIPPED_TICKS.glob("*.parquet")))]
            facts = sorted([*facts, *closes], key=lambda f: f.ts_known)
        skews = measure(folder, files, facts, console)
    table = Table(title="Skew between stream and batch", title_justify="left")
    for column in cells.COLUMNS:
        table.add_column(column, justify="left" if column in {"pack", "in no row"} else "right")
    for row in cells.table(skews):
        table.add_row(*row)
    console.print(table)
    wrong = cells.faults(skews)
    for line in wrong:
        console.print(line, markup=False)
    if given.write:
        given.write.write_text(cells.markdown(skews, INTRODUCTION))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
