"""Rolls against their rules written out, on made and on recorded chains."""

from datetime import date, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.errors import ConfigError
from processors.futures.chain import days_of, read_table
from processors.futures.continuous import METHODS, adjusted, curves, factor_rows, run
from processors.futures.expiry import contract_code, last_trade_date
from processors.futures.roll_rules import LEAN_MODES, RollRule
from processors.futures.rolls import EPOCH, Day, RollTracker, month_index, month_text
from tests.support import SHARED

CHAINS = SHARED / "market/futures"
recorded = pytest.mark.skipif(not CHAINS.is_dir(), reason="no recorded chains: MPS_SHARED")
TEXTS = ("oi", "oi-next", "oi-annual", "volume", "notice-3", "last-0", "last-4", "month+1")
RULES = [RollRule(t) for t in TEXTS]
NS_A_DAY = 86_400 * 10**9
MONTHS = [month_index(m) for m in ("2013-12", "2014-03", "2014-06", "2014-09")]
START = date(2013, 12, 2)


def day_of(n: int, month: list[int], price: list[float], volume: list[float], interest: list[float]) -> Day:
    day = (START - EPOCH).days + n
    floats = [np.array(x, np.float64) for x in (price, volume, interest)]
    return Day(day, (day + 1) * NS_A_DAY, np.array(month, np.int64), *floats)


@st.composite
def chains(draw: st.DrawFn) -> list[Day]:
    """Return days of ES over the roll of December 2013: contracts missing, unpriced, or without open interest."""
    days = []
    for n in range(draw(st.integers(3, 24))):
        listed = draw(st.lists(st.sampled_from(MONTHS), unique=True, min_size=0, max_size=4).map(sorted))
        price = [draw(st.sampled_from([0.0, float("nan"), 1790.25, 1800.0, 1812.5, 1799.75])) for _ in listed]
        sizes = [[draw(st.sampled_from([float("nan"), 0.0, 10.0, 20.0, 30.0])) for _ in listed] for _ in range(2)]
        days.append(day_of(n, listed, price, *sizes))
    return days


def naive_fronts(days: list[Day], rule: str) -> list[int]:
    """Return the front after each day, -1 before the first, from the words of the rule."""
    ever: set[int] = set()
    front, out = -1, []
    for rows in days:
        today = EPOCH + timedelta(days=rows.day)
        priced = {
            int(m): (v, o)
            for m, p, v, o in zip(rows.month, rows.price, rows.volume, rows.open_interest, strict=True)
            if np.isfinite(p) and p != 0.0
        }
        ever |= set(priced)

        def end(m: int) -> date:
            return last_trade_date("ES", month_text(m))

        live = sorted(m for m in ever if end(m) > today)
        if rule in ("oi", "oi-next", "oi-annual", "volume"):
            size = {m: x[0] if rule == "volume" else x[1] for m, x in priced.items() if m in live}
            size = {m: x for m, x in size.items() if not np.isnan(x)}
            if front < 0:
                best = sorted(size, key=lambda m: (-size[m], m))[:1]
                front = (best or live or [-1])[0]
            else:
                later = [m for m in live if m > front]
                own = priced.get(front, (np.nan, np.nan))[0 if rule == "volume" else 1]
                pool = [m for m in (later[:1] if rule == "oi-next" else later) if m in size]
                if rule == "oi-annual":
                    pool = [m for m in pool if end(m) <= end(front) + timedelta(days=366)]
                pool.sort(key=lambda m: (-size[m], m))
                if pool and size[pool[0]] > own:
                    front = pool[0]
                elif end(front) <= today and later:
                    front = (later if rule == "oi-next" else pool or later)[0]
        else:
            last = {m: RollRule(rule).last_front_day("ES", month_text(m)) for m in live}
            front = next((m for m in live if m >= front and today < last[m]), front)
        out.append(front)
    return out


@settings(max_examples=150, deadline=None)
@given(chains(), st.sampled_from(TEXTS))
def test_the_front_is_the_one_that_the_rule_names(days: list[Day], rule: str):
    """After every day the front is what the words of the rule say, on chains with holes."""
    tracker = RollTracker("ES", [RollRule(rule)], 1)
    got = []
    for rows in days:
        tracker.end_of_day(rows)
        got.append(int(tracker.held[0, 0]))
    assert got == naive_fronts(days, rule)


