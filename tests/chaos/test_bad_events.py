"""Bad events among recorded ticks, on a real broker: a dead letter for each, and not a byte of the rest changes."""

import io
import math
import random
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import fastavro
import numpy as np
import pytest

from processors.runtime.batch import EncodedBatch, MessageBatch, pack
from processors.runtime.codec import wire_record
from processors.runtime.config import KafkaConfig
from processors.runtime.kafka import KafkaDriver
from processors.runtime.memory import MemoryDriver, message_batch
from processors.runtime.pipeline import DEAD_LETTER, Pipeline
from processors.runtime.topics import create_changelog
from processors.topology import build_stage
from schemas.registry import load_registry
from tests.contract.sample import cut, raw_records
from tests.runtime.test_kafka import running
from tests.runtime.ticks import RAW, publish, read_all

ROWS = 4000
PLACES = ("ticks.consensus.v1", "data.freshness")
MINUTE_NS = 60_000_000_000

# What is wrong, the fields that make a good quote so, the dead letter's error, and what its reason must name.
BAD_FIELDS: list[tuple[str, dict[str, Any], str, str]] = [
    ("NaN price", {"kind": "trade", "price": math.nan, "size": 1.0}, "bad_price", "trade price nan is not a positive"),
    ("no price", {"kind": "trade", "price": None, "size": 1.0}, "bad_price", "trade price nan is not a positive"),
    ("negative price", {"kind": "trade", "price": -1.3875, "size": 2.0}, "bad_price", "trade price -1.3875"),
    ("infinite price", {"kind": "trade", "price": math.inf, "size": 2.0}, "bad_price", "trade price inf"),
    ("negative size", {"kind": "trade", "price": 1.3875, "size": -4.0}, "bad_size", "size -4.0"),
    ("NaN quote", {"bid": math.nan, "ask": math.nan}, "bad_quote", "bid nan and ask nan"),
    ("negative bid", {"bid": -1.3871, "ask": 1.3873}, "bad_quote", "bid -1.3871 and ask 1.3873"),
    ("crossed quote", {"bid": 1.3879, "ask": 1.3872}, "crossed_quote", "bid 1.3879 is above ask 1.3872"),
    ("unknown symbol", {"symbol_id": "NOSUCH:FX"}, "unknown_symbol", "quote of a symbol that is not in the instr"),
    ("from the future", {"ts_event": 10**9 * 4_000_000_000}, "bad_time", r"is 2600705\d+\.\d+ s after receive time"),
    ("in ms", {"ts_event": 1_399_294_800_000, "ts_recv": 1_399_294_800_000}, "bad_time", "between 1990 and 2100"),
]  # fmt: skip


@cache
def sample() -> MessageBatch:
    """Return recorded quotes of the EURUSD partition."""
    batch = next(b for b in raw_records() if any(b.key[b.key_start[i] : b.key_start[i + 1]].tobytes() == b"EURUSD:FX"
                                                 for i in range(100)))  # fmt: skip
    return cut(batch, 0, ROWS)


def bad_events() -> Iterator[tuple[str, bytes, str, str]]:
    """Yield what is wrong, the bytes, and the error and reason expected."""
    entry = load_registry().current(RAW)
    schema = fastavro.parse_schema(entry.schema)
    good = next(v for v in sample().values() if b"EURUSD:FX" in v)
    record = fastavro.schemaless_reader(io.BytesIO(good[5:]), schema, None)
    assert isinstance(record, dict)
    assert record["kind"] == "quote"
    for what, fields, error, reason in BAD_FIELDS:
        bad = {**record, "seq": None, **fields}
        yield what, wire_record(entry.id, schema, bad), error, f"^{bad['symbol_id']} {bad['vendor']}.*: .*{reason}"
    yield "random bytes", random.Random(3).randbytes(60), "undecodable", "magic byte"
    yield "nothing", b"", "undecodable", "shorter than the 5-byte wire header"
    yield "unknown schema id", b"\0\0\1\2\3" + good[5:], "unknown_schema", "unknown schema id"
    yield "cut short", good[:-9], "undecodable", "ends early"
    yield "too long", good + b"tail", "undecodable", "left over"


