"""The consensus: median, cut, and what a minority of corrupt sources can do to it."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from processors.reconcile.config import ReconcileConfig
from processors.reconcile.consensus import SCRATCH_ROWS, TRADES, WEIGHTS, judge, trade_consensus
from processors.reconcile.tables import TABLES
from processors.runtime.state import as_records
from tests.reconcile.ticks import COMPILING

SOURCES, SYMBOLS = (next(t for t in TABLES if t.name == name) for name in ("sources", "symbols"))
KNOBS = as_records(ReconcileConfig().knob_row())
TICK, K = 0.01, 4.0
MEMBERS = np.arange(32, dtype=np.int32)


NOBODY = (np.nan, 0.0)
"""No price was agreed on yet."""


def of_trades(
    prices: list[float], weights: list[float], agreed: float = np.nan, ago_s: int = 0
) -> tuple[float, float, set[int]]:
    """Return consensus price, sigma and the cut of sources that all traded just now, and agreed so long ago."""
    rows = np.array([SOURCES.fresh] * len(prices))
    rows["trade"], rows["trust"], rows["trade_ns"] = prices, weights, 100
    symbols = np.array([SYMBOLS.fresh])
    symbols["newest_ns"] = 100
    if agreed == agreed:  # noqa: PLR0124 - NaN is none
        symbols["agreed"][0, 0], symbols["agreed_ns"][0, 0] = agreed, 100 - ago_s * 10**9
    price, _, sigma, _, counted, fresh = trade_consensus(
        as_records(rows), MEMBERS, len(prices), as_records(symbols), 0, 100, 10, TICK, 1e-9, KNOBS,
        np.empty((SCRATCH_ROWS, 32)),
    )  # fmt: skip
    assert fresh == 2 ** len(prices) - 1
    return price, sigma, {i for i in range(len(prices)) if not counted >> i & 1}


def counted_weights(prices: list[float], weights: list[float]) -> list[float]:
    """Return the weights as they count, after they were bounded."""
    scratch = np.full((SCRATCH_ROWS, 32), np.nan)
    scratch[TRADES, : len(weights)], scratch[WEIGHTS, : len(weights)] = prices, weights
    judge(scratch, TRADES, 2 ** len(weights) - 1, TICK, 1e-9, K, *NOBODY)
    return [float(w) for w in scratch[WEIGHTS, : len(weights)]]


def test_one_vendor_far_off_is_cut_whatever_its_weight() -> None:
    """Nobody is near it, so it counts as the lightest: the consensus is one of the honest prices."""
    assert of_trades([100.01, 100.02, 250.0], [0.3, 0.3, 0.4])[::2] == (100.02, {2})
    assert of_trades([100.01, 100.02, 250.0], [0.3, 0.3, 99.0])[::2] == (100.02, {2})
    assert of_trades([100.01, 100.02, 100.0, 250.0], [0.25] * 4)[::2] == (100.01, {3})


def test_no_source_is_a_dictator() -> None:
    """However heavy, one of three or more is a little lighter than all others together; company beats weight."""
    assert counted_weights([100.0, 100.01, 100.02], [1.0, 1.0, 50.0]) == [1.0, 1.0, pytest.approx(1.998)]
    assert of_trades([100.0, 100.01, 100.02], [1.0, 1.0, 50.0])[0] == 100.01
    assert counted_weights([100.0, 100.01, 250.0], [2.0, 3.0, 50.0]) == [2.0, 3.0, 2.0]
    assert counted_weights([100.0, 101.0], [1.0, 50.0]) == [1.0, 50.0]


@COMPILING
@given(st.lists(st.tuples(st.floats(90, 110), st.floats(0.01, 100)), min_size=3, max_size=12))
def test_bounding_never_raises_a_weight_or_hands_the_crown_on(sources: list[tuple[float, float]]) -> None:
    """Each weight is at most what it was, unless nobody has company, and at most all others together."""
    prices, weights = [p for p, _ in sources], [w for _, w in sources]
    counted = counted_weights(prices, weights)
    if len(set(counted)) > 1:
        assert all(c <= w for c, w in zip(counted, weights, strict=True))
    assert 2 * max(counted) <= sum(counted) * (1 + 1e-12) or max(counted) == sorted(counted)[-2]


def test_a_lone_source_is_never_cut() -> None:
    """There is nothing to judge it by; sigma is the tick size."""
    assert of_trades([250.0], [0.1]) == (250.0, TICK, set())


def test_of_two_that_disagree_the_lighter_is_cut_and_of_two_equals_none() -> None:
    """Beyond k ticks, since the MAD of two says nothing."""
    assert of_trades([100.0, 101.0], [1.0, 2.0])[::2] == (101.0, {0})
    assert of_trades([100.0, 101.0], [2.0, 1.0])[::2] == (100.0, {1})
    assert of_trades([100.0, 101.0], [1.0, 1.0])[::2] == (100.0, set())
    assert of_trades([100.0, 100.03], [1.0, 2.0])[::2] == (100.03, set())


def test_of_two_that_disagree_the_one_goes_that_the_last_agreed_price_does_not_explain() -> None:
    """However heavy it is, as far as the market cannot have come there since; where it can, weight decides again."""
    assert of_trades([100.0, 101.0], [1.0, 50.0], agreed=100.01)[::2] == (100.0, {1})
    assert of_trades([100.0, 101.0], [50.0, 1.0], agreed=100.99)[::2] == (101.0, {0})
    assert of_trades([100.0, 101.0], [1.0, 1.0], agreed=100.01)[::2] == (100.0, {1})
    # Neither is explained, or both are: 1 % is 100 bp, and the market moves 0.22 bp in the first second.
    assert of_trades([100.0, 101.0], [1.0, 50.0], agreed=90.0)[::2] == (101.0, {0})
    assert of_trades([100.0, 101.0], [1.0, 50.0], agreed=100.01, ago_s=20_000)[::2] == (101.0, {0})
    assert of_trades([100.0, 100.03], [1.0, 2.0], agreed=100.0)[::2] == (100.03, set())


def test_dispersion_is_how_far_sources_are_apart_and_sigma_what_they_are_judged_with() -> None:
    """The MAD of three, half the distance of two, nothing of one; sigma is the MAD or the floor, of two the floor."""
    for prices, dispersion, sigma in (
        ([100.0], 0.0, TICK),
        ([100.0, 100.004], 0.002, TICK),
        ([100.0, 101.0], 0.5, TICK),
        ([100.0, 100.003, 100.005], 0.002 / 0.6744897501960817, TICK),
        ([100.0, 101.0, 103.0], 1.0 / 0.6744897501960817, 1.0 / 0.6744897501960817),
    ):
        scratch = np.full((SCRATCH_ROWS, 32), np.nan)
        scratch[TRADES, : len(prices)], scratch[WEIGHTS, : len(prices)] = prices, 1.0
        told = judge(scratch, TRADES, 2 ** len(prices) - 1, TICK, 1e-9, K, *NOBODY)
        assert told[1:3] == pytest.approx((dispersion, sigma), abs=1e-12)


def test_sigma_is_the_mad_but_at_least_a_tick() -> None:
    """Sources that agree to the last digit leave each other room of k ticks."""
    assert of_trades([100.0, 100.0, 100.0, 100.03], [1.0] * 4)[1:] == (TICK, set())
    assert of_trades([100.0, 100.0, 100.0, 100.05], [1.0] * 4)[1:] == (TICK, {3})
    assert of_trades([100.0, 101.0, 102.0, 103.0, 104.0], [1.0] * 5)[1] == pytest.approx(1 / 0.6744897501960817)


@COMPILING
@given(st.data())
def test_less_than_half_of_the_weight_cannot_move_the_consensus_out_of_the_honest_range(data: st.DataObject) -> None:
    """Honest sources stand within k times the floor; the corrupt say anything, even something near."""
    honest = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=8))
    prices = [100.0 + n * TICK * 0.999 for n in honest]
    corrupt = data.draw(st.lists(st.one_of(st.floats(0.01, 1e6), st.floats(99.9, 100.1)), max_size=8))
    weights = data.draw(st.lists(st.integers(1, 50), min_size=len(prices + corrupt), max_size=len(prices + corrupt)))
    order = data.draw(st.permutations(range(len(weights))))
    both = prices + corrupt
    counted = counted_weights(both, [float(w) for w in weights])
    assume(2 * sum(counted[len(prices) :]) < sum(counted) * (1 - 1e-9))
    price, _, cut = of_trades([both[i] for i in order], [float(weights[i]) for i in order])
    assert min(prices) <= price <= max(prices)
    assert not {order[i] for i in cut} & set(range(len(prices))), "an honest source was cut"


@COMPILING
@given(st.data())
def test_the_consensus_is_in_the_range_of_any_honest_majority(data: st.DataObject) -> None:
    """However far the honest are apart, and whoever is cut: cuts are marks, the median is of all that is fresh."""
    honest = data.draw(st.lists(st.floats(1, 200), min_size=1, max_size=8))
    corrupt = data.draw(st.lists(st.floats(0.01, 1e6), max_size=8))
    weights = data.draw(st.lists(st.integers(1, 50), min_size=len(honest + corrupt), max_size=len(honest + corrupt)))
    counted = counted_weights(honest + corrupt, [float(w) for w in weights])
    assume(2 * sum(counted[len(honest) :]) < sum(counted) * (1 - 1e-9))
    price, _, _ = of_trades(honest + corrupt, [float(w) for w in weights])
    assert min(honest) <= price <= max(honest)
