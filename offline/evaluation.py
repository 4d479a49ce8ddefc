"""The honest table: what a model is worth on rows later than all it has seen."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.calibration import auc, log_loss
from offline.dataset import Dataset
from offline.reliability import calibration_error
from processors.score.model import ModelCard

F64 = NDArray[np.float64]

CANNOT_SHOW = (
    "The recordings cover a few days of a few symbols, so this shows that the path from ticks to a measured, "
    "calibrated, sized signal works, and whether probabilities are honest on the days after. It cannot show that the "
    "model earns money: labels overlap (independent rows are about rows over horizon), symbols move together, one "
    "week holds one market, and an AUC within two standard errors of one half is no evidence of skill."
)


def out_of_sample(data: Dataset, probability: F64, card: ModelCard, base_rate: float) -> list[dict[str, Any]]:
    """Return one row a timeframe, and one of all together first; empty where there are no later rows.

    Parameters
    ----------
    data
        Rows that training has not seen.
    probability
        Shape (n,), calibrated.
    base_rate
        Share of up rows in training: the forecast that the model has to beat.
    """
    if len(data) == 0:
        return []
    table = [_measure("all", data, probability, card, base_rate)]
    for tf in card.horizon_bars:
        here = data.tf == data.timeframes.index(tf)
        if here.any():
            table.append(_measure(tf, data.take(here), probability[here], card, base_rate))
    return table


def _measure(name: str, data: Dataset, p: F64, card: ModelCard, base_rate: float) -> dict[str, Any]:
    horizon = np.array([card.horizon_bars[data.timeframes[t]] for t in data.tf])
    independent = float((1.0 / horizon).sum())
    gain, loss = (
        np.array([sizes[data.timeframes[t]][r] for t, r in zip(data.tf, data.regime, strict=True)])
        for sizes in (card.gain_vols, card.loss_vols)
    )
    bounds = np.array([card.residual_quantiles[data.timeframes[t]] for t in data.tf])
    residual = data.move - (p * gain - (1.0 - p) * loss)
    inside = (residual >= bounds[:, 0]) & (residual <= bounds[:, 1])
    area = auc(p, data.up)
    return {
        "timeframe": name,
        "n": len(data),
        "n_independent": round(independent, 1),
        "up_share": float(data.up.mean()),
        "auc": None if np.isnan(area) else area,
        "auc_standard_error": None if np.isnan(area) else auc_standard_error(area, float(data.up.mean()), independent),
        "log_loss": log_loss(p, data.up),
        "log_loss_base_rate": log_loss(np.full(len(p), base_rate), data.up),
        "ece": calibration_error(p, data.up, binning="mass"),
        "interval_coverage": float(inside.mean()),
    }


def auc_standard_error(area: float, up_share: float, n: float) -> float:
    """Return the standard error of an area under the ROC curve of n independent rows.

    References
    ----------
    Hanley and McNeil (1982), "The meaning and use of the area under a ROC curve", equation 1.
    """
    n_up, n_down = max(n * up_share, 1.0), max(n * (1.0 - up_share), 1.0)
    q1, q2 = area / (2.0 - area), 2.0 * area * area / (1.0 + area)
    variance = area * (1 - area) + (n_up - 1) * (q1 - area * area) + (n_down - 1) * (q2 - area * area)
    return float(np.sqrt(max(variance, 0.0) / (n_up * n_down)))
