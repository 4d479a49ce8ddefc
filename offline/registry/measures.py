"""Measures of rows out of sample with confidence intervals that know of overlapping labels and of common moves.

Rows of one time stand for one draw, since symbols move together, and draws up to twice the horizon apart depend on each
other. What would need more draws than there are has no interval.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from offline.calibration import log_losses
from offline.registry.evidence import OutOfSample
from offline.reliability import bins_of, brier, calibration_error
from offline.statistics.bootstrap import stationary_bootstrap
from offline.statistics.moments import NORMAL
from offline.statistics.sharpe import long_run_variance
from schemas.instruments import load_instruments

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

CONFIDENCE = 0.95
DRAWS_MIN = 20.0
"""Fewest independent draws of an interval."""
BINS = 10
"""Of the reliability diagram and of the ECE, of equal count, equal probabilities together."""
ROC_POINTS = 200
"""Points that a curve is drawn through: more are not seen."""
COIN = 0.5
"""The forecast that knows nothing, not even the base rate: its log loss is ln 2, 0.6931 nats."""
SAMPLES = 400
_DRAWN_MAX = 2_000_000
"""Positions that are drawn at once: some arrays of 16 MB."""
_HOUR_NS = 3_600_000_000_000

SESSIONS = (("asia", 22, 7), ("europe", 7, 13), ("america", 13, 22))
"""Name, first and last hour of UTC: when each continent leads the trading of what trades around the clock."""


class Estimate(NamedTuple):
    """A value with its standard error and interval; these are None where too few draws stand behind it."""

    value: float
    error: float | None
    low: float | None
    high: float | None


def draws(ts_ns: I64, horizon_bars: int) -> float:
    """Return how many independent draws rows are: their distinct times over the horizon."""
    return len(np.unique(ts_ns)) / horizon_bars


def mean_estimate(values: F64, ts_ns: I64, horizon_bars: int, weight: float = 1.0) -> Estimate:
    """Return the mean of dependent rows with its interval.

    Parameters
    ----------
    values, ts_ns
        Shape (n,), ascending by time.
    horizon_bars
        Draws up to twice as far apart depend on each other.
    weight
        What the mean is multiplied by.

    References
    ----------
    Newey and West (1987); Thompson (2011), "Simple formulas for standard errors that cluster by both firm and time".
    """
    value = float(values.mean())
    if draws(ts_ns, horizon_bars) < DRAWS_MIN:
        return Estimate(value * weight, None, None, None)
    _, at = np.unique(ts_ns, return_inverse=True)
    by_time: F64 = np.bincount(at, values - value).astype(np.float64)
    total = long_run_variance(by_time, 2 * horizon_bars) * len(by_time)
    error = math.sqrt(max(total, 0.0)) / len(values) * weight
    reach = NORMAL.inv_cdf(0.5 + CONFIDENCE / 2.0) * error
    return Estimate(value * weight, error, value * weight - reach, value * weight + reach)


def auc_estimate(p: F64, up: F64, ts_ns: I64, horizon_bars: int) -> Estimate | None:
    """Return the area under the ROC curve with its interval; None where all rows are of one kind.

    Returns
    -------
    Of a constant probability 0.5 with an error of 0 and no interval: it ranks nothing, and one of no width would claim
    to have been measured.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), "Comparing the Areas under Two or More Correlated ROC Curves".
    """
    is_up = up > 0.5
    n_up = int(is_up.sum())
    n_down = len(up) - n_up
    if n_up == 0 or n_down == 0:
        return None
    # Placement: the share of the other kind that a row outranks, ties half.
    placed = np.empty(len(p))
    for mine, theirs in ((is_up, ~is_up), (~is_up, is_up)):
        other = np.sort(p[theirs])
        below, through = (np.searchsorted(other, p[mine], side) for side in ("left", "right"))
        placed[mine] = (below + through) / (2.0 * len(other))
    placed[~is_up] = 1.0 - placed[~is_up]
    area = float(placed[is_up].mean())
    # Influence of each row, so that its mean is the area.
    share = np.where(is_up, n_up, n_down) / len(p)
    around = mean_estimate(area + (placed - area) / share, ts_ns, horizon_bars)
    if around.error is None:
        return Estimate(area, None, None, None)
    if is_constant(p):
        return Estimate(area, 0.0, None, None)
    reach = NORMAL.inv_cdf(0.5 + CONFIDENCE / 2.0) * around.error
    return Estimate(area, around.error, max(area - reach, 0.0), min(area + reach, 1.0))


def is_constant(p: F64) -> bool:
    """Return whether every row got the same probability, as where a calibration has found no slope."""
    return bool(p.max() == p.min())


def ece_estimate(p: F64, up: F64, ts_ns: I64, horizon_bars: int, seed: int = 0) -> Estimate:
    """Return the expected calibration error with its interval, by resampled times.

    A mean of distances is too large by what chance puts between frequency and probability, in the sample and again in
    each resampled one: the interval is turned around the value (the basic bootstrap), which undoes it once.
    """
    value = calibration_error(p, up, BINS, "mass")
    if draws(ts_ns, horizon_bars) < DRAWS_MIN:
        return Estimate(value, None, None, None)
    times, at = np.unique(ts_ns, return_inverse=True)
    bins = bins_of(p, BINS, "mass")
    gap = np.zeros((len(times), BINS))
    np.add.at(gap, (at, bins), p - up)
    count = np.bincount(at).astype(np.float64)
    rng, n = np.random.default_rng(seed), len(times)
    at_once = min(max(_DRAWN_MAX // n, 1), SAMPLES)
    resampled = np.empty(SAMPLES)
    for first in range(0, SAMPLES, at_once):
        drawn = stationary_bootstrap(n, min(at_once, SAMPLES - first), 2.0 * horizon_bars, rng)
        for number, rows in enumerate(drawn, first):
            often = np.bincount(rows, minlength=n).astype(np.float64)
            resampled[number] = np.abs(often @ gap).sum() / (often @ count)
    tail = (1.0 - CONFIDENCE) / 2.0
    least, most = np.quantile(resampled, (tail, 1.0 - tail))
    return Estimate(value, float(resampled.std(ddof=1)), max(2.0 * value - float(most), 0.0),
                    min(max(2.0 * value - float(least), 0.0), 1.0))  # fmt: skip


def measure(rows: OutOfSample, where: Mask | None = None) -> dict[str, Any]:
    """Return the measures of some rows.

    Returns
    -------
    ``rows``, ``draws`` (independent), ``up_share``, ``constant`` (all rows have one probability), and as ``Estimate``:
    ``auc``, ``log_loss``, ``gain`` (log loss of the base rate less that of the model), ``gain_coin`` (likewise of a
    coin), ``gain_best`` (of the better of these two on these rows: what counts as evidence), ``brier``, ``ece``,
    ``coverage``, ``width`` of the interval where it is finite. ``brier_parts``: what the Brier score is the sum of, by
    name (``offline.reliability.Brier``).
    """
    take = np.ones(len(rows), np.bool_) if where is None else where
    p, up, ts, h = rows.probability[take], rows.up[take], rows.ts_ns[take], rows.horizon_bars
    loss = log_losses(p, up)
    inside = (rows.move[take] >= rows.low[take]) & (rows.move[take] <= rows.high[take])
    width = rows.high[take] - rows.low[take]
    gain, gain_coin = (
        mean_estimate(log_losses(forecast, up) - loss, ts, h)
        for forecast in (rows.base_rate[take], np.full(len(p), COIN))
    )
    finite = np.isfinite(width) if np.isfinite(width).any() else np.ones(len(width), np.bool_)
    return {
        "rows": len(p),
        "draws": round(draws(ts, h), 1),
        "up_share": float(up.mean()),
        "constant": is_constant(p),
        "auc": auc_estimate(p, up, ts, h),
        "log_loss": mean_estimate(loss, ts, h),
        "gain": gain,
        "gain_coin": gain_coin,
        "gain_best": min(gain, gain_coin, key=lambda e: e.value),
        "brier": mean_estimate((p - up) ** 2, ts, h),
        "brier_parts": {k: v for k, v in brier(p, up, BINS)._asdict().items() if k != "score"},
        "ece": ece_estimate(p, up, ts, h),
        "coverage": mean_estimate(inside.astype(np.float64), ts, h),
        "width": mean_estimate(width[finite], ts[finite], h),
    }


def slices(rows: OutOfSample) -> Iterator[tuple[str, str, Mask]]:
    """Yield dimension, group and mask of every group that has rows: folds, regimes, symbols, classes, sessions."""
    for number in np.unique(rows.fold):
        yield "fold", str(number), rows.fold == number
    for number, name in enumerate(rows.regimes):
        if (rows.regime == number).any():
            yield "regime", name, rows.regime == number
    for number, name in enumerate(rows.symbols):
        if (rows.symbol == number).any():
            yield "symbol", name, rows.symbol == number
    classes = np.array([asset_class(s) for s in rows.symbols])[rows.symbol]
    for name in np.unique(classes):
        yield "asset_class", str(name), classes == name
    hour = rows.ts_ns // _HOUR_NS % 24
    for name, first, last in SESSIONS:
        here = (hour >= first) & (hour < last) if first < last else (hour >= first) | (hour < last)
        if here.any():
            yield "session", name, here


def asset_class(symbol_id: str) -> str:
    """Return the asset class of a symbol; ``unknown`` of one that is not in the list of instruments."""
    instruments = load_instruments()
    at = instruments.by_symbol.get(symbol_id)
    return "unknown" if at is None else instruments.rows[at].asset_class


def reliability_bins(rows: OutOfSample, where: Mask | None = None, n_bins: int = BINS) -> list[dict[str, Any]]:
    """Return what was said and what came, bin by bin: ``probability``, ``frequency``, ``rows``, ``low`` and ``high``.

    Parameters
    ----------
    n_bins
        Of equal count, equal probabilities together.

    Returns
    -------
    ``low`` and ``high`` are the interval of the frequency; None where the rows have none, or all of a bin went one way.
    """
    take = np.ones(len(rows), np.bool_) if where is None else where
    p, up, ts = rows.probability[take], rows.up[take], rows.ts_ns[take]
    at = bins_of(p, n_bins, "mass")
    out = []
    for number in np.unique(at):
        here = at == number
        share = float(here.mean())
        came = float(up[here].mean())
        # The influence of each row on the share of its bin, over all times: what lies between is no gap but silence.
        around = mean_estimate(np.where(here, up - came, 0.0) / share, ts, rows.horizon_bars)
        low = high = None
        if around.error is not None and 0.0 < came < 1.0:
            reach = NORMAL.inv_cdf(0.5 + CONFIDENCE / 2.0) * around.error
            low, high = max(came - reach, 0.0), min(came + reach, 1.0)
        out.append({"probability": float(p[here].mean()), "frequency": came, "rows": int(here.sum()),
                    "low": low, "high": high})  # fmt: skip
    return out


def roc_points(p: F64, up: F64, points_max: int = ROC_POINTS) -> list[tuple[float, float]]:
    """Return the ROC curve from (0, 0) to (1, 1): share of downs and of ups at or above each probability.

    Parameters
    ----------
    points_max
        More are thinned out evenly.

    Returns
    -------
    Rows of one probability are one step, so that ties do not depend on the order of rows; empty where all rows are of
    one kind.
    """
    n_up = float(up.sum())
    if n_up in {0.0, float(len(up))}:
        return []
    _, at = np.unique(-p, return_inverse=True)
    ups = np.cumsum(np.bincount(at, up)) / n_up
    downs = np.cumsum(np.bincount(at, 1.0 - up)) / (len(up) - n_up)
    kept = np.unique(np.linspace(0, len(ups) - 1, min(len(ups), points_max)).round().astype(np.int64))
    return [(0.0, 0.0), *zip(downs[kept].tolist(), ups[kept].tolist(), strict=True)]
