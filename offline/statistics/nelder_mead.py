"""The simplex search of Nelder and Mead: a minimum without derivatives, the same to the last bit everywhere."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from offline.statistics.moments import F64


class Minimum(NamedTuple):
    """Where the search ended, the value there, and whether it had converged."""

    at: F64
    value: float
    converged: bool


def nelder_mead(
    function: Callable[[F64], float], start: F64, tolerance: float = 1e-4, calls_per_dimension: int = 200
) -> Minimum:
    """Return a local minimum.

    Parameters
    ----------
    function
        Takes a point of shape (k,).
    start
        Shape (k,); the first simplex stands around it, 5 % away in each direction.
    tolerance
        Of the points and of the values, both: as far apart may the simplex be at the end.
    calls_per_dimension
        Bound of steps and of calls, times k; the step that passes it is finished.

    References
    ----------
    Nelder and Mead (1965), "A simplex method for function minimization", with the steps and bounds of SciPy 1.17.
    """
    limit = calls_per_dimension * len(start)
    points = np.vstack([start, *(_moved(start, i) for i in range(len(start)))])
    values = np.array([function(p) for p in points])
    calls, steps = len(points), 1
    order = np.argsort(values)
    points, values = points[order], values[order]
    while calls < limit and steps < limit:
        if max(np.abs(points[1:] - points[0]).max(), np.abs(values[0] - values[1:]).max()) <= tolerance:
            break
        centre = np.add.reduce(points[:-1], 0) / len(start)
        calls += _step(function, points, values, centre)
        steps += 1
        order = np.argsort(values)
        points, values = points[order], values[order]
    return Minimum(points[0], float(values[0]), calls < limit and steps < limit)


def _moved(start: F64, i: int) -> F64:
    moved = np.array(start, np.float64)
    moved[i] = 1.05 * moved[i] if moved[i] != 0 else 0.00025
    return moved


def _step(function: Callable[[F64], float], points: F64, values: F64, centre: F64) -> int:
    """Replace the worst point, or shrink towards the best; return how often the function was called."""
    worst = points[-1].copy()
    reflected = 2 * centre - worst
    at_reflected = function(reflected)
    if at_reflected < values[0]:
        expanded = 3 * centre - 2 * worst
        at_expanded = function(expanded)
        best = (expanded, at_expanded) if at_expanded < at_reflected else (reflected, at_reflected)
        points[-1], values[-1] = best
        return 2
    if at_reflected < values[-2]:
        points[-1], values[-1] = reflected, at_reflected
        return 1
    if at_reflected < values[-1]:
        contracted = 1.5 * centre - 0.5 * worst
        at_contracted = function(contracted)
        taken = at_contracted <= at_reflected
    else:
        contracted = 0.5 * centre + 0.5 * worst
        at_contracted = function(contracted)
        taken = at_contracted < values[-1]
    if taken:
        points[-1], values[-1] = contracted, at_contracted
        return 2
    for j in range(1, len(points)):
        points[j] = points[0] + 0.5 * (points[j] - points[0])
        values[j] = function(points[j])
    return 2 + len(points) - 1