@settings(max_examples=100, deadline=None)
@given(chains(), chains(), st.integers(0, 24), st.sampled_from(METHODS))
def test_the_future_changes_no_roll_and_no_forward_price_of_the_past(
    days: list[Day], other: list[Day], cut: int, method: str
):
    """Days after a time replaced by others leave fronts, rolls and forward series up to it bitwise alike."""
    cut = min(cut, len(days))
    changed = days[:cut] + other[cut:]
    ours, theirs = (run("ES", d, RULES, 3) for d in (days, changed))
    for key, series in ours.items():
        twin = theirs[key]
        n = min(cut, len(series.day), len(twin.day))
        assert series.month[:n].tobytes() == twin.month[:n].tobytes()
        known = series.known_ns[n - 1] if n else -1
        assert [repr(r) for r in series.rolls if r.ts <= known] == [repr(r) for r in twin.rolls if r.ts <= known]
        if method.startswith(("forward", "unadjusted")):
            rolls = [s.rolls for s in (series, twin)]
            if any(not np.isfinite(r.ratio) for found in rolls for r in found):
                continue
            assert adjusted(series, method)[:n].tobytes() == adjusted(twin, method)[:n].tobytes()


@settings(max_examples=100, deadline=None)
@given(chains())
def test_fronts_never_go_back_nor_past_their_end_and_depths_ascend(days: list[Day]):
    """A rolled contract is never taken again; F1 < F2 < F3; a roll is of two contracts that exist."""
    for (_, depth), series in run("ES", days, RULES, 3).items():
        assert depth > 1 or all(a <= b for a, b in pairwise(series.month[series.month >= 0]))
        for roll in series.rolls:
            assert roll.contract_from != roll.contract_to
            assert np.isnan(roll.difference) or roll.difference == roll.price_to - roll.price_from
    out = run("ES", days, RULES, 3)
    for rule in TEXTS:
        held = np.stack([out[rule, d].month for d in (1, 2, 3)])
        both = held[1:] >= 0
        assert (held[1:][both] > held[:-1][both]).all()


@settings(max_examples=60, deadline=None)
@given(chains())
def test_a_window_that_moves_with_the_front_rolls_as_all_months_do(days: list[Day]):
    """Ten months kept give the same rolls as fifty-five years: what the front has left behind is never used."""
    wide, narrow = RollTracker("ES", RULES, 3), RollTracker("ES", RULES, 3, window=10)
    for rows in days:
        assert [repr(r) for r in narrow.end_of_day(rows)] == [repr(r) for r in wide.end_of_day(rows)]


def two_contracts() -> list[Day]:
    """Return six days: open interest passes on the third, the front's price falls 10 below the next one's."""
    days = []
    for n in range(6):
        near, far = 100.0 + n, 110.0 + n
        days.append(day_of(n, MONTHS[:2], [near, far], [9.0, 1.0], [50.0 - 10 * n, 40.0]))
    return days


def test_a_roll_is_visible_from_its_instant_only():
    """Decided by the rows of the third day, known at its end, traded from the fourth."""
    series = run("ES", two_contracts(), [RollRule("oi")], 1)["oi", 1]
    (roll,) = series.rolls
    assert roll.ts == series.known_ns[2]
    assert (roll.contract_from, roll.contract_to, roll.price_from, roll.price_to) == ("ESZ13", "ESH14", 102.0, 112.0)
    assert (roll.ratio, roll.difference, roll.reason) == (112.0 / 102.0, 10.0, "rule")
    assert series.month.tolist() == [-1, *[MONTHS[0]] * 2, *[MONTHS[1]] * 3]


def test_each_adjustment_is_its_formula():
    """One roll of +10: the differences and ratios stand on the side that the method names."""
    series = run("ES", two_contracts(), [RollRule("oi")], 1)["oi", 1]
    raw = [101.0, 102.0, 113.0, 114.0, 115.0]
    ratio = 112.0 / 102.0
    want = {
        "unadjusted": raw,
        "back_difference": [111.0, 112.0, 113.0, 114.0, 115.0],
        "forward_difference": [101.0, 102.0, 103.0, 104.0, 105.0],
        "back_ratio": [101.0 * ratio, 102.0 * ratio, *raw[2:]],
        "forward_ratio": [*raw[:2], 113.0 / ratio, 114.0 / ratio, 115.0 / ratio],
    }
    for method in METHODS:
        np.testing.assert_allclose(adjusted(series, method)[1:], want[method], rtol=1e-14)
        assert np.isnan(adjusted(series, method)[0])


