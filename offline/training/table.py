"""What a run came to, in numbers and in honest words."""

from typing import Any

import numpy as np
from rich.table import Table

from offline.calibration import auc, log_loss
from offline.registry.evidence import OutOfSample
from offline.reliability import brier, calibration_error

LIMITS = (
    "Labels overlap, so rows are fewer than they look: as many as times over the horizon, and symbols move together.",
    "A Sharpe ratio here is of net positions marked to market that pay spread, fee and slippage; no funding, no caps.",
    "An interval that holds zero is no evidence of skill, and rows of one market say nothing of another.",
)


def measures(rows: OutOfSample) -> dict[str, Any]:
    """Return how probabilities and intervals did on rows out of sample."""
    inside = (rows.move >= rows.low) & (rows.move <= rows.high)
    independent = len(np.unique(rows.ts_ns)) / rows.horizon_bars
    area = auc(rows.probability, rows.up)
    return {
        "n": len(rows),
        "n_independent": round(independent, 1),
        "up_share": float(rows.up.mean()),
        "auc": None if np.isnan(area) else area,
        "log_loss": log_loss(rows.probability, rows.up),
        "log_loss_base_rate": log_loss(rows.base_rate, rows.up),
        "brier": brier(rows.probability, rows.up).score,
        "ece": calibration_error(rows.probability, rows.up, binning="mass"),
        "coverage": float(inside.mean()),
        "coverage_by_regime": {
            name: float(inside[rows.regime == i].mean())
            for i, name in enumerate(rows.regimes)
            if (rows.regime == i).any()
        },
        "width": float((rows.high - rows.low)[np.isfinite(rows.high - rows.low)].mean()),
        "infinite": float(np.isinf(rows.high - rows.low).mean()),
    }


READING = (
    "loss, base: log loss of the model, and of always saying the share of ups in its training; a coin has 0.693.",
    "cover, adapt.: outcomes inside the model's own interval, and inside that of signals, which follows its misses.",
    "Sharpe: annual, net of costs; of too few periods with a position none, but their number.",
)
"""Below the table."""


def table_of(reports: list[dict[str, Any]]) -> Table:
    """Return a table of runs, a row each."""
    table = Table(title="Rows that no fold had seen", title_justify="left", box=None, padding=(0, 1, 0, 0))
    # It has to fit 80 columns of a terminal.
    for name in ("model", "rows", "indep.", "AUC", "loss", "base", "ECE", "cover", "adapt.", "Sharpe [95 %]", "ms"):
        table.add_column(name, justify="left" if name == "model" else "right", no_wrap=True)
    for r in reports:
        o, s = r["out_of_sample"], r["sharpe"]
        # Of too few periods with a position there is none: their number is told.
        ratio = f"{s['held']} of {s['periods']}"
        if s["value"] is not None:
            ratio = f"{s['value']:.1f} [{s['low']:.0f}, {s['high']:.0f}]"
        table.add_row(
            r["kind"], f"{o['n']:,}", f"{o['n_independent']:,.0f}", "-" if o["auc"] is None else f"{o['auc']:.2f}",
            f"{o['log_loss']:.3f}", f"{o['log_loss_base_rate']:.3f}", f"{o['ece']:.3f}", f"{r['adaptive']['own']:.3f}",
            f"{r['adaptive']['coverage']:.3f}", ratio, f"{r['latency_ms']:.2f}",
        )  # fmt: skip
    return table
