"""As-of joins: beside each row of one table the row of another that was there at its time.

``join`` is the join of data frames: backward, forward or to the nearest, by keys, within a tolerance. ``known_join`` is
the one for facts with two times: a fact is joined only if it had happened *and* had been told by the time of the row.
"""

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from offline.features import kernel as k
from offline.features.asof_keys import (
    AsofCallError,
    AsofDataError,
    Key,
    Keys,
    check_choices,
    column_of,
    numbers_of,
    resolve,
    tolerance_of,
)
from offline.features.kernel import I64, NONE, Times
from processors.reference.known import Known

Suffixes = Sequence[str | None]
Frame = pd.DataFrame | pd.Series
Rename = Callable[[Hashable], Hashable]


def join(
    left: Frame, right: Frame, *, on: Any = None, left_on: Any = None, right_on: Any = None, left_index: bool = False,
    right_index: bool = False, by: Any = None, left_by: Any = None, right_by: Any = None,
    suffixes: Suffixes = ("_x", "_y"), tolerance: Any = None, allow_exact_matches: bool = True,
    direction: str = "backward",
) -> pd.DataFrame:  # fmt: skip
    """Return the left rows, each with the right row of the same ``by`` whose key is the last at or before its own.

    Parameters
    ----------
    on, left_on, right_on, left_index, right_index
        The time of each side: a column, a level of the index, values, or the index itself. Whole numbers, floats, times
        or durations, ascending over the whole table, none missing.
    by, left_by, right_by
        One key or several that must be equal; a missing one is equal to a missing one.
    suffixes
        Put behind the names of columns that both sides have.
    tolerance
        Furthest distance, in the type of a difference of two keys; None: any.
    allow_exact_matches
        Whether a row of the very same time is joined.
    direction
        ``backward``; ``forward``: the first at or after; ``nearest``: the nearer of both, the earlier one where both
        are as near.

    Returns
    -------
    As many rows as left, in its order: its columns, then those of right without the keys of the same name; values are
    missing where no row was found. The index of left where an index is a key, else 0, 1, 2...

    Raises
    ------
    AsofCallError, AsofDataError
        The call or its rows are refused.
    KeyError
        A key is not there.
    """
    left, right = (side.to_frame() if isinstance(side, pd.Series) else side for side in (left, right))
    keys = resolve(
        left, right, on=on, left_on=left_on, right_on=right_on, left_index=left_index, right_index=right_index,
        by=by, left_by=left_by, right_by=right_by,
    )  # fmt: skip
    check_choices(direction, allow_exact_matches)
    limit = tolerance_of(tolerance, keys.left_on)
    left_time, right_time = numbers_of(keys.left_on, "left"), numbers_of(keys.right_on, "right")
    left_group, right_group, n_groups = _groups(keys, len(left), len(right))
    found = positions(
        left_time, right_time, left_group, right_group, n_groups,
        tolerance=limit, exact=bool(allow_exact_matches), direction=direction,
    )  # fmt: skip
    frame = _joined(left, right, keys, found, suffixes)
    frame.index = left.index if left_index or right_index else pd.RangeIndex(len(left))
    return frame


def positions(
    left: Times, right: Times, left_group: I64, right_group: I64, n_groups: int, *, tolerance: float | None = None,
    exact: bool = True, direction: str = "backward",
) -> I64:  # fmt: skip
    """Return for each left time the position of its right row, -1 where there is none.

    Parameters
    ----------
    left, right
        Shape (n,) and (m,), ascending, both int64 or both float64.
    left_group, right_group
        Shape (n,) and (m,), 0 to n_groups - 1.
    """
    floats = left.dtype == np.float64
    found = np.empty(len(left), np.int64)
    scratch = np.full(n_groups, NONE, np.int64)
    search = k.forward if direction == "forward" else k.backward
    search(left, right, left_group, right_group, exact, scratch, found)
    if direction == "nearest":
        after = np.empty(len(left), np.int64)
        scratch[:] = NONE
        k.forward(left, right, left_group, right_group, exact, scratch, after)
        (k.nearer_floats if floats else k.nearer_integers)(left, right, found, after)
    if tolerance is not None:
        if floats:
            k.within_floats(left, right, float(tolerance), found)
        else:
            k.within_integers(left, right, np.uint64(min(int(tolerance), 2**64 - 1)), found)
    return found


def known_join(
    left: pd.DataFrame, right: pd.DataFrame, *, on: Hashable, event: Hashable, knowledge: Hashable,
    by: Sequence[Hashable] = (), as_of: Hashable | None = None, identity: Sequence[Hashable] = (),
    suffixes: Suffixes = ("_x", "_y"),
) -> pd.DataFrame:  # fmt: skip
    """Return the left rows, each with the newest fact that had happened and had been told by its time.

    Parameters
    ----------
    on
        Column of left: the time of the row, which a fact's event must not be after. Any order.
    event, knowledge
        Columns of right: when a fact happened, and from when on it was known. Of the same type as ``on``.
    by
        Columns of both sides that must be equal.
    as_of
        Column of left: what was told after it is not known; ``on`` where None.
    identity
        Columns of right, beside ``by`` and ``event``, that name the fact of which a row is a revision: of one fact the
        last revision told by then is joined.

    Returns
    -------
    As ``join``: no row of right with ``event`` after ``on`` or ``knowledge`` after ``as_of`` is ever joined.

    Raises
    ------
    AsofCallError, AsofDataError
        The call or its rows are refused: times of two types, or missing ones.
    KeyError
        A column is not there.
    """
    asked_as_of = on if as_of is None else as_of
    places = ((left, on, "left"), (left, asked_as_of, "left"), (right, event, "right"), (right, knowledge, "right"))
    kinds = [column_of(frame, name).dtype for frame, name, _ in places]
    if len(set(kinds)) > 1:
        raise AsofCallError(f"incompatible times {', '.join(map(repr, kinds))}, must be the same type")
    at, asked, happened, told = (_time_of(*place) for place in places)
    keys = resolve(left, right, on=None, left_on=on, right_on=event, left_index=False, right_index=False,
                   by=list(by) or None, left_by=None, right_by=None)  # fmt: skip
    left_group, right_group, _ = _groups(keys, len(left), len(right))
    same = _codes([right[name] for name in (*by, event, *identity)])
    found = Known(right_group, happened, told, same).newest(left_group, at, asked)
    frame = _joined(left, right, keys, found, suffixes)
    frame.index = pd.RangeIndex(len(left))
    return frame


