"""``python -m bench.fault_session``: the session through an own Kafka, and the table of what each fault left."""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.fault_session import session as s
from bench.fault_session.live import run_live, shortcomings
from bench.fault_session.report import Row, rows_of
from deploy.local.kafka import EmbeddedKafka
from deploy.local.kafka_prepare import prepare_kafka
from deploy.local.paths import SHIPPED_TICKS


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(prog="bench.fault_session", description=__doc__)
    parser.add_argument("--seed", type=int, default=s.SEED, help="of the faults (default %(default)s)")
    parser.add_argument("--market", type=Path, default=SHIPPED_TICKS, metavar="FOLDER",
                        help=f"has {s.RECORDING} (default: the shipped ticks)")  # fmt: skip
    parser.add_argument("--prefix", default=f"faults{os.getpid()}.", help="stands before the topics' names")
    parser.add_argument("--bootstrap-servers", help="a broker that runs (default: one of our own, for this run)")
    return parser.parse_args(argv)


@contextmanager
def broker(servers: str | None) -> Iterator[str]:
    """Yield the address of the broker that is given, or of one that lives as long as the block."""
    if servers:
        yield servers
        return
    prepare_kafka()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        with EmbeddedKafka(place / "kafka", place / "logs") as own:
            yield own.bootstrap_servers


def table_of(panel: str, rows: list[Row]) -> Table:
    """Return the table of one panel."""
    table = Table(title=f"Panel: {panel}", title_justify="left")
    for name in ("fault", "injected", "mark", "seen", "due"):
        table.add_column(name, justify="right" if name in ("injected", "seen", "due") else "left")
    for name in ("outvoted\nequal", "outvoted\ndifferent", "of these\nexplained", "counted\nequal",
                 "counted\ndifferent", "off by\npips"):  # fmt: skip
        table.add_column(name, justify="right")
    for row in rows:
        b = row.bars
        bars = (b.equal, b.different, b.explained, b.counted_equal, b.counted_different)
        for i, mark in enumerate(row.marks):
            due = "some" if mark.expected is None else f"{mark.expected:,}"
            first = (row.fault, f"{row.injected:,}") if not i else ("", "")
            last = (*map(str, bars), f"{b.off_pips_max:.2f}") if not i else ("",) * 6
            table.add_row(*first, mark.where, f"{mark.count:,}", due, *last, style=None if mark.ok else "bold red")
    return table


def main(argv: list[str] | None = None) -> int:
    """Print the tables; return 1 where a mark is missing or a bar differs that must not."""
    given = arguments(argv)
    console = Console(width=None if sys.stdout.isatty() else 180)
    wrong = []
    with broker(given.bootstrap_servers) as servers:
        for panel in s.PANELS:
            session = s.make_session(panel, given.market, given.seed)
            run = run_live(session, servers, f"{given.prefix}{panel}.")
            rows = rows_of(session, run.variants, run.missing, run.reordered)
            console.print(table_of(panel, rows))
            records = sum(len(ticks) for ticks in session.logs)
            console.print(
                f"{records:,} raw records in {len(session.logs)} variants, {run.seconds:.1f} s; exit codes "
                f"{run.exit_codes}; mps_dead_letters_total {run.dead_letters:,}; as the in-memory driver, byte for "
                f"byte: {'yes' if run.equals_offline else 'NO'}\n"
            )
            wrong += shortcomings(session, run, rows)
    console.print("\n".join(["Not as it must be:", *wrong]) if wrong else "All marks are there, all bars as due")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
