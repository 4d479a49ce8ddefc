"""Eight bytes at once: loads and stores of 64-bit words anywhere in a byte array, little-endian, as compiled code."""

import sys
from typing import Any

import numpy as np
from llvmlite import ir
from numba import config, types
from numba.extending import intrinsic

from processors.runtime.batch import U8
from processors.runtime.compiled import Int

assert sys.byteorder == "little", "words are Avro's bytes only where the machine is little-endian"

SLACK_BYTES = 8
"""What a buffer needs behind its last byte, so that whole words may be written and read up to there."""


def _pointer(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any, kind: ir.Type) -> Any:
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    return builder.bitcast(builder.gep(array.data, [arguments[1]], inbounds=True), kind.as_pointer())


def _load_word(_context: object, _data: Any, _at: object) -> Any:
    """Return data[at:at + 8] as one int64."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        return builder.load(_pointer(context, builder, signature, arguments, ir.IntType(64)), align=1)

    return types.int64(_data, types.intp), generate


def _store_word(_context: object, _data: Any, _at: object, _word: object) -> Any:
    """Set data[at:at + 8] to an int64."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> None:
        builder.store(arguments[2], _pointer(context, builder, signature, arguments, ir.IntType(64)), align=1)

    return types.void(_data, types.intp, types.int64), generate


def _store_double(_context: object, _data: Any, _at: object, _value: object) -> Any:
    """Set data[at:at + 8] to a double."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> None:
        builder.store(arguments[2], _pointer(context, builder, signature, arguments, ir.DoubleType()), align=1)

    return types.void(_data, types.intp, types.float64), generate


def _load_double(_context: object, _data: Any, _at: object) -> Any:
    """Return data[at:at + 8] as a double."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        return builder.load(_pointer(context, builder, signature, arguments, ir.DoubleType()), align=1)

    return types.float64(_data, types.intp), generate


load_word: Any = intrinsic(_load_word)
store_word: Any = intrinsic(_store_word)
load_double: Any = intrinsic(_load_double)
store_double: Any = intrinsic(_store_double)

if config.DISABLE_JIT:  # type: ignore[attr-defined]

    def load_word(data: U8, at: Int) -> Int:
        """Return data[at:at + 8] as one int64."""
        return data[at : at + 8].view(np.int64)[0]

    def store_word(data: U8, at: Int, word: Int) -> None:
        """Set data[at:at + 8] to an int64."""
        data[at : at + 8].view(np.int64)[0] = word

    def load_double(data: U8, at: Int) -> Any:
        """Return data[at:at + 8] as a double."""
        return data[at : at + 8].view(np.float64)[0]

    def store_double(data: U8, at: Int, value: Any) -> None:
        """Set data[at:at + 8] to a double."""
        data[at : at + 8].view(np.float64)[0] = value
