"""Whether any symbol, asset class, regime or session is served much worse than all together."""

from typing import Any

import numpy as np

from offline.registry.measures import Estimate
from offline.statistics.moments import NORMAL

DIMENSIONS = ("symbol", "asset_class", "regime", "session")
ALLOWED = {"auc": 0.05, "gain": 0.02, "coverage": 0.05}
"""Measure -> how much below that of all rows a group may be. AUC: half of what separates a fair model from none. Gain,
nats: the log loss of a coin is 0.693. Coverage: a 90 % interval that holds 85 % is still one."""
DOUBT = 0.05
"""Chance that any group is named by luck, over all groups and measures together (Bonferroni)."""


Measures = dict[str, Any]


def fairness(whole: Measures, found: dict[tuple[str, str], Measures]) -> dict[str, Any]:
    """Return the measures of each group, which are served much worse, and of which nothing can be said.

    Parameters
    ----------
    whole, found
        Of ``measures.measure``: of all rows, and of each dimension and group; those of ``DIMENSIONS`` are held to it.

    A group is served much worse where even the upper end of its interval lies more than ``ALLOWED`` below the value of
    all rows.
    """
    groups = [(d, g, numbers) for (d, g), numbers in found.items() if d in DIMENSIONS]
    z = NORMAL.inv_cdf(1.0 - DOUBT / max(len(groups) * len(ALLOWED), 1))
    worse, silent = [], []
    for dimension, group, numbers in groups:
        for name, allowed in ALLOWED.items():
            mine, all_rows = numbers[name], whole[name]
            if not isinstance(mine, Estimate) or mine.error is None:
                silent.append(f"{dimension} {group}")
                break
            # The interval of the group alone: that of all rows is narrower, and holds the group.
            if all_rows is not None and mine.value + z * mine.error < all_rows.value - allowed:
                worse.append({"group": f"{dimension} {group}", "measure": name, "value": mine.value,
                              "all": all_rows.value, "allowed": allowed})  # fmt: skip
    return {
        "allowed": ALLOWED,
        "z": float(z),
        "much_worse": worse,
        "too_few": list(dict.fromkeys(silent)),
        "verdict": _verdict(worse, silent, len(groups)),
        "groups": [{"dimension": d, "group": g, **numbers} for d, g, numbers in groups],
        "lowest_auc": _lowest(groups),
    }


def _verdict(worse: list[dict[str, Any]], silent: list[str], n_groups: int) -> str:
    n_silent = len(set(silent))
    left = f"; of {n_silent} of {n_groups} groups there are too few rows to say" if n_silent else ""
    if worse:
        return "served much worse: " + ", ".join(dict.fromkeys(w["group"] for w in worse)) + left
    if n_silent == n_groups:
        return "nothing can be said: every group has too few independent rows"
    return f"none of {n_groups - n_silent} groups is served much worse than all rows" + left


def _lowest(groups: list[tuple[str, str, Measures]]) -> str | None:
    areas = [(numbers["auc"].value, f"{d} {g}") for d, g, numbers in groups if numbers["auc"] is not None]
    return min(areas)[1] if areas and np.isfinite(min(areas)[0]) else None
