"""Online reads of the feature service: latency for 1 key and for 100, beside plain GETs of the same bytes.

A real redis-server on loopback holds the newest gold rows as the sink writes them. Each round asks all ways in turn, so
that whatever else the machine does falls on all of them alike; the ratio to the plain GET of the same bytes is what
compares from machine to machine.

python -m bench.feature_service
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import fastavro
import numpy as np
import redis
from rich.console import Console
from rich.table import Table

from deploy.local.redis import EmbeddedRedis
from offline.features.packs import load_view
from offline.features.redis_rows import RedisRows
from offline.features.service import FeatureService
from processors.runtime.codec import wire_record
from processors.sinks.config import SinkConfig
from processors.sinks.decode import Records
from processors.sinks.redis import RedisSink
from schemas.features import FOUNDING_PACK
from schemas.registry import load_registry

KEYS = 100
ROWS = 20
MINUTE_NS = 60_000_000_000
FIRST_NS = 1_399_291_200_000_000_000
PACKS = (FOUNDING_PACK, "core_value_v2")
"""The smallest and the widest of values: what the table costs shows in the second."""
GOALS_MS = {1: 1.0, KEYS: 5.0}
"""Keys -> p99 that a read may take."""
TOPICS = ("gold.v1", "cross.v1", "signals.v1", "data.freshness")


@dataclass(frozen=True, slots=True)
class Read:
    """Latency of one way of reading, milliseconds.

    Parameters
    ----------
    floor_ms
        Least time seen: what the work itself takes, without the neighbours.
    cpu_p99_ms
        p99 of the reader's own processor time: what is left of the p99 on a machine without neighbours, less the
        server's share.
    """

    keys: int
    p50_ms: float
    p99_ms: float
    floor_ms: float
    cpu_p99_ms: float


def gold_values(symbols: list[str], pack_id: str, seed: int = 5) -> list[bytes]:
    """Return gold rows with every feature of the schema filled, as they travel."""
    entry, pack = load_registry().current("gold.v1"), load_view(pack_id)
    parsed = fastavro.parse_schema(entry.schema)
    draw = np.random.default_rng(seed)
    values = []
    for i in range(ROWS):
        for symbol in symbols:
            row = _filled(entry.schema, draw)
            row |= {"ts": FIRST_NS + i * MINUTE_NS, "symbol_id": symbol, "tf": "1m", "packs": [pack.ref]}
            row |= {"pack_id": pack.pack_id, "pack_hash": pack.hash}
            values.append(wire_record(entry.id, parsed, row))
    return values


def _filled(schema: dict, draw: np.random.Generator) -> dict:  # type: ignore[type-arg]
    """Return a record of random numbers."""
    row = {}
    for field in schema["fields"]:
        kind = field["type"]
        if isinstance(kind, dict) and kind["type"] == "record":
            row[field["name"]] = _filled(kind, draw)
        elif isinstance(kind, dict) and kind["type"] == "enum":
            row[field["name"]] = kind["symbols"][0]
        elif isinstance(kind, dict) and kind["type"] == "array":
            row[field["name"]] = []
        else:
            name = next(k for k in kind if k != "null") if isinstance(kind, list) else kind
            name = name["type"] if isinstance(name, dict) else name
            row[field["name"]] = {"double": draw.normal(), "boolean": True, "string": "x"}.get(name, 7)
    return row


def measure(pack_id: str = FOUNDING_PACK, reads: int = 2000) -> tuple[dict[str, Read], int]:
    """Return the latency of each way, and the bytes of a row."""
    symbols = [f"S{i:03d}:US" for i in range(KEYS)]
    with tempfile.TemporaryDirectory() as name, EmbeddedRedis(Path(name) / "redis", Path(name) / "logs") as server:
        values = gold_values(symbols, pack_id)
        _store(server.url, values)
        client = redis.Redis.from_url(server.url)
        plain = [f"plain:{s}" for s in symbols]
        client.mset(dict(zip(plain, values[-KEYS:], strict=True)))
        service = FeatureService([RedisRows(client)])
        newest_ns = FIRST_NS + ROWS * MINUTE_NS
        past_ns = newest_ns - 5 * MINUTE_NS
        ways: dict[str, tuple[int, Callable[[int], object]]] = {
            "plain GET": (1, lambda i: client.get(plain[i % KEYS])),
            "1 key, newest row": (1, lambda i: service.get_features([symbols[i % KEYS]], pack_id=pack_id)),
            "1 key, as of a past time": (1, lambda i: service.get_features([symbols[i % KEYS]], past_ns, pack_id)),
            "100 plain GETs": (KEYS, lambda _: [client.get(key) for key in plain]),
            "one plain MGET": (KEYS, lambda _: client.mget(plain)),
            "100 keys, newest rows": (KEYS, lambda _: service.get_features(symbols, pack_id=pack_id)),
            "100 keys, as of a past time": (KEYS, lambda _: service.get_features(symbols, past_ns, pack_id)),
        }
        return {way: _quantiles(keys, t) for way, (keys, t) in _times(ways, reads).items()}, len(values[0])


def _times(
    ways: dict[str, tuple[int, Callable[[int], object]]], reads: int
) -> dict[str, tuple[int, np.ndarray]]:  # fmt: skip
    """Return the seconds of each read, wall and own; the ways take turns, those of many keys at every fifth turn."""
    for _, call in ways.values():
        for i in range(20):
            call(i)
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for turn in range(reads):
        for way, (keys, call) in ways.items():
            if keys == 1 or turn % 5 == 0:
                begun, own = time.perf_counter(), time.thread_time()
                call(turn)
                seconds[way].append((time.perf_counter() - begun, time.thread_time() - own))
    return {way: (ways[way][0], np.array(t).T) for way, t in seconds.items()}


def _quantiles(keys: int, seconds: np.ndarray) -> Read:
    (p50, p99), own = np.quantile(seconds[0], [0.5, 0.99]) * 1e3, np.quantile(seconds[1], 0.99) * 1e3
    return Read(keys, float(p50), float(p99), float(seconds[0].min() * 1e3), float(own))


def _store(url: str, values: list[bytes]) -> None:
    sink = RedisSink(url, SinkConfig())
    sink.positions({topic: topic for topic in TOPICS})
    n = len(values)
    sink.write([Records("gold.v1", values, np.zeros(n, np.int64), np.arange(n), np.zeros(n, np.int64))])
    sink.backlog_read()
    sink.close()


def report(pack_id: str, reads: int, console: Console) -> None:
    """Measure and print."""
    found, row_bytes = measure(pack_id, reads)
    load = os.getloadavg()[0]
    n = len(load_view(pack_id).names)
    title = f"Online reads of {pack_id} ({n} features, rows of {row_bytes} bytes); load average {load:.1f}"
    table = Table(title=title, title_justify="left")
    for name in ("way", "p50 ms", "p99 ms", "least ms", "own cpu p99", "p50 over GETs", "goal p99"):
        table.add_column(name, justify="left" if name == "way" else "right")
    limit = {1: found["plain GET"], KEYS: found["100 plain GETs"]}
    for way, read in found.items():
        goal = (
            ""
            if "plain" in way
            else f"{GOALS_MS[read.keys]:g} ms: {'met' if read.p99_ms < GOALS_MS[read.keys] else 'MISSED'}"
        )
        ratio = read.p50_ms / limit[read.keys].p50_ms
        times = (f"{t:.3f}" for t in (read.p50_ms, read.p99_ms, read.floor_ms, read.cpu_p99_ms))
        table.add_row(way, *times, f"{ratio:.2f}", goal)
    console.print(table)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="bench.feature_service", description=__doc__)
    parser.add_argument("--pack", action="append", help=f"feature pack; repeatable (default {', '.join(PACKS)})")
    parser.add_argument("--reads", type=int, default=2000, help="reads of each way (default %(default)s)")
    given = parser.parse_args()
    for pack_id in given.pack or PACKS:
        report(pack_id, given.reads, Console(width=110))


if __name__ == "__main__":
    main()
