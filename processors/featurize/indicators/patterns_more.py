"""Patterns of four candles and more. Each returns its signed strength, 0.0 for none."""

from numba import njit

from processors.featurize.indicators.patterns_candle import (
    DOWN,
    UP,
    bare,
    body,
    body_gap,
    bottom,
    close,
    closes_on,
    color,
    high,
    inside_body,
    is_bare,
    is_long,
    is_short,
    low,
    near,
    opening,
    same_color,
    shaded,
    top,
)  # fmt: skip
from processors.featurize.indicators.window import F64

CONFIRMED_WITHIN = 3
"""Bars that a hikkake has to be confirmed."""


@njit(cache=True, forceinline=True)
def three_black_crows(b: F64, i: int) -> float:
    """After a white candle, three black ones down without lower shadows, each from within the body before it."""
    found = (color(b, i - 3) == UP) & same_color(b, i, 3, DOWN) & closes_on(b, i, DOWN)
    stepwise = (
        inside_body(b, i - 2, opening(b, i - 1))
        & inside_body(b, i - 1, opening(b, i))
        & (high(b, i - 3) > close(b, i - 2))
    )
    return -100.0 if found & stepwise & bare(b, i - 2, DOWN) & bare(b, i - 1, DOWN) & bare(b, i, DOWN) else 0.0


@njit(cache=True, forceinline=True)
def opens_about_body(b: F64, i: int) -> bool:
    """Return whether a candle opens within or near the body before it."""
    return bool(
        (bottom(b, i - 1) - near(b, i - 1) <= opening(b, i)) & (opening(b, i) <= top(b, i - 1) + near(b, i - 1))
    )


@njit(cache=True, forceinline=True)
def three_line_strike(b: F64, i: int) -> float:
    """Three candles on, then one back over all of them."""
    side = color(b, i - 1)
    found = same_color(b, i - 1, 3, side) & (color(b, i) == -side) & closes_on(b, i - 1, side)
    over = (side * opening(b, i) > side * close(b, i - 1)) & (side * close(b, i) < side * opening(b, i - 3))
    return 100.0 * side if found & over & opens_about_body(b, i - 2) & opens_about_body(b, i - 1) else 0.0


@njit(cache=True, forceinline=True)
def concealing_baby_swallow(b: F64, i: int) -> float:
    """Two black candles without shadows, a black one below a gap with a shadow up into it, and one around that."""
    found = same_color(b, i, 4, DOWN) & body_gap(b, i - 1, i - 2, DOWN) & (high(b, i - 1) > close(b, i - 2))
    around = (high(b, i) > high(b, i - 1)) & (low(b, i) < low(b, i - 1))
    return 100.0 if found & around & is_bare(b, i - 3) & is_bare(b, i - 2) & shaded(b, i - 1, UP) else 0.0


@njit(cache=True, forceinline=True)
def moves_on(b: F64, i: int, side: float) -> bool:
    """Return whether high and low both lie beyond those before."""
    return bool((side * high(b, i) > side * high(b, i - 1)) & (side * low(b, i) > side * low(b, i - 1)))


@njit(cache=True, forceinline=True)
def breakaway(b: F64, i: int) -> float:
    """Long candle, a gap on, two bars further on, then a close back within the gap."""
    side = color(b, i - 4)
    found = (color(b, i - 3) == side) & (color(b, i - 1) == side) & (color(b, i) == -side)
    on = body_gap(b, i - 3, i - 4, side) & moves_on(b, i - 2, side) & moves_on(b, i - 1, side)
    in_gap = (side * close(b, i - 4) < side * close(b, i)) & (side * close(b, i) < side * opening(b, i - 3))
    return -100.0 * side if found & on & in_gap & is_long(b, i - 4) else 0.0


@njit(cache=True, forceinline=True)
def ladder_bottom(b: F64, i: int) -> float:
    """Three black candles down, a black one with an upper shadow, then a white one that closes above its high."""
    found = same_color(b, i - 1, 4, DOWN) & (color(b, i) == UP) & closes_on(b, i - 2, DOWN)
    lower_opens = (opening(b, i - 4) > opening(b, i - 3)) & (opening(b, i - 3) > opening(b, i - 2))
    return (
        100.0
        if found
        & lower_opens
        & (opening(b, i) > opening(b, i - 1))
        & (close(b, i) > high(b, i - 1))
        & shaded(b, i - 1, UP)
        else 0.0
    )


