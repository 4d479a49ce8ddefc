"""The rolls stage: days that end, rolls that follow, and what it leaves alone."""

import math
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.errors import ConfigError
from processors.futures import interest
from processors.futures.config import RollsConfig, parsed
from processors.futures.expiry import first_notice_date
from processors.futures.roll_rules import RollRule
from processors.futures.rolls import Day, RollTracker, month_index
from processors.futures.stage import Rolls, build
from processors.reference.master import default_master
from processors.runtime.batch import Columns
from processors.runtime.codec import FlatCodec
from processors.runtime.layout import layout_of
from processors.runtime.memory import MemoryDriver, message_batch
from processors.runtime.state import State
from processors.runtime.strings import STRINGS
from processors.topology import BRANCHES, build_chain, build_stage
from schemas.instruments import Instrument, Instruments
from schemas.registry import load_registry

DAY_NS = 86_400 * 10**9
START = 16_041
"""2013-12-02."""

CLOSE_NS = 22 * 3_600 * 10**9
CODES = ("ESZ13:CME", "ESH14:CME", "ESM14:CME", "GCZ13:CMX", "GCG14:CMX")
LAYOUT = layout_of(load_registry().current("bars.v1").schema)


def instrument(symbol: str, asset_class: str = "future", key: str = "") -> Instrument:
    return Instrument(symbol, asset_class, "trade", 0.25, 1.0, 50.0, "USD", "CMES", key or symbol)


INSTRUMENTS = Instruments([
    *(instrument(c, key=f"{c[:2]}:{c.split(':')[1]}") for c in CODES),
    instrument("EURUSD:FX", "fx"), instrument("WHAT:CME"),
])  # fmt: skip


def stage(rules: tuple[str, ...] = ("volume", "last-3"), depth: int = 2) -> Rolls:
    return Rolls(RollsConfig(rules, depth=depth), INSTRUMENTS)


def rows_of(bars: list[tuple]) -> Columns:
    """Return bars of (day, symbol, tf, close, volume, revision); an empty symbol is a clock mark."""
    out = Columns.empty(LAYOUT, len(bars))
    for i, (day, symbol, tf, close, volume, revision) in enumerate(bars):
        out["ts"][i] = (START + day) * DAY_NS + CLOSE_NS
        out["symbol_id"][i], out["tf"][i] = STRINGS.code(symbol), STRINGS.code(tf)
        out["c"][i], out["v"][i], out["revision"][i] = close, volume, revision
    return out


def texts(rolls: Columns) -> list[tuple]:
    """Return the rolls as plain values, null as None."""
    names = rolls.layout.names
    strings = {"symbol_id", "rule", "from_symbol_id", "to_symbol_id", "reason"}
    return [
        tuple(
            STRINGS.text(int(rolls[n][i])) if n in strings else repr(rolls[n][i].item()) for n in names
        )
        for i in range(len(rolls))
    ]  # fmt: skip


def roll_days() -> list[tuple]:
    """Return four days of two roots, ES rolling by volume on the third; each day's last row is another symbol's."""
    bars = []
    for n in range(4):
        bars += [(n, "ESZ13:CME", "1d", 1800.0 + n, 100.0 - 40 * n, 0), (n, "ESH14:CME", "1d", 1794.0 + n, 50.0, 0)]
        bars += [(n, "GCZ13:CMX", "1d", 1250.0, 9.0, 0), (n, "GCG14:CMX", "1d", 1251.0, 1.0, 0)]
        bars += [(n, "EURUSD:FX", "1m", 1.3, 0.0, 0), (n, "EURUSD:FX", "1d", 1.3, 0.0, 0)]
    return [*bars, (4, "", "", 0.0, 0.0, 0)]


