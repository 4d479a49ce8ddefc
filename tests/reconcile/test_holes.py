"""Missing ticks: holes in the numbers of a source, what its feed tells of them, and where the mark goes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from processors.errors import ConfigError
from processors.reconcile import shares
from processors.reconcile.learned import SourceMetrics, learned
from processors.reconcile.tables import TABLES
from processors.runtime import layout as lo
from processors.runtime.layout import small_ints
from schemas.vendors import Vendor, read_vendors
from tests.reconcile.ticks import COMPILING, SECOND, T0, Raw, Run, heartbeat, quote, raw, trade

DENSE = [Vendor(v, "*", "venue", "", 0.0, numbering="dense") for v in "AB"]
SYMBOL = "BTC-USD:CRYPTO"


def numbered(*numbers: int, vendor: str = "A", step_s: float = 0.5, begin_s: float = 0.0) -> list[Raw]:
    """Return trades of a vendor, half a second apart, with these numbers."""
    return [trade(vendor, begin_s + i * step_s, 100.0, seq=n) for i, n in enumerate(numbers)]


def marks(ticks: list[dict]) -> list[tuple[float, float, int | None]]:
    """Return of each tick that tells of missing ones its time, since when, and how many; seconds after T0."""
    return [
        ((t["ts_event"] - T0) / SECOND, (t["missing_since"] - T0) / SECOND, t["missing"])
        for t in ticks
        if t["missing_since"] is not None
    ]


def counts(run: Run) -> dict[str, tuple[int, int]]:
    """Return missing and reordered ticks of each source."""
    return {x.source: (x.missing, x.reordered) for x in learned(run.state, run.stage.config)}


def test_a_hole_is_told_once_the_watermark_has_passed_it() -> None:
    """Two numbers left out are told by the first tick whose watermark, 2 s behind, has reached what showed them."""
    run = Run(vendors=DENSE)
    ticks = run.feed(*numbered(1, 2, 5, 6, 7, 8, 9, 10, 11))
    assert marks(ticks) == [(3.0, 0.5, 2)]
    assert counts(run) == {"A": (2, 0)}


def test_a_number_that_comes_in_time_leaves_no_hole() -> None:
    """It is counted as overtaken, and no tick tells of it."""
    run = Run(vendors=DENSE)
    assert marks(run.feed(*numbered(1, 2, 4, 3, 5, 6, 7, 8, 9, 10))) == []
    assert counts(run) == {"A": (0, 1)}


def test_a_number_that_comes_too_late_stays_missing() -> None:
    """It was missing when the bars of its time were made; that it came is told by its being overtaken."""
    run = Run(vendors=DENSE)
    ticks = run.feed(*numbered(1, 3, 4, 5, 6, 7, 8, 9), trade("A", 0.25, 100.0, seq=2))
    assert marks(ticks) == [(2.5, 0.0, 1)]
    assert ticks[-1]["late"] == 1
    assert counts(run) == {"A": (1, 1)}


def test_numbers_of_a_source_that_is_not_dense_tell_nothing() -> None:
    """Lines of a file leave numbers out without a loss: that is the default."""
    run = Run()
    assert marks(run.feed(*numbered(1, 20, 300, 301, 400, 500, 501, 502, 503))) == []
    assert counts(run) == {"A": (0, 0)}


def test_trades_and_quotes_of_one_source_are_numbered_apart() -> None:
    """Neither fills or makes a hole of the other."""
    run = Run(vendors=DENSE)
    quotes = [quote("A", i * 0.5, 99.0, 101.0, seq=50 + i, symbol_id=SYMBOL) for i in range(8)]
    ticks = run.feed(*(t for pair in zip(numbered(1, 2, 3, 5, 6, 7, 8, 9), quotes, strict=True) for t in pair))
    assert [m[2] for m in marks(ticks)] == [1]
    assert counts(run) == {"A": (1, 0)}


def test_a_numbering_that_begins_anew_is_no_hole_and_keeps_what_was_missing() -> None:
    """A vendor that counts each session from 1; the last hole of the old numbering is told all the same."""
    run = Run(vendors=DENSE)
    old = numbered(5001, 5002, 5005, step_s=0.1)
    ticks = run.feed(*old, *numbered(1, 2, 3, 4, 5, 6, 7, begin_s=0.5))
    assert sum(m[2] for m in marks(ticks)) == 2
    assert counts(run) == {"A": (2, 0)}


def test_a_source_with_a_hole_is_in_a_gap_for_a_minute() -> None:
    """From the next full second on; then fresh again. Stale and closed are worse and win."""
    run = Run(vendors=DENSE)
    changes = []
    for tick in [*numbered(1, 2, 5), *numbered(*range(6, 90), begin_s=1.5, step_s=1.0)]:
        run.feed(tick)
        changes += [(f["previous"], f["state"], (f["ts"] - T0) / SECOND) for f in run.freshness]
    # Told by the tick at 3.5 s, when the watermark is at 1.5.
    assert changes == [("none", "fresh", -1.0), ("fresh", "gap", 2.0), ("gap", "fresh", 64.0)]
    run.feed(heartbeat("replay", 300))
    assert run.freshness[-1]["state"] == "stale"


def gap(vendor: str, at_s: float, word: str, **values: object) -> Raw:
    """Return a feed's mark of a hole."""
    return raw("status", vendor, at_s, symbol_id=SYMBOL, conditions=word, **values)


