"""Gold rows in both stores: a real redis-server, and an embedded ClickHouse in a process of its own."""

import pickle
import random
import subprocess
import sys
from pathlib import Path

import fastavro
import numpy as np
import pytest
import redis

from offline.features.clickhouse_rows import ClickHouseRows, at_address
from offline.features.packs import load_view
from offline.features.redis_rows import RedisRows
from processors.runtime.codec import wire_record
from processors.sinks.config import SinkConfig
from processors.sinks.decode import Records
from processors.sinks.redis import RedisSink
from schemas.features import FOUNDING_PACK
from schemas.registry import load_registry
from tests.serving.support import MINUTE_NS, TS0_NS, gold_record

REPOSITORY = Path(__file__).parents[2]
SYMBOLS = ("EURUSD:FX", "AIG:US", "NZDUSD:FX")
N_MINUTES = 40
ODD = (0.0, -0.0, 5e-324, 1.7976931348623157e308, -1e-300, 1 / 3)


def gold_values(seed: int = 3) -> list[bytes]:
    """Return gold rows as they travel: three symbols, nulls and odd numbers, rows of another pack, rows made twice."""
    draw = random.Random(seed)
    entry = load_registry().current("gold.v1")
    parsed = fastavro.parse_schema(entry.schema)
    pack = load_view(FOUNDING_PACK)
    made = []
    for i in range(N_MINUTES):
        for symbol in SYMBOLS:
            row = gold_record(i, symbol, packs=[pack.ref], pack_id=pack.pack_id, pack_hash=pack.hash,
                              warm=True, quality__lat_ms=None if i % 7 == 0 else draw.gauss(3, 40),
                              quality__gap=i % 5 == 0, quality__stale=symbol == "AIG:US")  # fmt: skip
            # Nanoseconds matter: two rows of one symbol may stand in one millisecond.
            row["ts"] += draw.randrange(1000)
            for name in row["features"]:
                odd = draw.choice(ODD) if draw.random() < 0.2 else draw.gauss(0, 1)
                row["features"][name] = None if i % 3 and draw.random() < 0.25 else odd
            if symbol == "NZDUSD:FX" and i % 4 == 3:
                row |= {"packs": ["other_pack_v1@00"], "pack_id": "other_pack_v1", "pack_hash": "00"}
            made.append(row)
            if symbol == "EURUSD:FX" and i % 9 == 0:
                made.append({**row, "features": dict.fromkeys(row["features"], 7.0 + i)})
    made.append(gold_record(0, "AIG:US", "5m", packs=[pack.ref], pack_id=pack.pack_id, pack_hash=pack.hash))
    return [wire_record(entry.id, parsed, r) for r in made]


def cross_values(seed: int = 4) -> list[bytes]:
    """Return rows of the cross-section as they travel: nulls and odd numbers, held rows, rows that name no pack.

    The rows of the first five minutes are of version 1; those of NZDUSD lack the second pack now and then.
    """
    draw = random.Random(seed)
    versions = load_registry().versions("cross.v1-value")
    parsed = [fastavro.parse_schema(entry.schema) for entry in versions]
    refs = [load_view(f"cross_section_v{i}").ref for i in (1, 2)]
    made = []
    for i in range(N_MINUTES):
        version = 0 if i < 5 else 1
        names = [
            f["name"]
            for f in next(f for f in versions[version].schema["fields"] if f["name"] == "features")["type"]["fields"]
        ]
        for symbol in SYMBOLS:
            features = {n: None if draw.random() < 0.25 else draw.choice((*ODD, draw.gauss(0, 1))) for n in names}
            row = {"ts": minute(i) + draw.randrange(1000), "symbol_id": symbol, "tf": "1m", "features": features,
                   "universe_size": 3, "n_missing": int(i % 6 == 2), "waited_s": 600.0 * (i % 6 == 2)}  # fmt: skip
            if version:
                row |= {"stale": i % 7 == 1, "packs": refs[: 1 if symbol == "NZDUSD:FX" and i % 4 == 3 else 2]}
            made.append(wire_record(versions[version].id, parsed[version], row))
    return made


@pytest.fixture(scope="session")
def feature_redis(redis_url):
    """Return the address of a database that holds the rows."""
    url = redis_url.rsplit("/", 1)[0] + "/9"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    fill_redis(url, gold_values())
    fill_redis(url, cross_values(), topic="cross.v1")
    return url


def fill_redis(url, values, rows_max=512, topic="gold.v1"):
    """Store rows as the sink does."""
    sink = RedisSink(url, SinkConfig(redis_rows_max=rows_max))
    sink.positions({"gold.v1": "a", "cross.v1": "d", "signals.v1": "b", "data.freshness": "c"})
    n = len(values)
    sink.write([Records(topic, values, np.zeros(n, np.int64), np.arange(n), np.zeros(n, np.int64))])
    sink.backlog_read()
    sink.close()


@pytest.fixture(scope="session")
def warehouse_url(tmp_path_factory):
    """Return the address of a process that owns a warehouse with the same rows."""
    folder = tmp_path_factory.mktemp("features")
    (folder / "rows").write_bytes(pickle.dumps({"gold.v1": gold_values(), "cross.v1": cross_values()}))
    command = [sys.executable, "-m", "tests.features.warehouse_owner", str(folder / "clickhouse"), str(folder / "rows")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as owner:
        address = owner.stdout.readline().strip()
        assert address.startswith("http"), "the warehouse did not start"
        yield address
        owner.stdin.close()


@pytest.fixture
def live(feature_redis):
    """Return the rows in Redis."""
    with redis.Redis.from_url(feature_redis) as client:
        yield RedisRows(client)


@pytest.fixture
def history(warehouse_url):
    """Return the rows in ClickHouse."""
    return ClickHouseRows(at_address(warehouse_url))


def minute(i: float) -> int:
    """Return the time of row i, ns; whatever was added to it is below a microsecond."""
    return int(TS0_NS + i * MINUTE_NS)
