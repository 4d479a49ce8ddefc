"""Eight numbers of eight bars side by side: what is computed for one bar, computed for eight at once.

A sum over a window takes its values in one order, or a series would differ from its stream in the last bits; a machine
that adds several numbers at once adds them in another. So it is the bars that stand side by side here, each with its
own sum in its own order. Arithmetic of lanes is that of floats, number by number.
"""

import operator
from typing import Any

from llvmlite import ir
from numba import config, types
from numba.core import cgutils
from numba.core.datamodel import models
from numba.core.typing.templates import ConcreteTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model

WIDTH = 8
SCALAR = bool(config.DISABLE_JIT)  # type: ignore[attr-defined]
"""Whether numba compiles nothing, so that there are no lanes."""
_VECTOR = ir.VectorType(ir.DoubleType(), WIDTH)


class _Lanes(types.Type):
    """Type of lanes."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


_LANES = _Lanes()


@register_model(_Lanes)
class _Model(models.PrimitiveModel):
    """Lanes are one register."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)  # type: ignore[no-untyped-call]


def _wide(builder: Any, value: Any) -> Any:
    """Return a value in all lanes; lanes as they are."""
    if value.type == _VECTOR:
        return value
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    zeros = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), zeros)


def _operator(symbol: Any, instruction: str) -> None:
    """Define an operator of lanes with lanes, and with floats."""
    pairs = [(_LANES, _LANES), (_LANES, types.float64), (types.float64, _LANES)]

    @infer_global(symbol)  # type: ignore[no-untyped-call]
    class _Typed(ConcreteTemplate):
        cases = [signature(_LANES, *pair) for pair in pairs]  # type: ignore[no-untyped-call]  # noqa: RUF012 - numba's own way

    def lower(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        return getattr(builder, instruction)(*(_wide(builder, value) for value in given))

    for pair in pairs:
        lower_builtin(symbol, *pair)(lower)  # type: ignore[no-untyped-call]


for _symbol, _instruction in (
    (operator.add, "fadd"),
    (operator.iadd, "fadd"),
    (operator.sub, "fsub"),
    (operator.mul, "fmul"),
    (operator.truediv, "fdiv"),
):
    _operator(_symbol, _instruction)


@infer_global(abs)  # type: ignore[no-untyped-call]
class _Abs(ConcreteTemplate):
    """Size of each lane."""

    cases = [signature(_LANES, _LANES)]  # type: ignore[no-untyped-call]  # noqa: RUF012 - numba's own way


@lower_builtin(abs, _LANES)  # type: ignore[no-untyped-call]
def _abs(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
    kind, name = ir.FunctionType(_VECTOR, [_VECTOR]), f"llvm.fabs.v{WIDTH}f64"
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), given)  # type: ignore[no-untyped-call]


def _alike(_context: Any, _value: Any) -> Any:
    """Return lanes that all have a value."""

    def generate(_context: Any, builder: Any, _signature: Any, given: Any) -> Any:
        return _wide(builder, given[0])

    return _LANES(types.float64), generate


def _place(context: Any, builder: Any, kind: Any, array: Any, i: Any) -> Any:
    """Return a pointer to eight numbers of an array, from i on."""
    data = context.make_array(kind)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [i]), _VECTOR.as_pointer())


def _load(_context: Any, array: Any, _i: Any) -> Any:
    """Return the numbers of a contiguous array from i on."""

    def generate(context: Any, builder: Any, kind: Any, given: Any) -> Any:
        return builder.load(_place(context, builder, kind.args[0], *given), align=8)

    return _LANES(array, types.int64), generate


def _store(_context: Any, array: Any, _i: Any, _value: Any) -> Any:
    """Write lanes into a contiguous array from i on."""

    def generate(context: Any, builder: Any, kind: Any, given: Any) -> Any:
        builder.store(given[2], _place(context, builder, kind.args[0], *given[:2]), align=8)
        return cgutils.false_bit

    return types.boolean(array, types.int64, _LANES), generate


alike: Any = intrinsic(_alike)
load: Any = intrinsic(_load)
store: Any = intrinsic(_store)
