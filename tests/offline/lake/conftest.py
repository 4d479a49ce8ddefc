"""A lake that is filled as the sink fills it, from records in the wire format, without a broker."""

import threading
from collections.abc import Callable

import numpy as np
import pytest

from offline.lake.store import LakeStore
from processors.sinks.config import SinkConfig
from processors.sinks.decode import Records
from processors.sinks.lake import LakeSink
from tests.sinks.conftest import encode, make_records

TOPICS = ("ticks.raw.v1", "bars.v1", "gold.v1")
IDS = dict.fromkeys(TOPICS, "id")


def records_of(topic, values, first=0, partitions=2):
    """Return values as a follower gives them: dealt to partitions, offsets with a gap behind every tenth."""
    place = np.arange(first, first + len(values), dtype=np.int64)
    each = place // partitions
    return Records(topic, values, place % partitions, each + each // 10, 1_398_988_800_000 + place)


def sink_at(store, **config):
    """Return a sink that has asked for its positions."""
    sink = LakeSink(store, SinkConfig(**{"backoff_first_ms": 1, "tries_max": 2, **config}), threading.Event())
    sink.positions(IDS)
    return sink


@pytest.fixture
def store(tmp_path) -> LakeStore:
    """Return an empty lake in a folder."""
    return LakeStore.at(tmp_path / "lake")


@pytest.fixture
def fill() -> Callable:
    """Return a function that stores n random records of a topic in a lake and returns them."""

    def run(store, topic, n, seed=1, first=0):
        made = make_records(topic, n, seed)
        sink = sink_at(store)
        sink.write([records_of(topic, encode(topic, made), first)])
        sink.finish()
        return made

    return run
