"""The pure part of a replay."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from processors.feeds.files import open_recording
from processors.feeds.partitioner import partition_of
from processors.feeds.port import codec, kind_index, longs
from processors.feeds.replay import recorded_batches, steps
from processors.runtime.strings import STRINGS
from schemas.vendors import Vendor, Vendors

MARKET = Path(__file__).parents[2] / "deploy" / "demo" / "market"
SECOND = 1_000_000_000


def digests(batches) -> dict[int, str]:
    """Return a hash of all records and keys of each partition."""
    hashes: dict[int, object] = {}
    for batch in batches:
        h = hashes.setdefault(batch.partition, hashlib.sha256())
        for key, value in zip(batch.keys(), batch.values(), strict=True):
            h.update(b"%d %d " % (len(key), len(value)) + key + value)  # type: ignore[attr-defined]
    return {p: h.hexdigest() for p, h in hashes.items()}  # type: ignore[attr-defined]


def decoded(batches, rows_of) -> dict[int, list[dict]]:
    """Return the records of each partition as dictionaries."""
    out: dict[int, list[dict]] = {}
    for batch in batches:
        columns, error = codec().decode(batch)
        assert not error.any()
        out.setdefault(batch.partition, []).extend(rows_of(columns))
    return out


@pytest.fixture
def two_files(quotes):
    """Return quotes of two symbols in two partitions: one busy, the other with a pause, then a gap of a day."""
    busy = quotes("busy", [float(s) for s in range(0, 60, 2)] + [86_400.0], symbol="EURUSD")
    pausing = quotes("pausing", [1.0, 41.0, 59.0], symbol="NZDUSD")
    assert partition_of(b"EURUSD:FX", 4) == 3
    assert partition_of(b"NZDUSD:FX", 4) == 0
    return [busy, pausing]


def test_a_quiet_partition_hears_the_time_while_others_have_ticks(two_files, rows_of, ns) -> None:
    """A quiet partition hears the time every 15 s while others have ticks, twice around a gap, and at the end."""
    start = ns("2014-05-01T12:00")
    by_partition = decoded(recorded_batches(two_files), rows_of)
    pausing = [((r["ts_event"] - start) / SECOND, r["kind"]) for r in by_partition[0]]
    assert pausing == [
        (1, "quote"), (15.9, "heartbeat"), (31.9, "heartbeat"), (41, "quote"), (55.9, "heartbeat"), (59, "quote"),
        (119, "heartbeat"), (86_399.9, "heartbeat"), (86_700, "heartbeat"),
    ]  # fmt: skip
    idle = [((r["ts_event"] - start) / SECOND, r["kind"]) for r in by_partition[1]]
    assert idle == [
        *((s, "heartbeat") for s in (15.9, 31.9, 47.9)), (119, "heartbeat"), (86_399.9, "heartbeat"),
        (86_700, "heartbeat"),
    ]  # fmt: skip
    marks = [r for rows in by_partition.values() for r in rows if r["kind"] == "heartbeat"]
    assert {(r["symbol_id"], r["vendor"], r["venue"], r["seq"], r["price"], r["bid"]) for r in marks} == {
        ("", "replay", "", None, None, None)
    }
    assert all(r["ts_recv"] == r["ts_event"] for r in marks)


def test_records_do_not_depend_on_the_batches(two_files) -> None:
    """The records of each partition do not depend on how many are made at a time."""
    whole = digests(recorded_batches(two_files))
    assert len(whole) == 4
    for rows in (1, 2, 7):
        assert digests(recorded_batches(two_files, batch_rows=rows)) == whole


def test_records_do_not_depend_on_the_pace(two_files) -> None:
    """The records of each partition do not depend on the slices of a paced replay."""
    sliced = (b for step in steps(open_recording(two_files), slice_ns=3 * SECOND) for b in step.batches)
    assert digests(sliced) == digests(recorded_batches(two_files))


def test_a_minute_closes_without_waiting_for_the_next_tick(quotes, rows_of, ns) -> None:
    """At a pace, the mark that closes a minute is a step of its own, 2.1 s after it; all bytes stay the same."""
    start = ns("2014-05-01T12:00")
    file = quotes("pausing", [58.0, 90.0, 91.0], symbol="EURUSD")
    paced = list(steps(open_recording([file]), slice_ns=SECOND // 20))
    assert [((s.clock_ns - start) / SECOND, len(s.ticks), s.marks) for s in paced] == [
        (58.0, 1, 0), (62.1, 0, 4), (90.0, 1, 3), (91.0, 1, 0), (91.0, 0, 4),
    ]  # fmt: skip
    closing = [r for rows in decoded(paced[1].batches, rows_of).values() for r in rows]
    assert [(r["ts_event"] - start) / SECOND for r in closing] == [62.0] * 4
    assert digests(b for step in paced for b in step.batches) == digests(recorded_batches([file]))


def test_a_mark_knows_how_late_a_vendor_stamps(write, ns, monkeypatch) -> None:
    """A vendor that stamps 4 s late is 4 s behind the clock, as reconcile will see it: minutes close as much later."""
    start = ns("2013-10-07T10:00")
    path = write(
        "gc", ts=[start + s * SECOND for s in (50, 90, 91)], symbol=["GC"] * 3, contract=["GCZ13"] * 3,
        venue=["COMEX"] * 3, seq=[3, 4, 5], price=[1310.7] * 3, size=[2] * 3,
    )  # fmt: skip
    vendor = STRINGS.text(int(longs(next(steps(open_recording([path]))).ticks, "vendor")[0]))
    for lag_ms, clock_s in ((0.0, 62.1), (4_000.0, 66.1)):
        known = Vendors([Vendor(vendor, "*", "venue", "", lag_ms)])
        monkeypatch.setattr("processors.feeds.replay.load_vendors", lambda known=known: known)
        second = list(steps(open_recording([path]), slice_ns=SECOND // 20))[1]
        assert (second.marks, (second.clock_ns - start) / SECOND) == (4, clock_s)


def test_records_do_not_depend_on_the_strings_seen_before(two_files) -> None:
    """The records do not depend on the codes that strings have in this process."""
    before = digests(recorded_batches(two_files))
    for i in range(50):
        STRINGS.code(f"stranger {i}")
    assert digests(recorded_batches(two_files)) == before


def test_offsets_count_from_0_in_each_partition(two_files) -> None:
    """Offsets count from 0 in each partition without a hole, as in an empty topic."""
    offsets: dict[int, list[int]] = {}
    for batch in recorded_batches(two_files, batch_rows=5):
        assert batch.topic == "ticks.raw.v1"
        offsets.setdefault(batch.partition, []).extend(batch.offset.tolist())
    assert set(offsets) == {0, 1, 2, 3}
    for found in offsets.values():
        assert found == list(range(len(found)))


def test_a_tick_is_keyed_by_its_partition_key_and_a_mark_by_nothing(write, ns) -> None:
    """A tick is keyed by its partition key, here the root of a contract; a mark has an empty key."""
    path = write(
        "gc", ts=[ns("2013-10-07T10:00")], symbol=["GC"], contract=["GCZ13"], venue=["COMEX"], seq=[3],
        price=[1310.7], size=[2],
    )  # fmt: skip
    keys = {batch.partition: list(batch.keys()) for batch in recorded_batches([path])}
    first = next(recorded_batches([path]))
    assert list(first.keys()) == [b"GC:CMX"]
    assert first.partition == partition_of(b"GC:CMX", 4)
    assert keys == {p: [b""] for p in range(4)}


def test_only_ticks_of_the_chosen_span_are_taken_and_no_more_than_the_limit(two_files, ns) -> None:
    """Only ticks with an event time from the first to before the last given are taken, and no more than the limit."""
    start = ns("2014-05-01T12:00")
    recording = open_recording(two_files)

    def times(**options) -> list[float]:
        return [
            (int(t) - start) / SECOND for step in steps(recording, **options) for t in longs(step.ticks, "ts_event")
        ]

    assert times(begin_ns=start + 40 * SECOND, end_ns=start + 44 * SECOND) == [40, 41, 42]
    assert times(limit=3) == [0, 1, 2]
    assert times(limit=3, batch_rows=2) == [0, 1, 2]
    assert times(begin_ns=start + 90_000 * SECOND) == []


def test_the_shipped_ticks_are_all_there_in_order_with_few_marks() -> None:
    """All 1,198,127 shipped ticks are there, in the order of their receive times, with fewer than 150,000 marks."""
    ticks = marks = 0
    last = 0
    for step in steps(open_recording([MARKET])):
        recv = longs(step.ticks, "ts_recv")
        if len(recv):
            assert recv[0] >= last
            assert (np.diff(recv) >= 0).all()
            last = int(recv[-1])
        ticks += len(recv)
        marks += step.marks
        assert sum(len(b) for b in step.batches) == len(recv) + step.marks
    assert ticks == 1_198_127
    assert marks == 63_970


def test_no_shipped_tick_is_behind_a_mark_of_its_partition() -> None:
    """No shipped tick is behind a mark of its partition: marks promise nothing that the ticks after them break."""
    promised = np.zeros(4, np.int64)
    for batch in recorded_batches([MARKET / "binance_book_ticker_3venues.parquet", MARKET / "xauusd_ticks.parquet"]):
        columns, _ = codec().decode(batch)
        time, is_mark = longs(columns, "ts_event"), longs(columns, "kind") == kind_index("heartbeat")
        known = np.maximum.accumulate(np.where(is_mark, time, promised[batch.partition]))
        assert (time >= known).all()
        promised[batch.partition] = known[-1]
    assert (promised > 0).all()
