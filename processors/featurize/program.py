"""Binds the rows of the feature schema to kernels: which indicator, with which parameters, writes which feature.

``KERNELS`` is the one table: a new indicator is a function in ``kernel.py`` and a line here; a known indicator with
other parameters is a row in the CSV alone.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from processors.errors import ConfigError
from processors.featurize import kernel as k
from processors.featurize.kernel import F64, I64
from schemas.features import SCHEMA_CSV, Feature

Numbers = dict[str, float]


def _window_plus(extra: int) -> Callable[[Numbers], int]:
    return lambda p: int(p["window"]) + extra


def _nothing(_: Numbers) -> int:
    return 0


def _fixed(n: int) -> Callable[[Numbers], int]:
    return lambda _: n


_TWO = _fixed(2)


@dataclass(frozen=True, slots=True)
class Kernel:
    """What an indicator needs.

    Parameters
    ----------
    op
        Its number in ``kernel.py``.
    parameters, outputs
        Names as in the CSV, in the kernel's order.
    n_state
        Floats of state it keeps for one series.
    n_bars
        Bars it reads back, this one included.
    """

    op: int
    parameters: tuple[str, ...]
    outputs: tuple[str, ...]
    n_state: Callable[[Numbers], int] = _nothing
    n_bars: Callable[[Numbers], int] = _TWO


KERNELS = {
    "log_return": Kernel(k.LOG_RETURN, ("window",), ("value",), n_bars=_window_plus(1)),
    "roll_return": Kernel(k.ROLL_RETURN, ("window",), ("mean", "std"), n_bars=_window_plus(0)),
    "ewma_vol": Kernel(k.EWMA_VOL, ("decay", "min_returns"), ("value",), _fixed(3)),
    "rsi": Kernel(k.RSI, ("window",), ("value",), _fixed(4)),
    "atr": Kernel(k.ATR, ("window",), ("value", "ratio"), _fixed(2)),
    "ema": Kernel(k.EMA, ("window",), ("value", "ratio"), _fixed(2)),
    "macd": Kernel(
        k.MACD, ("fast", "slow", "signal"), ("value", "signal", "hist", "ratio"), _fixed(4), lambda p: int(p["slow"])
    ),
    "donchian": Kernel(k.DONCHIAN, ("window",), ("high", "low", "position"), n_bars=_window_plus(0)),
    "bollinger": Kernel(
        k.BOLLINGER, ("window", "width"), ("upper", "lower", "pct_b", "bandwidth"), n_bars=_window_plus(0)
    ),
    "bar_shape": Kernel(k.BAR_SHAPE, (), ("close_position", "range_ratio")),
    "volume_ratio": Kernel(k.VOLUME_RATIO, ("window",), ("value",), n_bars=_window_plus(0)),
    "spread": Kernel(k.SPREAD, (), ("value",)),
    "adv_share": Kernel(k.ADV_SHARE, ("window_days",), ("value",), lambda p: 4 + int(p["window_days"])),
}
"""Indicator of the CSV -> its kernel."""


@dataclass(frozen=True, slots=True)
class Program:
    """A set of features compiled for ``kernel.run``: its arrays ops, p and takes, and the sizes of the state."""

    ops: I64
    p: F64
    takes: I64
    n_state: int
    n_bars: int


def compile_program(targets: list[tuple[Feature, int]]) -> Program:
    """Return the program that writes each feature to its position of the output.

    Features with the same indicator and parameters share one run of it.

    Raises
    ------
    ConfigError
        A row names an indicator, a parameter or an output that no kernel has.
    """
    groups: dict[tuple[str, tuple[float, ...]], list[tuple[int, int]]] = {}
    for feature, position in targets:
        one = _kernel_of(feature)
        values = tuple(feature.numbers[name] for name in one.parameters)
        groups.setdefault((feature.indicator, values), []).append((one.outputs.index(feature.output), position))
    ops, p, n_state, n_bars = [], [], 0, 2
    takes: list[tuple[int, int]] = []
    for (indicator, values), outputs in groups.items():
        one = KERNELS[indicator]
        numbers = dict(zip(one.parameters, values, strict=True))
        size = one.n_state(numbers)
        ops.append((one.op, n_state, n_state + size, len(takes), len(takes) + len(outputs)))
        p.append(values + (0.0,) * (k.P_MAX - len(values)))
        takes += outputs
        n_state += size
        n_bars = max(n_bars, one.n_bars(numbers))
    return Program(np.array(ops, np.int64), np.array(p), np.array(takes, np.int64), n_state, n_bars)


def _kernel_of(feature: Feature) -> Kernel:
    where, one = SCHEMA_CSV.name, KERNELS.get(feature.indicator)
    if one is None:
        raise ConfigError(where, f"indicator of {feature.name}", feature.indicator, f"one of {', '.join(KERNELS)}")
    if set(feature.numbers) != set(one.parameters):
        names = ", ".join((*one.parameters, "output"))
        raise ConfigError(where, f"parameters of {feature.name}", feature.parameters, f"exactly {names}")
    if feature.output not in one.outputs:
        raise ConfigError(where, f"output of {feature.name}", feature.output, f"one of {', '.join(one.outputs)}")
    return one
