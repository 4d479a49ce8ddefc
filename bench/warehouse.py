"""What a bar and a gold row take on disk: codecs of ClickHouse column by column, and the files of the lake.

Real ticks go through the stages, and the bars and gold rows that come out go into tables that differ in one codec at a
time, sorted as the warehouse sorts them, merged into one part; ClickHouse then says what each column takes. The least
that is read no slower than twice the quickest is what ``offline/warehouse/tables.py`` should have. The lake's figures
are of its own files, as they come and compacted. `make bench` prints the sizes alone, of the shipped ticks::

    MPS_SHARED=../shared python -m bench.warehouse
    python -m bench.warehouse --sizes deploy/demo/market/*.parquet
    MPS_FEATURE_PACKS=core_value_v1,core_state_v1,core_event_v1,core_episode_v1,core_vector_v1 python -m bench.warehouse
"""

import argparse
import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table as Shown

from offline.dataset import BATCH_ROWS
from offline.lake.reading import open_at
from offline.lake.store import LakeStore
from offline.lake.upkeep import account, compact
from offline.warehouse.client import Warehouse
from offline.warehouse.tables import Column, Table, tables
from processors.feeds.replay import recorded_batches
from processors.runtime.memory import MemoryDriver
from processors.sinks.config import SinkConfig
from processors.sinks.decode import Records, RowDecoder
from processors.sinks.lake import LakeSink
from processors.topology import build_chain

FILES = (
    "fx/eurusd_ticks_two_vendors.parquet", "fx/nzdusd_ticks_two_vendors.parquet", "cfd/xauusd_ticks.parquet",
    "futures/gc_tick_trades.parquet", "crypto/binance_trades_3venues.parquet",
)  # fmt: skip
TOPICS = ("bars.v1", "gold.v1")
GENERAL = ("LZ4", "ZSTD(1)", "ZSTD(3)", "ZSTD(6)", "ZSTD(9)")
BEFORE = {
    "time": ("DoubleDelta", "Delta", "T64", ""),
    "count": ("Delta", "DoubleDelta", "T64", ""),
    "place": ("Delta", "DoubleDelta", "T64", ""),
    "price": ("Gorilla", "FPC", "Delta", ""),
    "feature": ("Gorilla", "FPC", "Delta", ""),
    "number": ("Gorilla", "FPC", "Delta", ""),
    "flag": ("T64", ""),
    "text": ("", "String"),
    "list": ("",),
}
"""Kind of column -> what may stand before the general codec."""
PRICES = frozenset({"o", "h", "l", "c", "vwap", "bid", "ask", "meta_close"})
READS = 3
YEAR_SYMBOLS = 5_000
BARS_A_DAY = {"1m": 1440, "5m": 288, "15m": 96, "1h": 24, "1d": 1}
DAYS = {"24 h": 365, "US session": 252}
SESSION_SHARE = 390 / 1440


@dataclass(slots=True)
class Found:
    """Bytes of the columns of one kind under one codec, and the time to read them."""

    bytes: int = 0
    read_s: float = 0.0


def kind_of(column: Column) -> str:  # noqa: PLR0911 - one a kind
    """Return which candidates a column has."""
    kind = column.kind
    if "DateTime64" in kind:
        return "place" if column.name == "_published" else "time"
    if column.name in {"_partition", "_offset"}:
        return "place"
    if kind.startswith("Array("):
        return "list"
    if "String" in kind:
        return "text"
    if kind == "Bool":
        return "flag"
    if "Int" in kind:
        return "count"
    if column.name.startswith("features_"):
        return "feature"
    return "price" if column.name in PRICES else "number"