def test_a_feeds_mark_is_published_and_the_next_tick_of_the_source_carries_it() -> None:
    """The status says since when and how many; the tick that ends the hole says since when; no later one does."""
    run = Run()
    run.feed(trade("A", 0, 100.0), trade("B", 0, 100.0))
    told = run.feed(gap("A", 0.5, "gap:12"), trade("B", 1, 100.0), trade("A", 2, 100.0), trade("A", 3, 100.0))
    assert run.fates == {"status": 1, "consensus": 3}
    assert (told[0]["kind"], told[0]["source"], told[0]["phase"], told[0]["price"]) == (
        "status",
        "A",
        "continuous",
        None,
    )
    assert marks(told) == [(0.5, 0.5, 12), (2.0, 0.5, None)]
    assert counts(run) == {"A": (12, 0), "B": (0, 0)}


def test_a_cut_connection_is_a_gap_until_the_source_ticks_again_and_a_minute_more() -> None:
    """Nobody knows how many ticks were missed; the other source is as it was."""
    run = Run()
    run.feed(trade("A", 0, 100.0), trade("B", 0, 100.0))
    run.feed(heartbeat("replay", 3.0), gap("A", 3.0, "gap:?"), trade("B", 4.0, 100.0))
    changes = []
    for at in range(5, 100):
        run.feed(trade("B", at, 100.0), *([trade("A", at, 100.0)] if at >= 8 else []))
        changes += [(f["source"], f["state"], (f["ts"] - T0) / SECOND) for f in run.freshness]
    assert changes == [("A", "gap", 2.0), ("A", "fresh", 68.0)]


def test_what_is_no_mark_is_ignored_and_one_of_a_source_never_heard_is_told() -> None:
    """Words that are none, and a hole in one of two twin lines, which the other fills."""
    run = Run(vendors=[Vendor("A2", "*", "venue", "A", 0.0)])
    run.feed(trade("A", 0, 100.0))
    assert run.feed(gap("A", 1, "gap:"), gap("A", 1, "gap:-1"), gap("A", 1, "gap:x"), gap("A2", 1, "gap:3")) == []
    assert run.fates == {"ignored": 4}
    assert [t["missing"] for t in run.feed(gap("C", 2, "gap:3"))] == [3]
    assert len(run.state["sources"]) == 1


def test_a_mark_in_a_halt_says_halted() -> None:
    """Its phase is the one that holds."""
    run = Run()
    run.feed(trade("A", 0, 100.0), raw("status", "A", 1, symbol_id=SYMBOL, conditions="halt"))
    (told,) = run.feed(gap("A", 2, "gap:1"))
    assert told["phase"] == "halted"


def test_prometheus_counts_what_is_missing_and_what_came_late() -> None:
    """By symbol and source, as counters."""
    run = Run(vendors=DENSE)
    run.feed(*numbered(1, 2, 5, 4, 6, 7, 8, 9, 10, 11))
    registry = CollectorRegistry()
    registry.register(SourceMetrics(run.stage.opened, run.stage.config))
    labels = {"symbol_id": SYMBOL, "source": "A"}
    assert registry.get_sample_value("mps_source_missing_total", labels) == 1
    assert registry.get_sample_value("mps_source_reordered_total", labels) == 1


