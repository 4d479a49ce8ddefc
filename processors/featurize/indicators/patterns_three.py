"""Patterns of three candles. Each returns its signed strength, 0.0 for none."""

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
    closes_on,
    color,
    equal,
    far,
    high,
    inside_body,
    is_bare,
    is_doji,
    is_doji_by,
    is_long,
    is_short,
    low,
    mean_shadow,
    near,
    opening,
    same_color,
    shaded,
    shadow,
    top,
)  # fmt: skip
from processors.featurize.indicators.window import F64


@njit(cache=True, forceinline=True)
def crow_above(b: F64, i: int) -> bool:
    """Return whether a long white candle is followed by two black ones, the first of them above its body."""
    colors = (color(b, i - 2) == UP) & (color(b, i - 1) == DOWN) & (color(b, i) == DOWN)
    return colors & body_gap(b, i - 1, i - 2, UP) & is_long(b, i - 2)


@njit(cache=True, forceinline=True)
def two_crows(b: F64, i: int) -> float:
    """Black candle above a long white one, then a black one from its body into the white one's."""
    return (
        -100.0 if crow_above(b, i) & inside_body(b, i - 1, opening(b, i)) & inside_body(b, i - 2, close(b, i)) else 0.0
    )


@njit(cache=True, forceinline=True)
def upside_gap_two_crows(b: F64, i: int) -> float:
    """Black candle that is not long above a long white one, then a black one around it that leaves the gap open."""
    around = (opening(b, i) > opening(b, i - 1)) & (close(b, i - 2) < close(b, i)) & (close(b, i) < close(b, i - 1))
    return -100.0 if crow_above(b, i) & around & (not is_long(b, i - 1)) else 0.0


@njit(cache=True, forceinline=True)
def three_inside(b: F64, i: int) -> float:
    """Harami, then a close beyond the open of its first candle."""
    side = color(b, i - 2)
    inside = (top(b, i - 1) < top(b, i - 2)) & (bottom(b, i - 1) > bottom(b, i - 2))
    turned = (color(b, i) == -side) & (side * close(b, i) < side * opening(b, i - 2))
    return -100.0 * side if inside & turned & is_long(b, i - 2) & (not is_long(b, i - 1)) else 0.0


@njit(cache=True, forceinline=True)
def three_outside(b: F64, i: int) -> float:
    """Engulfing, then a close further on."""
    side = color(b, i - 1)
    around = (color(b, i - 2) == -side) & (top(b, i - 1) > top(b, i - 2)) & (bottom(b, i - 1) < bottom(b, i - 2))
    return 100.0 * side if around & (side * close(b, i) > side * close(b, i - 1)) else 0.0


@njit(cache=True, forceinline=True)
def three_stars_in_south(b: F64, i: int) -> float:
    """Three black candles, each smaller and higher than the one before: shadowed, shadowed, bare."""
    second = (
        (body(b, i - 1) < body(b, i - 2))
        & (close(b, i - 2) < opening(b, i - 1))
        & (opening(b, i - 1) <= high(b, i - 2))
        & (low(b, i - 2) <= low(b, i - 1))
        & (low(b, i - 1) < close(b, i - 2))
    )
    found = same_color(b, i, 3, DOWN) & second & (low(b, i) > low(b, i - 1)) & (high(b, i) < high(b, i - 1))
    first = is_long(b, i - 2) & (shadow(b, i - 2, DOWN) > body(b, i - 2))
    return 100.0 if found & first & shaded(b, i - 1, DOWN) & is_short(b, i) & is_bare(b, i) else 0.0


@njit(cache=True, forceinline=True)
def opens_on(b: F64, i: int) -> bool:
    """Return whether a candle opens above the open before it, within or near that body."""
    return bool((opening(b, i - 1) < opening(b, i)) & (opening(b, i) <= close(b, i - 1) + near(b, i - 1)))


@njit(cache=True, forceinline=True)
def three_white_rise(b: F64, i: int) -> bool:
    """Return whether three white candles close ever higher."""
    return same_color(b, i, 3, UP) & closes_on(b, i, UP)