def test_a_roll_is_published_when_the_clock_passes_the_close_of_its_day():
    """Volume passes to March on the third day; the roll bears that day's close and both prices of that day."""
    own = stage(("volume",))
    state = own.open()
    before = own.step(state, rows_of(roll_days()[:16]))
    assert not len(before.records["rollovers.v1"])
    out = own.step(state, rows_of(roll_days()[16:]))
    found = texts(out.records["rollovers.v1"])
    assert [(x[1], x[2], x[3], x[4], x[5]) for x in found] == [("ES:CME", "volume", "1", "ESZ13:CME", "ESH14:CME")]
    rolls = out.records["rollovers.v1"]
    assert rolls["ts"][0] == (START + 2) * DAY_NS + CLOSE_NS
    assert rolls["difference"][0] == -6.0
    assert rolls["ratio"][0] == rolls["price_to"][0] / rolls["price_from"][0]


def test_the_stage_rolls_as_the_library_does():
    """The same days through the tracker give the same rolls."""
    own = stage()
    out = own.step(own.open(), rows_of(roll_days())).records["rollovers.v1"]
    tracker, want = RollTracker("ES", (RollRule("volume"), RollRule("last-3")), 2), []
    months = np.array([month_index("2013-12"), month_index("2014-03")])
    for n in range(4):
        price, volume = np.array([1800.0 + n, 1794.0 + n]), np.array([100.0 - 40 * n, 50.0])
        known = (START + n) * DAY_NS + CLOSE_NS
        want += tracker.end_of_day(Day(START + n, known, months, price, volume, np.full(2, math.nan)))
    got = [x for x in texts(out) if x[1] == "ES:CME"]
    assert [(int(x[0]), x[2], int(x[3]), float(x[6])) for x in got] == [
        (r.ts, r.rule, r.depth, r.price_from) for r in want
    ]


def test_every_row_meets_one_fate():
    """Bars, others, revisions, late ones and dead ones add up to the input."""
    own = stage()
    bars = [
        (0, "ESZ13:CME", "1d", 1.0, 1.0, 0), (0, "ESZ13:CME", "1d", 1.0, 1.0, 0), (0, "ESZ13:CME", "1m", 1.0, 1.0, 0),
        (1, "ESZ13:CME", "1d", 1.0, 1.0, 0), (0, "ESH14:CME", "1d", 1.0, 1.0, 0), (1, "ESZ13:CME", "1d", 1.0, 1.0, 1),
        (1, "WHAT:CME", "1d", 1.0, 1.0, 0), (1, "", "", 0.0, 0.0, 0),
    ]  # fmt: skip
    out = own.step(own.open(), rows_of(bars))
    assert out.counts == {"bar": 2, "out_of_order": 2, "revision_ignored": 1, "dead": 1, "other": 2}
    assert [(r.row, r.error) for r in out.rejected] == [(6, "unknown_contract")]
    assert "WHAT:CME" in out.rejected[0].reason


@st.composite
def streams(draw: st.DrawFn) -> list[tuple]:
    """Return bars of both roots over two weeks, days in order, with holes, revisions and clock marks."""
    bars: list[tuple] = []
    for day in range(draw(st.integers(2, 12))):
        for code in draw(st.permutations(CODES)):
            if draw(st.integers(0, 9)) > 1:
                size = draw(st.sampled_from([0.0, 10.0, 20.0, 30.0]))
                bars.append((day, code, "1d", draw(st.sampled_from([99.5, 100.0, 101.25])), size, 0))
        if draw(st.booleans()):
            bars.append((day, "", "", 0.0, 0.0, 0))
        if draw(st.booleans()):
            bars.append((day, draw(st.sampled_from(CODES)), "1d", 98.0, 99.0, 1))
    return [*bars, (13, "", "", 0.0, 0.0, 0)]


def carried(own: Rolls, state: State, changelog: dict[bytes, bytes]) -> State:
    """Return the state restored from its changelog."""
    changelog |= dict(state.changed())
    fresh = own.open()
    fresh.restore(dict(sorted(changelog.items(), reverse=True)))
    return fresh


