"""Volume: how much was traded, against how much usually is."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators import volume_flow as flow
from processors.featurize.indicators import volume_price as priced
from processors.featurize.indicators.averages import average_size, kept_size
from processors.featurize.indicators.binding import Kernel, fixed, window_plus
from processors.featurize.indicators.volatility_range import room_of
from processors.featurize.indicators.window import F64, ratio, window_mean


@njit(cache=True, forceinline=True)
def volume_ratio(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Volume over the mean volume of the last p[0] bars."""
    y[0] = ratio(bar[c.VOLUME], window_mean(ring[c.R_VOLUME], n, int(p[0])))


@njit(cache=True, forceinline=True)
def adv_share(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Volume over the mean volume of up to p[0] session days, each seen from its first bar to its last.

    State: day, its volume so far, whether it is seen from its start, number of days in the ring, then the ring. A day
    enters the ring when the next one begins. The very first day counts only if its first bar opens the session.
    """
    window = int(p[0])
    if n == 0 or bar[c.DAY] != s[0]:
        if n > 0 and s[2] == 1.0:
            s[4 + int(s[3]) % window] = s[1]
            # Wraps so that it stays small, and never below the window again.
            s[3] = s[3] + 1.0 if s[3] + 1.0 < 2 * window else float(window)
        s[0], s[1] = bar[c.DAY], 0.0
        s[2] = 1.0 if n > 0 else bar[c.OPENS_DAY]
    s[1] += bar[c.VOLUME]
    days = min(int(s[3]), window)
    total = 0.0
    for k in range(int(s[3]) - days, int(s[3])):
        total += s[4 + k % window]
    y[0] = ratio(bar[c.VOLUME] * days, total) if days > 0 else np.nan


KERNELS = {
    "volume_ratio": Kernel(volume_ratio, ("window",), ("value",), n_bars=window_plus(0)),
    "adv_share": Kernel(adv_share, ("window_days",), ("value",), lambda p: 4 + int(p["window_days"])),
    "accumulation": Kernel(flow.accumulation, (), ("value",), fixed(1)),
    "chaikin_oscillator": Kernel(flow.chaikin_oscillator, ("fast", "slow", "seed"), ("value",), fixed(5)),
    "chaikin_money_flow": Kernel(
        flow.chaikin_money_flow, ("window",), ("value",), lambda p: 2 * kept_size(int(p["window"]))
    ),
    "on_balance": Kernel(
        flow.on_balance, ("window", "kind"), ("value", "average"), lambda p: 1 + average_size(p["kind"], p["window"])
    ),
    "klinger": Kernel(flow.klinger, ("fast", "slow", "signal"), ("value", "signal"), fixed(10)),
    "ease_of_movement": Kernel(
        flow.ease_of_movement, ("window", "scale"), ("value",), lambda p: 1 + kept_size(int(p["window"]))
    ),
    "force_index": Kernel(
        flow.force_index, ("window", "kind"), ("value",), lambda p: average_size(p["kind"], p["window"])
    ),
    "volume_indices": Kernel(flow.volume_indices, (), ("negative", "positive", "trend"), fixed(3)),
    "rolling_vwap": Kernel(
        priced.rolling_vwap, ("window", "price"), ("value", "deviation"), lambda p: kept_size(int(p["window"])),
        window_plus(0),
    ),
    "session_vwap": Kernel(priced.session_vwap, ("session",), ("value", "deviation"), fixed(3)),
    "facilitation": Kernel(priced.facilitation, (), ("value",)),
    "volume_oscillator": Kernel(
        priced.volume_oscillator, ("fast", "slow", "kind"), ("value",),
        lambda p: room_of(p["kind"], p["fast"]) + average_size(p["kind"], p["slow"]),
    ),
    "relative_volume": Kernel(priced.relative_volume, ("window",), ("value",), n_bars=window_plus(1)),
    "volume_score": Kernel(priced.volume_score, ("window",), ("value",), n_bars=window_plus(0)),
    "relative_day_volume": Kernel(
        priced.relative_day_volume, ("window_days", "slots"), ("value",),
        lambda p: 4 + (int(p["window_days"]) + 1) * int(p["slots"]),
    ),
    "profile": Kernel(
        priced.profile, ("window", "area", "tick", "parts", "by_volume"),
        ("control", "control_weight", "high", "low", "area_weight", "area_high", "area_low", "control_ratio"),
        lambda p: 2 * int(p["window"]), window_plus(0),
    ),
}  # fmt: skip
"""Indicator of the catalog -> its kernel."""
