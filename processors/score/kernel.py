"""From a probability to a position: expected return, fractional Kelly, volatility target, caps.

All returns are fractions over the horizon. Gains and losses come in units of ``vol_bar * sqrt(horizon_bars)``.
"""

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

F64 = NDArray[np.float64]

# Rows of the input and output matrices of ``decide_rows``.
LOGIT, VOL_BAR, HORIZON, GAIN, LOSS, COST, BARS_PER_YEAR, ADV_NAV_FRAC, INTERVAL_LO, INTERVAL_HI, FROM_MEAN = range(11)
N_IN = 11
PROB_UP, SCORE, CONF, EXPECTED_RETURN, LO, HI, VOL_ANNUAL, KELLY, NAV_FRAC = range(9)
N_OUT = 9


@njit(cache=True)
def probability(logit: float) -> float:
    """Return 1 / (1 + exp(-logit)) without overflow."""
    if logit >= 0.0:
        return 1.0 / (1.0 + math.exp(-logit))
    e = math.exp(logit)
    return e / (1.0 + e)


@njit(cache=True)
def decide(
    prob_up: float,
    gain: float,
    loss: float,
    cost: float,
    vol_annual: float,
    adv_nav_frac: float,
    kelly_fraction: float,
    vol_target_annual: float,
    nav_frac_max: float,
) -> tuple[float, float, float]:
    """Return expected return, fractional Kelly share and signed share of the net asset value of the better side.

    A long position wins ``gain`` with probability p and loses ``loss`` with 1 - p, a short one the other way round.
    The net bet wins W = win - cost or loses V = lose + cost, so E = p W - (1 - p) V, and the Kelly share of such a bet
    is E / (W V).

    Parameters
    ----------
    prob_up
        Calibrated probability of a positive return over the horizon.
    gain, loss
        Mean positive return over the horizon, and mean loss of all others, zeros included; positive fractions.
    cost
        Fees, half spreads and slippage of entry and exit together, fraction.
    vol_annual
        Realised volatility a year, fraction.
    adv_nav_frac
        Share of the net asset value at which the cap of daily volume binds; infinite where there is none.

    Returns
    -------
    Where neither side has a positive expected return: that of the better side, and two zeros.

    References
    ----------
    Kelly (1956), "A New Interpretation of Information Rate"; Thorp (2006), "The Kelly Criterion", eq. 2.
    """
    edge = prob_up * gain - (1.0 - prob_up) * loss
    if edge >= 0.0:
        side, win, lose = 1.0, gain, loss
    else:
        side, win, lose = -1.0, loss, gain
    expected = abs(edge) - cost
    if not expected > 0.0 or not vol_annual > 0.0:
        return expected, 0.0, 0.0
    kelly = kelly_fraction * expected / ((win - cost) * (lose + cost))
    size = min(kelly * vol_target_annual / vol_annual, nav_frac_max, adv_nav_frac)
    return expected, kelly, side * size


@njit(cache=True)
def decide_rows(rows: F64, kelly_fraction: float, vol_target_annual: float, nav_frac_max: float, out: F64) -> None:
    """Decide every row.

    Parameters
    ----------
    rows
        Shape (N_IN, n): log-odds, volatility a bar, horizon, mean gain and loss in volatilities of the horizon, cost
        of the round trip, bars a year, cap by daily volume, ends of the interval in volatilities of the horizon, and
        1.0 where these begin at the predicted mean, 0.0 where at zero.
    out
        Shape (N_OUT, n), filled: see the names above.
    """
    for i in range(rows.shape[1]):
        p = probability(rows[LOGIT, i])
        vol = rows[VOL_BAR, i]
        scale = vol * math.sqrt(rows[HORIZON, i])
        gain = rows[GAIN, i] * scale
        loss = rows[LOSS, i] * scale
        vol_annual = vol * math.sqrt(rows[BARS_PER_YEAR, i])
        expected, kelly, nav_frac = decide(
            p, gain, loss, rows[COST, i], vol_annual, rows[ADV_NAV_FRAC, i],
            kelly_fraction, vol_target_annual, nav_frac_max,
        )  # fmt: skip
        begin = rows[FROM_MEAN, i] * (p * gain - (1.0 - p) * loss)
        out[PROB_UP, i] = p
        out[SCORE, i] = 2.0 * p - 1.0
        out[CONF, i] = abs(2.0 * p - 1.0)
        out[EXPECTED_RETURN, i] = expected
        out[LO, i] = begin + rows[INTERVAL_LO, i] * scale
        out[HI, i] = begin + rows[INTERVAL_HI, i] * scale
        out[VOL_ANNUAL, i] = vol_annual
        out[KELLY, i] = kelly
        out[NAV_FRAC, i] = nav_frac


@njit(cache=True)
def in_order(ts_ns: NDArray[np.int64], slots: NDArray[np.int32], rows: NDArray[np.void], dirty: NDArray[np.uint8],
             ok: NDArray[np.uint8]) -> None:  # fmt: skip
    """Clear ``ok`` where a row is not after the last one of its symbol and timeframe; remember the last one.

    Parameters
    ----------
    ts_ns, slots, ok
        Shape (n,); rows with ``ok`` 0 are left alone.
    rows, dirty
        The state: ``rows[slot]["ts_ns"]`` is the newest row seen.
    """
    for i in range(len(ts_ns)):
        if ok[i] == 0:
            continue
        if ts_ns[i] <= rows[slots[i]]["ts_ns"]:
            ok[i] = 0
        else:
            rows[slots[i]]["ts_ns"] = ts_ns[i]
            dirty[slots[i]] = 1
