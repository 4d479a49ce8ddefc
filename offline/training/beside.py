"""A refined model beside the one that it began with, on the same rows out of sample: which is better, if either is."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from offline.calibration import log_losses
from offline.registry.evidence import ROW_ARRAYS, OutOfSample
from offline.registry.measures import mean_estimate
from offline.training.table import measures
from offline.training.walk import Walked

I64 = NDArray[np.int64]

VERDICTS = {
    "better": "better than its base",
    "worse": "worse than its base",
    "no_difference": "no better than its base beyond chance",
    "too_few": "too few independent rows to tell it from its base",
}


def beside_base(base: Walked, sample: I64, tuned: OutOfSample) -> dict[str, Any]:
    """Return how base and refined model did on the rows of the latter.

    Parameters
    ----------
    base
        Its folds.
    sample
        Shape (n,): positions of the rows of ``tuned`` among the samples of the base.

    Returns
    -------
    ``base``, ``tuned``: see ``measures``; ``gain``: log loss of the base less that of the refined model, with its 95 %
    interval, None of too few rows; ``verdict``: a key of ``VERDICTS``.
    """
    place = {int(position): i for i, position in enumerate(base.sample)}
    at = np.array([place[int(position)] for position in sample], np.int64)
    rows = replace(base.rows, **{name: getattr(base.rows, name)[at] for name in ROW_ARRAYS})
    assert np.array_equal(rows.ts_ns, tuned.ts_ns), "base and refined model are judged on the same rows"
    assert np.array_equal(rows.move, tuned.move), "base and refined model are judged on the same rows"
    saved = log_losses(rows.probability, rows.up) - log_losses(tuned.probability, tuned.up)
    gain = mean_estimate(saved, tuned.ts_ns, tuned.horizon_bars)
    if gain.low is None or gain.high is None:
        verdict = "too_few"
    else:
        verdict = "better" if gain.low > 0.0 else "worse" if gain.high < 0.0 else "no_difference"
    return {
        "base": measures(rows), "tuned": measures(tuned),
        "gain": {"value": gain.value, "low": gain.low, "high": gain.high}, "verdict": verdict,
    }  # fmt: skip


def limits_of(cluster: str, base: str, both: dict[str, Any]) -> tuple[str, ...]:
    """Return what the card of a refined model says of itself."""
    n, gain = both["tuned"]["n"], both["gain"]
    between = "" if gain["low"] is None else f" (95 %: {gain['low']:+.4f} to {gain['high']:+.4f})"
    found = (
        f"On {n:,} rows out of sample it is {VERDICTS[both['verdict']]}: log loss {both['tuned']['log_loss']:.4f}, of "
        f"the base {both['base']['log_loss']:.4f}, gain {gain['value']:+.4f}{between}."
    )
    return f"Refined from {base} on the instruments of the cluster {cluster}; of others the base is the model.", found


def clusters_table(reports: list[dict[str, Any]]) -> Table:
    """Return a table of refined models, a row each, of what ``finish`` reports of them."""
    table = Table(title="Clusters, on their rows that no fold had seen", title_justify="left", box=None,
                  padding=(0, 1, 0, 0))  # fmt: skip
    # It has to fit 80 columns of a terminal.
    for name in ("cluster", "samples", "rows", "base", "tuned", "gain", "ECE", "cover"):
        table.add_column(name, justify="left" if name == "cluster" else "right", no_wrap=True)
    for report in reports:
        both = report["beside_base"]
        base, tuned, gain = both["base"], both["tuned"], both["gain"]
        table.add_row(
            report["lineage"]["cluster"], f"{report['samples']:,}", f"{tuned['n']:,}", f"{base['log_loss']:.4f}",
            f"{tuned['log_loss']:.4f}", f"{gain['value']:+.4f}", f"{tuned['ece']:.3f}",
            f"{tuned['coverage']:.3f}",
        )  # fmt: skip
    return table
