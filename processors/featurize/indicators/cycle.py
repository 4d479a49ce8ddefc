"""Cycle: Ehlers's dominant cycle, its phase, and averages that adapt to it."""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

import math

import numpy as np
from numba import njit

from processors.featurize.indicators import layout as c
from processors.featurize.indicators.binding import Kernel, fixed
from processors.featurize.indicators.window import F64, back, tail, total

A, B = 0.0962, 0.5769
"""Weights of the Hilbert transform (Ehlers, Rocket Science for Traders, 2001)."""
PERIOD_LEAST, PERIOD_MOST = 6.0, 50.0

FIRST_OF_PERIOD, READY_OF_PERIOD = 12, 32
FIRST_OF_PHASE, READY_OF_PHASE = 37, 63
"""Bars from 0 where the transform starts and where its values are shown, as in TA-Lib: before, it settles."""

SMOOTH, DETREND, QUADRATURE = 0, 7, 17
"""State: the last 7 smoothed prices, 10 detrended ones, 7 quadratures, newest first; then single values."""
I2, Q2, RE, IM, PERIOD, SMOOTH_PERIOD = range(24, 30)
N_TRANSFORM = 30
PHASE, SINE, LEAD, TREND_1, TREND_2, TREND_3, DAYS, PAST = range(30, 38)
"""State of the phase: last values, then the last 50 smoothed prices by number of the bar."""
N_PAST = 50

_TURN = np.arange(51)[None, :] * 2.0 * math.pi / np.maximum(np.arange(51), 1)[:, None]
SIN, COS = np.sin(_TURN), np.cos(_TURN)
"""By whole period and bars back."""


@njit(cache=True)
def _shifted(s: F64, at: int, count: int, x: float) -> None:
    """Put a value before ``count`` values, the oldest of which is lost."""
    for i in range(at + count - 1, at, -1):
        s[i] = s[i - 1]
    s[at] = x


@njit(cache=True)
def _hilbert(s: F64, at: int, scale: float) -> float:
    """Return the transform of the values at s[at], [at + 2], [at + 4] and [at + 6]."""
    return (A * s[at] - A * s[at + 6] - B * s[at + 4] + B * s[at + 2]) * scale  # type: ignore[no-any-return]


@njit(cache=True)
def _smoothed(bar: F64, ring: F64, n: int, of_median: float) -> float:
    """Return the weighted mean of the last four prices: closes, or middles of high and low."""
    if of_median == 0.0:
        x = tail(ring[c.R_CLOSE], n, 4)
        return float((4.0 * x[3] + 3.0 * x[2] + 2.0 * x[1] + x[0]) * 0.1)
    high, low = tail(ring[c.R_HIGH], n, 4), tail(ring[c.R_LOW], n, 4)
    weighted = 0.0
    for i in range(4):
        weighted += (i + 1.0) * 0.5 * (high[i] + low[i])
    return weighted * 0.1


@njit(cache=True)
def _advance(s: F64, smooth: float) -> tuple[float, float]:
    """Take a smoothed price into the transform; return its parts in phase and in quadrature, and leave the period."""
    scale = 0.075 * s[PERIOD] + 0.54
    _shifted(s, SMOOTH, 7, smooth)
    _shifted(s, DETREND, 10, _hilbert(s, SMOOTH, scale))
    in_phase = s[DETREND + 3]
    quadrature = _hilbert(s, DETREND, scale)
    _shifted(s, QUADRATURE, 7, quadrature)
    i2 = 0.2 * (in_phase - _hilbert(s, QUADRATURE, scale)) + 0.8 * s[I2]
    q2 = 0.2 * (quadrature + _hilbert(s, DETREND + 3, scale)) + 0.8 * s[Q2]
    s[RE] = 0.2 * (i2 * s[I2] + q2 * s[Q2]) + 0.8 * s[RE]
    s[IM] = 0.2 * (i2 * s[Q2] - q2 * s[I2]) + 0.8 * s[IM]
    s[I2], s[Q2] = i2, q2
    before = period = s[PERIOD]
    if s[IM] != 0.0 and s[RE] != 0.0:
        angle = math.degrees(math.atan(s[IM] / s[RE]))
        period = 360.0 / angle if angle != 0.0 else np.inf
    period = max(min(period, 1.5 * before), 0.67 * before)
    s[PERIOD] = 0.2 * min(max(period, PERIOD_LEAST), PERIOD_MOST) + 0.8 * before
    s[SMOOTH_PERIOD] = 0.33 * s[PERIOD] + 0.67 * s[SMOOTH_PERIOD]
    return in_phase, quadrature