def recorded(files: Sequence[Path]) -> dict[str, list[Records]]:
    """Return what the stages make of recorded ticks, as a sink reads it: one batch a partition."""
    driver = MemoryDriver(build_chain(["reconcile", "bars", "featurize", "regime"]), keep=frozenset(TOPICS))
    for batch in recorded_batches(sorted(files), batch_rows=BATCH_ROWS):
        driver.feed(batch)
    found: dict[str, list[Records]] = {topic: [] for topic in TOPICS}
    for topic in TOPICS:
        for partition in sorted({p for name, p in driver.logs if name == topic}):
            values = driver.records(topic, partition)
            n = len(values)
            at = np.arange(n, dtype=np.int64)
            found[topic].append(
                Records(topic, values, np.full(n, partition, np.int64), at * 2, 1_398_988_800_000 + at * 61)
            )
    return found


def measure(client: Warehouse, table: Table, rows: pa.Table) -> dict[str, dict[str, Found]]:
    """Return kind -> codec -> what its columns take and how long they are read.

    One table holds each column once under every candidate: the same rows in the same order, written once.
    """
    ddl = [f"`{c.name}` {c.kind} CODEC(ZSTD(1))" for c in table.columns if c.name in table.order_by]
    data = {c.name: rows.column(c.name) for c in table.columns if c.name in table.order_by}
    copies: dict[tuple[str, str], list[str]] = defaultdict(list)
    for column in table.columns:
        # Features of packs that the rows do not have are null throughout: next to nothing under any codec.
        if rows.column(column.name).null_count == rows.num_rows:
            continue
        kind = kind_of(column)
        for before in BEFORE[kind]:
            for general in GENERAL:
                codec = f"{before}, {general}" if before else general
                name = f"{column.name}__{before}{general}"
                ddl.append(f"`{name}` {_type(column, before)} CODEC({general if before == 'String' else codec})")
                data[name] = rows.column(column.name)
                copies[kind, codec].append(name)
    client.command("DROP TABLE IF EXISTS bench.t SYNC")
    client.command(
        f"CREATE TABLE bench.t ({', '.join(ddl)}) ENGINE = MergeTree ORDER BY ({', '.join(table.order_by)}) "
        "SETTINGS min_bytes_for_wide_part = 0, min_rows_for_wide_part = 0"
    )
    Warehouse(client.client, "bench", "bench", [table]).insert("t", pa.table(data), "candidates")
    client.command("OPTIMIZE TABLE bench.t FINAL")
    sizes = client.query(
        "SELECT column, sum(column_data_compressed_bytes) FROM system.parts_columns "
        "WHERE active AND database = 'bench' AND table = 't' GROUP BY column"
    )
    size = {str(name): int(n) for name, n in sizes}
    found: dict[str, dict[str, Found]] = defaultdict(dict)
    for (kind, codec), names in copies.items():
        quickest = min(_read_s(client, names) for _ in range(READS))
        found[kind][codec] = Found(sum(size[name] for name in names), quickest)
    return found


def _type(column: Column, before: str) -> str:
    """Return the column's type; of a text its plain one, where that is the candidate."""
    kind = column.kind
    return kind[len("LowCardinality(") : -1] if before == "String" and kind.startswith("LowCardinality(") else kind


def _read_s(client: Warehouse, names: Sequence[str]) -> float:
    asked = ", ".join(f"ignore(`{name}`)" for name in names)
    begun = time.perf_counter()
    client.query(f"SELECT count() FROM bench.t WHERE NOT ({asked.replace(', ', ' OR ')}) SETTINGS max_threads = 1")  # noqa: S608
    return time.perf_counter() - begun


def as_stored(client: Warehouse, table: Table, rows: pa.Table) -> float:
    """Return bytes a row with the codecs that the warehouse has, in one merged part with its index."""
    client.command("DROP TABLE IF EXISTS bench.t SYNC")
    client.command(table.ddl("bench").replace(f"`{table.name}`", "`t`", 1))
    Warehouse(client.client, "bench", "bench", [table]).insert("t", rows, "all")
    client.command("OPTIMIZE TABLE bench.t FINAL")
    sql = "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE active AND database = 'bench' AND table = 't'"
    return float(client.query(sql)[0][0])


