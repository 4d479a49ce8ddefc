"""The made-up part of the sample keeps what the comparison rests on: no partition is too far behind, ever."""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from bench.skew import sample
from processors.feeds.partitioner import partition_of
from processors.topology import PARTITIONS
from schemas.instruments import read_instruments

SLICE_NS, LIMIT_NS = sample.SLICE_S * 10**9, sample.LIMIT_S * 10**9


def ticks_of(path: Path, span: sample.Span) -> dict[str, np.ndarray]:
    """Return the times of each made-up symbol's ticks."""
    sample.write_ticks(path, span, futures=False)
    table = pq.read_table(path, columns=["symbol_id", "ts_event"])
    symbol, time = np.array(table["symbol_id"].to_pylist()), table["ts_event"].cast("int64").to_numpy()
    return {name: time[symbol == name] for name in sample.made_symbols()}


def test_every_partition_has_a_symbol_that_the_instruments_know(tmp_path: Path) -> None:
    """There is one made-up symbol of each partition; the shipped instruments are all there."""
    symbols = sample.made_symbols()
    assert [partition_of(s.encode(), PARTITIONS) for s in symbols] == list(range(PARTITIONS))
    path = tmp_path / "instruments.csv"
    sample.write_instruments(path)
    known = read_instruments(path).by_symbol
    with sample.SHIPPED_INSTRUMENTS.open(newline="") as f:
        assert {row["symbol_id"] for row in csv.DictReader(f)} | set(symbols) == set(known)


@pytest.mark.parametrize("span", [sample.WHOLE, sample.SHORT], ids=["whole", "short"])
def test_no_partition_is_silent_for_long(tmp_path: Path, span: sample.Span) -> None:
    """But for the years without any tick, no symbol is silent for longer than is waited for less a slice."""
    for name, time in ticks_of(tmp_path / "made.parquet", span).items():
        gaps = np.diff(time)
        assert (gaps[gaps < 300 * sample.DAY_NS] < LIMIT_NS - SLICE_NS).all(), name
        assert (gaps >= 300 * sample.DAY_NS).sum() == (1 if span.wake_ns else 0)


def test_after_the_years_without_ticks_each_time_is_alone_in_its_slice(tmp_path: Path) -> None:
    """What wakes the partitions, what closes those bars, and all else come one after the other, soon enough."""
    times = [*sample.WHOLE.wake_ns, sample.WHOLE.again_ns[0]]
    assert all(b // SLICE_NS - a // SLICE_NS == 1 for a, b in pairwise(times))
    assert times[-1] // SLICE_NS * SLICE_NS + SLICE_NS - times[0] < LIMIT_NS + sample.DAY_NS
    ticks = ticks_of(tmp_path / "made.parquet", sample.WHOLE)
    for time in ticks.values():
        woken = time[(time > sample.WHOLE.end_ns + 3 * sample.DAY_NS) & (time < times[-1])]
        assert [sum(woken // SLICE_NS == t // SLICE_NS) for t in times[:-1]] == [2, 2]


def test_all_but_one_symbol_fall_silent_a_day_before_the_years_without_ticks(tmp_path: Path) -> None:
    """The last bars of the others are closed by the time that the one symbol brings."""
    last = sorted(
        int(t[t < sample.WHOLE.wake_ns[0]].max()) for t in ticks_of(tmp_path / "m.parquet", sample.WHOLE).values()
    )
    assert last[-1] - last[-2] > sample.DAY_NS


def test_facts_are_of_every_kind_and_in_the_order_of_their_knowledge() -> None:
    """Figures, dates, levels and the budget; the closes of the VIX only where none were recorded."""
    made = sample.made_facts(sample.SHORT, vix=True)
    assert [f.ts_known for f in made] == sorted(f.ts_known for f in made)
    names = {getattr(f, "metric", None) or f.name for f in made}
    rates = {"primary_credit", "3month", "10year"}
    assert {*sample.METRICS, *rates, "risk_budget_util", "close", "date", "meeting"} == names
    assert "close" not in {getattr(f, "name", "") for f in sample.made_facts(sample.SHORT, vix=False)}
