"""Patterns of two candles. Each returns its signed strength, 0.0 for none."""

from numba import njit

from processors.featurize.indicators.patterns_candle import (
    DOWN,
    UP,
    bare,
    body,
    body_gap,
    bottom,
    candle_gap,
    close,
    color,
    equal,
    high,
    is_doji,
    is_long,
    is_marubozu,
    is_short,
    low,
    near,
    opening,
    shadow,
    top,
)  # fmt: skip
from processors.featurize.indicators.window import F64


@njit(cache=True, forceinline=True)
def counterattack(b: F64, i: int) -> float:
    """Two long candles against each other that close at the same price."""
    opposite = (color(b, i - 1) == -color(b, i)) & is_long(b, i - 1) & is_long(b, i)
    return 100.0 * color(b, i) if opposite & equal(b, i - 1, close(b, i), close(b, i - 1)) else 0.0


@njit(cache=True, forceinline=True)
def dark_cloud_cover(b: F64, i: int, penetration: float) -> float:
    """Black candle from above a long white one down into its body."""
    found = (color(b, i - 1) == UP) & (color(b, i) == DOWN) & is_long(b, i - 1) & (opening(b, i) > high(b, i - 1))
    return (
        -100.0
        if found & (opening(b, i - 1) < close(b, i)) & (close(b, i) < close(b, i - 1) - body(b, i - 1) * penetration)
        else 0.0
    )


@njit(cache=True, forceinline=True)
def doji_star(b: F64, i: int) -> float:
    """Doji beyond the end of a long candle."""
    side = color(b, i - 1)
    return -100.0 * side if is_long(b, i - 1) & is_doji(b, i) & body_gap(b, i, i - 1, side) else 0.0


@njit(cache=True, forceinline=True)
def matched(b: F64, inner: int, outer: int) -> float:
    """Return how far a body holds another: 100.0, 80.0 where they match at an end, 0.0 where it does not."""
    return (
        100.0
        if (top(b, inner) < top(b, outer)) & (bottom(b, inner) > bottom(b, outer))
        else 80.0
        if (top(b, inner) <= top(b, outer)) & (bottom(b, inner) >= bottom(b, outer))
        else 0.0
    )


@njit(cache=True, forceinline=True)
def engulfing(b: F64, i: int) -> float:
    """Body around the opposite body before it; equal bodies are none."""
    equals = (top(b, i) == top(b, i - 1)) & (bottom(b, i) == bottom(b, i - 1))
    return color(b, i) * matched(b, i - 1, i) if (color(b, i - 1) == -color(b, i)) & (not equals) else 0.0


@njit(cache=True, forceinline=True)
def harami(b: F64, i: int) -> float:
    """Body that is not long within a long one."""
    return -color(b, i - 1) * matched(b, i, i - 1) if is_long(b, i - 1) & (not is_long(b, i)) else 0.0


@njit(cache=True, forceinline=True)
def harami_cross(b: F64, i: int) -> float:
    """Doji within a long body."""
    return -color(b, i - 1) * matched(b, i, i - 1) if is_long(b, i - 1) & is_doji(b, i) else 0.0


@njit(cache=True, forceinline=True)
def pin(b: F64, i: int, side: float) -> bool:
    """Return whether the candle is a short body with a long shadow on one side and none on the other."""
    return is_short(b, i) & (shadow(b, i, side) > body(b, i)) & bare(b, i, -side)


@njit(cache=True, forceinline=True)
def hammer(b: F64, i: int) -> float:
    """Short body over a long shadow, near the low before it."""
    return 100.0 if pin(b, i, DOWN) & (bottom(b, i) <= low(b, i - 1) + near(b, i - 1)) else 0.0


@njit(cache=True, forceinline=True)
def hanging_man(b: F64, i: int) -> float:
    """Short body over a long shadow, near the high before it."""
    return -100.0 if pin(b, i, DOWN) & (bottom(b, i) >= high(b, i - 1) - near(b, i - 1)) else 0.0


@njit(cache=True, forceinline=True)
def inverted_hammer(b: F64, i: int) -> float:
    """Short body under a long shadow, below the body before it."""
    return 100.0 if pin(b, i, UP) & body_gap(b, i, i - 1, DOWN) else 0.0