@njit(cache=True, forceinline=True)
def long_then_three_short(b: F64, i: int) -> bool:
    """Return whether a long candle is followed by three short ones, before bar i."""
    return is_long(b, i - 4) & is_short(b, i - 3) & is_short(b, i - 2) & is_short(b, i - 1)


@njit(cache=True, forceinline=True)
def mat_hold(b: F64, i: int, penetration: float) -> float:
    """Long white candle, a black one above it, two falling back little way into it, then a white one above all."""
    found = (color(b, i - 4) == UP) & (color(b, i - 3) == DOWN) & (color(b, i) == UP) & body_gap(b, i - 3, i - 4, UP)
    least = close(b, i - 4) - body(b, i - 4) * penetration
    held = (
        (least < bottom(b, i - 2))
        & (bottom(b, i - 2) < close(b, i - 4))
        & (least < bottom(b, i - 1))
        & (bottom(b, i - 1) < close(b, i - 4))
    )
    falling = (top(b, i - 2) < opening(b, i - 3)) & (top(b, i - 1) < top(b, i - 2))
    above = (opening(b, i) > close(b, i - 1)) & (close(b, i) > max(high(b, i - 3), high(b, i - 2), high(b, i - 1)))
    return 100.0 if found & held & falling & above & long_then_three_short(b, i) else 0.0


@njit(cache=True, forceinline=True)
def rise_fall_three_methods(b: F64, i: int) -> float:
    """Long candle, three short ones back within its range, then a long one further on."""
    side = color(b, i - 4)
    found = same_color(b, i - 1, 3, -side) & (color(b, i) == side) & closes_on(b, i - 1, -side)
    within = True
    for k in range(1, 4):
        within &= (bottom(b, i - k) < high(b, i - 4)) & (top(b, i - k) > low(b, i - 4))
    on = (side * opening(b, i) > side * close(b, i - 1)) & (side * close(b, i) > side * close(b, i - 4))
    return 100.0 * side if found & within & on & long_then_three_short(b, i) & is_long(b, i) else 0.0


@njit(cache=True, forceinline=True)
def is_inside(b: F64, i: int) -> bool:
    """Return whether the bar lies within the one before it."""
    return bool((high(b, i) < high(b, i - 1)) & (low(b, i) > low(b, i - 1)))


@njit(cache=True, forceinline=True)
def hikkake_at(b: F64, i: int, modified: bool) -> float:
    """Return the direction of a hikkake that is complete at bar i, 0.0 for none.

    It is a bar within the one before, then one that moves on: the pattern expects the opposite. The modified one wants
    a second bar within the first one before them, closed near the end that the move is on.
    """
    if not is_inside(b, i - 1):
        return 0.0
    side = UP if moves_on(b, i, DOWN) else DOWN if moves_on(b, i, UP) else 0.0
    if modified and side != 0.0:
        reached = low(b, i - 2) + near(b, i - 2) if side > 0.0 else high(b, i - 2) - near(b, i - 2)
        if not (is_inside(b, i - 2) and side * close(b, i - 2) <= side * reached):
            return 0.0
    return side


@njit(cache=True, forceinline=True)
def hikkake_by(b: F64, i: int, modified: bool) -> float:
    """Hikkake (100.0 in its direction), and its confirmation up to three bars later (200.0).

    A close beyond the bar within confirms the newest hikkake, once. What happened up to three bars ago is replayed, so
    nothing has to be kept.
    """
    side, at, strength = 0.0, i, 0.0
    for j in range(i - CONFIRMED_WITHIN, i + 1):
        found = hikkake_at(b, j, modified)
        strength = 0.0
        if found != 0.0:
            side, at, strength = found, j, 100.0 * found
        elif side != 0.0:
            edge = high(b, at - 1) if side > 0.0 else low(b, at - 1)
            if side * close(b, j) > side * edge:
                side, strength = 0.0, 200.0 * side
    return strength


@njit(cache=True, forceinline=True)
def hikkake(b: F64, i: int) -> float:
    """Hikkake (100.0 in its direction), and its confirmation up to three bars later (200.0)."""
    return hikkake_by(b, i, False)


@njit(cache=True, forceinline=True)
def hikkake_mod(b: F64, i: int) -> float:
    """Modified hikkake (100.0 in its direction), and its confirmation up to three bars later (200.0)."""  # noqa: D401
    return hikkake_by(b, i, True)
