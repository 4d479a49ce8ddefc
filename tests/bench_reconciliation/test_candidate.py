"""The candidate: bounds of its weights, and what it learns."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.reconciliation.candidate import Knobs, bound_weights, candidate, knobs_of, lower_weighted_median
from processors.reconcile.config import ReconcileConfig

COMPILING = settings(deadline=None)
KNOBS = knobs_of(ReconcileConfig(), "fx", "quote")


@COMPILING
@given(st.lists(st.tuples(st.floats(90, 110), st.floats(1e-3, 1e3)), min_size=3, max_size=12), st.floats(1e-3, 5.0))
def test_no_source_outweighs_all_others(sources, reach: float) -> None:
    """And none gains in relation to the lightest that has company."""
    x, w = (np.array(c) for c in zip(*sorted(sources), strict=True))
    before = w.copy()
    bound_weights(x, w, len(x), reach)
    assert w.max() < w.sum() - w.max() + 1e-12
    assert (w > 0).all()
    near = np.array([(np.abs(np.delete(x, i) - x[i]) <= reach).any() for i in range(len(x))])
    if near.any():
        assert (w <= before).all()
        assert (w[~near] <= before[near].min()).all()


@COMPILING
@given(
    st.lists(st.floats(-0.0005, 0.0005), min_size=3, max_size=3), st.floats(-0.5, 0.5).filter(lambda x: abs(x) > 0.1)
)
def test_a_spike_of_the_heaviest_source_stays_without_effect(sound: list[float], spike: float) -> None:
    """Alone, it counts no more than the lightest of the others."""
    x = np.array([*(100.0 + s for s in sound), 100.0 + spike])
    w = np.array([1.0, 2.0, 3.0, 1e6])
    order = np.argsort(x)
    x, w = x[order], w[order]
    bound_weights(x, w, 4, 0.01)
    assert 99.999 < lower_weighted_median(x, w, 4) < 100.001


def test_the_variant_has_the_knobs_of_the_stage() -> None:
    """Every one of them, by asset class and kind: a change of a default is one of both."""
    config = ReconcileConfig(
        k=5.0, error_half_life_s=61.0, prior_error_ticks=7.0, prior_offset_ticks=11.0, prior_move_bps2=0.13
    )
    assert knobs_of(config, "equity", "quote") == Knobs(2e-4, 2 * 10**9, 5.0, 61.0, 7.0, 11.0, 0.13)
    assert knobs_of(config, "equity", "trade").silence_ns == 60 * 10**9


def test_a_constant_offset_is_learned_and_taken_off() -> None:
    """Three vendors, one 1 bp high: after a while the consensus no longer jumps when the others fall silent."""
    n = 3_000
    ts = np.arange(n) * 100_000_000 + 10**18
    source = np.arange(n) % 3
    rng = np.random.default_rng(1)
    value = 100.0 * (1 + 1e-4 * (rng.normal(0, 0.1, n) + (source == 2)))
    # At the end the high one speaks alone for longer than the others are held fresh.
    ts[-300:] = ts[-301] + np.arange(1, 301) * 10**9
    source[-300:], value[-300:] = 2, 100.0 * (1 + 1e-4 * (1 + rng.normal(0, 0.1, 300)))
    path = candidate(source, ts, value, 3, 1e-5, KNOBS)
    assert abs(np.mean(path[-200:]) / 100.0 - 1.0) * 1e4 < 0.2
    assert abs(np.mean(path[1000:2000]) / 100.0 - 1.0) * 1e4 < 0.2
