"""The watch over one feature: sketch, divergences, alarms."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from processors.drift import kernel as k
from processors.drift.config import DriftConfig
from processors.drift.monitor import QUANTILES

F64 = NDArray[np.float64]


class Watched:
    """One feature of one series, fed value by value."""

    def __init__(self, config: DriftConfig, stride: int = 1) -> None:
        self.c, self.stride = config.parameters(), stride
        self.s = np.zeros(k.N_SCALARS)
        self.heights, self.at, self.edges = np.zeros(k.N_MARKERS), np.zeros(k.N_MARKERS), np.zeros(k.N_EDGES)
        self.reference, self.before, self.recent = (np.zeros(k.N_BINS) for _ in range(3))

    def feed(self, values: F64) -> list[tuple[int, int]]:
        """Return (position, change) of each change of state."""
        changes = [
            k.step(
                x, self.stride, self.c, self.s, self.heights, self.at, self.edges, self.reference, self.before,
                self.recent,
            )
            for x in values
        ]  # fmt: skip
        return [(i, change) for i, change in enumerate(changes) if change]


CONFIG = DriftConfig()
LEARN = 2 * CONFIG.reference_rows
RARE = DriftConfig(false_alarm_rows=1e7)
"""So few false alarms that none is among the observations of a test."""


@pytest.mark.parametrize("shape", ["normal", "exponential", "uniform"])
def test_the_sketch_is_near_the_quantiles_of_all_values(shape: str) -> None:
    """After ten thousand values every decile of the sketch is within 0.02 of its rank."""
    x = getattr(np.random.default_rng(1), shape)(size=10_000)
    heights, at = np.zeros(k.N_MARKERS), np.zeros(k.N_MARKERS)
    for n, value in enumerate(x):
        k.sketch_add(value, heights, at, float(n))
    for share in np.arange(0.1, 1.0, 0.1):
        assert abs((x <= k.sketch_quantile(share, heights, at, float(len(x)))).mean() - share) < 0.02


@pytest.mark.parametrize("n", [240, 3750])
@pytest.mark.parametrize("shape", ["normal", "fat", "skewed"])
def test_the_quantiles_that_are_told_are_those_of_the_values(shape: str, n: int) -> None:
    """Of four hours and of months of minutes, quartiles, median and both hundredths are as good as the values' own."""
    rng = np.random.default_rng(8)
    draw = {
        "normal": rng.standard_normal,
        "fat": lambda n: rng.standard_t(3, n),
        "skewed": lambda n: rng.lognormal(size=n),
    }[shape]
    shares = [share for share, _ in QUANTILES]
    ranks = []
    for _ in range(20):
        x = draw(n)
        heights, at = np.zeros(k.N_MARKERS), np.zeros(k.N_MARKERS)
        for i, value in enumerate(x):
            k.sketch_add(value, heights, at, float(i))
        ranks.append([(x <= k.sketch_quantile(share, heights, at, float(n))).mean() for share in shares])
    assert np.abs(np.mean(ranks, axis=0) - shares).max() < 0.004
    assert np.abs(np.array(ranks) - shares).max() < (0.04 if n == 240 else 0.006)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=k.N_MARKERS), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_a_sketch_of_few_values_is_exact(values: list[float], share: float) -> None:
    """While each marker holds one value, quantiles are those of the values, interpolated."""
    heights, at = np.zeros(k.N_MARKERS), np.zeros(k.N_MARKERS)
    for n, value in enumerate(values):
        k.sketch_add(value, heights, at, float(n))
    found = k.sketch_quantile(share, heights, at, float(len(values)))
    assert found == pytest.approx(np.quantile(values, share), rel=1e-9, abs=1e-6)


@given(st.lists(st.floats(-1e6, 1e6), min_size=k.N_MARKERS + 1, max_size=300))
@settings(max_examples=50, deadline=None)
def test_the_markers_stay_in_order_between_the_extremes(values: list[float]) -> None:
    """Heights never fall, the first is the least value and the last the greatest."""
    heights, at = np.zeros(k.N_MARKERS), np.zeros(k.N_MARKERS)
    for n, value in enumerate(values):
        k.sketch_add(value, heights, at, float(n))
    assert (np.diff(heights) >= 0).all()
    assert (np.diff(at) >= 1).all()
    assert (heights[0], heights[-1]) == (min(values), max(values))


