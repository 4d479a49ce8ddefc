"""The one table: which stage reads and writes what. Read it to know the platform.

    ticks.raw.v1 -> reconcile -> ticks.consensus.v1 -> bars -> bars.v1 -> featurize -> features.v1
                 -> regime -> gold.v1 -> score -> signals.v1

Reconcile and bars also write ``data.freshness``; every stage writes ``dead.letter.v1``. Every topic has the same number
of partitions, and a record stays in its partition from stage to stage.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from processors.errors import ConfigError
from processors.runtime.stage import Stage

PARTITIONS = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One stage of the topology. ``factory`` is ``module:function``, imported when the stage is built."""

    stage: str
    source: str
    sinks: tuple[str, ...]
    factory: str


TOPOLOGY: tuple[Row, ...] = (
    Row("reconcile", "ticks.raw.v1", ("ticks.consensus.v1", "data.freshness"), "processors.reconcile.stage:build"),
    Row("bars", "ticks.consensus.v1", ("bars.v1", "data.freshness"), "processors.bars.stage:build"),
    Row("featurize", "bars.v1", ("features.v1",), "processors.featurize.stage:build"),
    Row("regime", "features.v1", ("gold.v1",), "processors.regime.stage:build"),
    Row("score", "gold.v1", ("signals.v1",), "processors.score.stage:build"),
)

STAGE_NAMES = tuple(row.stage for row in TOPOLOGY)


def build_stage(name: str) -> Stage:
    """Return a new stage by its name, with the configuration of the environment.

    Raises
    ------
    ConfigError
        No stage of that name.
    """
    for row in TOPOLOGY:
        if row.stage == name:
            module, function = row.factory.split(":")
            factory: Callable[[], Stage] = getattr(import_module(module), function)
            return factory()
    raise ConfigError("topology", "stage", name, f"one of {', '.join(STAGE_NAMES)}")


def build_chain(names: list[str]) -> list[Stage]:
    """Return the stages of those names in the order of the topology; they must be neighbours.

    Raises
    ------
    ConfigError
        A name is unknown, named twice, or a stage between two of them is missing.
    """
    for name in names:
        if name not in STAGE_NAMES:
            raise ConfigError("topology", "stage", name, f"one of {', '.join(STAGE_NAMES)}")
    at = sorted(STAGE_NAMES.index(n) for n in names)
    if at != list(range(at[0], at[0] + len(at))):
        raise ConfigError("topology", "stages", " ".join(names), "neighbours of the chain " + " -> ".join(STAGE_NAMES))
    return [build_stage(STAGE_NAMES[i]) for i in at]