@njit(cache=True, forceinline=True)
def ht_period(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Period of the dominant cycle in bars, and the phasor's parts in phase and in quadrature (Ehlers, 2001)."""
    y[:3] = np.nan
    if n >= FIRST_OF_PERIOD:
        in_phase, quadrature = _advance(s, _smoothed(bar, ring, n, 0.0))
        if n >= READY_OF_PERIOD:
            y[0], y[1], y[2] = s[SMOOTH_PERIOD], in_phase, quadrature


@njit(cache=True)
def _phase(s: F64, n: int, bars: int) -> float:
    """Return the phase of the dominant cycle in degrees, -45 to 315."""
    real = imaginary = 0.0
    at = n % N_PAST
    for i in range(bars):
        past = s[PAST + at]
        # Without a division, which takes longer than all the rest of a step.
        at = at - 1 if at > 0 else N_PAST - 1
        real += SIN[bars, i] * past
        imaginary += COS[bars, i] * past
    phase = s[PHASE]
    if imaginary != 0.0:
        phase = math.degrees(math.atan(real / imaginary))
    elif real != 0.0:
        phase += math.copysign(90.0, real)
    # The smoothed price is one bar late.
    phase += 90.0 + 360.0 / s[SMOOTH_PERIOD]
    if imaginary < 0.0:
        phase += 180.0
    return float(phase - 360.0 if phase > 315.0 else phase)


@njit(cache=True, forceinline=True)
def ht_phase(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Phase of the dominant cycle, its sine, that 45 degrees on, the line of trend, and 1 where the trend rules.

    Line: the mean of a cycle of closes, weighted over four bars. A trend rules (Ehlers, 2001) where it is half a cycle
    or more since the sines crossed and the phase does not turn as the cycle would, or the price is 1.5 % off the line.
    """
    y[:5] = np.nan
    if n < FIRST_OF_PHASE:
        return
    smooth = _smoothed(bar, ring, n, 0.0)
    _advance(s, smooth)
    s[PAST + n % N_PAST] = smooth
    cycle = s[SMOOTH_PERIOD]
    bars = int(cycle + 0.5)
    phase = _phase(s, n, bars)
    sine, lead = math.sin(math.radians(phase)), math.sin(math.radians(phase + 45.0))
    mean = total(tail(ring[c.R_CLOSE], n, bars)) / bars if bars > 0 else 0.0
    line = (4.0 * mean + 3.0 * s[TREND_1] + 2.0 * s[TREND_2] + s[TREND_3]) / 10.0
    crossed = (sine > lead and s[SINE] <= s[LEAD]) or (sine < lead and s[SINE] >= s[LEAD])
    s[DAYS] = 1.0 if crossed else min(s[DAYS] + 1.0, PERIOD_MOST)
    turned = (phase - s[PHASE]) * cycle / 360.0
    trend = not crossed and s[DAYS] >= 0.5 * cycle and not 0.67 < turned < 1.5
    if line != 0.0 and abs((smooth - line) / line) >= 0.015:
        trend = True
    s[PHASE], s[SINE], s[LEAD] = phase, sine, lead
    s[TREND_3], s[TREND_2], s[TREND_1] = s[TREND_2], s[TREND_1], mean
    if n >= READY_OF_PHASE:
        y[0], y[1], y[2], y[3], y[4] = phase, sine, lead, line, 1.0 if trend else 0.0


@njit(cache=True, forceinline=True)
def mama(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """MESA adaptive average and the one that follows it (Ehlers, 2001), weights between p[1] and p[0].

    Of closes, or with p[2] 1 of the middles of high and low, as LEAN has it. The weight is p[0] over the phase's turn
    in degrees. Starts at 0. State beyond the transform: phase, both averages.
    """
    y[:2] = np.nan
    if n < FIRST_OF_PERIOD:
        return
    in_phase, quadrature = _advance(s, _smoothed(bar, ring, n, p[2]))
    phase = math.degrees(math.atan(quadrature / in_phase)) if in_phase != 0.0 else 0.0
    turn = max(s[N_TRANSFORM] - phase, 1.0)
    s[N_TRANSFORM] = phase
    weight = max(p[0] / turn, p[1])
    price = bar[c.CLOSE] if p[2] == 0.0 else 0.5 * (bar[c.HIGH] + bar[c.LOW])
    s[N_TRANSFORM + 1] = weight * price + (1.0 - weight) * s[N_TRANSFORM + 1]
    s[N_TRANSFORM + 2] = 0.5 * weight * s[N_TRANSFORM + 1] + (1.0 - 0.5 * weight) * s[N_TRANSFORM + 2]
    if n >= READY_OF_PERIOD:
        y[0], y[1] = s[N_TRANSFORM + 1], s[N_TRANSFORM + 2]


@njit(cache=True, forceinline=True)
def hilbert(bar: F64, ring: F64, n: int, p: F64, s: F64, y: F64) -> None:
    """Hilbert transform of the close's move over p[0] bars, feedback p[1] and p[2] (Ehlers, as LEAN has it).

    In phase: 1.25 (v[3] - p[1] v[1]) + p[1] times itself 3 bars ago; quadrature: v[1] - p[2] v[0] + p[2] times itself
    2 bars ago; what is not there yet is 0, for the former at the first value shown. State: four moves, three and two
    outputs, newest first.
    """
    window = int(p[0])
    y[:2] = np.nan
    if n < window:
        return
    _shifted(s, 0, 4, bar[c.CLOSE] - back(ring[c.R_CLOSE], n, window))
    in_phase = 1.25 * (s[3] - p[1] * s[1]) + p[1] * s[6] if n >= window + 2 else 0.0
    quadrature = s[1] - p[2] * s[0] + p[2] * s[8]
    _shifted(s, 4, 3, in_phase)
    _shifted(s, 7, 2, quadrature)
    if n >= window + 1:
        y[0], y[1] = in_phase, quadrature


KERNELS = {
    "ht_period": Kernel(ht_period, (), ("period", "in_phase", "quadrature"), fixed(N_TRANSFORM), fixed(4)),
    "ht_phase": Kernel(
        ht_phase, (), ("phase", "sine", "lead_sine", "trendline", "trend"), fixed(PAST + N_PAST), fixed(N_PAST)
    ),
    "mama": Kernel(mama, ("fast", "slow", "of_median"), ("value", "following"), fixed(N_TRANSFORM + 3), fixed(4)),
    "hilbert": Kernel(
        hilbert, ("window", "in_phase_factor", "quadrature_factor"), ("in_phase", "quadrature"), fixed(9),
        lambda p: int(p["window"]) + 1,
    ),
}  # fmt: skip
"""Indicator of the catalog -> its kernel."""
