"""The consensus: median, cut, and what a minority of corrupt sources can do to it."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from processors.reconcile.consensus import SCRATCH_ROWS, TRADE, WEIGHT, judge, trade_consensus
from processors.reconcile.tables import TABLES
from tests.reconcile.ticks import COMPILING

SOURCES = next(t for t in TABLES if t.name == "sources")
TICK, K = 0.01, 4.0
MEMBERS = np.arange(32, dtype=np.int32)


def of_trades(prices: list[float], weights: list[float]) -> tuple[float, float, set[int]]:
    """Return consensus price, sigma and the cut of sources that all traded just now."""
    rows = np.array([SOURCES.fresh] * len(prices))
    rows["trade"], rows["weight"], rows["trade_ns"] = prices, weights, 100
    price, sigma, _, counted, fresh, _ = trade_consensus(
        rows, MEMBERS, len(prices), 100, 10, TICK, 1e-9, K, np.empty((SCRATCH_ROWS, 32))
    )
    assert fresh == 2 ** len(prices) - 1
    return price, sigma, {i for i in range(len(prices)) if not counted >> i & 1}


def test_one_vendor_far_off_is_cut_and_the_median_is_of_the_rest() -> None:
    """However heavy it is under half: the known answer of a heavy outlier is one of the honest prices."""
    assert of_trades([100.01, 100.02, 250.0], [0.3, 0.3, 0.4])[::2] == (100.01, {2})
    assert of_trades([100.01, 100.02, 100.0, 250.0], [0.25] * 4)[::2] == (100.01, {3})


def test_a_lone_source_is_never_cut() -> None:
    """There is nothing to judge it by; sigma is the tick size."""
    assert of_trades([250.0], [0.1]) == (250.0, TICK, set())


def test_of_two_that_disagree_the_lighter_is_cut_and_of_two_equals_none() -> None:
    """Beyond k ticks, since the MAD of two says nothing."""
    assert of_trades([100.0, 101.0], [1.0, 2.0])[::2] == (101.0, {0})
    assert of_trades([100.0, 101.0], [2.0, 1.0])[::2] == (100.0, {1})
    assert of_trades([100.0, 101.0], [1.0, 1.0])[::2] == (100.0, set())
    assert of_trades([100.0, 100.03], [1.0, 2.0])[::2] == (100.03, set())


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
    assume(2 * sum(weights[len(prices) :]) < sum(weights))
    order = data.draw(st.permutations(range(len(weights))))
    both = prices + corrupt
    price, _, cut = of_trades([both[i] for i in order], [float(weights[i]) for i in order])
    assert min(prices) <= price <= max(prices)
    assert not {order[i] for i in cut} & set(range(len(prices))), "an honest source was cut"


@COMPILING
@given(st.data())
def test_the_median_that_judges_is_in_the_range_of_any_honest_majority(data: st.DataObject) -> None:
    """However far the honest are apart: the first median stays among them, and the consensus within its reach."""
    honest = data.draw(st.lists(st.floats(1, 200), min_size=1, max_size=8))
    corrupt = data.draw(st.lists(st.floats(0.01, 1e6), max_size=8))
    weights = data.draw(st.lists(st.integers(1, 50), min_size=len(honest + corrupt), max_size=len(honest + corrupt)))
    assume(2 * sum(weights[len(honest) :]) < sum(weights))
    scratch = np.full((SCRATCH_ROWS, 32), np.nan)
    scratch[TRADE, : len(weights)], scratch[WEIGHT, : len(weights)] = honest + corrupt, weights
    centre, _, reach, _ = judge(scratch, TRADE, 2 ** len(weights) - 1, TICK, 1e-9, K)
    price, _, _ = of_trades(honest + corrupt, [float(w) for w in weights])
    assert min(honest) <= centre <= max(honest)
    assert abs(price - centre) <= reach
