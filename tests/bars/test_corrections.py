"""Corrections and cancels of trades: the bars that come of them in the end, and what is remembered for them."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.bars.config import BarsConfig
from processors.bars.prints import BLOCK_PRINTS
from processors.bars.stage import BarsStage
from processors.errors import ConfigError
from schemas.instruments import load_instruments
from schemas.vendors import Vendor
from tests.bars.oracle import INSTRUMENTS, MINUTE, SECOND, Run, as_rows, clock, correction, ns, run_stage, tick
from tests.reconcile.ticks import Run as Reconcile
from tests.reconcile.ticks import raw, trade

T = ns("2014-05-05T10:00:00")
Rows = list[dict[str, Any]]


def numbered(seq: int, at_s: float, price: float, size: float | None = 2.0, **fields: Any) -> dict[str, Any]:
    """Return a trade with a sequence number, counted alone."""
    return tick("BTC:T", T + round(at_s * SECOND), price=price, size=size, seq=seq, **({"n_src": 1} | fields))


def corrected(seq: int, at_s: float, price: float | None, size: float | None = None, **fields: Any) -> dict[str, Any]:
    """Return a correction, or a cancel where the price is None."""
    return correction("BTC:T", T + round(at_s * SECOND), seq, price, size, **fields)


def last_of(run: Run) -> dict[tuple[str, int], dict[str, Any]]:
    """Return the last revision of each bar that has a trade, but for what tells of the way to it.

    A symbol was heard of by a trade that is taken back: whether a bar is stale does not change.
    """
    last = {(b["tf"], b["ts"]): b for b in run.bars}
    way = {"revision", "raw_offset", "quality.stale"}
    return {k: {f: v for f, v in b.items() if f not in way} for k, b in last.items() if b["n_trades"]}


def test_a_correction_changes_an_open_minute_in_place() -> None:
    """Open, high, low, close, volume, VWAP and count are those of the right trades; nothing is published before."""
    rows = [numbered(1, 0, 100.0), numbered(2, 1, 900.0, 4.0), numbered(3, 2, 50.0), numbered(4, 3, 104.0)]
    rows += [corrected(2, 4, 102.0, 1.0), corrected(3, 5, None, 0.0)]
    assert run_stage(rows).bars == []
    (bar,) = run_stage([*rows, clock(T + MINUTE)]).bars
    assert [bar[f] for f in ("o", "h", "l", "c", "v", "n_trades", "revision")] == [
        100.0,
        104.0,
        100.0,
        104.0,
        5.0,
        3,
        0,
    ]
    assert bar["vwap"] == (200 + 102 + 208) / 5


def test_a_correction_revises_a_closed_minute_and_the_longer_bars_that_hold_it() -> None:
    """Closed ones are published again with the offset of the correction; open ones close with the right values."""
    rows = [numbered(1, 270, 100.0), numbered(2, 271, 900.0), clock(T + 300 * SECOND)]
    got = run_stage([*rows, corrected(2, 301, 101.0, raw_offset=55), clock(T + 900 * SECOND)])
    revised = [(b["tf"], b["h"], b["c"], b["v"], b["raw_offset"]) for b in got.bars if b["revision"]]
    assert revised == [("1m", 101.0, 101.0, 4.0, 55), ("5m", 101.0, 101.0, 4.0, 55)]
    assert [(b["h"], b["revision"]) for b in got.of("15m")] == [(101.0, 0)]
    assert got.counts["corrected"] == 1


def test_a_bar_whose_only_trade_is_taken_back_is_published_without_trades() -> None:
    """It cannot be unpublished: the revision says that no trade is left, with the prices that it had."""
    got = run_stage([numbered(1, 0, 100.0), clock(T + MINUTE), corrected(1, 61, None)])
    bar = got.bars[-1]
    assert [bar[f] for f in ("n_trades", "v", "c", "vwap", "revision")] == [0, 0.0, 100.0, 100.0, 1]
    assert [bar[f"quality.{f}"] for f in ("outlier_frac", "n_src", "lat_ms")] == [0.0, 0.0, 0.0]


def test_a_correction_told_twice_changes_nothing_the_second_time() -> None:
    """Twin lines tell each one twice."""
    twice = [corrected(1, 61, 101.0, 3.0), corrected(1, 62, 101.0, 3.0), corrected(1, 63, None), corrected(1, 64, None)]
    got = run_stage([numbered(1, 0, 100.0), clock(T + MINUTE), *twice])
    assert (got.counts["corrected"], got.counts["unchanged"]) == (2, 2)
    assert [b["revision"] for b in got.of("1m")] == [0, 1, 2]


def test_where_others_stood_beside_a_trade_its_price_stays_and_its_size_is_corrected() -> None:
    """The price of the print is theirs as much as its own."""
    got = run_stage([numbered(1, 0, 100.0, n_src=2), corrected(1, 1, 90.0, 5.0), clock(T + MINUTE)])
    assert [(b["l"], b["v"]) for b in got.bars] == [(100.0, 5.0)]


def test_a_size_that_did_not_count_does_not_count_now() -> None:
    """Another tape has told that volume."""
    got = run_stage([numbered(1, 0, 100.0, None), corrected(1, 1, 90.0, 5.0), clock(T + MINUTE)])
    assert [(b["l"], b["v"]) for b in got.bars] == [(90.0, 0.0)]


def test_a_cut_trade_that_is_cancelled_is_no_outlier_and_one_that_is_corrected_stays_cut() -> None:
    """It formed no price; the share of outliers is of what stands."""
    rows = [numbered(1, 0, 100.0), *(numbered(i, i, 900.0, outlier=True) for i in (2, 3, 4))]
    got = run_stage([*rows, corrected(2, 5, None), corrected(3, 6, 100.0), clock(T + MINUTE), corrected(4, 61, None)])
    assert [(b["n_trades"], b["quality.outlier_frac"]) for b in got.of("1m")] == [(1, 2 / 3), (1, 0.5)]
    assert (got.counts["corrected"], got.counts["unchanged"]) == (2, 1)


@pytest.mark.parametrize(
    "named",
    [
        {"seq": 9},  # never traded
        {"seq": 1, "source": "w"},  # of another source
        {"seq": 1, "symbol_id": "EUR:T"},  # whose bars are made of mids
        {"seq": 2},  # in a minute with a trade from before the first number
        {"seq": 3},  # in a minute that is not kept any more
    ],
)
def test_a_correction_of_what_is_not_remembered_is_too_late(named: dict[str, Any]) -> None:
    """Nothing is published, and the rest goes on."""
    rows = [tick("BTC:T", T, price=1.0), numbered(2, 1, 100.0)]
    rows += [numbered(3 + i, 60 + 60 * i, 100.0) for i in range(4)] + [clock(T + 400 * SECOND)]
    before = run_stage(rows, BarsConfig(kept_bars=3)).bars
    got = run_stage([*rows, corrected(9, 401, 5.0) | named], BarsConfig(kept_bars=3))
    assert (got.bars, got.counts["too_late"]) == (before, 1)


def test_of_two_trades_with_one_number_the_newer_is_meant() -> None:
    """Vendors number anew each session."""
    got = run_stage([numbered(1, 0, 100.0), numbered(1, 1, 101.0), corrected(1, 2, 90.0), clock(T + MINUTE)])
    assert [(b["o"], b["c"]) for b in got.bars] == [(100.0, 90.0)]


def test_a_longer_bar_whose_first_minutes_are_forgotten_keeps_its_range_and_has_the_right_volume() -> None:
    """High and low may be wider than true; close, volume and count are exact."""
    rows = [numbered(i, 60 * i + 5, 100.0 + i) for i in range(4)]
    rows += [numbered(9, 190, 900.0, 7.0), clock(T + 240 * SECOND), corrected(9, 241, None), clock(T + 300 * SECOND)]
    (bar,) = run_stage(rows, BarsConfig(kept_bars=2)).of("5m")
    assert [bar[f] for f in ("o", "h", "l", "c", "v", "n_trades")] == [100.0, 900.0, 100.0, 103.0, 8.0, 4]
    (bar,) = run_stage(rows, BarsConfig(kept_bars=5)).of("5m")
    assert bar["h"] == 103.0


def test_memory_is_bounded_and_used_again() -> None:
    """No number, no memory; past the bound the oldest trades are forgotten; quiet symbols take few blocks for ever."""
    stage = BarsStage(BarsConfig(), INSTRUMENTS)
    state = stage.open()
    run_stage([tick("BTC:T", T + i) for i in range(100)], state=state)
    assert (len(state["rings"]), len(state["prints"])) == (0, 0)
    state = stage.open()
    hour = [numbered(i, i, 100.0) for i in range(3600)]
    assert run_stage([*hour, corrected(3500, 3600, 90.0), clock(T + 3660 * SECOND)], state=state).counts["corrected"]
    assert len(state["prints"]) < 400 / BLOCK_PRINTS
    small = BarsConfig(prints_max=2 * BLOCK_PRINTS)
    fast = [numbered(i, i / 10, 100.0) for i in range(100)]
    state = BarsStage(small, INSTRUMENTS).open()
    got = run_stage([*fast, corrected(1, 11, 90.0), corrected(99, 11, 90.0)], small, state=state)
    assert (got.counts["too_late"], len(state["prints"])) == (2, 2)
    with pytest.raises(ConfigError, match="prints_max is 31"):
        BarsConfig(prints_max=BLOCK_PRINTS - 1)


PRICES = st.integers(400, 420).map(lambda x: x / 4)
CHANGES = st.tuples(st.integers(0, 200), st.none() | PRICES, st.sampled_from((0.0, 1.0, 3.0)))


@st.composite
def histories(draw: st.DrawFn) -> tuple[Rows, Rows]:
    """Draw a stream of trades with corrections up to 200 s later, and the same with each trade right at first."""
    events: list[tuple[float, int, dict[str, Any], dict[str, Any] | None]] = []
    for i in range(draw(st.integers(20, 150))):
        at_s = 2.0 * i
        if i % 10 == 1:  # not the first: memory begins with the first number
            events.append((at_s, i, only := tick("BTC:T", T + i * 2 * SECOND, source="w", price=draw(PRICES)), only))
            continue
        late_s = draw(st.sampled_from((0, 0, 0, 30, 70)))
        first = numbered(i, max(at_s - late_s, 0.0), draw(PRICES), draw(st.sampled_from((0.0, 1.0, 2.0))), watermark=0)
        right: dict[str, Any] | None = first
        # Told in the order in which they came, however far apart: the last one stands.
        told_s = at_s
        for after_s, price, size in draw(st.lists(CHANGES, max_size=2)) if draw(st.integers(0, 3)) == 0 else []:
            told_s += after_s
            events.append((told_s, i, corrected(i, told_s, price, size, watermark=0), None))
            right = None if price is None else first | {"price": price, "size": size}
        events.append((at_s, -1, first, right))
    told, at_once = [], []
    for at_s, _, row, right in sorted(events, key=lambda e: e[:2]):
        now = T + round((at_s - 2) * SECOND)
        told.append(row | {"watermark": now})
        at_once.append(clock(now) if right is None else right | {"watermark": now})
    end = clock(T + 86_400 * SECOND)
    return [*told, end], [*at_once, end]


@settings(max_examples=60, deadline=None)
@given(histories(), st.data())
def test_corrected_bars_equal_those_of_trades_that_were_right_at_first(
    history: tuple[Rows, Rows], data: st.DataObject
) -> None:
    """The last revisions of all timeframes, whatever was corrected and however often; after restores too."""
    told, at_once = history
    config = BarsConfig(kept_bars=10)
    got = run_stage(told, config)
    assert last_of(got) == last_of(run_stage(at_once, config))
    cuts = tuple(data.draw(st.lists(st.integers(0, len(told)), max_size=4)))
    assert run_stage(told, config, cuts, restore=True).bars == got.bars


@settings(max_examples=40, deadline=None)
@given(histories())
def test_with_few_minutes_kept_only_the_range_of_longer_bars_may_be_wider(history: tuple[Rows, Rows]) -> None:
    """Counts and volumes are exact where no correction was too late; ranges hold the true ones."""
    told, at_once = history
    config = BarsConfig(kept_bars=5)
    got = run_stage(told, config)
    if got.counts["too_late"]:
        return
    expected = last_of(run_stage(at_once, config))
    for key, bar in last_of(got).items():
        true = expected[key]
        assert [bar[f] for f in ("n_trades", "v", "o", "c")] == [true[f] for f in ("n_trades", "v", "o", "c")]
        assert bar["h"] >= true["h"]
        assert bar["l"] <= true["l"]
        assert key[0] != "1m" or bar == true


def test_a_correction_goes_from_raw_tick_to_revised_bar() -> None:
    """Through both stages: a lone vendor that takes a trade back and mends another gives the bars of the right ones."""
    right = [trade("A", i, 100.0 + i % 7, 2.0, seq=i) for i in range(200)]
    wrong = [t | ({"price": 900.0, "size": 50.0} if i % 50 == 10 else {}) for i, t in enumerate(right)]
    mended: Rows = []
    for i, row in enumerate(wrong):
        mended.append(row)
        if i % 50 == 40:
            told = raw("correction", "A", i + 0.5, symbol_id="BTC-USD:CRYPTO", conditions="correct", seq=i - 30)
            mended.append(told | {"price": right[i - 30]["price"], "size": 2.0})
    end = [trade("A", 4000, 100.0, seq=4000)]
    last = []
    for rows in (right, mended):
        reconcile, bars = (
            Reconcile(vendors=[Vendor("A", "*", "venue", "", 0.0, True)]),
            BarsStage(BarsConfig(), load_instruments()),
        )
        reconcile.feed(*rows, *end)
        output = bars.step(bars.open(), reconcile.output.records["ticks.consensus.v1"])
        last.append(last_of(Run(as_rows(output.records["bars.v1"]))))
    assert last[0] == last[1]
    assert max(b["h"] for b in last[1].values()) == 106.0
    assert output.counts["corrected"] == 4