@njit(cache=True, forceinline=True)
def three_white_soldiers(b: F64, i: int) -> float:
    """Three white candles up, none with an upper shadow, none far shorter than the one before."""
    found = three_white_rise(b, i) & opens_on(b, i - 1) & opens_on(b, i)
    steady = (body(b, i - 1) > body(b, i - 2) - far(b, i - 2)) & (body(b, i) > body(b, i - 1) - far(b, i - 1))
    closed_high = bare(b, i - 2, UP) & bare(b, i - 1, UP) & bare(b, i, UP)
    return 100.0 if found & steady & closed_high & is_long(b, i) else 0.0


@njit(cache=True, forceinline=True)
def advance_block(b: F64, i: int) -> float:
    """Three white candles up that weaken: bodies that shrink, or long upper shadows."""
    found = (
        three_white_rise(b, i)
        & opens_on(b, i - 1)
        & opens_on(b, i)
        & is_long(b, i - 2)
        & (shadow(b, i - 2, UP) < mean_shadow(b, i - 2))
    )
    first, second, third = body(b, i - 2), body(b, i - 1), body(b, i)
    blocked = (
        (second < first - far(b, i - 2)) & (third < second + near(b, i - 1))
        | (third < second - far(b, i - 1))
        | (third < second)
        & (second < first)
        & ((shadow(b, i, UP) > mean_shadow(b, i)) | (shadow(b, i - 1, UP) > mean_shadow(b, i - 1)))
        | (third < second) & (shadow(b, i, UP) > third)
    )
    return -100.0 if found & blocked else 0.0


@njit(cache=True, forceinline=True)
def stalled(b: F64, i: int) -> float:
    """Two long white candles, then a short white one on the shoulder of the second."""
    found = three_white_rise(b, i) & opens_on(b, i - 1) & is_long(b, i - 2) & is_long(b, i - 1)
    on_shoulder = opening(b, i) >= close(b, i - 1) - body(b, i) - near(b, i - 1)
    return -100.0 if found & on_shoulder & bare(b, i - 1, UP) & is_short(b, i) else 0.0


@njit(cache=True, forceinline=True)
def turns(b: F64, i: int, side: float, penetration: float) -> bool:
    """Return whether a long candle of a direction is followed, one bar on, by a long one back well into its body."""
    found = (color(b, i - 2) == side) & (color(b, i) == -side)
    well_into = side * close(b, i) < side * close(b, i - 2) - body(b, i - 2) * penetration
    return found & well_into & is_long(b, i - 2) & is_long(b, i)


@njit(cache=True, forceinline=True)
def abandoned_baby(b: F64, i: int, penetration: float) -> float:
    """Doji with a gap on both sides, shadows included, between a long candle and one back."""
    side = color(b, i - 2)
    apart = candle_gap(b, i - 1, i - 2, side) & candle_gap(b, i, i - 1, -side)
    return -100.0 * side if apart & turns(b, i, side, penetration) & is_doji(b, i - 1) else 0.0


@njit(cache=True, forceinline=True)
def doji_star_turn(b: F64, i: int, side: float, penetration: float) -> float:
    """Doji beyond a long candle of a direction, then one back into it."""
    apart = body_gap(b, i - 1, i - 2, side)
    return -100.0 * side if apart & turns(b, i, side, penetration) & is_doji(b, i - 1) else 0.0


@njit(cache=True, forceinline=True)
def star_turn(b: F64, i: int, side: float, penetration: float) -> float:
    """Body that is not long beyond a long candle of a direction, then one back into it."""
    apart = body_gap(b, i - 1, i - 2, side)
    return -100.0 * side if apart & turns(b, i, side, penetration) & (not is_long(b, i - 1)) else 0.0


@njit(cache=True, forceinline=True)
def evening_doji_star(b: F64, i: int, penetration: float) -> float:
    """Doji above a long white candle, then a black one back into it."""
    return doji_star_turn(b, i, UP, penetration)


@njit(cache=True, forceinline=True)
def morning_doji_star(b: F64, i: int, penetration: float) -> float:
    """Doji below a long black candle, then a white one back into it."""
    return doji_star_turn(b, i, DOWN, penetration)


@njit(cache=True, forceinline=True)
def evening_star(b: F64, i: int, penetration: float) -> float:
    """Body that is not long above a long white candle, then a black one back into it."""
    return star_turn(b, i, UP, penetration)


