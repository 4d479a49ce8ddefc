"""How a loop over bars calls an indicator: through its address.

A compiled function carries all that it calls: a loop that called every indicator by name would be compiled with all of
them in it, at each level of calls anew, for minutes. Through an address an indicator is compiled once, when it is asked
for, whoever calls it, and kept in the cache for every process.
"""

import ctypes
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

INTERPRETED = bool(config.DISABLE_JIT)  # type: ignore[attr-defined]
"""Whether numba compiles nothing. An indicator's address is its place in ``_ENTRIES`` then."""
_ENTRIES: list[Any] = []

_doubles = types.CPointer(types.float64)  # type: ignore[no-untyped-call]
SIGNATURE = types.void(
    _doubles, types.int64, types.int64, _doubles, types.int64, _doubles, _doubles, types.int64, _doubles, types.int64,
    _doubles,
)  # fmt: skip
"""Of an indicator's entry: bars, their count, number of the first; ring, its width; p; s, its size; out, its width; and
where it leaves a 1 at its end. See ``spans``."""


def _call(
    _context: Any, _address: Any, _bars: Any, _count: Any, _n: Any, _ring: Any, _width: Any, _p: Any, _s: Any,
    _n_state: Any, _out: Any, _n_out: Any, _done: Any,
) -> Any:  # fmt: skip
    """Call an indicator by its address, with ``SIGNATURE``; pointers are given as integers.

    It runs over ``count`` bars, the first of them number ``n`` of its series, writes ``n_out`` columns of so many
    numbers, and leaves a 1 at ``done`` when it came to its end: C knows no exceptions.
    """

    def generate(_context: Any, builder: ir.IRBuilder, _signature: Any, arguments: list[ir.Value]) -> Any:
        integer, pointer = ir.IntType(64), ir.DoubleType().as_pointer()
        kinds = [pointer, integer, integer, pointer, integer, pointer, pointer, integer, pointer, integer, pointer]
        function = ir.FunctionType(ir.VoidType(), kinds).as_pointer()
        passed = [
            builder.inttoptr(value, kind) if kind is pointer else value
            for value, kind in zip(arguments[1:], kinds, strict=True)
        ]
        builder.call(builder.inttoptr(arguments[0], function), passed)
        return ir.Constant(integer, 0)

    return types.int64(*[types.int64] * 12), generate


def interpreted(entry: Any) -> int:
    """Keep an entry that is not to be compiled and return its address."""
    _ENTRIES.append(entry)
    return len(_ENTRIES) - 1


def _interpret(address: int, bars: int, count: int, n: int, ring: int, *rest: int) -> int:
    """Do what ``_call`` does without compiled code."""
    width, p, s, n_state, out, n_out, done = rest
    at = [ctypes.cast(pointer, ctypes.POINTER(ctypes.c_double)) for pointer in (bars, ring, p, s, out, done)]
    _ENTRIES[address](at[0], count, n, at[1], width, at[2], at[3], n_state, at[4], n_out, at[5])
    return 0


call: Any = _interpret if INTERPRETED else intrinsic(_call)
