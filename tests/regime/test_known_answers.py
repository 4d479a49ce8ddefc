"""Change points that people marked: the annotated series of the Turing Change Point Dataset, and the Nile.

The kernel sees what the stage gives it of prices: differences, standardised; or the values themselves, where what
changes is a level. Hazard and prior are the stage's defaults, the run length is not cut. Change points are read off
the most probable run length, from the last value backwards.

What it does not do, measured: ``bank`` (nobody marked a change) and ``us_population`` (a trend with seasons) break into
pieces in both forms. A Gaussian run knows neither fat tails nor seasons.
"""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from processors.regime import kernel as k
from processors.regime.config import RegimeConfig

MARGIN = 5
"""A change within so many positions of a marked one counts as found, as in the source's own measure."""

LEVEL, DIFFERENCE = "level", "difference"
FLOORS = [
    ("gdp_argentina", LEVEL, 0.90),
    ("jfk_passengers", DIFFERENCE, 0.82),
    ("children_per_woman", DIFFERENCE, 0.78),
    ("ozone", DIFFERENCE, 0.73),
    ("global_co2", LEVEL, 0.70),
    ("shanghai_license", LEVEL, 0.66),
    ("construction", DIFFERENCE, 0.65),
    ("gdp_iran", DIFFERENCE, 0.60),
    ("brent_spot", DIFFERENCE, 0.49),
]
"""Series, form, and least F1: what was measured less 0.05 or so."""

NILE = (
    1120, 1160, 963, 1210, 1160, 1160, 813, 1230, 1370, 1140, 995, 935, 1110, 994, 1020, 960, 1180, 799, 958, 1140,
    1100, 1210, 1150, 1250, 1260, 1220, 1030, 1100, 774, 840, 874, 694, 940, 833, 701, 916, 692, 1020, 1050, 969, 831,
    726, 456, 824, 702, 1120, 1100, 832, 764, 821, 768, 845, 864, 862, 698, 845, 744, 796, 1040, 759, 781, 865, 845,
    944, 984, 897, 822, 1010, 771, 676, 649, 846, 812, 742, 801, 1040, 860, 874, 848, 890, 744, 749, 838, 1050, 918,
    986, 797, 923, 975, 815, 1020, 906, 901, 1170, 912, 746, 919, 718, 714, 740,
)  # fmt: skip
"""Yearly flow of the Nile at Aswan, 1871 to 1970, 1e8 cubic metres (Cobb, Biometrika 65, 1978)."""


def change_points(values: NDArray[np.float64], form: str) -> list[int]:
    """Return the positions at which a new segment begins."""
    x = np.diff(values) if form == DIFFERENCE else values
    x = (x - x.mean()) / x.std()
    config = RegimeConfig()
    n = len(x) + 2
    norm = k.student_norm(config.prior_kappa, config.prior_alpha, n)
    prior = np.array([config.prior_kappa, config.prior_alpha, config.prior_beta])
    p, mean, beta, end, runs = np.zeros(n), np.zeros(n), np.zeros(n), 0, []
    p[0], beta[0] = 1.0, config.prior_beta
    for value in x:
        end = k.run_length_step(value, config.hazard_scale, prior, norm, p, mean, beta, end)
        runs.append(1 + int(np.argmax(p[1 : end + 1])))
    found, t = [], len(x) - 1
    while t >= 0:
        begin = t - runs[t] + 1
        if begin > 0:
            found.append(begin + len(values) - len(x))
        t = begin - 1
    return found[::-1]


def matched(marked: set[int], found: set[int]) -> int:
    """Return how many marked points have a found one of their own within the margin."""
    left, n = set(found), 0
    for point in sorted(marked):
        near = sorted((abs(point - x), x) for x in left if abs(point - x) <= MARGIN)
        if near:
            left.remove(near[0][1])
            n += 1
    return n


def f1(annotations: dict[str, list[int]], found: list[int]) -> float:
    """Return F1: precision against the points of all people, recall as the mean over them; 0 is a point for all."""
    people, ours = [{0, *points} for points in annotations.values()], {0, *found}
    precision = matched(set().union(*people), ours) / len(ours)
    recall = np.mean([matched(points, ours) / len(points) for points in people])
    return float(2 * precision * recall / (precision + recall))


@pytest.mark.parametrize(("name", "form", "floor"), FLOORS)
def test_change_points_agree_with_those_people_marked(shared: Path, name: str, form: str, floor: float) -> None:
    """F1 against five people's marks is at least the floor of the table."""
    case = json.loads((shared / "regime" / f"tcpd_{name}.json").read_text())
    found = change_points(np.array(case["series"][0]["values"], float), form)
    assert f1(case["annotations"], found) >= floor, found


def test_finding_nothing_would_not_pass(shared: Path) -> None:
    """The floors mean something: no detection at all misses most of them."""
    missed = 0
    for name, _, floor in FLOORS:
        case = json.loads((shared / "regime" / f"tcpd_{name}.json").read_text())
        missed += f1(case["annotations"], []) < floor
    assert missed >= 6


def test_the_nile_changes_in_1898() -> None:
    """One change, within a year of 1898 (first value 1871), as every study of the series has it."""
    years = [1871 + at for at in change_points(np.array(NILE, float), LEVEL)]
    assert len(years) == 1, years
    assert abs(years[0] - 1898) <= 1


def test_the_measure_is_right_on_a_case_done_by_hand() -> None:
    """Two people, one with a mark at 10 and one with none; found 12 and 30: precision 2/3, recall 1."""
    assert f1({"a": [10], "b": []}, [12, 30]) == pytest.approx(2 * (2 / 3) / (2 / 3 + 1))
    assert [
        b - a
        for a, b in pairwise(sorted(change_points(np.repeat([0.0, 9.0, 0.0], 40) + np.tile([0.1, -0.1], 60), LEVEL)))
    ] == [40]