def mixed() -> tuple[EncodedBatch, dict[int, tuple[str, bytes, str, str]]]:
    """Return the sample with a bad event at every 71st place, and the bad ones by offset."""
    bad, values, keys, at = list(bad_events()), [], [], {}
    batch = sample()
    for i, (key, value) in enumerate(zip(batch.keys(), batch.values(), strict=True)):
        if i % 71 == 0:
            at[len(values)] = bad[len(at) % len(bad)]
            keys.append(b"EURUSD:FX")
            values.append(at[len(values)][1])
        keys.append(key)
        values.append(value)
    return EncodedBatch(RAW, batch.partition, *pack(values), *pack(keys)), at


def clean(stream: EncodedBatch, bad: dict[int, Any]) -> MemoryDriver:
    """Return the in-memory run over the good records alone, at the offsets that they have in the stream."""
    placed = cut(sample(), 0, ROWS)
    placed.offset = np.array([i for i in range(len(stream)) if i not in bad])
    driver = MemoryDriver([build_stage("reconcile")])
    driver.feed(placed)
    return driver


def letters(values: list[bytes]) -> list[dict[str, Any]]:
    """Return dead letters as dictionaries."""
    schema = fastavro.parse_schema(load_registry().current(DEAD_LETTER).schema)
    return [fastavro.schemaless_reader(io.BytesIO(v[5:]), schema, None) for v in values]  # type: ignore[misc]


@pytest.mark.broker
@pytest.mark.parametrize("path", ["native", "plain"])
def test_each_bad_event_is_one_dead_letter_and_nothing_else_changes(
    bootstrap_servers: str, topic_prefix: str, path: str
) -> None:
    """Each bad event is one dead letter that says why; the other topics are, byte for byte, those of a clean stream."""
    stream, bad = mixed()
    p = stream.partition
    expected = clean(stream, bad)
    publish(bootstrap_servers, topic_prefix, [stream])
    create_changelog(bootstrap_servers, f"{topic_prefix}reconcile.changelog")
    config = KafkaConfig(bootstrap_servers, "reconcile", prefix=topic_prefix, path=path)
    driver = KafkaDriver(Pipeline([build_stage("reconcile")]), config)
    own_dead = expected.records(DEAD_LETTER, p)
    with running(driver):
        n_dead = len(bad) + len(own_dead)
        dead = letters([v for _, v in read_all(bootstrap_servers, topic_prefix + DEAD_LETTER, n_dead)[p]])
        for topic in PLACES:
            records = expected.records(topic, p)
            got = read_all(bootstrap_servers, topic_prefix + topic, len(records))[p]
            assert [v for _, v in got] == records, topic
    assert driver.path == path
    # The recording has crossed quotes of its own.
    ours = sorted((d for d in dead if d["offset"] in bad), key=lambda d: d["offset"])
    assert sorted(d["offset"] for d in dead if d["offset"] not in bad) == sorted(d["offset"] for d in letters(own_dead))
    assert [d["offset"] for d in ours] == sorted(bad)
    for letter in ours:
        what, value, error, reason = bad[letter["offset"]]
        assert letter["error"] == error, what
        assert re.search(reason, letter["reason"]), f"{what}: {letter['reason']}"
        assert (letter["topic"], letter["partition"], letter["value"]) == (RAW, p, value)
        assert (letter["stage"], letter["key"]) == ("reconcile", b"EURUSD:FX")


def test_any_bytes_leave_the_other_records_as_they_are() -> None:
    """A thousand records of random bytes and random cuts never stop the stage nor touch their neighbours."""
    rng = random.Random(11)
    batch = cut(sample(), 0, 1000)
    garbage: dict[int, bytes] = {}
    values: list[bytes] = []
    for value in batch.values():
        noise = rng.choice([rng.randbytes(rng.randrange(80)), value[: rng.randrange(5, len(value) - 1)], b"\0\0\0\0"])
        garbage[len(values)] = noise
        values += [noise, value]
    mixed_batch = message_batch(EncodedBatch(RAW, batch.partition, *pack(values), *pack([b"k"] * len(values))), 0)
    dirty, pure = MemoryDriver([build_stage("reconcile")]), MemoryDriver([build_stage("reconcile")])
    dirty.feed(mixed_batch)
    batch.offset = np.array([i for i in range(len(values)) if i not in garbage])
    pure.feed(batch)
    assert dirty.records(PLACES[0], batch.partition) == pure.records(PLACES[0], batch.partition)
    dead = letters(dirty.records(DEAD_LETTER, batch.partition))
    assert {d["offset"] for d in dead} >= set(garbage)
    assert all(d["reason"] for d in dead)