@njit(cache=True, forceinline=True)
def morning_star(b: F64, i: int, penetration: float) -> float:
    """Body that is not long below a long black candle, then a white one back into it."""
    return star_turn(b, i, DOWN, penetration)


@njit(cache=True, forceinline=True)
def gap_side_by_side_white(b: F64, i: int) -> float:
    """Two like white candles side by side beyond a gap."""
    side = UP if body_gap(b, i - 1, i - 2, UP) else DOWN
    found = same_color(b, i, 2, UP) & body_gap(b, i - 1, i - 2, side) & body_gap(b, i, i - 2, side)
    like = (body(b, i - 1) - near(b, i - 1) <= body(b, i)) & (body(b, i) <= body(b, i - 1) + near(b, i - 1))
    return 100.0 * side if found & like & equal(b, i - 1, opening(b, i), opening(b, i - 1)) else 0.0


@njit(cache=True, forceinline=True)
def identical_three_crows(b: F64, i: int) -> float:
    """Three black candles down without lower shadows, each from the close of the one before."""
    found = same_color(b, i, 3, DOWN) & closes_on(b, i, DOWN)
    from_close = equal(b, i - 2, opening(b, i - 1), close(b, i - 2)) & equal(b, i - 1, opening(b, i), close(b, i - 1))
    return -100.0 if found & from_close & bare(b, i - 2, DOWN) & bare(b, i - 1, DOWN) & bare(b, i, DOWN) else 0.0


@njit(cache=True, forceinline=True)
def stick_sandwich(b: F64, i: int) -> float:
    """White candle above the close of a black one, then a black one that closes where the first did."""
    colors = (color(b, i - 2) == DOWN) & (color(b, i - 1) == UP) & (color(b, i) == DOWN)
    return 100.0 if colors & (low(b, i - 1) > close(b, i - 2)) & equal(b, i - 2, close(b, i), close(b, i - 2)) else 0.0


@njit(cache=True, forceinline=True)
def tasuki_gap(b: F64, i: int) -> float:
    """Candle beyond a gap, then a like one back from its body into the gap."""
    side = color(b, i - 1)
    found = (color(b, i) == -side) & body_gap(b, i - 1, i - 2, side) & inside_body(b, i - 1, opening(b, i))
    edge = top(b, i - 2) if side > 0.0 else bottom(b, i - 2)
    in_gap = (side * edge < side * close(b, i)) & (side * close(b, i) < side * opening(b, i - 1))
    return 100.0 * side if found & in_gap & (abs(body(b, i - 1) - body(b, i)) < near(b, i - 1)) else 0.0


@njit(cache=True, forceinline=True)
def tristar(b: F64, i: int) -> float:
    """Three doji, all measured against the bars before the first, the second of them a star."""
    found = is_doji_by(b, i - 2, i - 2) & is_doji_by(b, i - 1, i - 2) & is_doji_by(b, i, i - 2)
    above = body_gap(b, i - 1, i - 2, UP) & (top(b, i) < top(b, i - 1))
    below = body_gap(b, i - 1, i - 2, DOWN) & (bottom(b, i) > bottom(b, i - 1))
    return -100.0 if found & above else 100.0 if found & below else 0.0


@njit(cache=True, forceinline=True)
def unique_three_river(b: F64, i: int) -> float:
    """Long black candle, a black one within its body with a lower low, then a short white one above that low."""
    colors = (color(b, i - 2) == DOWN) & (color(b, i - 1) == DOWN) & (color(b, i) == UP)
    within = (
        (close(b, i - 1) > close(b, i - 2)) & (opening(b, i - 1) <= opening(b, i - 2)) & (low(b, i - 1) < low(b, i - 2))
    )
    return 100.0 if colors & within & (opening(b, i) > low(b, i - 1)) & is_long(b, i - 2) & is_short(b, i) else 0.0


@njit(cache=True, forceinline=True)
def gap_three_methods(b: F64, i: int) -> float:
    """Two candles with a gap between them, then one back from the second body into the first."""
    side = color(b, i - 2)
    gapped = (color(b, i - 1) == side) & (color(b, i) == -side) & body_gap(b, i - 1, i - 2, side)
    return 100.0 * side if gapped & inside_body(b, i - 1, opening(b, i)) & inside_body(b, i - 2, close(b, i)) else 0.0
