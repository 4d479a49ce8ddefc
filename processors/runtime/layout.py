"""How a flat Avro record maps to columns: one operation a field, in wire order.

Flat means longs, ints, doubles, booleans, enums, strings, arrays of strings or of small integers, unions of null with
one of long, double or string, and records nested in records; names of nested fields are joined by a dot. That covers
every topic but the dead letter, and lets one compiled routine decode and encode all of them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Operation codes of the codec. Each field of the record is one operation.
LONG, DOUBLE, BOOLEAN, STRING, ENUM, STRING_ARRAY, INT, SMALL_INTS = range(8)
NULL_LONG = -(1 << 63)
"""Stands for null in an integer column."""
NULLABLE = 16
"""Added to the code of a union with null."""
SMALL_INTS_MAX, SMALL_INTS_ROWS = 32, 4
"""Most numbers in an array of small integers, and the rows of the integer matrix that hold them: eight to a row, seven
bits each (0 to 127), and above those of the first row how many there are. Packed rather than interned as a string array
is, since such arrays differ from record to record and would fill the table of strings."""
SMALL_BITS, SMALL_PER_ROW = 7, 8

_PRIMITIVE = {"long": LONG, "int": INT, "double": DOUBLE, "boolean": BOOLEAN, "string": STRING}
_NULLABLE = frozenset({LONG, DOUBLE, STRING})


class NotFlatError(TypeError):
    """The schema has a type that columns do not cover."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one flat record.

    Parameters
    ----------
    names
        Field names in wire order, nested ones joined by a dot.
    ops
        Shape (n_fields, 4): operation, row in its matrix, number of enum symbols, union index of null.
    column
        Name -> (is it a float column, row in its matrix).
    symbols
        Enum field -> its symbols.
    """

    names: tuple[str, ...]
    ops: NDArray[np.int64]
    column: dict[str, tuple[bool, int]]
    symbols: dict[str, tuple[str, ...]]
    n_ints: int
    n_floats: int
    blank_ints: tuple[tuple[int, int], ...]
    """Rows of the integer matrix that do not begin with 0, and what they begin with: null, or no string."""
    blank_floats: NDArray[np.int64]
    """Rows of the float matrix that begin with null: hundreds of them are filled at once."""
    n_strings: int
    """Number of fields that are interned as strings."""


def _operation(name: str, kind: Any) -> tuple[int, int, int]:
    """Return operation, number of enum symbols and union index of null of one field type."""
    if isinstance(kind, list):
        if len(kind) == 2 and "null" in kind:
            null_index = kind.index("null")
            op, _, _ = _operation(name, kind[1 - null_index])
            if op in _NULLABLE:
                return op | NULLABLE, 0, null_index
    elif isinstance(kind, dict):
        if kind["type"] == "enum":
            return ENUM, len(kind["symbols"]), 0
        if kind["type"] == "array" and kind["items"] == "string":
            return STRING_ARRAY, 0, 0
        if kind["type"] == "array" and kind["items"] == "int":
            return SMALL_INTS, 0, 0
        if kind["type"] in _PRIMITIVE:
            return _PRIMITIVE[kind["type"]], 0, 0
    elif kind in _PRIMITIVE:
        return _PRIMITIVE[kind], 0, 0
    raise NotFlatError(f"field {name}: type {kind} has no column form")


def _leaves(fields: list[dict[str, Any]], prefix: str) -> list[tuple[str, Any]]:
    out: list[tuple[str, Any]] = []
    for f in fields:
        kind = f["type"]
        if isinstance(kind, dict) and kind["type"] == "record":
            out += _leaves(kind["fields"], f"{prefix}{f['name']}.")
        else:
            out.append((prefix + f["name"], kind))
    return out


def small_ints(rows: NDArray[np.int64]) -> list[int]:
    """Return the array of small integers of one record.

    Parameters
    ----------
    rows
        Shape (4,), the packed words: ``columns.ints[at : at + SMALL_INTS_ROWS, i]``.
    """
    words = rows.tolist()
    n = words[0] >> (SMALL_BITS * SMALL_PER_ROW)
    return [words[k // SMALL_PER_ROW] >> (SMALL_BITS * (k % SMALL_PER_ROW)) & 127 for k in range(n)]


def layout_of(schema: dict[str, Any]) -> Layout:
    """Return the layout of a flat record schema.

    Raises
    ------
    NotFlatError
        A field has a type without column form; a programming error, raised at start.
    """
    names, ops, column, symbols = [], [], {}, {}
    rows = {True: 0, False: 0}
    for name, kind in _leaves(schema["fields"], ""):
        op, n_symbols, null_index = _operation(name, kind)
        is_float = op & ~NULLABLE == DOUBLE
        ops.append((op, rows[is_float], n_symbols, null_index))
        column[name] = (is_float, rows[is_float])
        rows[is_float] += SMALL_INTS_ROWS if op == SMALL_INTS else 1
        names.append(name)
        if op == ENUM:
            symbols[name] = tuple(kind["symbols"])
    blank_ints, blank_floats = [], []
    for op, row, _, _ in ops:
        kind = op & ~NULLABLE
        if kind == DOUBLE:
            blank_floats += [row] if op & NULLABLE else []
        elif kind in (STRING, STRING_ARRAY):
            blank_ints.append((row, -1))
        elif op & NULLABLE:
            blank_ints.append((row, NULL_LONG))
    n_strings = sum(op & ~NULLABLE in (STRING, STRING_ARRAY) for op, *_ in ops)
    return Layout(
        tuple(names), np.array(ops, np.int64), column, symbols, rows[False], rows[True], tuple(blank_ints),
        np.array(blank_floats, np.int64), n_strings,
    )  # fmt: skip
