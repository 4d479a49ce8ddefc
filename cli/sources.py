"""Where ``mps train`` and ``mps dataset build`` take gold rows from: the same flags, and one meaning of each."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deploy.local.paths import SHIPPED_TICKS, home
from processors.errors import ConfigError

if TYPE_CHECKING:
    from offline.datasets.sources import GoldSource
    from offline.lake.store import LakeStore

RECIPES = (".yaml", ".yml")
_FLAGS = (
    click.option("--gold", multiple=True, type=click.Path(path_type=Path),
                 help="Parquet file or folder of gold rows, in place of FILES; repeatable."),
    click.option("--cross", multiple=True, type=click.Path(path_type=Path),
                 help="Parquet file or folder of rows of cross.v1, beside --gold; repeatable."),
    click.option("--clickhouse", is_flag=True, help="Gold rows of the warehouse, in place of FILES."),
    click.option("--lake", is_flag=False, flag_value="", metavar="[PLACE]",
                 help="Gold rows of the lake, in place of FILES: a folder or s3://bucket/prefix.  "
                      "[MPS_LAKE, else .mps/lake]"),
    click.option("--facts", multiple=True, type=click.Path(path_type=Path),
                 help="File of events, for splits and dividends; repeatable.  [MPS_FACTS]"),
    click.option("--snapshot", metavar="ID",
                 help="Version of the lake's gold rows, as `mps lake show gold` prints it.  [newest]"),
)  # fmt: skip


def source_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the flags that ``gold_source`` takes."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


def gold_source(
    command: str, files: tuple[Path, ...], *, gold: tuple[Path, ...], cross: tuple[Path, ...], clickhouse: bool,
    lake: str | None, snapshot: str | None, facts: tuple[Path, ...],
) -> "GoldSource":  # fmt: skip
    """Return the source that the flags of a command name; the shipped recordings where they name none.

    Parameters
    ----------
    command
        For errors.
    files
        Recorded ticks.
    lake
        Place of the lake; empty: the usual one; None: no lake.
    facts
        Files of events; those of the environment where none is named.

    Raises
    ------
    ConfigError
        Several sources are named, a flag has no meaning beside the others, or the source is not there.
    """
    from offline.datasets.lake_source import LakeGold
    from offline.datasets.shares import known_files
    from offline.datasets.sources import ParquetGold, RecordedTicks
    from processors.feeds.files import present

    named = {"FILES": files, "--gold": gold, "--clickhouse": clickhouse, "--lake": lake is not None}
    several = [name for name, there in named.items() if there]
    if len(several) > 1:
        raise ConfigError(command, "source", " and ".join(several), "one of FILES, --gold, --clickhouse and --lake")
    if cross and not gold:
        raise ConfigError(command, "--cross", str(cross[0]), "beside --gold only")
    if snapshot is not None and lake is None:
        raise ConfigError(command, "--snapshot", snapshot, "beside --lake only: other sources have no versions")
    if facts and clickhouse:
        raise ConfigError(command, "--facts", str(facts[0]), "no files: the warehouse has its own events")
    if lake is not None:
        refuse_recipe_as_place(command, lake)
        return LakeGold.at(lake_store(lake), snapshot, facts or known_files())
    if gold:
        return ParquetGold(gold, cross, facts or known_files())
    if clickhouse:
        return _clickhouse()
    return RecordedTicks(present(files or (SHIPPED_TICKS,)), facts or known_files())


def refuse_recipe_as_place(command: str, lake: str | None) -> None:
    """Refuse a recipe that stands behind ``--lake``, which takes it for its place.

    Raises
    ------
    ConfigError
        Says where to write it.
    """
    if lake is not None and lake.endswith(RECIPES):
        raise ConfigError(command, "--lake", lake, "a place; write --lake behind the recipes, or --lake=PLACE")


def lake_store(place: str | None) -> "LakeStore":
    """Return the lake at a place; that of ``MPS_LAKE``, else of the data folder, where none is named."""
    from offline.lake.store import VARIABLE, LakeStore

    return LakeStore.at(place or os.environ.get(VARIABLE) or home().lake)


def _clickhouse() -> "GoldSource":
    from cli.feature_service import known_endpoints, warehouse_url
    from offline.datasets.sources import ClickHouseGold
    from offline.features.clickhouse_rows import at_address, at_path

    url = warehouse_url()
    path = Path(known_endpoints().clickhouse_path or home().clickhouse)
    return ClickHouseGold(at_address(url) if url else at_path(path))
