"""``make bench-smoke``: throughput of reconcile and bars against a bare ``consume()`` loop, in about a minute.

Both stages run in one process, exactly once, with a consensus tick out for every tick in, their state in a changelog,
and the broker on the same machine. Each measurement is a process of its own; rounds alternate, so that a machine that
slows down slows all of them.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench.throughput import Rate, measure, same_bytes
from deploy.local.kafka import EmbeddedKafka
from deploy.local.kafka_prepare import prepare_kafka

TARGET_PER_S = {"plain": 200_000, "native": 600_000}


def report(rates: list[Rate], console: Console) -> None:
    """Print medians over the rounds and each path's ratio to the bare loop of its own round."""
    table = Table(title="reconcile + bars, exactly once, one consensus tick out a tick in", title_justify="left")
    for name in ("path", "ticks/s", "least", "most", "of bare consume()", "CPU s a million", "first target"):
        table.add_column(name, justify="left" if name == "path" else "right")
    bare = [r.per_s for r in rates if r.name == "bare consume()"]
    for name in ("bare consume()", "plain", "native"):
        mine = [r for r in rates if r.name == name]
        per_s = [r.per_s for r in mine]
        ratio = statistics.median(p / b for p, b in zip(per_s, bare, strict=True))
        target = f"{TARGET_PER_S[name]:,}" if name in TARGET_PER_S else ""
        cpu = statistics.median(r.cpu_s_per_m for r in mine)
        table.add_row(
            name, f"{statistics.median(per_s):,.0f}", f"{min(per_s):,.0f}", f"{max(per_s):,.0f}", f"{ratio:.2f}",
            f"{cpu:.2f}", target,
        )  # fmt: skip
    console.print(table)


def main() -> None:
    """Run the rounds and print the table."""
    parser = argparse.ArgumentParser(prog="bench.smoke", description=__doc__)
    parser.add_argument("--ticks", type=int, default=1_000_000, help="ticks a round (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds (default %(default)s)")
    given = parser.parse_args()
    console = Console()
    prepare_kafka()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with EmbeddedKafka(folder / "kafka", folder / "logs") as broker, console.status("measuring"):
            rates, prefixes = measure(broker.bootstrap_servers, given.ticks, given.rounds)
            equal = all(same_bytes(broker.bootstrap_servers, prefix) for prefix in prefixes[:1])
    report(rates, console)
    console.print(f"both paths gave the same bytes: {'yes' if equal else 'NO'}")
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
