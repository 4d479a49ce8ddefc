"""Candlestick patterns, as TA-Lib tells them: signed strengths in hundredths, positive for up.

An indicator is TA-Lib's function in small letters. 100 is the pattern, 80 a weaker form of it (bodies that match at an
end), 200 a hikkake confirmed. Where TA-Lib has a parameter, ``penetration`` is the share of the first body that the
last candle has to enter.
"""
# One signature for all indicators, whatever each of them reads.
# ruff: noqa: ARG001

from types import FunctionType
from typing import Any

import numpy as np
from numba import njit

from processors.featurize.indicators import patterns_more as more
from processors.featurize.indicators import patterns_one as one
from processors.featurize.indicators import patterns_three as three
from processors.featurize.indicators import patterns_two as two
from processors.featurize.indicators.binding import Kernel, fixed
from processors.featurize.indicators.window import F64

shape: Any = None
least = 0
"""Stand in the templates below for the function of a pattern and for the bars that it needs."""


def _shaped(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    missing = min(max(least - 1 - n, 0), out.shape[1])
    out[0, :missing] = np.nan
    width = ring.shape[1] // 2
    at = n % width + width
    for i in range(missing, out.shape[1]):
        out[0, i] = shape(ring, at + i)


def _penetrating(bars: F64, ring: F64, n: int, p: F64, s: F64, out: F64) -> None:
    missing = min(max(least - 1 - n, 0), out.shape[1])
    out[0, :missing] = np.nan
    width = ring.shape[1] // 2
    at, penetration = n % width + width, p[0]
    for i in range(missing, out.shape[1]):
        out[0, i] = shape(ring, at + i, penetration)


_BINDING: dict[str, tuple[Any, int]] = {
    "cdl2crows": (three.two_crows, 13),
    "cdl3blackcrows": (more.three_black_crows, 14),
    "cdl3inside": (three.three_inside, 13),
    "cdl3linestrike": (more.three_line_strike, 9),
    "cdl3outside": (three.three_outside, 4),
    "cdl3starsinsouth": (three.three_stars_in_south, 13),
    "cdl3whitesoldiers": (three.three_white_soldiers, 13),
    "cdlabandonedbaby": (three.abandoned_baby, 13),
    "cdladvanceblock": (three.advance_block, 13),
    "cdlbelthold": (one.belt_hold, 11),
    "cdlbreakaway": (more.breakaway, 15),
    "cdlclosingmarubozu": (one.closing_marubozu, 11),
    "cdlconcealbabyswall": (more.concealing_baby_swallow, 14),
    "cdlcounterattack": (two.counterattack, 12),
    "cdldarkcloudcover": (two.dark_cloud_cover, 12),
    "cdldoji": (one.doji, 11),
    "cdldojistar": (two.doji_star, 12),
    "cdldragonflydoji": (one.dragonfly_doji, 11),
    "cdlengulfing": (two.engulfing, 3),
    "cdleveningdojistar": (three.evening_doji_star, 13),
    "cdleveningstar": (three.evening_star, 13),
    "cdlgapsidesidewhite": (three.gap_side_by_side_white, 8),
    "cdlgravestonedoji": (one.gravestone_doji, 11),
    "cdlhammer": (two.hammer, 12),
    "cdlhangingman": (two.hanging_man, 12),
    "cdlharami": (two.harami, 12),
    "cdlharamicross": (two.harami_cross, 12),
    "cdlhighwave": (one.high_wave, 11),
    "cdlhikkake": (more.hikkake, 6),
    "cdlhikkakemod": (more.hikkake_mod, 11),
    "cdlhomingpigeon": (two.homing_pigeon, 12),
    "cdlidentical3crows": (three.identical_three_crows, 13),
    "cdlinneck": (two.in_neck, 12),
    "cdlinvertedhammer": (two.inverted_hammer, 12),
    "cdlkicking": (two.kicking, 12),
    "cdlkickingbylength": (two.kicking_by_length, 12),
    "cdlladderbottom": (more.ladder_bottom, 15),
    "cdllongleggeddoji": (one.long_legged_doji, 11),
    "cdllongline": (one.long_line, 11),
    "cdlmarubozu": (one.marubozu, 11),
    "cdlmatchinglow": (two.matching_low, 7),
    "cdlmathold": (more.mat_hold, 15),
    "cdlmorningdojistar": (three.morning_doji_star, 13),
    "cdlmorningstar": (three.morning_star, 13),
    "cdlonneck": (two.on_neck, 12),
    "cdlpiercing": (two.piercing, 12),
    "cdlrickshawman": (one.rickshaw_man, 11),
    "cdlrisefall3methods": (more.rise_fall_three_methods, 15),
    "cdlseparatinglines": (two.separating_lines, 12),
    "cdlshootingstar": (two.shooting_star, 12),
    "cdlshortline": (one.short_line, 11),
    "cdlspinningtop": (one.spinning_top, 11),
    "cdlstalledpattern": (three.stalled, 13),
    "cdlsticksandwich": (three.stick_sandwich, 8),
    "cdltakuri": (one.takuri, 11),
    "cdltasukigap": (three.tasuki_gap, 8),
    "cdlthrusting": (two.thrusting, 12),
    "cdltristar": (three.tristar, 13),
    "cdlunique3river": (three.unique_three_river, 13),
    "cdlupsidegap2crows": (three.upside_gap_two_crows, 13),
    "cdlxsidegap3methods": (three.gap_three_methods, 3),
}
"""TA-Lib's name -> function, and the bars it needs, this one included."""


def _kernel(pattern: Any, bars: int) -> Kernel:
    """Return the kernel of a pattern: it looks through spans."""
    plain = getattr(pattern, "py_func", pattern)
    penetrates = "penetration" in plain.__code__.co_varnames
    template = _penetrating if penetrates else _shaped
    run = FunctionType(template.__code__, {**globals(), "shape": pattern, "least": bars}, plain.__name__)
    run.__module__, run.__qualname__, run.__doc__ = plain.__module__, plain.__name__, plain.__doc__
    return Kernel(njit(run), ("penetration",) if penetrates else (), ("event",), n_bars=fixed(bars))


KERNELS: dict[str, Kernel] = {name: _kernel(pattern, bars) for name, (pattern, bars) in _BINDING.items()}
"""Indicator of the catalog -> its kernel."""
