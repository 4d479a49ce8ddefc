"""Late ticks are told of by source, however few they are beside the topic."""

import numpy as np
import pytest

from cli.checks import late
from cli.log_end import CONSENSUS, RAW
from processors.runtime.batch import Columns
from processors.runtime.layout import layout_of
from processors.runtime.strings import STRINGS
from schemas.registry import load_registry

S_NS = 1_000_000_000
NOW_NS = 1_400_000_000 * S_NS


def partition(*runs: tuple[str, str, int, bool]) -> tuple[Columns, Columns]:
    """Return raw records and their consensus ticks in runs of (symbol, vendor, number, late)."""
    n = sum(run[2] for run in runs)
    registry = load_registry()
    raw, consensus = (Columns.empty(layout_of(registry.current(t).schema), n) for t in (RAW, CONSENSUS))
    raw.ints[:] = consensus.ints[:] = 0
    repeats = [run[2] for run in runs]
    symbols, vendors, venues = [r[0] for r in runs], [r[1] for r in runs], [""] * len(runs)
    for column, texts in (("symbol_id", symbols), ("vendor", vendors), ("venue", venues)):
        raw[column] = np.repeat([STRINGS.code(text) for text in texts], repeats)
    raw.offset = consensus["raw_offset"] = 100 + np.arange(n)
    raw["ts_event"] = NOW_NS + np.arange(n) * S_NS
    consensus["watermark"] = raw["ts_event"] - 2 * S_NS
    raw["ts_event"] -= np.repeat([run[3] for run in runs], repeats) * 10_000_000 * S_NS
    return raw, consensus


def late_of(*partitions: tuple[Columns, Columns]) -> list[late.LateSource]:
    raw, consensus = zip(*partitions, strict=True)
    return late.late_sources(dict(enumerate(raw)), dict(enumerate(consensus)))


def test_a_small_old_replay_behind_a_large_one_is_told_by_its_source():
    """Two hundred late ticks behind ten thousand sound ones, with sound ones of others between, are found."""
    mixed = partition(
        ("EURUSD:FX", "FXCM", 10_000, False), ("EURUSD:FX", "FXCM", 200, True), ("NZDUSD:FX", "OANDA", 9_000, False)
    )
    (found,) = late_of(mixed, partition(("BTC-USD:CRYPTO", "BINANCE", 100, False)))
    assert (found.symbol_id, found.source, found.late) == ("EURUSD:FX", "FXCM", 200)
    assert found.late > 0.1 * found.ticks


def test_ticks_that_are_not_published_are_late_all_the_same():
    """Older ticks that count as duplicates, and those that reconcile has not done yet, are told by the raw topic."""
    raw, consensus = partition(("A", "x", 1_000, False), ("A", "x", 300, True))
    (found,) = late_of((raw, consensus.take(slice(0, 1_000))))
    assert found.late == 300


def test_ticks_before_the_first_known_watermark_and_clock_marks_are_not_judged():
    """Where no consensus tick before it was read, nothing is known; a clock mark is nobody's tick."""
    raw, consensus = partition(("A", "x", 300, True))
    assert late_of((raw, consensus.take(slice(299, 300)))) == []
    assert late_of(partition(("", "replay", 300, True))) == []
    assert late.late_sources({0: raw}, {}) == []


def test_a_hiccup_is_no_news_and_a_replay_that_was_sound_forgets():
    """Fifty late ticks, a share of five in a hundred, and late ticks behind which many sound ones came: none."""
    assert late_of(partition(("A", "x", 51, True))) == []
    assert late_of(partition(*[("A", "x", 19, False), ("A", "x", 1, True)] * 100)) == []
    assert late_of(partition(("A", "x", 100, True), ("A", "x", 2_000, False))) == []


def test_the_largest_number_of_newest_ticks_is_named():
    """The figure is that of all newest ticks of which a tenth were late, as a walk over every number finds it."""
    is_late = np.random.default_rng(7).random(3_000) < np.linspace(0, 0.3, 3_000)
    expected = (0, 0)
    for n in range(1, len(is_late) + 1):
        if (count := int(is_late[-n:].sum())) > late.LATE_SHARE_MAX * max(n, late.TICKS_MIN):
            expected = (count, n)
    assert expected[1] > late.TICKS_MIN
    assert late.newest_late(is_late) == expected


@pytest.mark.parametrize("sources", [1, 5])
def test_the_warning_names_a_few_sources_and_the_remedy(monkeypatch, sources):
    """At most three sources are named, the latest first, and the others are counted."""
    runs = [(f"S{i}", "x", 100 + i, True) for i in range(sources)]
    raw, consensus = partition(("S", "x", 10, False), *runs)
    monkeypatch.setattr(late, "read_newest", lambda _servers, of, *_: {0: of})
    (finding,) = late.check_late("", {RAW: raw, CONSENSUS: consensus})
    assert finding.status == "warn"
    assert f"of S{sources - 1} from x" in finding.found
    assert ("2 more sources" in finding.found) == (sources == 5)
    assert "mps down --wipe" in finding.remedy
    raw, consensus = partition(("S", "x", 100, False))
    assert late.check_late("", {RAW: raw, CONSENSUS: consensus}) == []