@COMPILING
@given(
    st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 6), st.integers(0, 3), st.integers(0, 900)), max_size=60)
)
def test_every_number_left_out_is_counted_once_it_cannot_come_any_more(stream: list[tuple[str, int, int, int]]) -> None:
    """Against a set of all numbers: what was told missing was not seen by then, and in the end nothing else is."""
    run, at, top = Run(vendors=DENSE), 0.0, {"A": 100, "B": 100}
    seen: dict[str, list[int]] = {"A": [], "B": []}
    told, overtaken = {"A": 0, "B": 0}, {"A": 0, "B": 0}
    for vendor, ahead, back, step_ms in stream:
        at += step_ms / 1000
        number = max(top[vendor] + ahead - back, 100)
        if number not in seen[vendor]:
            overtaken[vendor] += bool(seen[vendor]) and number < top[vendor]
            seen[vendor].append(number)
        top[vendor] = max(top[vendor], number)
        for tick in run.feed(trade(vendor, at, 100.0, seq=number)):
            told[vendor] += tick["missing"] or 0
    ends = {}
    for vendor in [v for v in "AB" if seen[v]]:
        # Two turns: what was found while a hole waited waits once more.
        for i in range(1, 5):
            at += 5.0
            (tick,) = run.feed(trade(vendor, at, 100.0, seq=top[vendor] + i))
            told[vendor] += tick["missing"] or 0
        ends[vendor] = (told[vendor], overtaken[vendor])
        left_out = sum(n not in seen[vendor] for n in range(seen[vendor][0], top[vendor]))
        late = sum(n < seen[vendor][0] for n in seen[vendor])
        assert told[vendor] >= left_out
        assert told[vendor] <= left_out + overtaken[vendor] - late
    assert counts(run) == ends


def test_shares_are_packed_as_the_codec_packs_them() -> None:
    """Up to 32 sources, in the order of their names, each by its weight; a lone one is the whole."""
    weight = np.zeros((1, 32))
    for n in (1, 2, 8, 9, 32):
        weight[0, :n] = np.arange(1, n + 1)
        order = np.arange(32, dtype=np.uint8)[None, ::-1].copy() - np.uint8(32 - n)
        words = np.zeros((lo.SMALL_INTS_ROWS, 1), np.int64)
        shares.write_shares(weight, 0, 2**n - 1, order, 0, n, words, 0, 0)
        total = n * (n + 1) / 2
        assert small_ints(words[:, 0]) == [int(100 * (n - k) / total + 0.5) for k in range(n)]
    assert small_ints(np.array([shares.ALONE, 0, 0, 0])) == [100]
    of_codec = (lo.SMALL_BITS, lo.SMALL_PER_ROW, lo.SMALL_INTS_ROWS)
    assert of_codec == (shares.SHARE_BITS, shares.SHARES_PER_WORD, shares.WORDS)


def test_a_wrong_numbering_is_refused_and_an_older_file_says_sparse(tmp_path) -> None:
    """The file, line, column and value are named; a file from before the column is read as before."""
    path = tmp_path / "vendors.csv"
    path.write_text("vendor,venue,coverage,line_of,lag_ms,corrections,numbering\nA,*,venue,,0,no,thick\n")
    with pytest.raises(ConfigError, match=r"vendors.csv:2: numbering.*thick.*sparse, dense"):
        read_vendors(path)
    path.write_text("vendor,venue,coverage,line_of,lag_ms,corrections\nA,*,venue,,0,yes\n")
    assert read_vendors(path).of("A", "").numbering == "sparse"


def test_the_tables_begin_without_a_hole() -> None:
    """A source that was never told of a gap is in none."""
    fresh = next(t for t in TABLES if t.name == "sources").fresh
    assert fresh["gap_ns"] == fresh["gap_until_ns"] == np.iinfo(np.int64).min
    assert (fresh["missing"], fresh["reordered"], fresh["hole_n"].sum()) == (0, 0, 0)