@settings(max_examples=40, deadline=None)
@given(streams(), st.lists(st.integers(0, 70), max_size=4))
def test_split_anywhere_and_restored_equals_unsplit(bars: list[tuple], cuts: list[int]):
    """Neither the edges of batches nor a restore from the changelog change a roll."""
    own = stage()
    whole = own.step(own.open(), rows_of(bars))
    state, changelog, parts = own.open(), {}, []
    edges = sorted({0, len(bars), *(c for c in cuts if c < len(bars))})
    counts: dict[str, int] = {}
    for a, b in pairwise(edges):
        out = own.step(state, rows_of(bars[a:b]))
        parts += texts(out.records["rollovers.v1"])
        counts = {f: counts.get(f, 0) + n for f, n in out.counts.items()}
        state = carried(own, state, changelog)
    assert parts == texts(whole.records["rollovers.v1"])
    assert counts == whole.counts
    assert sum(counts.values()) == len(bars)


@settings(max_examples=40, deadline=None)
@given(streams(), streams(), st.integers(0, 60))
def test_a_prefix_of_bars_gives_a_prefix_of_rolls(bars: list[tuple], other: list[tuple], cut: int):
    """What comes later changes no roll that is out."""
    own = stage()
    head = [b for b in bars[:cut] if b[0] < 13]
    day = max((b[0] for b in head), default=0)
    tail = [b for b in other if b[0] > day]
    prefix = texts(own.step(own.open(), rows_of(head)).records["rollovers.v1"]) if head else []
    for rest in ([b for b in bars[cut:] if b[0] >= day], tail):
        out = texts(own.step(own.open(), rows_of(head + rest)).records["rollovers.v1"])
        assert out[: len(prefix)] == prefix


def test_its_rows_are_written_as_the_record_says():
    """Rolls without a common day have nulls; all fields encode and decode."""
    own = stage(("volume",))
    bars = [(0, "ESZ13:CME", "1d", 100.0, 1.0, 0), (18, "ESH14:CME", "1d", 101.0, 1.0, 0), (19, "", "", 0.0, 0.0, 0)]
    rolls = own.step(own.open(), rows_of(bars)).records["rollovers.v1"]
    assert len(rolls) == 1
    assert math.isnan(rolls["ratio"][0])
    codec = FlatCodec(load_registry().current("rollovers.v1").schema, 11)
    again, error = codec.decode(codec.encode("rollovers.v1", 0, rolls, rolls["symbol_id"]))
    assert not error.any()
    assert texts(again) == texts(rolls)
    assert texts(rolls)[0][10] == "end"


def test_its_rolls_go_to_the_partition_of_their_bars():
    """Through the pipeline: encoded bars of the shipped gold contracts give one record, keyed by the root."""
    days = [(0, "GCX13:CMX", "1d", 1318.0, 9.0, 0), (0, "GCZ13:CMX", "1d", 1318.7, 1.0, 0)]
    days += [(1, "GCX13:CMX", "1d", 1319.0, 1.0, 0), (1, "GCZ13:CMX", "1d", 1319.7, 9.0, 0), (2, "", "", 0.0, 0.0, 0)]
    bars = rows_of(days)
    bars["ts"] -= 40 * DAY_NS
    schema = load_registry().current("bars.v1")
    batch = FlatCodec(schema.schema, schema.id).encode("bars.v1", 3, bars, bars["symbol_id"])
    driver = MemoryDriver([Rolls(RollsConfig(("volume",)))])
    driver.feed(message_batch(batch, 0))
    (log,) = driver.logs["rollovers.v1", 3]
    assert list(log.keys()) == [b"GC:CMX"]
    rolls, _ = FlatCodec(load_registry().current("rollovers.v1").schema, 11).decode(log)
    assert [x[4:6] for x in texts(rolls)] == [("GCX13:CMX", "GCZ13:CMX")]
    assert rolls["difference"][0] == pytest.approx(0.7)


def test_the_table_of_branches_agrees_with_the_stage():
    """Name, source and sinks are those of its row; it runs alone and in no chain."""
    (row,) = [r for r in BRANCHES if r.stage == "rolls"]
    own = build_stage("rolls")
    assert (own.name, own.source, own.sides, own.sinks) == (row.stage, row.source, row.sides, row.sinks)
    assert [s.name for s in build_chain(["rolls"])] == ["rolls"]
    with pytest.raises(ConfigError, match="alone"):
        build_chain(["bars", "rolls"])
    assert build().settings.endswith("depth: 3")


