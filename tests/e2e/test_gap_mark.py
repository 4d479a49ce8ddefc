"""A mark of missing ticks from the feed to the signal: through every stage of the chain, in memory."""

import io
from pathlib import Path
from typing import Any

import fastavro
import numpy as np

from processors.feeds import port
from processors.runtime.batch import MessageBatch
from processors.runtime.memory import MemoryDriver, message_batch
from processors.runtime.strings import STRINGS
from processors.topology import TOPOLOGY, build_stage
from schemas.registry import load_registry
from tests.contract.sample import cut, joined, raw_records

SYMBOL = "EURUSD:FX"
MARK_NS = int(np.datetime64("2014-05-05T14:20:30", "ns").astype(np.int64))
MINUTE_END_NS = MARK_NS + 30 * 10**9
TOPICS = ("data.freshness", "bars.v1", "gold.v1", "signals.v1")


def mark() -> MessageBatch:
    """Return the mark of a cut connection of FXCM, as a live feed publishes it."""
    tick = port.raw_ticks(1)
    tick["symbol_id"], tick["vendor"], tick["kind"] = (
        STRINGS.code(SYMBOL),
        STRINGS.code("FXCM"),
        port.kind_index("status"),
    )
    tick["ts_event"] = tick["ts_recv"] = MARK_NS
    tick["conditions"] = STRINGS.code("gap:?")
    return message_batch(port.codec().encode(port.RAW_TOPIC, 0, tick, port.longs(tick, "symbol_id")), 0)


def with_mark(batch: MessageBatch) -> MessageBatch:
    """Return the batch with the mark behind the last tick of its time."""
    ticks, _ = port.codec().decode(batch)
    at = int(np.flatnonzero(port.longs(ticks, "ts_event") <= MARK_NS)[-1]) + 1
    parts = joined([cut(batch, 0, at), mark(), cut(batch, at, len(batch))])
    parts.partition = batch.partition
    return message_batch(parts, 0)


def outputs(batch: MessageBatch) -> dict[str, list[dict[str, Any]]]:
    """Return what the whole chain publishes of the symbol, without offsets, by topic."""
    driver = MemoryDriver([build_stage(row.stage) for row in TOPOLOGY], frozenset(TOPICS))
    driver.feed(batch)
    out = {}
    for topic in TOPICS:
        schema = fastavro.parse_schema(load_registry().current(topic).schema)
        values = driver.records(topic, batch.partition)
        records: list[Any] = [fastavro.schemaless_reader(io.BytesIO(v[5:]), schema, None) for v in values]
        out[topic] = [_without_offsets(r) for r in records if r["symbol_id"] == SYMBOL]
    return out


def _without_offsets(record: dict[str, Any]) -> dict[str, Any]:
    record.pop("raw_offset", None)
    record.get("lineage", {}).pop("raw_offset", None)
    return record


def test_a_feeds_mark_of_missing_ticks_reaches_the_signal(model: Path) -> None:  # noqa: ARG001 - deployed for build_stage
    """The bars that hold it are marked, and their rows; their signals name the gate and have no size; no other changes.

    The source is in a gap from the next second on, until a minute after it has ticked again.
    """
    (batch,) = [b for b in raw_records() if SYMBOL.encode() in b.keys()]  # noqa: SIM118 - no dict
    clean, marked = outputs(batch), outputs(with_mark(batch))
    changed = {
        topic: [(now, was) for was, now in zip(clean[topic], marked[topic], strict=True) if was != now]
        for topic in TOPICS[1:]
    }
    for topic in ("bars.v1", "gold.v1"):
        assert {r["tf"] for r, _ in changed[topic]} == {"1m", "5m", "15m", "1h"}
        assert all(r == was | {"quality": was["quality"] | {"gap": True}} for r, was in changed[topic])
        assert [r["ts"] for r, _ in changed[topic] if r["tf"] == "1m"] == [MINUTE_END_NS]
    signals = [(now, was) for now, was in changed["signals.v1"] if now["tf"] == "1m"]
    assert [(now["ts"], "gap" in now["gates"], "gap" in was["gates"]) for now, was in signals] == [
        (MINUTE_END_NS, True, False)
    ]
    assert all(now["sizing"]["nav_frac"] == 0.0 for now, _ in changed["signals.v1"])
    of_source = [r for r in marked["data.freshness"] if r["source"] == "FXCM" and "gap" in (r["state"], r["previous"])]
    assert [(r["previous"], r["state"]) for r in of_source] == [("fresh", "gap"), ("gap", "fresh")]
    begin, end = (r["ts"] for r in of_source)
    assert MARK_NS - 3 * 10**9 <= begin <= MARK_NS
    assert end - MARK_NS >= 60 * 10**9
    assert not [r for r in clean["data.freshness"] if r["source"] == "FXCM" and r["state"] == "gap"]
