"""Change points against those that people marked, and how much of that is the choice of the setting.

    python -m bench.change_points

Leave-one-out: of many settings, the one that is best on all series but one is asked about that one, for each in turn.
The mean of these is what a series can expect that had no part in the choice.
"""

import json
from itertools import product

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from offline.regime import laws
from offline.regime.segments import FLOOR, HAZARD, PRIOR, change_points
from tests.conformance.change_points import covering, f1, published
from tests.support import SHARED

F64 = NDArray[np.float64]
FACTORS = (0.5, 1.0, 2.0)
"""Of each number that says how much is seen: chance of a change, least noise, what its prior is worth, shocks."""


def settings() -> list[tuple[float, float, F64]]:
    """Return hazard, floor and prior of every setting tried."""
    out = []
    for hazard, floor, shape, shocks in product(FACTORS, repeat=4):
        prior = PRIOR.copy()
        prior[laws.P_SHAPE] *= shape
        prior[laws.P_SHOCKS] *= shocks
        out.append((HAZARD * hazard, FLOOR * floor, prior))
    return out


def main() -> None:
    """Print F1 and covering, means over the series: ours, without the choice, and both baselines."""
    theirs, rows, tried = published(), [], []
    for path in sorted((SHARED / "conformance" / "regime").glob("tcpd_*.json")):
        known = json.loads(path.read_text())
        values = np.array([one["values"] for one in known["series"]], np.float64).T
        n, marks = len(values), known["annotations"]
        found = [change_points(values), []]
        rows.append([*((f1(marks, x), covering(marks, x, n)) for x in found), theirs[known["name"]]])
        points = (change_points(values, hazard, prior, floor) for hazard, floor, prior in settings())
        tried.append([(f1(marks, x), covering(marks, x, n)) for x in points])
    ours, nothing, online = np.mean(rows, axis=0)
    scores = np.array(tried)
    left = [scores[i, np.delete(scores, i, axis=0).mean(axis=0).sum(axis=1).argmax()] for i in range(len(scores))]
    means = scores.mean(axis=0)
    above = (means > np.maximum(nothing, online)).all(axis=1).mean()
    table = Table(f"mean over {len(rows)} series", "F1", "covering")
    for name, score in (("ours", ours), ("ours, each series left out of the choice", np.mean(left, axis=0)),
                        (f"the worst of {len(means)} settings", means[means.sum(axis=1).argmin()]),
                        ("no change at all", nothing), ("BOCPD of TCPDBench, default", online)):  # fmt: skip
        table.add_row(name, *(f"{x:.3f}" for x in score))
    console = Console()
    console.print(table)
    console.print(f"{above:.0%} of the settings are above both baselines in both measures")


if __name__ == "__main__":
    main()
