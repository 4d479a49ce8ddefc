"""How old the newest minute is at live speed: from the end of a minute in event time to its bar and its gold row.

Recorded ticks are played at speed 1 through the stages as ``mps demo`` runs them, one process each. The clock of the
market is that of the log: the raw tick that came to it soonest after its event time says how event time and the wall
relate. The age of a bar is what that clock shows when the committed record arrives here, less the bar's end: the wait
for late ticks, the gap to the tick that moves the watermark, and every hop are in it::

    python -m bench.freshness --market ../shared/market --equity my_ticks/ --seconds 240
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import fastavro
import numpy as np
from rich.console import Console
from rich.table import Table

from bench import MARKET
from deploy.demo.tap import Tap
from deploy.local.kafka import EmbeddedKafka
from deploy.local.kafka_prepare import prepare_kafka
from deploy.local.paths import SHIPPED_TICKS
from processors.feeds.files import open_recording
from processors.feeds.publish import Publisher, ReplayOptions
from processors.runtime.batch import MessageBatch
from processors.runtime.codec import FlatCodec
from processors.runtime.topics import create_changelog, create_topics
from processors.topology import platform_partitions
from schemas.registry import load_registry

STAGES = ("reconcile", "bars", "featurize", "regime")
WATCHED = ("bars.v1", "gold.v1")
RAW = "ticks.raw.v1"


@dataclass(frozen=True, slots=True)
class Slice:
    """A busy part of a recording, long enough for some minutes to close."""

    asset_class: str
    files: tuple[Path, ...]
    begin: str
    target_p99_s: float | None


@dataclass(frozen=True, slots=True)
class Age:
    """What was seen of one topic. Seconds."""

    asset_class: str
    topic: str
    bars: int
    p50_s: float
    p99_s: float
    most_s: float
    target_p99_s: float | None


def slices(market: Path, equity: Path | None) -> list[Slice]:
    """Return what is to be played, whether its files are here or not."""
    fx = tuple(SHIPPED_TICKS / f"{pair}_ticks_two_vendors.parquet" for pair in ("eurusd", "nzdusd"))
    crypto = tuple(SHIPPED_TICKS / f"binance_{kind}_3venues.parquet" for kind in ("book_ticker", "trades"))
    folder = equity or Path("equity")
    stocks = tuple(sorted(folder.glob("*.parquet"))) or (folder / "no Parquet file",)
    return [
        Slice("fx", fx, "2014-05-05T13:30:00", None),
        Slice("crypto", crypto, "2024-08-08T23:54:30", None),
        Slice("future", (market / "futures" / "gc_tick_trades.parquet",), "2013-10-07T13:42:00", 3.0),
        Slice("equity", stocks, "2013-10-07T14:00:00", 5.0),
    ]


class _Watch:
    """Follows the raw ticks for the market's clock, and bars and rows for their age, in a thread of its own."""

    def __init__(self, bootstrap_servers: str, prefix: str) -> None:
        registry = load_registry()
        self._prefix = prefix
        self._taps = {t: Tap(bootstrap_servers, prefix + t, platform_partitions()) for t in (RAW, *WATCHED)}
        self._raw = FlatCodec((e := registry.current(RAW)).schema, e.id)
        self._schemas = {t: fastavro.parse_schema(registry.current(t).schema) for t in WATCHED}
        self.offset_ms: list[float] = []
        """Append time less event time of raw ticks: the least is that of the market's clock."""
        self.seen: dict[str, list[tuple[float, float]]] = {t: [] for t in WATCHED}
        """Arrival on the wall and end of the minute, milliseconds."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def close(self) -> None:
        """Leave."""
        self._stop.set()
        self._thread.join()
        for tap in self._taps.values():
            tap.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            for topic, tap in self._taps.items():
                for batch in tap.poll():
                    self._look(topic, batch)
            time.sleep(0.005)

    def _look(self, topic: str, batch: MessageBatch) -> None:
        now_ms = time.time() * 1000
        if topic == RAW:
            batch.topic = RAW
            columns, _ = self._raw.decode(batch)
            ticks = np.asarray(columns["kind"]) < 2
            if ticks.any():
                delays = batch.timestamp_ms[ticks] - np.asarray(columns["ts_recv"], np.int64)[ticks] / 1e6
                self.offset_ms.append(float(delays.min()))
            return
        for value in batch.values():
            record = fastavro.schemaless_reader(io.BytesIO(value[5:]), self._schemas[topic], None)
            assert isinstance(record, dict)
            if record["symbol_id"] and record["tf"] == "1m" and not record.get("revision"):
                self.seen[topic].append((now_ms, record["ts"] / 1e6))


def measure(bootstrap_servers: str, part: Slice, seconds: float) -> list[Age]:
    """Play one slice at speed 1 and return the ages of its bars and gold rows."""
    prefix = f"fresh-{part.asset_class}{os.getpid()}."
    create_topics(bootstrap_servers, prefix=prefix)
    for stage in STAGES:
        create_changelog(bootstrap_servers, f"{prefix}{stage}.changelog")
    environment = {**os.environ, "MPS_BOOTSTRAP_SERVERS": bootstrap_servers}
    command = [sys.executable, "-m", "cli.main", "run", "--prefix", prefix, "--log-level", "WARNING"]
    processes = [subprocess.Popen([*command, stage], env=environment) for stage in STAGES]
    begin_ns = int(np.datetime64(part.begin, "ns").astype(np.int64))
    watch = _Watch(bootstrap_servers, prefix)
    try:
        # A minute of the recording as fast as it goes: every kernel is compiled before the clock counts.
        recording = open_recording(part.files)
        # Its last marks are 5 minutes after its last tick, and what comes after must not be late.
        minute = 60 * 1_000_000_000
        warm_up = ReplayOptions(begin_ns=begin_ns - 12 * minute, end_ns=begin_ns - 10 * minute, prefix=prefix)
        Publisher(bootstrap_servers).publish(recording, warm_up)
        _wait_until_quiet(watch)
        watch.offset_ms.clear()
        skip = {t: len(rows) for t, rows in watch.seen.items()}
        end_ns = begin_ns + int(seconds * 1e9)
        Publisher(bootstrap_servers).publish(
            recording,
            ReplayOptions(speed=1.0, begin_ns=begin_ns, end_ns=end_ns, prefix=prefix, pause_s_max=seconds),
        )
        time.sleep(3.0)
    finally:
        watch.close()
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(30)
    return [_age(part, t, watch.seen[t][skip[t] :], min(watch.offset_ms), begin_ns, seconds) for t in WATCHED]


def _wait_until_quiet(watch: _Watch, timeout_s: float = 240.0) -> None:
    """Wait until no bar has come for some seconds, after the first."""
    deadline, last, since = time.monotonic() + timeout_s, 0, time.monotonic()
    while time.monotonic() < deadline:
        count = sum(map(len, watch.seen.values()))
        if count != last:
            last, since = count, time.monotonic()
        if all(watch.seen.values()) and time.monotonic() - since > 8:
            return
        time.sleep(0.1)
    raise TimeoutError("the warm-up gave no bar and row")


def _age(
    part: Slice, topic: str, seen: Sequence[tuple[float, float]], offset_ms: float, begin_ns: int, seconds: float
) -> Age:
    # Minutes that ended before the clock began, and those that the end of the recording cut, have no age.
    low, high = begin_ns / 1e6, begin_ns / 1e6 + seconds * 1000 - 5000
    ages = np.array([now - offset_ms - end for now, end in seen if low < end <= high]) / 1000
    assert len(ages), f"{part.asset_class}: no minute closed"
    p50, p99 = np.quantile(ages, [0.5, 0.99])
    return Age(part.asset_class, topic, len(ages), float(p50), float(p99), float(ages.max()), part.target_p99_s)


def report(ages: list[Age], skipped: list[str], console: Console) -> None:
    """Print the table and what was left out."""
    table = Table(title="age of the newest minute at its arrival, speed 1", title_justify="left")
    for name in ("class", "topic", "minutes", "p50 s", "p99 s", "most s", "target p99 s"):
        table.add_column(name, justify="left" if name in {"class", "topic"} else "right")
    for a in ages:
        target = f"{a.target_p99_s:g}" if a.target_p99_s else ""
        table.add_row(
            a.asset_class, a.topic, str(a.bars), f"{a.p50_s:.2f}", f"{a.p99_s:.2f}", f"{a.most_s:.2f}", target
        )
    console.print(table)
    for line in skipped:
        console.print(f"left out: {line}")


def main() -> None:
    """Play every slice whose files are here."""
    parser = argparse.ArgumentParser(prog="bench.freshness", description=__doc__)
    parser.add_argument("--market", type=Path, default=MARKET, help="folder of recorded futures")
    parser.add_argument("--equity", type=Path, help="folder of equity ticks by exchange")
    parser.add_argument("--seconds", type=float, default=240.0, help="of each slice (default %(default)s)")
    parser.add_argument("--classes", nargs="+", help="only these asset classes")
    given = parser.parse_args()
    ages: list[Age] = []
    skipped: list[str] = []
    prepare_kafka()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with EmbeddedKafka(folder / "kafka", folder / "logs") as broker:
            for part in slices(given.market, given.equity):
                missing = [str(f) for f in part.files if not f.is_file()]
                if given.classes and part.asset_class not in given.classes:
                    continue
                if missing:
                    skipped.append(f"{part.asset_class}: no {', '.join(missing)}")
                    continue
                ages += measure(broker.bootstrap_servers, part, given.seconds)
    report(ages, skipped, Console())


if __name__ == "__main__":
    main()
