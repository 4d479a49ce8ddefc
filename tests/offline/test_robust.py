"""The estimators of research against their definitions, and what each of them bears."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline import robust
from processors.reconcile.robust import MAD_OF_UNIT_NORMAL

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60)
SCALES = {
    "mad": robust.mad, "iqr": robust.iqr, "qn": robust.qn,
    "huber": lambda x: robust.huber(x).scale, "hampel": lambda x: robust.hampel(x).scale,
}  # fmt: skip
LOCATIONS = {
    "median": robust.median, "huber": lambda x: robust.huber(x).location, "hampel": lambda x: robust.hampel(x).location,
}  # fmt: skip
COMPILING = settings(deadline=None, max_examples=60)


@COMPILING
@given(VALUES)
def test_qn_is_the_order_statistic_of_all_pairs(values):
    """Qn is the C(h, 2)-th least distance of all pairs, h half of the values and one, bit for bit."""
    x = np.sort(values)
    pairs = np.sort([b - a for i, a in enumerate(x) for b in x[i + 1 :]])
    h = len(x) // 2 + 1
    assert robust.qn(values, normal=False) == pairs[h * (h - 1) // 2 - 1]


@COMPILING
@given(VALUES, st.data())
def test_the_averaged_weighted_median_is_between_the_lower_and_the_upper(values, data):
    """It is the mean of the smallest value that has half of the weight below it, and the largest with half above."""
    weights = data.draw(st.lists(st.integers(0, 20), min_size=len(values), max_size=len(values)).filter(any))
    pairs, total = list(zip(values, weights, strict=True)), sum(weights)
    lower = min(v for v, w in pairs if w and 2 * sum(q for p, q in pairs if p <= v) >= total)
    upper = max(v for v, w in pairs if w and 2 * sum(q for p, q in pairs if p >= v) >= total)
    assert robust.averaged_weighted_median(values, weights) == 0.5 * (lower + upper)
    assert robust.lower_weighted_median(values, weights) == lower


@pytest.mark.parametrize("name", SCALES)
def test_a_scale_of_gaussian_values_is_their_deviation(name):
    """Of many Gaussian values every scale is near their standard deviation."""
    x = np.random.default_rng(7).normal(5.0, 3.0, 20_001)
    assert SCALES[name](x) == pytest.approx(3.0, rel=0.03)


@pytest.mark.parametrize("name", SCALES)
def test_a_scale_moves_with_its_unit_and_not_with_its_origin(name):
    """Values times two are twice as far apart, and values plus ten as far as before."""
    x = np.random.default_rng(8).standard_t(3, 501)
    assert SCALES[name](2.0 * x + 10.0) == pytest.approx(2.0 * SCALES[name](x), rel=1e-6)


@pytest.mark.parametrize("name", LOCATIONS)
def test_a_location_moves_with_its_values(name):
    """Values times minus two plus ten have a location of minus two times theirs plus ten."""
    x = np.random.default_rng(9).standard_t(3, 500)
    assert LOCATIONS[name](10.0 - 2.0 * x) == pytest.approx(10.0 - 2.0 * LOCATIONS[name](x), abs=1e-6)


@pytest.mark.parametrize("name", LOCATIONS)
def test_a_few_values_far_away_do_not_move_a_location_far(name):
    """A tenth of the values anywhere moves no location by more than half of the deviation; the mean goes with them."""
    x = np.random.default_rng(10).normal(0.0, 1.0, 1000)
    x[:100] = 1e9
    assert abs(LOCATIONS[name](x)) < 0.5 < np.mean(x)


def test_hampel_forgets_what_huber_only_bounds():
    """One value far away leaves Hampel's location where it was without it, and moves Huber's by its bounded share."""
    x = np.random.default_rng(11).normal(0.0, 1.0, 40)
    far = [*x, 50.0]
    # The scale around it is a little wider, so not bit for bit.
    assert robust.hampel(far).location == pytest.approx(robust.hampel(x).location, abs=1e-2)
    assert 1e-2 < robust.huber(far).location - robust.huber(x).location < 0.1


def test_the_solution_solves_hubers_equations():
    """Huber's location makes the bounded residuals sum to zero, and his scale their squares to what is expected."""
    x = np.random.default_rng(12).standard_t(3, 300)
    c = 1.5
    location, scale = robust.huber(x, c)
    u = (x - location) / scale
    assert np.clip(u, -c, c).sum() == pytest.approx(0.0, abs=1e-4)
    inside = math.erf(c / math.sqrt(2))
    gamma = inside + c * c * (1 - inside) - 2 * c * math.exp(-0.5 * c * c) / math.sqrt(2 * math.pi)
    assert np.sum(np.clip(u, -c, c) ** 2) == pytest.approx((len(x) - 1) * gamma, rel=1e-6)


def test_of_nothing_and_of_one_value():
    """Of nothing all are NaN; of one value the location is the value and the scale 0."""
    for f in (*SCALES.values(), *LOCATIONS.values()):
        assert math.isnan(f([]))
    assert math.isnan(robust.averaged_weighted_median([], []))
    assert {f([4.5]) for f in LOCATIONS.values()} == {4.5}
    assert {f([4.5]) for f in SCALES.values()} == {0.0}


def test_values_that_are_mostly_equal_have_no_scale():
    """Where more than half of the values are equal, MAD and Qn are 0 and the joint estimates stay at the start."""
    x = [1.0, 1.0, 1.0, 1.0, 5.0]
    assert robust.mad(x) == robust.qn(x) == 0.0
    assert robust.huber(x) == robust.hampel(x) == (1.0, 0.0)


def test_weights_of_hampel_join_at_their_corners():
    """Hampel's weights are 1 to a, fall without a jump at a, b and c, and are 0 beyond."""
    weight = robust.hampel_weight()
    corners = np.array([2.0, 4.0, 8.0])
    assert weight(corners) == pytest.approx([1.0, 0.5, 0.0])
    assert weight(corners - 1e-9) == pytest.approx(weight(corners + 1e-9), abs=1e-8)
    assert weight(np.array([-1.0, 0.0, 100.0])).tolist() == [1.0, 1.0, 0.0]


def test_raw_scales_are_the_normal_ones_times_the_constant():
    """The raw scales are distances of the values themselves."""
    x = [1.0, 2.0, 4.0, 8.0, 16.0]
    assert robust.mad(x, normal=False) == pytest.approx(3.0)
    assert robust.mad(x) == pytest.approx(3.0 / MAD_OF_UNIT_NORMAL)
    assert robust.iqr(x, normal=False) == pytest.approx(6.0)
