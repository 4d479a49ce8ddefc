"""A stage with a side: it publishes each tick together with the bar of the same time, whichever of them came first.

Both topics are ascending in time, so the two queues are merged as two sorted files are: what leaves depends on times
alone. The running number makes every record depend on the whole past of its partition.
"""

import time

import numpy as np
from numpy.typing import NDArray

from processors.errors import BackpressureError
from processors.runtime.batch import Columns
from processors.runtime.layout import layout_of
from processors.runtime.stage import Output, Rejected, Stage
from processors.runtime.state import State, TableSpec
from processors.runtime.strings import STRINGS
from schemas.registry import load_registry

FRESHNESS = "data.freshness"
ROOM = 4096
"""Most rows that wait for their partner; the test publishes no more of a partition."""
_ROW = np.dtype([("ts", "<i8"), ("slot", "<i4"), ("value", "<f8")])
_QUEUES = np.dtype([("n", "<i8", (2,)), ("paired", "<i8"), ("rows", _ROW, (2, ROOM))])


class Pair(Stage):
    """Rejects a tick at 100.17; sleeps ``pause_s`` a batch; blocks symbols that ``blocked`` names."""

    name = "pair"
    source = "ticks.raw.v1"
    sides = ("bars.v1",)
    sinks = (FRESHNESS,)
    tables = (TableSpec("symbols", np.zeros((), [("seen", "<i8")]), 1), TableSpec("queues", np.zeros((), _QUEUES), 0))

    def __init__(self, pause_s: float = 0.0) -> None:
        self.pause_s = pause_s
        self.blocked: set[str] = set()
        self._layout = layout_of(load_registry().current(FRESHNESS).schema)

    def step(self, state: State, batch: Columns) -> Output:
        """Queue the rows of either topic, and publish the pairs at the head."""
        if self.pause_s:
            time.sleep(self.pause_s)
        assert batch.topic in (self.source, *self.sides)
        side = int(batch.topic != self.source)
        bad = np.zeros(len(batch), bool) if side else batch["price"] == 100.17
        good = batch.take(~bad)
        slots = state["symbols"].slots(good["symbol_id"])  # type: ignore[arg-type]
        row = state["queues"].rows[0]
        state["queues"].dirty[0] = 1
        end = row["n"][side] + len(good)
        assert end <= ROOM
        waiting = row["rows"][side, row["n"][side] : end]
        waiting["ts"] = good["ts" if side else "ts_event"]
        waiting["slot"], waiting["value"] = slots, good["c" if side else "price"]
        row["n"][side] = end
        # After the state has changed: a driver that does not restore it would queue these rows twice.
        if self.blocked & {STRINGS.text(int(c)) for c in np.unique(good["symbol_id"])}:
            raise BackpressureError("blocked by the test")
        rejected = [Rejected(int(i), "unlucky", "price is 100.17") for i in np.flatnonzero(bad)]
        counts = {"bar" if side else "tick": len(good), "dead": len(rejected)}
        return Output({FRESHNESS: self._pairs(state, row)}, rejected, counts)

    def _pairs(self, state: State, row: np.void) -> Columns:
        rows: list[NDArray[np.void]] = [row["rows"][k, : row["n"][k]] for k in range(2)]
        at, pairs = [0, 0], []
        while at[0] < len(rows[0]) and at[1] < len(rows[1]):
            tick, bar = rows[0][at[0]], rows[1][at[1]]
            if tick["ts"] == bar["ts"]:
                pairs.append((int(tick["ts"]), int(tick["slot"]), float(tick["value"]), float(bar["value"])))
            at[0], at[1] = at[0] + (tick["ts"] <= bar["ts"]), at[1] + (bar["ts"] <= tick["ts"])
        for k in range(2):
            left = rows[k][at[k] :].copy()
            row["rows"][k], row["n"][k] = np.zeros((), _ROW), len(left)
            row["rows"][k, : len(left)] = left
        out = Columns.empty(self._layout, len(pairs))
        codes = [state["symbols"].key_codes[slot][0] for _, slot, _, _ in pairs]
        out["symbol_id"], out["ts"] = codes, [p[0] for p in pairs]
        out["age_ms"], out["threshold_ms"] = [p[2] for p in pairs], [p[3] for p in pairs]
        out["since"] = row["paired"] + np.arange(len(pairs))
        out["tf"] = out["source"] = STRINGS.code("pair")
        row["paired"] += len(pairs)
        return out


class PairOfEcho(Pair):
    """The same after the echo stage, in its process."""

    source = "ticks.consensus.v1"
