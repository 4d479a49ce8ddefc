"""The consensus of quotes against a plain one: who is fresh, offsets, weights, cut, lone sides, crossed sides."""

from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.reconcile.config import ReconcileConfig
from processors.reconcile.consensus import SCRATCH_ROWS, quote_consensus
from processors.reconcile.tables import TABLES
from processors.runtime.state import as_records
from processors.times import LONG_AGO
from tests.reconcile.test_oracle import apart, bounded, weighted_median

SOURCES, SYMBOLS = (next(t for t in TABLES if t.name == name) for name in ("sources", "symbols"))
CONFIG = ReconcileConfig()
NOW, SECOND, LIMIT_NS = 10**15, 10**9, 60 * 10**9
TICK, FLOOR = 1e-5, 0.3e-4
Sides = dict[int, float]


class Quote(NamedTuple):
    """What a source has said last, how old each side is (None: it has none), and what was learned of the source."""

    bid: float
    ask: float
    bid_age_s: float | None
    ask_age_s: float | None
    trust: float
    variance: float
    offset_bps: float


class Past(NamedTuple):
    """What was learned of the symbol: moves, seconds they took; the price agreed on last, and how long ago."""

    moved: float
    moved_s: float
    agreed: float | None
    agreed_ago_s: float


class Verdict(NamedTuple):
    """What sources are judged with, the cut, and the weights as they count."""

    dispersion: float
    sigma: float
    reach: float
    cut: set[int]
    weights: Sides


def said_ns(age_s: float | None) -> int:
    """Return when a side was said."""
    return LONG_AGO if age_s is None else NOW - round(age_s * SECOND)


def explained(values: Sides, agreed: float, deviation: float) -> list[int]:
    """Return who is within k deviations of the price that was agreed on last."""
    return [i for i, v in values.items() if abs(v - agreed) <= CONFIG.k * max(deviation, TICK)]


