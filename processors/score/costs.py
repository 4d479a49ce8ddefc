"""What a position costs to enter and to leave: half the spread, the fee and slippage of each side.

The decision of the score stage and the returns that models are judged by both pay it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from processors.runtime.batch import F64, I64
from processors.score.config import ScoreConfig
from schemas.instruments import ASSET_CLASSES, PRICE_BASES, Instruments

SPREAD_BP_MAX = 1e4
"""A spread of the whole price costs all there is; more of it is the same."""


@dataclass(frozen=True, slots=True)
class Costs:
    """Of n rows.

    Parameters
    ----------
    round_trip
        Shape (n,), fraction of the traded value for entry and exit together, without a spread where it is unknown.
    adv_nav_frac
        Shape (n,), share of the net asset value at which the cap of daily volume binds; infinite where there is none.
    no_spread, no_adv
        Shape (n,): the spread is unknown, so the cost is; trades are published but the daily volume is not yet known.
        Such a row takes no position.
    """

    round_trip: F64
    adv_nav_frac: F64
    no_spread: NDArray[np.bool_]
    no_adv: NDArray[np.bool_]


def costs_of(
    config: ScoreConfig, instruments: Instruments, at: I64, *, close: F64, volume: F64, adv_pct: F64, spread_bp: F64
) -> Costs:
    """Return the costs of rows.

    Slippage is that of the largest position that the caps allow: the size depends on the cost, and this breaks the
    circle on the careful side. Markets that publish no volume (spot FX) have neither that cap nor that slippage.

    Parameters
    ----------
    at
        Shape (n,), row of each instrument.
    close, volume, adv_pct, spread_bp
        Shape (n,), ``meta`` of the gold row.
    """
    multiplier = np.array([r.multiplier for r in instruments.rows])[at]
    fee = np.array([config.fee_bps[ASSET_CLASSES[a]] for a in instruments.asset_class])[at]
    # Crossed quotes cost nothing to cross, but pay nothing either.
    spread = np.nan_to_num(np.clip(spread_bp, 0.0, SPREAD_BP_MAX), nan=0.0)
    with np.errstate(all="ignore"):
        adv = volume / adv_pct * 100.0 * close * multiplier
        known = (adv_pct > 0) & (volume > 0) & (adv > 0) & np.isfinite(adv)
        adv[~known] = np.inf
        share = np.minimum(config.max_nav_per_symbol * config.nav / adv, config.max_adv_share)
    side_bps = fee + 0.5 * spread + config.slippage_bps_per_adv_share * share
    return Costs(
        2.0 * side_bps * 1e-4, config.max_adv_share * adv / config.nav, np.isnan(spread_bp),
        np.asarray(~known & (instruments.price_basis[at] == PRICE_BASES.index("trade"))),
    )  # fmt: skip