@njit(cache=True, forceinline=True)
def shooting_star(b: F64, i: int) -> float:
    """Short body under a long shadow, above the body before it."""
    return -100.0 if pin(b, i, UP) & body_gap(b, i, i - 1, UP) else 0.0


@njit(cache=True, forceinline=True)
def homing_pigeon(b: F64, i: int) -> float:
    """Black body that is not long within a long black one."""
    black = (color(b, i - 1) == DOWN) & (color(b, i) == DOWN) & is_long(b, i - 1) & (not is_long(b, i))
    return 100.0 if black & (opening(b, i) < opening(b, i - 1)) & (close(b, i) > close(b, i - 1)) else 0.0


@njit(cache=True, forceinline=True)
def kicks(b: F64, i: int) -> bool:
    """Return whether a marubozu is followed by the opposite one, beyond it."""
    side = color(b, i)
    return (color(b, i - 1) == -side) & candle_gap(b, i, i - 1, side) & is_marubozu(b, i - 1) & is_marubozu(b, i)


@njit(cache=True, forceinline=True)
def kicking(b: F64, i: int) -> float:
    """Two marubozu against each other with a gap between; the second tells the direction."""
    return 100.0 * color(b, i) if kicks(b, i) else 0.0


@njit(cache=True, forceinline=True)
def kicking_by_length(b: F64, i: int) -> float:
    """Two marubozu against each other with a gap between; the longer tells the direction."""
    return 100.0 * color(b, i if body(b, i) > body(b, i - 1) else i - 1) if kicks(b, i) else 0.0


@njit(cache=True, forceinline=True)
def matching_low(b: F64, i: int) -> float:
    """Two black candles that close at the same price."""
    black = (color(b, i - 1) == DOWN) & (color(b, i) == DOWN)
    return 100.0 if black & equal(b, i - 1, close(b, i), close(b, i - 1)) else 0.0


@njit(cache=True, forceinline=True)
def recovers(b: F64, i: int) -> bool:
    """Return whether a long black candle is followed by a white one from below its low."""
    return bool((color(b, i - 1) == DOWN) & (color(b, i) == UP) & (opening(b, i) < low(b, i - 1)) & is_long(b, i - 1))


@njit(cache=True, forceinline=True)
def on_neck(b: F64, i: int) -> float:
    """White candle from below a long black one up to its low."""
    return -100.0 if recovers(b, i) & equal(b, i - 1, close(b, i), low(b, i - 1)) else 0.0


@njit(cache=True, forceinline=True)
def in_neck(b: F64, i: int) -> float:
    """White candle from below a long black one up to its close."""
    return (
        -100.0
        if recovers(b, i) & (close(b, i) >= close(b, i - 1)) & equal(b, i - 1, close(b, i), close(b, i - 1))
        else 0.0
    )


@njit(cache=True, forceinline=True)
def thrusting(b: F64, i: int) -> float:
    """White candle from below a long black one into its lower half."""
    in_lower_half = (close(b, i - 1) < close(b, i)) & (close(b, i) <= close(b, i - 1) + body(b, i - 1) * 0.5)
    return -100.0 if recovers(b, i) & in_lower_half & (not equal(b, i - 1, close(b, i), close(b, i - 1))) else 0.0


@njit(cache=True, forceinline=True)
def piercing(b: F64, i: int) -> float:
    """Long white candle from below a long black one into its upper half."""
    in_upper_half = (close(b, i - 1) + body(b, i - 1) * 0.5 < close(b, i)) & (close(b, i) < opening(b, i - 1))
    return 100.0 if recovers(b, i) & in_upper_half & is_long(b, i) else 0.0


@njit(cache=True, forceinline=True)
def separating_lines(b: F64, i: int) -> float:
    """Belt hold against the candle before it, from the same open."""
    side = color(b, i)
    parted = (color(b, i - 1) == -side) & is_long(b, i) & bare(b, i, -side)
    return 100.0 * side if parted & equal(b, i - 1, opening(b, i), opening(b, i - 1)) else 0.0
