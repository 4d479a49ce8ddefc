"""The risk kernel against hand-worked numbers and its own limits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.score import kernel as k

approx = pytest.approx

P = st.floats(0.0, 1.0)
SIZE = st.floats(1e-6, 0.5)
COST = st.floats(0.0, 0.05)
VOL = st.floats(1e-3, 5.0)
CAP = st.floats(1e-4, 1.0)


def test_a_long_bet_is_what_pencil_and_paper_give():
    """A long bet is what pencil and paper give."""
    # Edge .6 * .02 - .4 * .01 = .008; less .001 = .007. Net win .019, net loss .011: Kelly .007 / .000209.
    expected, kelly, nav = k.decide(0.6, 0.02, 0.01, 0.001, 0.24, math.inf, 0.35, 0.12, 100.0)
    assert expected == approx(0.007)
    assert kelly == approx(0.35 * 0.007 / (0.019 * 0.011))
    assert nav == approx(kelly * 0.5)


def test_a_short_bet_wins_what_a_long_one_loses():
    """A short bet wins what a long one loses."""
    # Down with .7: .7 * .01 - .3 * .02 = .001; less .0004 = .0006. Net win .0096, net loss .0204.
    expected, kelly, nav = k.decide(0.3, 0.02, 0.01, 0.0004, 0.12, math.inf, 1.0, 0.12, 100.0)
    assert expected == approx(0.0006)
    assert kelly == approx(0.0006 / (0.0096 * 0.0204))
    assert nav == approx(-kelly)


def test_kelly_maximises_the_growth_of_the_log():
    """The full Kelly share maximises the expected log growth of the net bet."""
    p, gain, loss, cost = 0.58, 0.03, 0.025, 0.002
    _, kelly, _ = k.decide(p, gain, loss, cost, 0.1, math.inf, 1.0, 0.1, 1e9)
    share = np.linspace(0, 2 * kelly, 100_001)
    growth = p * np.log1p(share * (gain - cost)) + (1 - p) * np.log1p(-share * (loss + cost))
    assert share[growth.argmax()] == approx(kelly, rel=1e-3)


def test_costs_that_eat_both_sides_leave_no_position():
    """Costs that eat both sides leave no position."""
    assert k.decide(0.55, 0.01, 0.01, 0.0011, 0.2, math.inf, 0.35, 0.12, 0.05) == (approx(-0.0001), 0.0, 0.0)
    expected, kelly, nav = k.decide(0.5, 0.01, 0.01, 0.003, 0.2, math.inf, 0.35, 0.12, 0.05)
    assert (expected, kelly, nav) == (approx(-0.003), 0.0, 0.0)


@settings(deadline=None)
@given(P, SIZE, SIZE, COST, VOL, st.floats(0.0, 10.0), CAP, VOL, CAP)
def test_caps_hold_and_the_sign_is_that_of_the_edge(p, gain, loss, cost, vol, adv_cap, fraction, target, nav_cap):
    """Whatever the inputs, the caps hold and the sign is that of the edge."""
    expected, kelly, nav = k.decide(p, gain, loss, cost, vol, adv_cap, fraction, target, nav_cap)
    edge = p * gain - (1 - p) * loss
    assert abs(nav) <= min(nav_cap, adv_cap)
    assert expected == approx(abs(edge) - cost, abs=1e-15)
    if expected <= 0:
        assert (kelly, nav) == (0.0, 0.0)
    else:
        assert kelly > 0
        assert nav * edge >= 0
        assert nav != 0 or adv_cap == 0 or abs(nav) < 1e-300


@settings(deadline=None)
@given(P, SIZE, SIZE, COST, VOL)
def test_swapping_up_and_down_mirrors_the_position(p, gain, loss, cost, vol):
    """Swapping up and down mirrors the position."""
    expected, _, nav = k.decide(p, gain, loss, cost, vol, math.inf, 0.35, 0.12, 1e9)
    mirrored = k.decide(1 - p, loss, gain, cost, vol, math.inf, 0.35, 0.12, 1e9)
    # 1 - (1 - p) rounds: near a zero edge the sides may differ by that rounding.
    assert mirrored[0] == approx(expected, abs=1e-12)
    if expected > 1e-9:
        assert mirrored[2] == approx(-nav, rel=1e-4)


@settings(deadline=None)
@given(st.floats(-800, 800))
def test_probabilities_add_to_one_and_never_overflow(logit):
    """The probabilities of up and down add to one, and no log-odds overflow."""
    assert k.probability(logit) + k.probability(-logit) == approx(1.0)
    assert 0.0 <= k.probability(logit) <= 1.0


def test_compiled_rows_equal_the_interpreted_ones():
    """Compiled rows equal the interpreted ones, to the bit."""
    rng = np.random.default_rng(3)
    rows = rng.uniform(0.1, 2.0, (k.N_IN, 200))
    rows[k.LOGIT] = rng.normal(0, 2, 200)
    rows[k.VOL_BAR] = np.where(rng.random(200) < 0.1, 0.0, rng.uniform(1e-5, 1e-2, 200))
    rows[k.COST] = rng.uniform(0, 1e-3, 200)
    fast, slow = np.empty((k.N_OUT, 200)), np.empty((k.N_OUT, 200))
    k.decide_rows(rows, 0.35, 0.12, 0.05, fast)
    k.decide_rows.py_func(rows, 0.35, 0.12, 0.05, slow)
    np.testing.assert_array_equal(fast, slow)
    assert (fast[k.NAV_FRAC][rows[k.VOL_BAR] == 0] == 0).all()


def test_compiled_order_equals_the_interpreted_one():
    """Compiled and interpreted, the same rows are in order, and the same state is left."""
    rng = np.random.default_rng(4)
    ts, slots = rng.integers(0, 50, 300), rng.integers(0, 3, 300).astype(np.int32)
    left = []
    for function in (k.in_order, k.in_order.py_func):
        rows, dirty = np.zeros(4, [("ts_ns", "<i8")]), np.zeros(4, np.uint8)
        ok = (np.arange(300) % 7 != 0).astype(np.uint8)
        function(ts, slots, rows, dirty, ok)
        left.append((ok.tolist(), rows["ts_ns"].tolist(), dirty.tolist()))
    assert left[0] == left[1]
    newest = [0, 0, 0]
    for i in range(300):
        if i % 7:
            assert left[0][0][i] == (ts[i] > newest[slots[i]])
            newest[slots[i]] = max(newest[slots[i]], ts[i])
