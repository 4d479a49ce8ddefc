"""The families of indicators, and the address of each indicator: it is compiled when it is asked for."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from numba import cfunc

from processors.errors import ConfigError
from processors.featurize.calling import INTERPRETED, SIGNATURE, interpreted
from processors.featurize.indicators import (
    alpha158,
    curve,
    cycle,
    episodes,
    events,
    facts,
    micro,
    momentum,
    patterns,
    price,
    states,
    statistics,
    trend,
    vectors,
    volatility,
    volume,
)  # fmt: skip
from processors.featurize.indicators.binding import Kernel
from processors.featurize.spans import Apart, entry_of
from schemas.features import STAGE_OF_PREFIX

FAMILIES = (
    trend, momentum, volatility, volume, price, statistics, cycle, patterns, alpha158, states, events, episodes,
    vectors, micro, curve, facts,
)  # fmt: skip


def kernels_of(families: Iterable[dict[str, Kernel]]) -> dict[str, Kernel]:
    """Return the indicators of all families.

    Raises
    ------
    ConfigError
        The name of one says that another stage computes it.
    """
    found = {name: kernel for family in families for name, kernel in family.items()}
    for name in found:
        for prefix, stage in STAGE_OF_PREFIX.items():
            if name.startswith(prefix):
                raise ConfigError(
                    "KERNELS of featurize", "indicator", name,
                    f"a name that does not begin with {prefix}: features of such a one are taken for those of {stage}",
                )  # fmt: skip
    return found


KERNELS = kernels_of(family.KERNELS for family in FAMILIES)
"""Indicator of the catalog -> its kernel, over all families."""


@cache
def _compiled(indicator: str) -> Any:
    one = KERNELS[indicator]
    entry = entry_of(one.function, one.shares)
    return interpreted(entry) if INTERPRETED else cfunc(SIGNATURE, cache=True, pipeline_class=Apart)(entry)


def address_of(indicator: str) -> int:
    """Return the address of an indicator; it is compiled now, unless it was before."""
    one = _compiled(indicator)
    return one if INTERPRETED else int(one.address)