def test_the_divergences_are_their_definitions() -> None:
    """PSI and KL equal the sums over bins, half a count added to each."""
    rng = np.random.default_rng(2)
    reference, recent = rng.integers(0, 50, k.N_BINS).astype(float), rng.integers(0, 50, k.N_BINS).astype(float)
    r, q = (np.array(x + 0.5) / (x.sum() + 0.5 * len(x)) for x in (reference, recent))
    psi, kl = k.divergences(reference, recent)
    assert psi == pytest.approx(((q - r) * np.log(q / r)).sum())
    assert kl == pytest.approx((q * np.log(q / r)).sum())
    assert k.divergences(reference, reference) == (0.0, 0.0)


@pytest.mark.parametrize("greatest", [np.inf, 1.2], ids=["normal", "limit"])
def test_false_alarms_are_as_rare_as_is_claimed(greatest: float) -> None:
    """Where nothing drifts, observations to an alarm are on average no fewer than ``false_alarm_rows``."""
    config = DriftConfig(false_alarm_rows=1000)
    rng = np.random.default_rng(3)
    alarms = observations = 0
    for _ in range(40):
        watched = Watched(config)
        changes = watched.feed(np.minimum(rng.standard_normal(LEARN + 3000), greatest))
        alarms += sum(change == k.ALARM for _, change in changes)
        observations += 3000
    assert alarms >= 1, "a rule that never alarms proves nothing"
    assert observations / alarms >= 1000


@pytest.mark.parametrize(
    ("name", "drifted"),
    [
        ("mean", lambda x, _: x + 1.0),
        ("deviation", lambda x, _: 3.0 * x),
        ("shape", lambda x, rng: rng.choice([-1.0, 1.0], len(x))),
        ("missing", lambda x, rng: np.where(rng.random(len(x)) < 0.5, np.nan, x)),
        ("infinite", lambda x, rng: np.where(rng.random(len(x)) < 0.5, np.inf, x)),
        ("stuck", lambda x, _: np.full_like(x, x[0])),
    ],
)
def test_a_drift_is_told_within_a_hundred_observations(name: str, drifted) -> None:
    """A change of mean, deviation, shape or fill rate is told; soon, and not before it is there."""
    rng = np.random.default_rng(4)
    delays = []
    for _ in range(10):
        watched = Watched(RARE)
        assert watched.feed(rng.standard_normal(LEARN + 500)) == []
        changes = watched.feed(drifted(rng.standard_normal(1000), rng))
        assert changes[0][1] == k.ALARM
        delays.append(changes[0][0])
    assert np.median(delays) < 100, name


def test_an_alarm_ends_when_the_feature_is_as_it_was() -> None:
    """Back at the reference's distribution the state is steady again, and the next drift is told again."""
    rng = np.random.default_rng(5)
    watched = Watched(RARE)
    watched.feed(rng.standard_normal(LEARN + 200))
    assert [c for _, c in watched.feed(2.0 + rng.standard_normal(600))] == [k.ALARM]
    assert [c for _, c in watched.feed(rng.standard_normal(1500))] == [k.RECOVERY]
    assert watched.feed(2.0 + rng.standard_normal(600))[0][1] == k.ALARM


def test_one_value_in_stride_is_observed() -> None:
    """With a stride of five the reference takes five times as many values, and moments take all of them."""
    watched = Watched(CONFIG, stride=5)
    watched.feed(np.arange(5.0 * LEARN - 1))
    assert watched.s[k.STATE] == k.SHARES
    watched.feed(np.zeros(1))
    assert watched.s[k.STATE] == k.STEADY
    assert watched.reference.sum() == CONFIG.reference_rows


