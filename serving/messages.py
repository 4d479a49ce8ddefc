"""Records of ``signals.v1`` as messages of the ScoreService. The names of the fields are the same in both."""

from typing import Any

import numpy as np
from google.protobuf.timestamp_pb2 import Timestamp

from processors.runtime import layout as lo
from processors.runtime.batch import NULL_LONG, Columns
from processors.runtime.strings import STRINGS
from serving.generated import score_pb2 as pb


def record_of(columns: Columns, row: int) -> dict[str, Any]:
    """Return one row as the nested record that Avro has; null is None."""
    out: dict[str, Any] = {}
    for name, (op, at, _, _) in zip(columns.layout.names, columns.layout.ops.tolist(), strict=True):
        *parents, leaf = name.split(".")
        into = out
        for parent in parents:
            into = into.setdefault(parent, {})
        into[leaf] = _value(columns, name, op, at, row)
    return out


def _value(  # noqa: PLR0911 - one for each form
    columns: Columns, name: str, op: int, at: int, row: int
) -> object:
    kind, nullable = op & ~lo.NULLABLE, bool(op & lo.NULLABLE)
    if kind == lo.DOUBLE:
        number = float(columns.floats[at, row])
        return None if nullable and np.isnan(number) else number
    code = int(columns.ints[at, row])
    if nullable and code == (NULL_LONG if kind == lo.LONG else -1):
        return None
    if kind == lo.STRING:
        return STRINGS.text(code)
    if kind == lo.STRING_ARRAY:
        return list(STRINGS.array(code))
    if kind == lo.SMALL_INTS:
        return lo.small_ints(columns.ints[at : at + lo.SMALL_INTS_ROWS, row])
    if kind == lo.ENUM:
        return columns.layout.symbols[name][code]
    return bool(code) if kind == lo.BOOLEAN else code


def timestamp(ns: int) -> Timestamp:
    """Return nanoseconds since the epoch as a message."""
    seconds, nanos = divmod(ns, 1_000_000_000)
    return Timestamp(seconds=seconds, nanos=nanos)


def signal_message(record: dict[str, Any]) -> pb.Signal:
    """Return the message of a Signal record."""
    return pb.Signal(**{**record, "ts": timestamp(record["ts"])})
