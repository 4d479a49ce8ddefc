"""The one table: which stage reads and writes what. Read it to know the platform.

    ticks.raw.v1 -> reconcile -> ticks.consensus.v1 -> bars -> bars.v1 -> featurize -> features.v1
                 -> regime -> gold.v1 -> score -> signals.v1
    fundamentals.v1, events.v1 -> featurize
    bars.v1, events.v1 -> rolls -> rollovers.v1
    ticks.consensus.v1 -> activity -> bars.v1
    universe.v1 -> cross -> cross.v1

Reconcile and bars also write ``data.freshness``; every stage writes ``dead.letter.v1``. Every topic has the same number
of partitions, and a record stays in its partition from stage to stage; but for topics whose data file says
``partitions: 1``, in which the records of all partitions are gathered (``processors.runtime.placing``).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from processors.errors import ConfigError
from processors.runtime.stage import Stage

PARTITIONS = 4
"""Of the platform, where neither ``MPS_PARTITIONS`` nor topics that exist say otherwise."""
PARTITIONS_MAX = 1024
PARTITIONS_VARIABLE = "MPS_PARTITIONS"


@dataclass(frozen=True, slots=True)
class Row:
    """One stage of the topology. ``factory`` is ``module:function``, imported when the stage is built."""

    stage: str
    source: str
    sinks: tuple[str, ...]
    factory: str
    sides: tuple[str, ...] = ()


TOPOLOGY: tuple[Row, ...] = (
    Row("reconcile", "ticks.raw.v1", ("ticks.consensus.v1", "data.freshness"), "processors.reconcile.stage:build"),
    Row("bars", "ticks.consensus.v1", ("bars.v1", "data.freshness"), "processors.bars.stage:build"),
    Row(
        "featurize",
        "bars.v1",
        ("features.v1", "drift.v1", "universe.v1"),
        "processors.featurize.stage:build",
        sides=("fundamentals.v1", "events.v1"),
    ),
    Row("regime", "features.v1", ("gold.v1",), "processors.regime.stage:build"),
    Row("score", "gold.v1", ("signals.v1",), "processors.score.stage:build"),
)

BRANCHES: tuple[Row, ...] = (
    Row("rolls", "bars.v1", ("rollovers.v1",), "processors.futures.stage:build", sides=("events.v1",)),
    Row("cross", "universe.v1", ("cross.v1",), "processors.cross.stage:build"),
    Row("activity", "ticks.consensus.v1", ("bars.v1",), "processors.activity.stage:build"),
)
"""Stages beside the chain: each is started alone (``mps run cross``), and nothing in the chain waits for it."""

STAGE_NAMES = tuple(row.stage for row in TOPOLOGY)
PLATFORM_STAGES = (*STAGE_NAMES, "cross")
"""Stages that run wherever the platform does (``mps up --stages``, containers): what the feature service serves. Of the
other branches a few instruments have need: they are started by whoever wants them."""
_NAMES = tuple(row.stage for row in TOPOLOGY + BRANCHES)


def configured_partitions() -> int | None:
    """Return how many partitions ``MPS_PARTITIONS`` gives the platform; None where it is not set.

    Raises
    ------
    ConfigError
        It is no whole number from 1 to 1,024.
    """
    text = os.environ.get(PARTITIONS_VARIABLE, "")
    if not text:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= PARTITIONS_MAX:
        raise ConfigError("environment", PARTITIONS_VARIABLE, text, f"a whole number from 1 to {PARTITIONS_MAX}")
    return int(text)


def platform_partitions() -> int:
    """Return how many partitions the platform has where no broker is asked: ``MPS_PARTITIONS``, else 4.

    With a broker at hand ask ``processors.runtime.topics.partitions_at``, which goes by the topics that are there.
    """
    return configured_partitions() or PARTITIONS


def build_stage(name: str) -> Stage:
    """Return a new stage by its name, with the configuration of the environment.

    Raises
    ------
    ConfigError
        No stage of that name.
    """
    for row in TOPOLOGY + BRANCHES:
        if row.stage == name:
            module, function = row.factory.split(":")
            factory: Callable[[], Stage] = getattr(import_module(module), function)
            return factory()
    raise ConfigError("topology", "stage", name, f"one of {', '.join(_NAMES)}")


def chain_of(names: list[str]) -> list[str]:
    """Return those names in the order of the topology; they must be neighbours. No stage is built.

    Raises
    ------
    ConfigError
        A name is unknown, named twice, or a stage between two of them is missing.
    """
    if len(names) == 1:
        if names[0] not in _NAMES:
            raise ConfigError("topology", "stage", names[0], f"one of {', '.join(_NAMES)}")
        return list(names)
    for name in names:
        if name not in STAGE_NAMES:
            why = "alone, as it is a branch" if name in _NAMES else f"one of {', '.join(STAGE_NAMES)}"
            raise ConfigError("topology", "stage", name, why)
    at = sorted(STAGE_NAMES.index(n) for n in names)
    if at != list(range(at[0], at[0] + len(at))):
        raise ConfigError("topology", "stages", " ".join(names), "neighbours of the chain " + " -> ".join(STAGE_NAMES))
    return [STAGE_NAMES[i] for i in at]


def build_chain(names: list[str]) -> list[Stage]:
    """Return the stages of those names in the order of the topology; they must be neighbours.

    Raises
    ------
    ConfigError
        As ``chain_of``, or a stage refuses the configuration of the environment.
    """
    return [build_stage(name) for name in chain_of(names)]
