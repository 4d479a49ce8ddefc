"""Patterns of one candle. Each returns its signed strength, 0.0 for none."""

from numba import njit

from processors.featurize.indicators.patterns_candle import (
    DOWN,
    UP,
    bare,
    body,
    bottom,
    color,
    high,
    is_bare,
    is_doji,
    is_long,
    is_short,
    low,
    mean_shadow,
    near,
    shaded,
    shadow,
    top,
)  # fmt: skip
from processors.featurize.indicators.window import F64


@njit(cache=True, forceinline=True)
def both_shadows_over(b: F64, i: int, length: float) -> bool:
    """Return whether both shadows are longer than a length."""
    return (shadow(b, i, UP) > length) & (shadow(b, i, DOWN) > length)


@njit(cache=True, forceinline=True)
def both_shadows_short(b: F64, i: int) -> bool:
    """Return whether both shadows are shorter than usual."""
    usual = mean_shadow(b, i)
    return (shadow(b, i, UP) < usual) & (shadow(b, i, DOWN) < usual)


@njit(cache=True, forceinline=True)
def belt_hold(b: F64, i: int) -> float:
    """Long body that begins at the end of the bar."""
    return 100.0 * color(b, i) if is_long(b, i) & bare(b, i, -color(b, i)) else 0.0


@njit(cache=True, forceinline=True)
def closing_marubozu(b: F64, i: int) -> float:
    """Long body that closes at the end of the bar."""
    return 100.0 * color(b, i) if is_long(b, i) & bare(b, i, color(b, i)) else 0.0


@njit(cache=True, forceinline=True)
def marubozu(b: F64, i: int) -> float:
    """Long body without shadows."""
    return 100.0 * color(b, i) if is_long(b, i) & is_bare(b, i) else 0.0


@njit(cache=True, forceinline=True)
def long_line(b: F64, i: int) -> float:
    """Long body, short shadows."""
    return 100.0 * color(b, i) if is_long(b, i) & both_shadows_short(b, i) else 0.0


@njit(cache=True, forceinline=True)
def short_line(b: F64, i: int) -> float:
    """Short body, short shadows."""
    return 100.0 * color(b, i) if is_short(b, i) & both_shadows_short(b, i) else 0.0


@njit(cache=True, forceinline=True)
def high_wave(b: F64, i: int) -> float:
    """Short body, both shadows more than twice as long."""
    return 100.0 * color(b, i) if is_short(b, i) & both_shadows_over(b, i, 2.0 * body(b, i)) else 0.0


@njit(cache=True, forceinline=True)
def spinning_top(b: F64, i: int) -> float:
    """Short body, both shadows longer than it."""
    return 100.0 * color(b, i) if is_short(b, i) & both_shadows_over(b, i, body(b, i)) else 0.0


@njit(cache=True, forceinline=True)
def doji(b: F64, i: int) -> float:
    """Open and close next to equal."""
    return 100.0 if is_doji(b, i) else 0.0


@njit(cache=True, forceinline=True)
def dragonfly_doji(b: F64, i: int) -> float:
    """Doji at the top of its bar."""
    return 100.0 if is_doji(b, i) & bare(b, i, UP) & shaded(b, i, DOWN) else 0.0


@njit(cache=True, forceinline=True)
def gravestone_doji(b: F64, i: int) -> float:
    """Doji at the bottom of its bar."""
    return 100.0 if is_doji(b, i) & bare(b, i, DOWN) & shaded(b, i, UP) else 0.0


@njit(cache=True, forceinline=True)
def long_legged_doji(b: F64, i: int) -> float:
    """Doji with a shadow longer than its body."""
    return 100.0 if is_doji(b, i) & (max(shadow(b, i, UP), shadow(b, i, DOWN)) > body(b, i)) else 0.0


@njit(cache=True, forceinline=True)
def rickshaw_man(b: F64, i: int) -> float:
    """Doji with two long shadows and its body near the middle of the bar."""
    found = is_doji(b, i) & both_shadows_over(b, i, body(b, i))
    middle = low(b, i) + (high(b, i) - low(b, i)) / 2.0
    return 100.0 if found & (bottom(b, i) <= middle + near(b, i)) & (top(b, i) >= middle - near(b, i)) else 0.0


@njit(cache=True, forceinline=True)
def takuri(b: F64, i: int) -> float:
    """Doji at the top of its bar, with a very long lower shadow."""
    return 100.0 if is_doji(b, i) & bare(b, i, UP) & (shadow(b, i, DOWN) > 2.0 * body(b, i)) else 0.0
