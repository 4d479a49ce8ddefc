"""Rows of the cross-section beside gold rows, for training: the row of the same bar, where it was known in time.

    gold.v1  (symbol, tf, ts) ----+
    cross.v1 (symbol, tf, ts) ----+--> gold rows with the cross-section's features, null where there is none

Strictly as of the row: never a later close, and never one that had to be held for other symbols, since a decision at
the gold row would not have had it. An earlier close does not stand in for it: a rank is of its own bar.
"""

from dataclasses import replace

import numpy as np

from processors.cross.config import CrossConfig
from processors.cross.stage import CROSS, Cross
from processors.featurize.universe import UNIVERSE
from processors.feeds.partitioner import Partitioner
from processors.runtime.batch import I64, Columns
from processors.runtime.codec import FlatCodec
from processors.runtime.memory import MemoryDriver
from processors.runtime.strings import STRINGS
from schemas.features import Pack
from schemas.registry import load_registry


def cross_rows(driver: MemoryDriver, config: CrossConfig | None = None) -> Columns:
    """Return the rows that cross makes of what a driver has kept of ``universe.v1``, in the order of time."""
    config = config or CrossConfig.from_environment()
    universe = decoded(driver, UNIVERSE)
    of, _ = Partitioner(config.partitions).of(np.asarray(universe["symbol_id"], np.int64))
    reached = np.asarray(universe["ts"], np.int64).copy()
    for partition in np.unique(of):
        reached[of == partition] = np.maximum.accumulate(reached[of == partition])
    stage = Cross(config)
    return stage.step(stage.open(), universe.take(np.argsort(reached, kind="stable"))).records[CROSS]


def decoded(driver: MemoryDriver, topic: str) -> Columns:
    """Return every row of a topic that a driver has kept, partition by partition."""
    entry = load_registry().current(topic)
    codec = FlatCodec(entry.schema, entry.id)
    parts = [Columns.empty(codec.layout, 0)]
    for name, partition in sorted(driver.logs):
        for encoded in driver.logs[name, partition] if name == topic else []:
            columns, error = codec.decode(encoded)
            assert not error.any(), "a stage's own record does not decode"
            parts.append(columns)
    ints, floats = (np.concatenate(m, axis=1) for m in zip(*((p.ints, p.floats) for p in parts), strict=True))
    return Columns(codec.layout, ints, floats)


def with_cross(gold: Columns, cross: Columns, pack: Pack) -> Columns:
    """Return gold rows with the features of a pack of the cross-section as further columns.

    Parameters
    ----------
    gold
        n rows of ``gold.v1``, in any order.
    cross
        Rows of ``cross.v1``, in any order; of two of one bar the last one counts.
    """
    named = [pack.ref in STRINGS.array(int(code)) for code in np.asarray(cross["packs"], np.int64)]
    known = cross.take(np.array(named, np.bool_) & (np.asarray(cross["waited_s"]) == 0))
    found = _same_bar(_keys(gold), _keys(known))
    layout, names = gold.layout, [f"features.{f.name}" for f in pack.features]
    values = np.full((len(names), len(gold)), np.nan)
    values[:, found >= 0] = known.floats[[known.layout.column[n][1] for n in names]][:, found[found >= 0]]
    column = layout.column | {n: (True, layout.n_floats + i) for i, n in enumerate(names)}
    wider = replace(layout, names=(*layout.names, *names), column=column, n_floats=layout.n_floats + len(names))
    return Columns(wider, gold.ints, np.concatenate([gold.floats, values]), gold.offset, gold.logged_ms, gold.topic)


def _keys(rows: Columns) -> I64:
    return np.stack([np.asarray(rows[name], np.int64) for name in ("symbol_id", "tf", "ts")])


def _same_bar(wanted: I64, there: I64) -> I64:
    """Return the position of the last equal key for each key, shape (n,), -1 where there is none."""
    order = np.lexsort((np.arange(there.shape[1]), *there[::-1]))
    places = {tuple(key): int(i) for key, i in zip(there[:, order].T.tolist(), order, strict=True)}
    return np.array([places.get(tuple(key), -1) for key in wanted.T.tolist()], np.int64)
