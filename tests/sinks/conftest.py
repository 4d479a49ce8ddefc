"""Records of the four topics, random in every field, and a way to publish them as the stages do."""

import random
from collections.abc import Callable
from typing import Any

import fastavro
import pytest
import redis
from confluent_kafka import Producer

from processors.runtime.codec import wire_record
from processors.runtime.topics import create_topics
from schemas.registry import load_registry

SYMBOLS = ("EURUSD:FX", "AIG:US", "GCZ13:CMX")
TIMEFRAMES = ("1m", "15m", "1d")
DATA_TOPICS = ("bars.v1", "gold.v1", "signals.v1", "data.freshness")
FIRST_NS = 1_398_988_800_000_000_001


def _value(kind: Any, name: str, i: int, draw: random.Random) -> Any:  # noqa: PLR0911 - one a type
    if isinstance(kind, list):
        other = next(k for k in kind if k != "null")
        return None if draw.random() < 0.2 else _value(other, name, i, draw)
    if isinstance(kind, dict) and kind["type"] == "record":
        return {f["name"]: _value(f["type"], f["name"], i, draw) for f in kind["fields"]}
    if isinstance(kind, dict) and kind["type"] == "enum":
        return draw.choice(kind["symbols"])
    if isinstance(kind, dict) and kind["type"] == "array":
        return [f"{name}-{draw.randrange(5)}" for _ in range(draw.randrange(3))]
    plain = kind["type"] if isinstance(kind, dict) else kind
    if name == "symbol_id":
        return SYMBOLS[i % 3]
    if name == "tf":
        return TIMEFRAMES[i // 3 % 3]
    if name == "ts":
        return FIRST_NS + i * 60_000_000_000 + draw.randrange(1000)
    if isinstance(kind, dict) and "logicalType" in kind:
        return FIRST_NS - draw.randrange(10**12)
    return {
        "long": lambda: draw.randrange(-(2**50), 2**50),
        "int": lambda: draw.randrange(2**30),
        "double": lambda: draw.gauss(100, 40),
        "boolean": lambda: draw.random() < 0.5,
        "string": lambda: f"{name} é {draw.randrange(7)}",
        "bytes": lambda: draw.randbytes(9),
    }[plain]()


def make_records(topic: str, n: int, seed: int = 1) -> list[dict[str, Any]]:
    """Return n records of a topic: symbols and timeframes in turn, times ascending, all else random."""
    schema = load_registry().current(topic).schema
    draw = random.Random(f"{topic} {seed}")
    return [{f["name"]: _value(f["type"], f["name"], i, draw) for f in schema["fields"]} for i in range(n)]


def encode(topic: str, records: list[dict[str, Any]]) -> list[bytes]:
    """Return the records in the wire format."""
    entry = load_registry().current(topic)
    parsed = fastavro.parse_schema(entry.schema)
    return [wire_record(entry.id, parsed, record) for record in records]


@pytest.fixture
def wire() -> Callable[[str, list[dict[str, Any]]], list[bytes]]:
    """Return the function that encodes records."""
    return encode


@pytest.fixture
def random_records() -> Callable[..., list[dict[str, Any]]]:
    """Return the function that makes records."""
    return make_records


@pytest.fixture
def sink_topics(bootstrap_servers: str, topic_prefix: str) -> str:
    """Create every topic under this test's prefix and return the prefix."""
    create_topics(bootstrap_servers, prefix=topic_prefix)
    return topic_prefix


@pytest.fixture
def publish(bootstrap_servers: str) -> Callable[..., None]:
    """Return a function that publishes values in transactions of 100, with an aborted one between each two.

    The partition is that of the record's position modulo 4, or the given one. Transactions leave gaps in the offsets
    and aborted records in the log: neither may show anywhere.
    """

    def run(topic: str, values: list[bytes], partition: int | None = None) -> None:
        producer = Producer({"bootstrap.servers": bootstrap_servers, "transactional.id": f"{topic}.{partition}"})
        producer.init_transactions(20)
        for begin in range(0, len(values), 100):
            for aborted in (True, False):
                producer.begin_transaction()
                for i, value in enumerate(values[begin : begin + (7 if aborted else 100)]):
                    producer.produce(topic, value, partition=(begin + i) % 4 if partition is None else partition)
                producer.flush(20)
                if aborted:
                    producer.abort_transaction(20)
                else:
                    producer.commit_transaction(20)

    return run


@pytest.fixture
def own_redis(redis_url: str) -> str:
    """Return the address of an empty database of the test server."""
    url = redis_url.rsplit("/", 1)[0] + "/7"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url
