"""What an as-of join is asked with: which columns are its keys, and why a call is refused.

The call and its refusals are those of the join that analysts know from data frames, so that a call means the same in
both; the search and the checks here are our own.
"""

import datetime as dt
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types

from offline.features.kernel import Times
from processors.errors import PlatformError

DIRECTIONS = ("backward", "forward", "nearest")
_TOP_BIT = np.uint64(1 << 63)


class AsofDataError(PlatformError):
    """The rows cannot be joined: a column twice, a missing time, times that do not ascend."""


class AsofCallError(AsofDataError):
    """The call cannot be meant: keys that are missing, doubled or of two types; a tolerance that is none."""


@dataclass(frozen=True, slots=True)
class Key:
    """One key of one side.

    Parameters
    ----------
    name
        Its column or index level; None where its values were given, or are the index.
    column
        Its value in each row.
    shown
        How an error names its type.
    in_columns
        Whether ``name`` is a column of the frame.
    is_index
        Whether the index itself was named, by ``left_index`` or ``right_index``.
    """

    name: Hashable
    column: pd.Series
    shown: str
    in_columns: bool
    is_index: bool = False


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys of both sides: time, and what must be equal."""

    left_on: Key
    right_on: Key
    left_by: tuple[Key, ...]
    right_by: tuple[Key, ...]

    @property
    def pairs(self) -> list[tuple[Key, Key]]:
        """Every pair of keys, time last."""
        return [*zip(self.left_by, self.right_by, strict=True), (self.left_on, self.right_on)]


def resolve(
    left: pd.DataFrame, right: pd.DataFrame, *, on: Any, left_on: Any, right_on: Any, left_index: bool,
    right_index: bool, by: Any, left_by: Any, right_by: Any,
) -> Keys:  # fmt: skip
    """Return the keys of a call.

    Raises
    ------
    AsofCallError
        The arguments contradict each other, or keys of a pair have two types.
    AsofDataError
        A key is a label that two columns have.
    KeyError
        A key is not there.
    """
    if on is not None:
        if left_on is not None or right_on is not None:
            raise AsofCallError(
                'Can only pass argument "on" OR "left_on" and "right_on", not a combination of both.'
            )  # fmt: skip
        if left_index or right_index:
            raise AsofCallError(
                'Can only pass argument "on" OR "left_index" and "right_index", not a combination of both.'
            )  # fmt: skip
        left_on = right_on = on
    for side, given, index in (("left", left_on, left_index), ("right", right_on, right_index)):
        if given is not None and index:
            raise AsofCallError(f'Can only pass argument "{side}_on" OR "{side}_index" not both.')
    _check_both(left_on, right_on, left_index=left_index, right_index=right_index)
    for side, given, frame in (("left", left_on, left), ("right", right_on, right)):
        _check_one(side, given, frame, index=left_index if side == "left" else right_index)
    lefts, rights = _by(by, left_by, right_by)
    keys = Keys(
        _on_key(left, left_on), _on_key(right, right_on),
        tuple(_key(left, k) for k in lefts), tuple(_key(right, k) for k in rights),
    )  # fmt: skip
    for number, (a, b) in enumerate(keys.pairs):
        is_time = number == len(keys.pairs) - 1
        # Two indices are no columns to count.
        _check_types(0 if a.is_index and b.is_index else number, a, b, is_time=is_time)
    return keys


def _check_both(left_on: Any, right_on: Any, *, left_index: bool, right_index: bool) -> None:
    """Refuse a call that names the time of one side only."""
    if left_index and right_on is None and not right_index:
        raise AsofCallError("Must pass right_on or right_index=True")
    if right_index and left_on is None and not left_index:
        raise AsofCallError("Must pass left_on or left_index=True")
    if left_on is not None and right_on is None and not right_index:
        raise AsofCallError('Must pass "right_on" OR "right_index".')
    if right_on is not None and left_on is None and not left_index:
        raise AsofCallError('Must pass "left_on" OR "left_index".')
    if _is_names(left_on) and _is_names(right_on) and len(left_on) != len(right_on):
        raise AsofDataError("len(right_on) must equal len(left_on)")


def _is_names(given: Any) -> bool:
    return isinstance(given, list)


def _check_one(side: str, given: Any, frame: pd.DataFrame, *, index: bool) -> None:
    """Refuse a side that has no time, or more than one."""
    if index and frame.index.nlevels > 1:
        raise AsofCallError(f"{side} can only have one index")
    if (given is None and not index) or (_is_list(given) and len(given) != 1 and not _is_values(given, frame)):
        raise AsofCallError(f"can only asof on a key for {side}")


def _by(by: Any, left_by: Any, right_by: Any) -> tuple[list[Any], list[Any]]:
    if by is not None:
        if left_by is not None or right_by is not None:
            raise AsofCallError("Can only pass by OR left_by and right_by")
        left_by = right_by = by
    for side, given, other in (("left", left_by, right_by), ("right", right_by, left_by)):
        if given is None and other is not None:
            raise AsofCallError(f"missing {side}_by")
    lefts, rights = _listed(left_by), _listed(right_by)
    if len(lefts) != len(rights):
        raise AsofCallError("left_by and right_by must be the same length")
    return lefts, rights


def _listed(given: Any) -> list[Any]:
    if given is None:
        return []
    return list(given) if _is_list(given) else [given]


def _is_list(given: Any) -> bool:
    return isinstance(given, Sequence | np.ndarray | pd.Index | pd.Series | pd.api.extensions.ExtensionArray) and (
        not isinstance(given, str | bytes | tuple)
    )


def _is_values(given: Any, frame: pd.DataFrame) -> bool:
    """Return whether a key is given by its values, not by its name."""
    return isinstance(given, np.ndarray | pd.Index | pd.Series | pd.api.extensions.ExtensionArray) and (
        len(given) == len(frame)
    )


def _on_key(frame: pd.DataFrame, given: Any) -> Key:
    if given is None:
        index = pd.Series(frame.index, index=frame.index, dtype=frame.index.dtype)
        return Key(None, index, repr(index.dtype), in_columns=False, is_index=True)
    if _is_list(given) and not _is_values(given, frame):
        given = given[0]
    return _key(frame, given)


def _key(frame: pd.DataFrame, given: Any) -> Key:
    """Return a key by its values, its column or its level of the index."""
    if _is_list(given):
        values = pd.Series(given)
        return Key(None, values, repr(values.dtype), in_columns=False)
    if given in frame.columns:
        found = column_of(frame, given)
        return Key(given, found, repr(found.dtype), in_columns=True)
    if given in frame.index.names:
        level = frame.index.get_level_values(given)
        return Key(given, level.to_series(), repr(level), in_columns=False)
    raise KeyError(given)


def column_of(frame: pd.DataFrame, name: Hashable) -> pd.Series:
    """Return a column.

    Raises
    ------
    AsofDataError
        Two columns have the name.
    KeyError
        None has it.
    """
    found: Any = frame[name]
    if not isinstance(found, pd.Series):
        raise AsofDataError(f"The column label '{name}' is not unique.")
    return found


def _check_types(number: int, left: Key, right: Key, *, is_time: bool) -> None:
    a, b = left.column.dtype, right.column.dtype
    if is_time and (_is_text(a) or _is_text(b)):
        raise AsofCallError(
            f"Incompatible merge dtype, {left.shown} and {right.shown}, both sides must have numeric dtype"
        )  # fmt: skip
    if a != b:
        both = isinstance(a, pd.CategoricalDtype) and isinstance(b, pd.CategoricalDtype)
        why = "both sides category, but not equal ones" if both else "must be the same type"
        raise AsofCallError(f"incompatible merge keys [{number}] {a!r} and {b!r}, {why}")


def _is_text(dtype: Any) -> bool:
    return types.is_object_dtype(dtype) or types.is_string_dtype(dtype)


def check_choices(direction: Any, allow_exact_matches: Any) -> None:
    """Refuse what is no direction, or neither true nor false.

    Raises
    ------
    AsofCallError
        It is not.
    """
    if direction not in DIRECTIONS:
        raise AsofCallError(f"direction invalid: {direction}")
    if not types.is_bool(allow_exact_matches):
        raise AsofCallError(f"allow_exact_matches must be boolean, passed {allow_exact_matches}")


def tolerance_of(tolerance: Any, key: Key) -> int | float | None:
    """Return the tolerance in the unit of the key's numbers: see ``numbers_of``.

    Raises
    ------
    AsofCallError
        It is not of the type of a difference of two keys, or below 0.
    """
    if tolerance is None:
        return None
    dtype = key.column.dtype
    unit = _time_unit(dtype)
    if unit is not None:
        fits = isinstance(tolerance, dt.timedelta)
    elif types.is_integer_dtype(dtype):
        fits = types.is_integer(tolerance)
    else:
        fits = types.is_float_dtype(dtype) and types.is_number(tolerance)
    if not fits:
        raise AsofCallError(f"incompatible tolerance {tolerance}, must be compat with type {dtype!r}")
    if unit is not None:
        # Distances are whole units: rounding down refuses no distance that is within, and lets none in that is not.
        tolerance = pd.Timedelta(tolerance)
        length = pd.Timedelta(1, unit=unit)  # type: ignore[arg-type]  # s, ms, us or ns
        number: int | float = int(tolerance // length)
    else:
        number = int(tolerance) if types.is_integer_dtype(dtype) else float(tolerance)
    if number < 0:
        raise AsofCallError("tolerance must be non-negative")
    return number


def _time_unit(dtype: Any) -> str | None:
    """Return the unit of a type of times or durations, None of any other type."""
    if isinstance(dtype, pd.ArrowDtype):
        import pyarrow as pa

        arrow = dtype.pyarrow_dtype
        return str(arrow.unit) if pa.types.is_timestamp(arrow) or pa.types.is_duration(arrow) else None
    if isinstance(dtype, pd.DatetimeTZDtype):
        return dtype.unit
    if isinstance(dtype, np.dtype) and dtype.kind in "mM":
        return np.datetime_data(dtype)[0]
    return None


def numbers_of(key: Key, side: str, *, ascending: bool = True) -> Times:
    """Return the times of a key as int64 or float64 whose order is that of the times.

    Parameters
    ----------
    ascending
        Whether they must ascend.

    Raises
    ------
    AsofCallError
        The key is neither a time nor a number.
    AsofDataError
        One is missing, or they do not ascend.
    """
    values = key.column
    dtype = values.dtype
    is_number = types.is_integer_dtype(dtype) or types.is_float_dtype(dtype) or types.is_bool_dtype(dtype)
    if _time_unit(dtype) is None and not is_number:
        raise AsofCallError("key must be integer, timestamp or float")
    if values.isna().any():
        raise AsofDataError(f"Merge keys contain null values on {side} side")
    numbers = _plain(values)
    if ascending and (numbers[1:] < numbers[:-1]).any():
        raise AsofDataError(f"{side} keys must be sorted")
    return numbers


def _plain(values: pd.Series) -> Times:
    dtype = values.dtype
    if isinstance(dtype, pd.ArrowDtype):
        import pyarrow as pa

        arrow = pa.array(values.array)
        kind = arrow.type
        plain = arrow.cast(pa.int64()) if pa.types.is_timestamp(kind) or pa.types.is_duration(kind) else arrow
        return _wide(plain.to_numpy(zero_copy_only=False))
    if isinstance(dtype, pd.DatetimeTZDtype):
        return _wide(values.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy())
    if types.is_extension_array_dtype(dtype):
        return _wide(values.to_numpy(dtype.numpy_dtype))  # type: ignore[union-attr]
    return _wide(values.to_numpy())


def _wide(array: NDArray[Any]) -> Times:
    if array.dtype.kind == "f":
        return np.ascontiguousarray(array, np.float64)
    if array.dtype == np.uint64:
        # Its order, and its distances, in int64.
        return np.ascontiguousarray((array ^ _TOP_BIT).view(np.int64))
    if array.dtype.kind in "mM":
        return np.ascontiguousarray(array.view(np.int64))
    return np.ascontiguousarray(array, np.int64)