def _time_of(frame: pd.DataFrame, name: Hashable, side: str) -> I64:
    series = column_of(frame, name)
    numbers = numbers_of(Key(name, series, repr(series.dtype), in_columns=True), side, ascending=False)
    if numbers.dtype != np.int64:
        raise AsofCallError(f"{name} is {series.dtype!r}, must be a time or a whole number")
    return numbers.astype(np.int64, copy=False)


def _groups(keys: Keys, n: int, m: int) -> tuple[I64, I64, int]:
    """Return a code for each row, equal where all by keys are equal, and the number of codes."""
    if not keys.left_by:
        return np.zeros(n, np.int64), np.zeros(m, np.int64), 1
    pairs = zip(keys.left_by, keys.right_by, strict=True)
    codes = _codes([pd.concat([a.column, b.column], ignore_index=True) for a, b in pairs])
    return codes[:n], codes[n:], int(codes.max(initial=-1)) + 1


def _codes(columns: Sequence[pd.Series]) -> I64:
    """Return a code for each row, equal where all columns are equal; missing values are equal to each other."""
    codes = np.zeros(len(columns[0]), np.int64)
    for i, column in enumerate(columns):
        own, uniques = pd.factorize(column, use_na_sentinel=False)
        # Renumbered after each column, so that many columns cannot overflow.
        codes = own if i == 0 else pd.factorize(codes * (len(uniques) + 1) + own)[0]
    return codes.astype(np.int64, copy=False)


def _joined(left: pd.DataFrame, right: pd.DataFrame, keys: Keys, found: I64, suffixes: Suffixes) -> pd.DataFrame:
    """Return the columns of left, and those of right at the rows found."""
    shared = [b.name for a, b in keys.pairs if a.name is not None and a.name == b.name]
    kept = [i for i, name in enumerate(right.columns) if name not in shared]
    in_left = set[Hashable](left.columns)
    overlap: set[Hashable] = {right.columns[i] for i in kept if right.columns[i] in in_left}
    _check_suffixes(left, right, overlap, suffixes)
    rename = _renaming(suffixes)
    columns: list[tuple[Hashable, Any]] = []
    for i, name in enumerate(left.columns):
        columns.append((rename[0](name) if name in overlap else name, left.iloc[:, i].array))
    # A key that left has no column for is complete, as a key must be: where a row found nothing, the column of right
    # shows what was asked for.
    complete = (found >= 0).all()
    asked = {b.name: a.column.array for a, b in keys.pairs if a.name is None and b.in_columns and not complete}
    for i in kept:
        name = right.columns[i]
        values = asked[name] if name in asked else _taken(right.iloc[:, i], found)
        columns.append((rename[1](name) if name in overlap else name, values))
    names = [name for name, _ in columns]
    for number, (a, b) in enumerate(keys.pairs):
        # A key that is a column of neither, but a level of the index or given by its values, becomes the first column.
        label = a.name if a.name is not None else b.name if b.name is not None else f"key_{number}"
        if not (a.is_index or b.is_index or (a.in_columns and b.in_columns)) and label not in names:
            columns.insert(0, (label, a.column.array))
            names.insert(0, label)
    # With its type beside each column: text in a column of objects stays what it is.
    series = {i: pd.Series(values, dtype=values.dtype) for i, (_, values) in enumerate(columns)}
    frame = pd.DataFrame(series, index=pd.RangeIndex(len(left)), copy=False)
    frame.columns = pd.Index(names)
    return frame


def _check_suffixes(left: pd.DataFrame, right: pd.DataFrame, overlap: set[Hashable], suffixes: Suffixes) -> None:
    """Refuse suffixes that leave two columns of one name."""
    if overlap and not suffixes[0] and not suffixes[1]:
        names = [name for name in left.columns if name in overlap]
        raise AsofDataError(f"columns overlap but no suffix specified: {names}")
    rename = _renaming(suffixes)
    for frame, renamed in zip((left, right), rename, strict=True):
        others = [name for name in frame.columns if name not in overlap]
        twice = {str(renamed(name)) for name in overlap if renamed(name) in others}
        if twice:
            raise AsofCallError(f"Passing 'suffixes' which cause duplicate columns {twice} is not allowed.")


def _renaming(suffixes: Suffixes) -> tuple[Rename, Rename]:
    first, second = suffixes
    return (
        lambda name: name if first is None else f"{name}{first}",
        lambda name: name if second is None else f"{name}{second}",
    )


def _taken(column: pd.Series, found: I64) -> Any:
    """Return the values at the positions, missing at -1; whole numbers stay whole where none is missing."""
    if (found >= 0).all():
        return column.array.take(found)
    values = column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array
    if isinstance(values, np.ndarray) and values.dtype.kind == "b":
        values = values.astype(object)
    return pd.api.extensions.take(values, found, allow_fill=True)
