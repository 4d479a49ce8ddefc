"""Recorded ticks, their gold rows in a lake, and a registry: what flows after the stages read."""

import re
import threading

import numpy as np
import pyarrow.parquet as pq
import pytest

from deploy.local.paths import SHIPPED_TICKS
from offline.dataset import record_gold
from offline.lake.store import LakeStore
from processors.runtime.codec import FlatCodec
from processors.sinks.config import SinkConfig
from processors.sinks.decode import Records
from processors.sinks.lake import LakeSink
from schemas.registry import load_registry
from tests.offline.lake.conftest import IDS
from tests.offline.training.made import EXAMPLES

TICKS = SHIPPED_TICKS / "eurusd_ticks_two_vendors.parquet"
TICK_ROWS = 450_000
"""Of them: as few as three folds with enough hours of positions can be made of, and a test after them."""


@pytest.fixture(scope="session")
def ticks(tmp_path_factory):
    """Return a file of the first recorded EURUSD ticks."""
    path = tmp_path_factory.mktemp("ticks") / "eurusd.parquet"
    pq.write_table(pq.read_table(TICKS).slice(0, TICK_ROWS), path)
    return path


@pytest.fixture(scope="session")
def gold(ticks):
    """Return their gold rows, by the stages."""
    return record_gold([ticks])


@pytest.fixture(scope="session")
def recipe(tmp_path_factory):
    """Return the file of a linear recipe of EURUSD with two folds."""
    text = (EXAMPLES / "fx_linear.yaml").read_text()
    for old, new in ((r'"EURUSD:FX", "NZDUSD:FX"', '"EURUSD:FX"'), ("folds: 5", "folds: 3"),
                     ("embargo_bars: 60", "embargo_bars: 5"), ("id: fx_linear", "id: eurusd")):  # fmt: skip
        text, n = re.subn(re.escape(old), new, text)
        assert n == 1
    path = tmp_path_factory.mktemp("recipes") / "eurusd.yaml"
    path.write_text(text)
    return path


@pytest.fixture
def lake(mps_home, gold, monkeypatch):
    """Return the lake of a home, with the gold rows in it, in several commits."""
    monkeypatch.delenv("MPS_LAKE", raising=False)
    store = LakeStore.at(mps_home / "lake")
    entry = load_registry().current("gold.v1")
    encoded = FlatCodec(entry.schema, entry.id).encode("gold.v1", 0, gold, gold["symbol_id"])
    values = list(encoded.values())
    for some in np.array_split(np.arange(len(values)), 4):
        sink = LakeSink(store, SinkConfig(backoff_first_ms=1, tries_max=2), threading.Event())
        sink.positions(IDS)
        zeros = np.zeros(len(some), np.int64)
        sink.write([Records("gold.v1", [values[i] for i in some], zeros, some.astype(np.int64), zeros)])
        sink.finish()
    return store
