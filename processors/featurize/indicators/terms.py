"""Terms of sums over windows, see ``rolling.sums``: of the place in the window from 0, the window, the values of two
series there, and two numbers of the bar. Values and numbers are floats, or lanes.
"""  # noqa: D205 - one sentence, and what it leaves open
# A term has what any term needs.
# ruff: noqa: ARG001

from typing import Any

from numba import njit


@njit(forceinline=True)
def value(k: float, window: int, x: Any, y: Any, u: Any, v: Any) -> Any:
    """Term of a plain sum."""
    return x


@njit(forceinline=True)
def square(k: float, window: int, x: Any, y: Any, u: Any, v: Any) -> Any:
    """Term of the squares about u."""
    return (x - u) * (x - u)


@njit(forceinline=True)
def distance(k: float, window: int, x: Any, y: Any, u: Any, v: Any) -> Any:
    """Term of the distances from u."""
    return abs(x - u)


@njit(forceinline=True)
def product(k: float, window: int, x: Any, y: Any, u: Any, v: Any) -> Any:
    """Term of the products about u and v."""
    return (x - u) * (y - v)


@njit(forceinline=True)
def weight(k: float, window: int, x: Any, y: Any, u: Any, v: Any) -> Any:
    """Term of products."""
    return x * y


@njit(forceinline=True, error_model="numpy")
def part(k: float, window: int, x: Any, y: Any, u: Any, v: Any) -> Any:
    """Term of a mean."""
    return x / float(window)


@njit(forceinline=True)
def step(k: float, window: int, x: Any, y: Any, u: Any, v: Any) -> Any:
    """Term of the way from y to x."""
    return abs(x - y)


@njit(forceinline=True)
def rising(k: float, window: int, x: Any, y: Any, u: Any, v: Any) -> Any:
    """Term with a weight that rises by one."""
    return (k + 1.0) * x


@njit(forceinline=True)
def triangle(k: float, window: int, x: Any, y: Any, u: Any, v: Any) -> Any:
    """Term with a weight that rises by one to the middle and falls again."""
    return min(k + 1.0, window - k) * x


@njit(forceinline=True)
def lever(k: float, window: int, x: Any, y: Any, u: Any, v: Any) -> Any:
    """Term of the distance from u times that from the middle of the window."""
    return (k - 0.5 * (window - 1.0)) * (x - u)


@njit(forceinline=True)
def offset(k: float, window: int, x: Any, y: Any, u: Any, v: Any) -> Any:
    """Term of the distance from u, with its sign."""
    return x - u


@njit(forceinline=True)
def rise(k: float, window: int, x: Any, y: Any, u: Any, v: Any) -> Any:
    """Term of how far x is above y, 0 where it is below."""
    return 0.5 * ((x - y) + abs(x - y))
