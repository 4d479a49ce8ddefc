"""A stage without a market: it echoes each raw tick as a consensus tick and numbers them per symbol.

The number makes every record depend on the whole past of its symbol, so that a lost or doubled event, or a state that
was restored wrongly, shows in every later record.
"""

import time

import numpy as np
from numba import njit
from numpy.typing import NDArray

from processors.errors import BackpressureError
from processors.runtime.batch import Columns
from processors.runtime.layout import layout_of
from processors.runtime.stage import Output, Rejected, Stage
from processors.runtime.state import State, TableSpec
from processors.runtime.strings import STRINGS
from schemas.registry import load_registry

CONSENSUS = "ticks.consensus.v1"


@njit(cache=True)
def _number(
    slots: NDArray[np.int32], seen: NDArray[np.int64], dirty: NDArray[np.uint8], out: NDArray[np.int64]
) -> None:
    """Count each symbol up."""
    for i in range(len(slots)):
        seen[slots[i]] += 1
        dirty[slots[i]] = 1
        out[i] = seen[slots[i]]


class Echo(Stage):
    """Rejects ticks of size 13; sleeps ``pause_s`` a batch; blocks symbols that ``blocked`` names."""

    name = "echo"
    source = "ticks.raw.v1"
    sinks = (CONSENSUS,)
    tables = (TableSpec("symbols", np.array((0,), [("seen", "<i8")]), 1),)

    def __init__(self, pause_s: float = 0.0) -> None:
        self.pause_s = pause_s
        self.blocked: set[str] = set()
        self._layout = layout_of(load_registry().current(CONSENSUS).schema)

    def step(self, state: State, batch: Columns) -> Output:
        """Give each tick its number in its symbol."""
        if self.pause_s:
            time.sleep(self.pause_s)
        bad = batch["size"] == 13
        good = batch.take(~bad)
        table = state["symbols"]
        slots = table.slots(good["symbol_id"])
        out = Columns.empty(self._layout, len(good))
        _number(slots, table.rows["seen"], table.dirty, out["n_src"])
        # After the state has changed: a driver that does not restore it would count these ticks twice.
        if self.blocked & {STRINGS.text(int(c)) for c in np.unique(good["symbol_id"])}:
            raise BackpressureError("blocked by the test")
        for name in ("symbol_id", "ts_event", "ts_recv", "price", "size", "bid", "ask"):
            out[name] = good[name]
        out["source"], out["vendors"] = good["vendor"], STRINGS.array_code(("a", "b"))
        out["cut"] = STRINGS.array_code(())
        out["raw_offset"] = good.offset
        rejected = [Rejected(int(i), "unlucky", "size is 13") for i in np.flatnonzero(bad)]
        return Output({CONSENSUS: out}, rejected, {"echoed": len(good), "dead": len(rejected)})