def test_prices_of_a_roll_are_of_one_day():
    """Where the old contract has no price on the day, the newest day that both have counts; without one, none."""
    days = two_contracts()
    last = 18
    days.append(day_of(last, MONTHS[1:2], [150.0], [1.0], [1.0]))
    roll = run("ES", days, [RollRule("last-0")], 1)["last-0", 1].rolls[0]
    assert (roll.price_from, roll.price_to, roll.difference) == (105.0, 115.0, 10.0)
    apart = [day_of(0, MONTHS[:1], [100.0], [1.0], [1.0]), day_of(last, MONTHS[1:2], [150.0], [1.0], [1.0])]
    series = run("ES", apart, [RollRule("oi")], 1)["oi", 1]
    assert np.isnan(series.rolls[0].ratio)
    with pytest.raises(ConfigError, match="ESZ13 nan to ESH14"):
        adjusted(series, "back_difference")


def test_a_price_below_zero_has_a_difference_and_no_ratio():
    """Crude oil of April 2020 rolled from a negative price."""
    days = [day_of(0, MONTHS[:2], [-37.63, 20.43], [9.0, 1.0], [1.0, 2.0])]
    days.append(day_of(1, MONTHS[:2], [-37.63, 20.43], [9.0, 1.0], [1.0, 2.0]))
    series = run("ES", [days[0]], [RollRule("last-0")], 2)["last-0", 1]
    assert not series.rolls
    tracker = RollTracker("ES", [RollRule("oi")], 1)
    tracker.end_of_day(day_of(0, MONTHS[:2], [-37.63, 20.43], [9.0, 1.0], [3.0, 2.0]))
    (roll,) = tracker.end_of_day(days[1])
    assert np.isnan(roll.ratio)
    assert roll.difference == pytest.approx(58.06)


def test_factor_rows_sum_from_both_ends():
    """Backward from the last roll, forward from the first, which leaves its own difference out."""
    ratio, back, forward = factor_rows(np.array([0.5, 0.8, 1.0]), np.array([-2.0, 3.0, 0.0]), 7.0)
    assert ratio.tolist() == [0.4, 0.8, 1.0]
    assert back.tolist() == [1.0, 3.0, 0.0]
    assert forward.tolist() == [7.0, 4.0, 4.0]


@pytest.mark.parametrize("text", ["", "oi+1", "notice", "last--1", "last-61", "month+0", "month+29", "OI"])
def test_what_is_no_rule_is_refused(text: str):
    """The error says what is allowed."""
    with pytest.raises(ConfigError, match="month\\+N"):
        RollRule(text)


def test_days_and_contracts_come_once():
    """A day again, a contract twice in a day, no rule, a depth of none: refused."""
    tracker = RollTracker("ES", [RollRule("oi")], 1)
    rows = two_contracts()[0]
    tracker.end_of_day(rows)
    with pytest.raises(ConfigError, match="a day after 2013-12-02"):
        tracker.end_of_day(rows)
    with pytest.raises(ConfigError, match="one row a contract"):
        tracker.end_of_day(day_of(1, MONTHS[:1] * 2, [1.0, 1.0], [1.0, 1.0], [1.0, 1.0]))
    for rules, depth in (([], 1), ([RollRule("oi")] * 2, 1), ([RollRule("oi")], 0)):
        with pytest.raises(ConfigError, match="ES"):
            RollTracker("ES", rules, depth)


def test_the_modes_of_lean_roll_by_date_as_they_say():
    """Last trading day: mapped to the day before it. First day of the month: to the month's end before it."""
    assert RollRule(LEAN_MODES[0]).mapped_until("ES", "2013-12") == date(2013, 12, 19)
    assert RollRule(LEAN_MODES[1]).mapped_until("ES", "2010-03") == date(2010, 2, 28)
    assert RollRule(LEAN_MODES[2]).mapped_until("ES", "2010-03") is None


