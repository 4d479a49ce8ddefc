"""``make bench``: codec, indicators, training sets and models against peers, reads, sizes, outcomes, latency."""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import codec, dataset, feature_service, indicators, latency, onnx, smoke, throughput
from deploy.local.kafka import EmbeddedKafka
from deploy.local.kafka_prepare import prepare_kafka
from deploy.local.paths import SHIPPED_TICKS


def codec_table() -> Table:
    """Return the codec's figures with their ratio to each peer."""
    figures = codec.measure()
    ours = figures["this codec"]
    table = Table(title="Avro, one raw tick, ns of processor time (least of several rounds)", title_justify="left")
    for name in ("codec", "decode", "times ours", "encode", "times ours"):
        table.add_column(name, justify="left" if name == "codec" else "right")
    for name, (decode, encode) in figures.items():
        table.add_row(name, f"{decode:,.0f}", f"{decode / ours[0]:.1f}", f"{encode:,.0f}", f"{encode / ours[1]:.1f}")
    return table


def main() -> None:
    """Run every benchmark on a broker of its own."""
    parser = argparse.ArgumentParser(prog="bench.run", description=__doc__)
    parser.add_argument("--ticks", type=int, default=2_000_000, help="ticks a round (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of throughput (default %(default)s)")
    parser.add_argument("--rate", type=float, default=5_000.0, help="ticks/s of latency (default %(default)s)")
    parser.add_argument(
        "--bars", type=int, default=100_000, help="bars of indicators and training set (default %(default)s)"
    )
    parser.add_argument("--seconds", type=float, default=90.0, help="length of latency (default %(default)s)")
    given = parser.parse_args()
    console = Console()
    prepare_kafka()
    console.print(codec_table())
    indicators.report(given.bars, console)
    for pack_id in feature_service.PACKS:
        feature_service.report(pack_id, 1000, console)
    dataset.report(given.bars, console)
    onnx.report(tuple(onnx.KINDS), 20_000, 60, console)
    shipped = sorted(SHIPPED_TICKS.glob("*.parquet"))
    # In a process of its own: chDB stays until its process ends.
    subprocess.run([sys.executable, "-m", "bench.warehouse", "--sizes", *map(str, shipped)], check=True)
    subprocess.run([sys.executable, "-m", "bench.outcomes"], check=True)
    # Likewise: it has instruments of its own.
    subprocess.run([sys.executable, "-m", "bench.universe"], check=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with EmbeddedKafka(folder / "kafka", folder / "logs") as broker:
            with console.status("throughput"):
                rates, prefixes = throughput.measure(broker.bootstrap_servers, given.ticks, given.rounds)
                equal = throughput.same_bytes(broker.bootstrap_servers, prefixes[0])
            smoke.report(rates, console)
            console.print(f"both paths gave the same bytes: {'yes' if equal else 'NO'}\n")
            with console.status("latency: 75 s to warm up, then the measurement"):
                seen = latency.measure(broker.bootstrap_servers, given.rate, given.seconds)
    console.print(
        f"tick to signal through five processes at {seen.ticks_per_s:,.0f} ticks/s: "
        f"p50 {seen.p50_ms:,.0f} ms, p99 {seen.p99_ms:,.0f} ms over {seen.signals:,} signals "
        "(first target: p99 under 500 ms)"
    )


if __name__ == "__main__":
    main()
