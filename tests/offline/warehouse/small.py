"""A small warehouse of real bars and gold rows, with signals whose scores are made up."""

import random

import numpy as np
import pyarrow as pa

from offline.warehouse.tables import tables
from processors.sinks.decode import Records, RowDecoder
from tests.contract.sample import log_of
from tests.sinks.conftest import encode, make_records

HORIZON = {"1m": 15, "5m": 4, "15m": 2}


def rows_of(topic, values_of):
    """Return the rows of a topic's records, given by partition."""
    decoder = RowDecoder(tables()[topic])
    parts = []
    for partition, values in values_of.items():
        n = len(values)
        records = Records(topic, values, np.full(n, partition), np.arange(n, dtype=np.int64), np.full(n, 10**12))
        parts.append(decoder.decode(records).rows)
    return pa.concat_tables(parts)


def sample_rows(topic):
    """Return the rows that the stages make of ninety recorded minutes."""
    return rows_of(topic, {batch.partition: list(batch.values()) for batch in log_of(topic)})


def made_signals(gold, seed=5):
    """Return a signal for each gold row of the short timeframes, right a little more often than chance would be."""
    draw = random.Random(seed)
    keep = [
        r
        for r in gold.select(["symbol_id", "tf", "ts", "meta_close", "regime_label"]).to_pylist()
        if r["tf"] in HORIZON
    ]
    records = make_records("signals.v1", len(keep), seed)
    ts = gold.column("ts").cast(pa.int64()).to_pylist()
    times = [t for t, tf in zip(ts, gold.column("tf").to_pylist(), strict=True) if tf in HORIZON]
    for i, (record, row) in enumerate(zip(records, keep, strict=True)):
        score = draw.choice([-0.4, -0.2, 0.0, 0.2, 0.4])
        width = 4e-4 * HORIZON[row["tf"]] ** 0.5
        record |= {
            "symbol_id": row["symbol_id"], "tf": row["tf"], "ts": times[i], "horizon_bars": HORIZON[row["tf"]],
            "score": score, "prob_up": 0.5 + score / 4, "conf": abs(score) / 2, "expected_return": score * 1e-4,
            "interval": {"lo": -width, "hi": width, "coverage": 0.9}, "regime": row["regime_label"],
            "gates": [] if i % 4 else ["cost"],
        }  # fmt: skip
    return rows_of("signals.v1", {0: encode("signals.v1", records)})


def fill(warehouse):
    """Make the tables and fill them; returns bars, gold rows and signals."""
    warehouse.create()
    bars, gold = sample_rows("bars.v1"), sample_rows("gold.v1")
    signals = made_signals(gold)
    for name, rows in (("bars", bars), ("gold", gold), ("signals", signals)):
        warehouse.insert(name, rows, name)
    return bars, gold, signals
