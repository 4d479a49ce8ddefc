"""Binds the rows of the feature catalog to kernels: which indicator, with which parameters, writes which feature."""

from dataclasses import dataclass

import numpy as np

from processors.errors import ConfigError
from processors.featurize.families import KERNELS, address_of
from processors.featurize.indicators.binding import Kernel
from processors.featurize.indicators.layout import P_MAX
from processors.featurize.kernel import F64, I64
from schemas.features import SCHEMA_CSV, Feature


@dataclass(frozen=True, slots=True)
class Program:
    """A set of features compiled for ``kernel.run``: ops, p and takes, and the sizes of the state."""

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
        one = kernel_of(feature)
        values = tuple(feature.numbers[name] for name in one.parameters)
        groups.setdefault((feature.indicator, values), []).append((one.outputs.index(feature.output), position))
    return assembled([(indicator, values, outputs) for (indicator, values), outputs in groups.items()])


def assembled(runs: list[tuple[str, tuple[float, ...], list[tuple[int, int]]]]) -> Program:
    """Return the program of indicators by name, each with its parameters and its (output, position) pairs."""
    ops, p, n_state, n_bars = [], [], 0, 2
    takes: list[tuple[int, int]] = []
    for indicator, values, outputs in runs:
        one = KERNELS[indicator]
        numbers = dict(zip(one.parameters, values, strict=True))
        size = one.n_state(numbers)
        ops.append((address_of(indicator), n_state, n_state + size, len(takes), len(takes) + len(outputs)))
        p.append(values + (0.0,) * (P_MAX - len(values)))
        takes += outputs
        n_state += size
        n_bars = max(n_bars, one.n_bars(numbers))
    return Program(np.array(ops, np.int64), np.array(p), np.array(takes, np.int64), n_state, n_bars)


def kernel_of(feature: Feature) -> Kernel:
    """Return the kernel of a row of the catalog.

    Raises
    ------
    ConfigError
        The row names an indicator, a parameter or an output that no kernel has.
    """
    where, one = SCHEMA_CSV.name, KERNELS.get(feature.indicator)
    if one is None:
        raise ConfigError(where, f"indicator of {feature.name}", feature.indicator, f"one of {', '.join(KERNELS)}")
    if set(feature.numbers) != set(one.parameters):
        names = ", ".join((*one.parameters, "output"))
        raise ConfigError(where, f"parameters of {feature.name}", feature.parameters, f"exactly {names}")
    if feature.output not in one.outputs:
        raise ConfigError(where, f"output of {feature.name}", feature.output, f"one of {', '.join(one.outputs)}")
    return one


__all__ = ["KERNELS", "Program", "assembled", "compile_program", "kernel_of"]