@pytest.mark.parametrize(
    "change",
    [{"rules": ()}, {"rules": ("volume",) * 2}, {"rules": ("x",)}, {"rules": tuple(f"last-{n}" for n in range(9))},
     {"depth": 0}, {"by_root": (("NOROOT", ("volume",)),)}, {"by_root": (("GC", ("x",)),)}],
)  # fmt: skip
def test_rules_that_are_none_are_refused(change: dict):
    """No rule, one twice, what is no rule, more than a row holds, no depth, and a root without dates."""
    with pytest.raises(ConfigError):
        replace(RollsConfig(), **change)


def test_a_text_says_the_rules_of_every_root_and_of_each():
    """Entries by ; or line, with remarks; a root's are in place of the master's, which stand beside the others."""
    (security, other) = (s for s in default_master().records if s.symbol_id in {"GCZ13:CMX", "GCG14:CMX"})
    text = "volume last-2  # of all\nES: oi notice-5 month+3; depth: 4\nCL:NYM: last-1"
    found = parsed(text, "rolls.txt", [security, replace(other, roll_rules="oi notice-9")])
    assert found.rules == ("volume", "last-2")
    assert dict(found.by_root) == {
        "CL": ("last-1",), "ES": ("oi", "notice-5", "month+3"),
        "GC": ("volume", "last-2", "oi", "notice-2", "notice-9"),
    }  # fmt: skip
    assert found.depth == 4
    assert [r.text for r in found.rules_of("ES")] == ["oi", "notice-5", "month+3"]
    assert [r.text for r in found.rules_of("VX")] == ["volume", "last-2"]
    assert parsed("GC: oi", "x", [security]).by_root == (("GC", ("oi",)),)


@pytest.mark.parametrize("text", ["GC:", ": oi", "a b: oi", "depth: x", "volume; notice-1", "GC: oi; GC: volume"])
def test_an_entry_of_no_form_is_refused_with_its_place(text: str):
    """The error names the file or variable."""
    with pytest.raises(ConfigError, match=r"rolls\.txt"):
        parsed(text, "rolls.txt")


def test_the_environment_names_a_text_or_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """MPS_ROLLS as it stands, or the name of a file with the same; without it, defaults and the security master."""
    assert RollsConfig.from_environment().rules_of("ES")[:2] == tuple(map(RollRule, ("volume", "notice-3")))
    (tmp_path / "rolls.txt").write_text("GC: last-7\n")
    for value in ("GC: last-7", str(tmp_path / "rolls.txt")):
        monkeypatch.setenv("MPS_ROLLS", value)
        assert RollsConfig.from_environment().rules_of("GC") == (RollRule("last-7"),)


def test_of_a_delivered_root_the_default_rolls_before_the_first_notice():
    """Gold leaves three business days before its first notice, weeks before its last trade; ES has no notice."""
    config = RollsConfig()
    assert config.rules_of("GC")[1].first_day_after("GC", "2013-12") == date(2013, 11, 25)
    assert first_notice_date("GC", "2013-12") == date(2013, 11, 29)
    assert config.rules_of("ES")[1].first_day_after("ES", "2013-12") == RollRule("last-3").first_day_after(
        "ES", "2013-12"
    )


def interest_rows(figures: list[tuple]) -> Columns:
    """Return a batch of events.v1 of (contract, day and part of it, figure); a name other than the figure's too."""
    out = Columns.empty(layout_of(load_registry().current("events.v1").schema), len(figures))
    out.topic = "events.v1"
    for i, (symbol, day, value, *name) in enumerate(figures):
        out["ts_known"][i] = out["ts_event"][i] = int((START + day) * DAY_NS) + CLOSE_NS
        out["symbol_id"][i], out["value"][i] = STRINGS.code(symbol), value
        out["name"][i] = STRINGS.code(name[0] if name else "open_interest")
    return out