def lake_bytes(folder: Path, of_topic: dict[str, list[Records]]) -> dict[str, tuple[float, float]]:
    """Return topic -> bytes a row of the lake's files, as one flush makes them and compacted."""
    store = LakeStore.at(folder)
    sink = LakeSink(store, SinkConfig(), threading.Event(), tables=("bars", "gold"))
    sink.positions(dict.fromkeys(TOPICS, "id"))
    sink.write([records for parts in of_topic.values() for records in parts])
    sink.finish()
    found = {}
    for topic, name in (("bars.v1", "bars"), ("gold.v1", "gold")):
        before = account(open_at(store, name), [])
        compact(open_at(store, name))
        after = account(open_at(store, name), [])
        found[topic] = before.bytes / before.rows, after.bytes / after.rows
    return found


def show(console: Console, topic: str, rows: int, found: dict[str, dict[str, Found]], chosen: dict[str, str]) -> None:
    """Print the table of candidates: bytes a row, the time to read all of them, the codec in force marked."""
    shown = Shown("columns", "codec", "bytes a row", "ms to read", "in force", title=f"{topic}, {rows:,} rows")
    for kind, by_codec in found.items():
        for codec, one in sorted(by_codec.items(), key=lambda item: item[1].bytes):
            mark = "yes" if chosen.get(kind) == codec else ""
            shown.add_row(kind, codec, f"{one.bytes / rows:.2f}", f"{one.read_s * 1e3:.1f}", mark)
    console.print(shown)


def projected(bytes_a_row: float) -> str:
    """Return terabytes of a year of every timeframe at so many symbols, round the clock and in a US session."""
    a_day = sum(BARS_A_DAY.values())
    out = []
    for name, days in DAYS.items():
        share = SESSION_SHARE if name == "US session" else 1.0
        rows = YEAR_SYMBOLS * days * ((a_day - 1) * share + 1)
        out.append(f"{name}: {rows / 1e9:.2f} G rows, {rows * bytes_a_row / 1e12:.2f} TB")
    return "; ".join(out)


def report(files: Sequence[Path], console: Console, *, codecs: bool) -> None:
    """Print what a bar and a gold row of recorded ticks take, and where asked for which codecs there are.

    Twice in a process is not possible: chDB has one folder.
    """
    of_topic = recorded(files)
    with tempfile.TemporaryDirectory() as folder:
        lake = lake_bytes(Path(folder) / "lake", of_topic)
        client = Warehouse.embedded(Path(folder) / "clickhouse", "bench")
        client.command("CREATE DATABASE IF NOT EXISTS bench")
        for topic in TOPICS:
            table = tables()[topic]
            decoder = RowDecoder(table)
            rows = pa.concat_tables([decoder.decode(records).rows for records in of_topic[topic]])
            n = rows.num_rows
            if codecs:
                chosen = {kind_of(c): c.codec.removeprefix("CODEC(")[:-1] for c in reversed(table.columns)}
                show(console, topic, n, measure(client, table, rows), chosen)
            wire = sum(len(v) for records in of_topic[topic] for v in records.values) / n
            stored = as_stored(client, table, rows)
            figures = {"topic": wire, "ClickHouse": stored, "lake": lake[topic][0], "lake, compacted": lake[topic][1]}
            for name, size in figures.items():
                console.print(f"{topic} {name}, {n:,} rows: {size:,.1f} bytes a row; {projected(size)}")
        client.close()


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path, help="recorded ticks; default: those of --market")
    parser.add_argument("--market", type=Path, default=Path(os.environ.get("MPS_SHARED") or "../shared") / "market")
    parser.add_argument("--sizes", action="store_true", help="no candidates of codecs: sizes alone, in a minute")
    given = parser.parse_args()
    console = Console(width=None if Console().is_terminal else 110)
    report(given.files or [given.market / name for name in FILES], console, codecs=not given.sizes)


if __name__ == "__main__":
    main()
