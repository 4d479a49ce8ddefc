"""How well change points agree with those that people marked: the two measures of TCPDBench, and what it published.

Van den Burg and Williams, An Evaluation of Change Point Detection Algorithms, 2020. Position 0 counts as a change of
everybody's, so that a series without one has a score.
"""

import csv
from itertools import pairwise
from pathlib import Path

import numpy as np

MARGIN = 5
"""A change within so many positions of a marked one counts as found, as in the source."""
PUBLISHED = Path(__file__).with_name("change_points.csv")
Marks = dict[str, list[int]]


def published() -> dict[str, tuple[float, float]]:
    """Return F1 and covering of the source's BOCPD at its default setting, by series (R package ocp, Gaussian runs)."""
    with PUBLISHED.open(newline="") as f:
        return {row["series"]: (float(row["f1"]), float(row["covering"])) for row in csv.DictReader(f)}


def matched(marked: set[int], found: set[int]) -> int:
    """Return how many marked points have a found one of their own within the margin."""
    left, n = set(found), 0
    for point in sorted(marked):
        near = sorted((abs(point - x), x) for x in left if abs(point - x) <= MARGIN)
        if near:
            left.remove(near[0][1])
            n += 1
    return n


def f1(marks: Marks, found: list[int]) -> float:
    """Return F1: precision against the points of all people, recall as the mean over them."""
    people, ours = [{0, *points} for points in marks.values()], {0, *found}
    precision = matched(set().union(*people), ours) / len(ours)
    recall = float(np.mean([matched(points, ours) / len(points) for points in people]))
    return 2 * precision * recall / (precision + recall)


def covering(marks: Marks, found: list[int], n: int) -> float:
    """Return the covering: over people, the mean share of each segment that our best segment for it has in common."""
    ours = list(pairwise([0, *found, n]))
    shares = []
    for points in marks.values():
        covered = 0.0
        for begin, end in pairwise([0, *sorted(set(points) - {0}), n]):
            overlap = [(min(end, b) - max(begin, a)) / (max(end, b) - min(begin, a)) for a, b in ours]
            covered += (end - begin) * max(0.0, *overlap)
        shares.append(covered / n)
    return float(np.mean(shares))