def oi_days() -> list[tuple]:
    """Return five days of two contracts of ES whose volume never passes to the second."""
    bars = [(n, c, "1d", 1800.0 + n, v, 0) for n in range(5) for c, v in (("ESZ13:CME", 90.0), ("ESH14:CME", 5.0))]
    return [*bars, (5, "", "", 0.0, 0.0, 0)]


FIGURES = [
    ("ESZ13:CME", -1, 100.0), ("ESH14:CME", -1, 50.0), ("ESH14:CME", 1, 99.0), ("ESH14:CME", 2.00001, 120.0),
    ("ESZ13:CME", 3.5, 60.0), ("ESH14:CME", 1, 1.0, "date"),
]  # fmt: skip


def test_a_rule_by_open_interest_rolls_on_the_first_close_that_knows_it():
    """The larger figure comes a second after the third close: the roll is that of the fourth, with its prices."""
    own = stage(("oi", "volume"))
    state = own.open()
    out = own.step(state, interest_rows(FIGURES))
    assert out.counts == {"interest": 5, "unused_fact": 1}
    rolls = own.step(state, rows_of(oi_days())).records["rollovers.v1"]
    assert [(x[1], x[2], x[3]) for x in texts(rolls)] == [("ES:CME", "oi", "1")]
    assert rolls["ts"][0] == (START + 3) * DAY_NS + CLOSE_NS
    assert rolls["price_from"][0] == 1803.0


def test_an_old_figure_is_none_and_a_withdrawn_one_too():
    """A figure of eight days ago counts no more; one that was taken back leaves none."""
    bars = [(n, c, "1d", 1.0 + n, 1.0, 0) for n in (0, 8) for c in ("ESZ13:CME", "ESH14:CME")] + [
        (9, "", "", 0.0, 0.0, 0)
    ]
    for figures in (
        [("ESZ13:CME", 8, 9.0), ("ESH14:CME", 0.5, 99.0)],
        [("ESZ13:CME", 8, 9.0), ("ESH14:CME", 7, 99.0), ("ESH14:CME", 7.5, math.nan)],
    ):
        own = stage(("oi",))
        state = own.open()
        own.step(state, interest_rows(figures))
        assert not len(own.step(state, rows_of(bars)).records["rollovers.v1"])


@settings(max_examples=60, deadline=None)
@given(
    streams(), st.lists(st.tuples(st.sampled_from(CODES), st.integers(-8, 50).map(lambda x: x / 4), st.integers(0, 9)),
                        unique_by=lambda f: f[:2], max_size=30),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_the_order_of_the_figures_and_restores_change_no_roll(bars: list[tuple], figures: list[tuple], rng: Random):
    """Figures in any order, all before, or each just before the close that should know it: the same rolls."""
    own = stage(("oi", "volume", "oi-next"), depth=3)
    state = own.open()
    own.step(state, interest_rows(figures))
    whole = texts(own.step(state, rows_of(bars)).records["rollovers.v1"])
    state, changelog, parts, waiting = own.open(), {}, [], list(figures)
    rng.shuffle(waiting)
    for bar in bars:
        due = [f for f in waiting if f[1] <= bar[0]]
        waiting = [f for f in waiting if f[1] > bar[0]]
        if due:
            own.step(state, interest_rows(due))
        parts += texts(own.step(state, rows_of([bar])).records["rollovers.v1"])
        state = carried(own, state, changelog)
    assert parts == whole


def test_only_the_last_figures_of_a_day_are_kept():
    """More figures of one contract and day than a row holds: the earliest give way, and the newest known one counts."""
    own = stage(("oi",))
    state = own.open()
    own.step(state, interest_rows([("ESZ13:CME", n / 1000, float(n)) for n in range(20)]))
    table = state["interest"]
    assert len(table) == 1
    assert interest.known_at(table, ["ESZ13:CME"], (START + 1) * DAY_NS + CLOSE_NS).tolist() == [19.0]
    assert np.isnan(interest.known_at(table, ["ESZ13:CME"], START * DAY_NS + CLOSE_NS)).all()
