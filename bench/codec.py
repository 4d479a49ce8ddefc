"""The Avro codec against fastavro and pyruhvro on the same raw ticks, each in its own terms, in one process."""

import io
import time
from collections.abc import Callable

import fastavro
import pyruhvro

from bench.ticks import RAW, TickMaker
from processors.runtime.codec import FlatCodec
from schemas.registry import load_registry

ROUNDS = 7


def _best_ns(work: Callable[[], object], n: int) -> float:
    """Return the least time for one record over the rounds, nanoseconds of processor time over all threads."""
    work()
    least = float("inf")
    for _ in range(ROUNDS):
        began = time.process_time_ns()
        work()
        least = min(least, time.process_time_ns() - began)
    return least / n


def measure() -> dict[str, tuple[float, float]]:
    """Return name -> (decode, encode) of one raw tick, ns; NaN where the peer is not measured."""
    entry = load_registry().current(RAW)
    codec, schema = FlatCodec(entry.schema, entry.id), fastavro.parse_schema(entry.schema)
    batch = max(TickMaker(100_000.0).make(40_000), key=len)
    n = len(batch)
    columns, _ = codec.decode(batch)
    bodies = [value[5:] for value in batch.values()]
    records = [fastavro.schemaless_reader(io.BytesIO(b), schema, None) for b in bodies]
    out = io.BytesIO()

    def fast_encode() -> None:
        out.seek(0)
        for record in records:
            fastavro.schemaless_writer(out, schema, record)

    # pyruhvro does not know timestamps in nanoseconds: on the wire they are plain longs.
    plain = entry.schema_json.replace('{"type": "long", "logicalType": "timestamp-nanos"}', '"long"')
    arrow = pyruhvro.deserialize_array(bodies, plain)
    return {
        "this codec": (
            _best_ns(lambda: codec.decode(batch), n),
            _best_ns(lambda: codec.encode(RAW, 0, columns, columns["symbol_id"]), n),
        ),
        "pyruhvro": (
            _best_ns(lambda: pyruhvro.deserialize_array(bodies, plain), n),
            _best_ns(lambda: pyruhvro.serialize_record_batch(arrow, plain, 1), n),
        ),
        "fastavro": (
            _best_ns(lambda: [fastavro.schemaless_reader(io.BytesIO(b), schema, None) for b in bodies], n),
            _best_ns(fast_encode, n),
        ),
    }
