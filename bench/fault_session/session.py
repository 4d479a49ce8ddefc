"""Thirty recorded minutes of EURUSD: two vendors as recorded, and others that are made of the first.

Two panels, and of each panel three variants, one a partition, which the same processes take:

    panel     who decides                                             clean  without the third  with its faults
    majority  FXCM and four that repeat it: they hold most of the weight 0            1                 2
    close     nobody: any of three may be the median                     0            1                 2
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.fault_session.faults import Fault, schedule, with_faults
from deploy.local.paths import SHIPPED_TICKS
from processors.feeds import port
from processors.feeds.files import open_recording
from processors.feeds.replay import steps
from processors.reconcile.config import ReconcileConfig
from processors.runtime.batch import Columns, EncodedBatch
from processors.runtime.strings import STRINGS
from schemas.vendors import CLOCK_VENDOR

RECORDING = "eurusd_ticks_two_vendors.parquet"
SYMBOL = "EURUSD:FX"
LEADER, SECOND, THIRD = "FXCM", "OANDA", "THIRD"
START_NS = int(np.datetime64("2014-05-05T13:00:00", "ns").astype(np.int64))
"""The first hour of US trading: both vendors speak in every minute."""
MINUTES = 30
NOISE_PIPS = 0.3
PIP = 1e-4
TICK_SIZE = 1e-5
AHEAD_NS_MAX = ReconcileConfig().future_ms * 10**6
"""How far a stamp may be ahead of its receipt."""
VENDORS = Path(__file__).with_name("vendors.csv")
"""Says that the third vendor numbers its ticks one by one."""
ALLIES = ("ALLY1", "ALLY2", "ALLY3", "ALLY4")
"""Vendors that say what the leader says, 1 to 4 ms after it; the third one comes after them."""
SEED = 20140505
END_S = 400.0
"""Time of the mark after the last tick: allowed lateness passes and the last minutes close."""

MAJORITY = "majority"
PANELS = (MAJORITY, "close")
VARIANTS = ("clean", "without", "faulty")


@dataclass(frozen=True, slots=True)
class Session:
    """One panel, ready to be published.

    Parameters
    ----------
    logs
        Raw ticks by partition, in the order of ``VARIANTS``; each in the order of the log, the closing mark last.
    faults, injected
        What was injected into the faulty variant, and the number of records that each fault fell on.
    """

    panel: str
    logs: tuple[Columns, ...]
    faults: tuple[Fault, ...]
    injected: tuple[int, ...]

    def encoded(self) -> list[EncodedBatch]:
        """Return the records of each partition."""
        encode = port.codec().encode
        return [encode(port.RAW_TOPIC, p, t, port.longs(t, "symbol_id")) for p, t in enumerate(self.logs)]


def make_session(panel: str, folder: Path = SHIPPED_TICKS, seed: int = SEED) -> Session:
    """Return a panel of the recording in a folder.

    Raises
    ------
    ConfigError
        The recording is not there.
    """
    faults = schedule(THIRD)
    rng = np.random.default_rng(seed)
    clean = _in_log_order(_panel(_recorded(folder), rng, allies=ALLIES if panel == MAJORITY else ()))
    without = clean.take(port.longs(clean, "vendor") != STRINGS.code(THIRD))
    faulty, injected = with_faults(clean, faults, START_NS, seed)
    return Session(panel, tuple(_stacked([t, _end_mark()]) for t in (clean, without, faulty)), faults, tuple(injected))


def _recorded(folder: Path) -> Columns:
    end = START_NS + MINUTES * 60 * 10**9
    return _stacked([s.ticks for s in steps(open_recording([folder / RECORDING]), begin_ns=START_NS, end_ns=end)])


def _panel(recorded: Columns, rng: np.random.Generator, allies: tuple[str, ...]) -> Columns:
    """Return the two vendors as recorded, and others beside the first: allies, and a third that is a little off.

    Its quotes carry the event times of the leader's and come after them, so that it never opens a minute.
    """
    # The leader's crossed quotes, a tenth as recorded, are refused in every variant; the third vendor has none.
    copied = (port.longs(recorded, "vendor") == STRINGS.code(LEADER)) & (recorded["bid"] <= recorded["ask"])
    third = recorded.take(copied)
    third["vendor"] = STRINGS.code(THIRD)
    n = len(third)
    third["seq"] = np.arange(1, n + 1)
    off = rng.normal(0.0, NOISE_PIPS * PIP, n)
    for side in ("bid", "ask"):
        third[side] = np.rint((third[side] + off) / TICK_SIZE) * TICK_SIZE  # type: ignore[operator]
    parts = [recorded]
    for i, ally in enumerate((*allies, THIRD), start=1):
        ticks = third if ally == THIRD else recorded.take(copied)
        ticks["vendor"], ticks["seq"] = STRINGS.code(ally), third["seq"]
        if allies:
            ticks["ts_recv"] = port.longs(ticks, "ts_recv") + i * 1_000_000
        parts.append(ticks)
    return _stacked(parts)


def _in_log_order(ticks: Columns) -> Columns:
    """Return ticks by receive time; one vendor's own records stay in their order, as on one connection."""
    recv = port.longs(ticks, "ts_recv")
    vendor = port.longs(ticks, "vendor")
    for code in np.unique(vendor):
        mine = np.flatnonzero(vendor == code)
        recv[mine] = np.maximum.accumulate(recv[mine])
    # Of equal times the leader first: the others follow it.
    follows = vendor != STRINGS.code(LEADER)
    return ticks.take(np.lexsort((follows, recv)))


def _end_mark() -> Columns:
    mark = port.raw_ticks(1)
    mark["kind"], mark["vendor"] = port.kind_index("heartbeat"), STRINGS.code(CLOCK_VENDOR)
    mark["ts_event"] = mark["ts_recv"] = START_NS + MINUTES * 60 * 10**9 + int(END_S * 1e9)
    return mark


def _stacked(parts: list[Columns]) -> Columns:
    ints, floats = (np.hstack([getattr(p, kind) for p in parts]) for kind in ("ints", "floats"))
    return Columns(parts[0].layout, ints, floats)