def test_a_day_has_the_interest_of_the_days_before(tmp_path: Path):
    """Published on the next morning, it counts from the next day on, where a row is missing too, for a week."""
    rows = ["02,ESZ13,50", "02,ESH14,40", "03,ESH14,41", "06,ESZ13,", "06,ESH14,42", "09,ESZ13,9", "10,ESZ13,8"]
    path = tmp_path / "es.csv"
    path.write_text(
        "\n".join(["date,contract,open_interest,settle", *(f"2013-12-{r},1" for r in [*rows, "18,ESZ13,7"])])
    )
    table = read_table(path)
    found = [d.open_interest.tolist() for d in days_of("ES", table)]
    none = [np.nan, np.nan]
    np.testing.assert_equal(found, [none, [40.0], [50.0, 41.0], [50.0], [9.0], [np.nan]])
    own = [d.open_interest.tolist() for d in days_of("ES", table, interest_of="same-day")]
    np.testing.assert_equal(own, [[50.0, 40.0], [41.0], [np.nan, 42.0], [9.0], [8.0], [7.0]])


@recorded
def test_the_known_interest_of_gold_is_what_had_been_published():
    """At the end of 8 October 2013 a day has the newest figure that the exchange's ticks had told by then."""
    ticks = read_table(CHAINS / "gc_tick_open_interest.parquet").sort_values("ts", kind="stable")
    told = ticks.groupby("contract")["open_interest"].last()
    days = {d.day: d for d in days_of("GC", read_table(CHAINS / "chain_daily.parquet"))}
    day = days[(date(2013, 10, 8) - EPOCH).days]
    known = {contract_code("GC", month_text(int(m))): x for m, x in zip(day.month, day.open_interest, strict=True)}
    both = [c for c in known if c in told.index and np.isfinite(known[c])]
    assert known["GCZ13"] == told["GCZ13"] == 222_940
    assert len(both) >= 10
    assert [known[c] for c in both] == told[both].tolist()


@recorded
def test_the_roll_of_es_in_december_2013_comes_with_its_open_interest():
    """On the recorded chain interest and volume are in March by 18 December; the last trade was the 20th.

    It has single days weeks apart, so that no interest of a day before is fresh enough to be known.
    """
    out = run("ES", days_of("ES", read_table(CHAINS / "chain_daily.parquet"), interest_of="same-day"), RULES, 2)
    for rule in ("oi", "oi-next", "volume"):
        (roll,) = out[rule, 1].rolls
        assert str(np.datetime64(roll.ts, "ns"))[:10] == "2013-12-19"
        assert (roll.contract_from, roll.contract_to, roll.difference) == ("ESZ13", "ESH14", -6.25)
    assert out["last-0", 1].rolls[0].contract_to == "ESH14"
    assert [r.contract_to for r in out["oi", 2].rolls] == ["ESM14"]


@recorded
def test_gold_rolls_by_interest_before_it_rolls_by_volume():
    """By 26 November 2013 interest is in February while December still trades more."""
    out = run("GC", days_of("GC", read_table(CHAINS / "chain_daily.parquet"), interest_of="same-day"), RULES, 1)
    interest, volume = out["oi", 1].rolls[-1], out["volume", 1].rolls[-1]
    assert str(np.datetime64(interest.ts, "ns"))[:10] == "2013-11-27"
    assert interest.contract_to == volume.contract_to == "GCG14"
    assert interest.ts < volume.ts


@recorded
def test_vix_runs_through_six_years_of_rolls_in_one_unit():
    """Every monthly contract is front once by date; no roll is of a price 10 times another's; the curve is whole."""
    days = list(days_of("VX", read_table(CHAINS / "vx_chain_daily.parquet")))
    out = run("VX", days, RULES, 3)
    series = out["last-0", 1]
    assert len(series.rolls) >= 50
    for one in out.values():
        assert all(0.5 < r.ratio < 2.0 for r in one.rolls)
    prices = adjusted(series, "unadjusted")
    assert np.nanmax(prices) < 100.0
    back = adjusted(series, "back_difference")
    last = np.flatnonzero(np.isfinite(prices))[-1]
    assert back[last] == prices[last]
    table = curves("VX", days, 6)
    ends = table.values[:, :, 1]
    near, far = ends[:, 0], ends[:, 1]
    both = np.isfinite(far)
    assert (near[both] < far[both]).all()
    assert (near[np.isfinite(near)] >= 0).all()