def test_a_feature_of_few_values_is_watched_by_their_shares() -> None:
    """Of a feature with two values the reference knows the share of each, and a change of the shares is told."""
    rng = np.random.default_rng(6)
    watched = Watched(RARE)
    assert watched.feed((rng.random(LEARN + 1000) < 0.2).astype(float)) == []
    assert watched.feed((rng.random(1000) < 0.6).astype(float))[0][1] == k.ALARM


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (lambda z: np.full_like(z, 5.0), lambda z: np.full_like(z, 6.0)),
        (np.zeros_like, lambda z: np.where(z > 0, z, 0.0)),
        (lambda z: np.where(z > 1.6, 1.0, 0.0), lambda z: np.where(z > 1.6, 1.0, np.where(z < -0.8, -1.0, 0.0))),
        (lambda z: np.minimum(z, 1.2), lambda z: np.where(z > 1.2, 50.0, z)),
    ],
    ids=["constant", "never", "flag", "limit"],
)
def test_a_move_beyond_a_value_that_many_have_is_told(before, after, sign: float) -> None:
    """Where one value fills the first or the last tenth, what goes beyond it is told, up as down."""
    rng = np.random.default_rng(9)
    watched = Watched(RARE)
    assert watched.feed(sign * before(rng.standard_normal(LEARN + 500))) == []
    assert [c for _, c in watched.feed(sign * after(rng.standard_normal(1000)))][:1] == [k.ALARM]


def test_moments_are_those_of_the_window() -> None:
    """Fill rate, mean and deviation of a report are of the values since the last one, missing ones left out."""
    watched = Watched(CONFIG)
    rng = np.random.default_rng(7)
    watched.feed(rng.standard_normal(LEARN))
    k.begin_window(1, watched.s, watched.at)
    x = np.where(rng.random(200) < 0.25, np.nan, rng.standard_normal(200) * 3.0 + 7.0)
    watched.feed(x)
    y = np.empty(k.N_REPORT + 1)
    k.report(watched.s, watched.heights, watched.at, watched.reference, watched.recent, np.array([0.5]), y)
    there = x[~np.isnan(x)]
    assert y[k.FILL] == len(there) / 200
    assert y[k.AVERAGE] == pytest.approx(there.mean())
    assert y[k.DEVIATION] == pytest.approx(there.std(ddof=1))
    assert abs((there <= y[k.N_REPORT]).mean() - 0.5) < 0.05
    assert y[k.PSI] > y[k.KL] > 0
    assert math.isfinite(y[k.EVIDENCE])


def runs_of(missing: list[bool]) -> tuple[int, int]:
    """Return the number of runs of True and the length of the longest."""
    lengths = [len(run) for run in "".join("x" if m else " " for m in missing).split()]
    return len(lengths), max(lengths, default=0)


@given(st.lists(st.booleans(), max_size=40), st.lists(st.booleans(), max_size=40))
@settings(max_examples=100, deadline=None)
def test_a_report_tells_the_runs_of_missing_values(first: list[bool], second: list[bool]) -> None:
    """Runs since the last report, and the longest; one that began before it is counted again, at its full length."""
    watched = Watched(CONFIG, stride=0)
    y = np.empty(k.N_REPORT)
    for missing, before in ((first, []), (second, first)):
        watched.feed(np.where(np.array(missing, bool), np.nan, 1.0))
        k.report(watched.s, watched.heights, watched.at, watched.reference, watched.recent, np.zeros(0), y)
        going_on = len(before) - len("".join("x" if m else " " for m in before).rstrip("x"))
        n_runs, _ = runs_of(missing)
        longest = runs_of([True] * going_on + missing)[1] if missing[:1] == [True] else runs_of(missing)[1]
        assert (y[k.MISSING_RUNS], y[k.MISSING_RUN_MAX]) == (n_runs, longest)
        k.begin_window(0, watched.s, watched.at)


def test_what_is_described_only_never_learns() -> None:
    """With no stride there is no reference and no alarm, whatever comes, and each report is of its own window."""
    watched = Watched(CONFIG, stride=0)
    assert watched.feed(np.r_[np.zeros(LEARN), np.full(LEARN, 1e9)]) == []
    assert watched.s[k.STATE] == k.EDGES
    k.begin_window(0, watched.s, watched.at)
    watched.feed(np.array([2.0, 4.0]))
    y = np.empty(k.N_REPORT + 1)
    k.report(watched.s, watched.heights, watched.at, watched.reference, watched.recent, np.array([0.5]), y)
    assert (y[k.FILL], y[k.AVERAGE], y[k.N_REPORT]) == (1.0, 3.0, 3.0)
    assert np.isnan(y[k.PSI])
