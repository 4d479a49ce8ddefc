"""How long one row takes through a model's file, measured one way for all that is compared: as it is served."""

import os
import platform
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from processors.score.model import Model

F32 = NDArray[np.float32]

WARM_UP, CALLS = 20, 200


@dataclass(frozen=True, slots=True)
class Latency:
    """Time of a call with one row, one thread.

    Parameters
    ----------
    p50_ms, p99_ms
        Median and 99th percentile.
    rows
        Rows that such a call computes: a model that is scored in batches of so many fills the others up
        (``processors.score.batches``).
    machine, cores
        Where it was measured: name of the processor, and the cores that the process may use.
    """

    p50_ms: float
    p99_ms: float
    rows: int
    machine: str
    cores: int


def measure_latency(model: Model, row: F32) -> Latency:
    """Return the latency of a model on this machine.

    Parameters
    ----------
    row
        Shape (1, n_inputs) or (1, window_bars, n_inputs), a real one: a graph may be faster on zeros.
    """
    took = np.empty(CALLS)
    for call in range(-WARM_UP, CALLS):
        begun = time.perf_counter()
        model.run(row)
        took[max(call, 0)] = 1e3 * (time.perf_counter() - begun)
    p50, p99 = (float(np.quantile(took, q)) for q in (0.5, 0.99))
    return Latency(p50, p99, max(model.card.batch_rows, 1), processor(), cores())


@cache
def processor() -> str:
    """Return the name of the processor, as far as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return (named[0] if named else platform.processor()) or platform.machine()


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