def judged(values: Sides, weights: Sides, agreed: float | None = None, deviation: float = 0.0) -> Verdict:
    """Judge some values by their median: of three or more by their MAD, of two by the floor, one by nothing."""
    if len(values) < 2:
        return Verdict(0.0, max([TICK, *(FLOOR * v for v in values.values())]), np.inf, set(), weights)
    least = max(TICK, FLOOR * sorted(values.values())[(len(values) - 1) // 2])
    dispersion = apart(np.array(list(values.values())))
    if len(values) > 2:
        sigma = max(dispersion, least)
        weights = weights | bounded(values, {i: weights[i] for i in values}, CONFIG.k * sigma)
    else:
        sigma = least
        if np.ptp(list(values.values())) > CONFIG.k * least and agreed is not None:
            known = explained(values, agreed, deviation)
            if len(known) == 1:
                (other,) = set(values) - set(known)
                weights = weights | {other: min(weights[other], 0.999 * weights[known[0]])}
        if len({weights[i] for i in values}) == 1:
            return Verdict(dispersion, sigma, np.inf, set(), weights)
    reach, middle = CONFIG.k * sigma, weighted_median(values, weights)
    return Verdict(dispersion, sigma, reach, {i for i, v in values.items() if abs(v - middle) > reach}, weights)


def middle_of(values: Sides, weights: Sides) -> float:
    """Return the median of what a side is said to be, NaN of nothing."""
    return weighted_median(values, weights) if values else np.nan


def uncrossed(bids: Sides, asks: Sides, weights: Sides, quotes: list[Quote]) -> tuple[Sides, Sides]:
    """Leave out the oldest side that contradicts the other side's median, until none crosses."""
    while True:
        bid, ask = middle_of(bids, weights), middle_of(asks, weights)
        if not bid > ask:
            return bids, asks
        wrong = [(said_ns(quotes[i].bid_age_s), i, "bid") for i, v in bids.items() if v > ask]
        wrong += [(said_ns(quotes[i].ask_age_s), i, "ask") for i, v in asks.items() if v < bid]
        # Of equally old ones the first source, and its bid before its ask.
        _, loser, side = min(wrong, key=lambda w: (w[0], w[1], w[2] == "ask"))
        if side == "bid":
            bids = {i: v for i, v in bids.items() if i != loser}
        else:
            asks = {i: v for i, v in asks.items() if i != loser}


def plain(quotes: list[Quote], past: Past) -> tuple[float, float, float, float, float, set[int], set[int], set[int]]:
    """Return what ``quote_consensus`` should: bid, ask, dispersion, sigma, reach, counted, fresh, cut."""
    bids: Sides = {}
    asks: Sides = {}
    mids: Sides = {}
    weights: Sides = {}
    moves = (past.moved + CONFIG.prior_move_bps2) / (past.moved_s + 1.0)
    for i, q in enumerate(quotes):
        fresh_bid, fresh_ask = (said_ns(age) + LIMIT_NS > NOW for age in (q.bid_age_s, q.ask_age_s))
        off = 0.0
        if fresh_bid and fresh_ask:
            mid = 0.5 * (q.bid + q.ask)
            off = mid * q.offset_bps / 1e4
            mids[i] = mid - off
        if fresh_bid:
            bids[i] = q.bid - off
        if fresh_ask:
            asks[i] = q.ask - off
        if fresh_bid or fresh_ask:
            age_ns = NOW - max(said_ns(q.bid_age_s), said_ns(q.ask_age_s))
            weights[i] = q.trust / ((q.variance or (FLOOR * 1e4) ** 2) + moves * (age_ns * 1e-9))
    deviation = 0.0
    if past.agreed is not None:
        gap_s = round(past.agreed_ago_s * SECOND) * 1e-9
        deviation = past.agreed * np.sqrt((FLOOR * 1e4) ** 2 + moves * gap_s) / 1e4
    of_mids = judged(mids, weights, past.agreed, deviation)
    dispersion, sigma, cut, weights = of_mids.dispersion, of_mids.sigma, of_mids.cut, of_mids.weights
    if not mids:
        dispersion = sigma = 0.0
    for sides in (bids, asks):
        if set(sides) - set(mids):
            of_sides = judged(sides, weights)
            weights, cut = of_sides.weights, cut | (of_sides.cut - set(mids))
            if not mids:
                dispersion, sigma = max(dispersion, of_sides.dispersion), max(sigma, of_sides.sigma)
    fresh = set(bids) | set(asks)
    bids, asks = uncrossed(bids, asks, weights, quotes)
    return (
        middle_of(bids, weights), middle_of(asks, weights), dispersion, sigma or TICK, of_mids.reach,
        (set(bids) | set(asks)) - cut, fresh, cut,
    )  # fmt: skip


def compiled(quotes: list[Quote], past: Past) -> tuple[float, float, float, float, float, set[int], set[int], set[int]]:
    """Return what the stage makes of the same."""
    rows = np.full(len(quotes), SOURCES.fresh)
    for row, q in zip(rows, quotes, strict=True):
        row["bid"], row["ask"], row["trust"] = q.bid, q.ask, q.trust
        row["bid_ns"], row["ask_ns"] = said_ns(q.bid_age_s), said_ns(q.ask_age_s)
        row["variance"][1], row["offset"][1] = q.variance, q.offset_bps
        row["variance"][0], row["offset"][0] = 1e-9, 17.0  # of trades: has no part
    symbols = np.array([SYMBOLS.fresh])
    symbols["newest_ns"], symbols["moved"][0], symbols["moved_s"][0] = NOW, (9e9, past.moved), (1.0, past.moved_s)
    if past.agreed is not None:
        symbols["agreed"][0, 1] = past.agreed
        symbols["agreed_ns"][0, 1] = NOW - round(past.agreed_ago_s * SECOND)
    *told, counted, fresh, cut = quote_consensus(
        as_records(rows), np.arange(32, dtype=np.int32), len(quotes), as_records(symbols), 0, NOW, LIMIT_NS, TICK,
        FLOOR, as_records(CONFIG.knob_row()), np.full((SCRATCH_ROWS, 32), np.nan),
    )  # fmt: skip
    counted, fresh, cut = ({i for i in range(32) if mask >> i & 1} for mask in (counted, fresh, cut))
    return (*told, counted, fresh, cut)


PRICES = st.one_of(
    st.integers(0, 30).map(lambda n: 1.38 + n * TICK), st.floats(1.3795, 1.3805), st.floats(1.0, 2.0)
)  # fmt: skip
AGES = st.one_of(st.sampled_from((0.0, 1.0, 60.0, None)), st.integers(0, 900).map(lambda n: n / 10))
QUOTES = st.builds(
    lambda mid, half, *rest: Quote(mid - half, mid + half, *rest),
    PRICES,
    st.integers(0, 40).map(lambda n: n * TICK / 2),
    AGES,
    AGES,
    st.integers(1, 100).map(lambda n: n / 100),
    st.integers(0, 30).map(lambda n: n / 10),
    st.one_of(st.just(0.0), st.floats(-3, 3)),
)
PASTS = st.builds(
    Past,
    st.integers(0, 90),
    st.integers(0, 90),
    st.one_of(st.none(), PRICES),
    st.integers(0, 900).map(lambda n: n / 10),
)


@settings(deadline=None, max_examples=1_000)
@given(st.lists(QUOTES, max_size=6), PASTS)
def test_quotes_agree_with_a_plain_consensus(quotes: list[Quote], past: Past) -> None:
    """Bid, ask, dispersion, sigma, reach, and who counted, was fresh and was cut, of up to six sources.

    Many examples, of a few microseconds each: of two that disagree the last agreed price decides in one of sixty.
    """
    got, expected = compiled(quotes, past), plain(quotes, past)
    assert got[:5] == pytest.approx(expected[:5], rel=1e-12, abs=1e-15, nan_ok=True)
    assert got[5:] == expected[5:]
