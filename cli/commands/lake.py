"""``mps lake``: ticks, bars and gold rows as Delta tables: fill them, look at them, keep them small."""

import json
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from cli.sources import lake_store
from deploy.local.endpoints import find_broker
from deploy.local.paths import home

if TYPE_CHECKING:
    from offline.lake.table import OpenTable

TABLES = ("ticks", "bars", "gold", "refused")
FILLED = TABLES[:3]
FILE_MB, MEMORY_MB, KEPT_DAYS = 128, 1024, 30

_table_argument = click.argument("tables", nargs=-1, type=click.Choice(TABLES))
_at_option = click.option("--lake", "place", metavar="PLACE",
                          help="Folder, or s3://bucket/prefix.  [default: MPS_LAKE, else .mps/lake]")  # fmt: skip
_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
_prefix_option = click.option("--prefix", default="", help="Of the topics' names.")


@click.group()
def lake() -> None:
    """Keep ticks, bars and gold rows as Delta tables, on disk or S3: what training sets are made of.

    A table at a version is a snapshot: `mps lake show` prints its id, and a model names the id of the rows that it was
    trained on. Older versions read as they were, whatever is appended or compacted, until vacuum removes their files.

    \b
    mps lake sync --once                        store what the topics have, then end
    mps lake show                               rows, files, days, snapshot ids
    mps lake compact && mps lake vacuum --remove    once a day
    """


@lake.command()
@click.option("--once", is_flag=True, help="End when everything in the topics is stored.")
@click.option("--table", "tables", multiple=True, type=click.Choice(FILLED), help="Only this one; repeatable.")
@click.option("--wait", "wait_s", type=click.FloatRange(0.1, 3600), default=300.0, show_default=True,
              help="Seconds that a record waits at most: a commit is a file a day and timeframe.")  # fmt: skip
@_at_option
@_prefix_option
@_json_option
@click.option("--log-level", default="INFO", show_default=True,
              type=click.Choice(["DEBUG", "INFO", "WARNING", "ERROR"]))  # fmt: skip
def sync(
    *, once: bool, tables: tuple[str, ...], wait_s: float, place: str | None, prefix: str, as_json: bool,
    log_level: str,
) -> None:  # fmt: skip
    """Store ticks.raw.v1, bars.v1 and gold.v1 in the lake, each record exactly once, whatever is killed.

    The position in each partition is part of the commit that holds the rows, so a second run stores nothing twice, and
    of two that run at once one begins again. What is no record of its topic goes to the table refused.
    Stop it with SIGTERM or Ctrl-C: what waits is stored first.

    \b
    mps lake sync                                   run until stopped
    mps lake sync --once --table gold --json        gold rows only, then one JSON object with counters
    """
    from processors.sinks.config import SinkConfig
    from processors.sinks.lake_process import run_lake

    logging.basicConfig(level=log_level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    found = run_lake(
        find_broker(home()), lake_store(place), SinkConfig(lake_wait_ms=int(wait_s * 1e3)), once=once, prefix=prefix,
        tables=tables or None,
    )  # fmt: skip
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"{found['rows']:,} rows in {found['commits']} commits, {found['refused']} refused")
    for snapshot in found["snapshots"].values():
        click.echo(snapshot)


@lake.command()
@_table_argument
@_at_option
@_prefix_option
@_json_option
def show(*, tables: tuple[str, ...], place: str | None, prefix: str, as_json: bool) -> None:
    """Show rows, files, days and the snapshot id of TABLES: ticks, bars, gold, refused; of all if none is named.

    --json also tells the position in each partition of the topic, and how many files compaction would join.

    Example: mps lake show gold --json
    """
    from offline.lake.upkeep import account

    found = [account(opened, _topics(opened, prefix)) for opened in _opened(place, tables)]
    if as_json:
        for one in found:
            click.echo(json.dumps(one.as_dict()))
        return
    rows = [
        (a.table, f"{a.rows:,}", f"{a.files:,}", f"{a.bytes / 1e6:,.1f}", "" if a.bytes_per_row is None else
         f"{a.bytes_per_row:,.1f}", f"{a.first_date or ''}", f"{a.last_date or ''}", a.snapshot_id)
        for a in found
    ]  # fmt: skip
    _print(
        ("table", "rows", "files", "MB", "bytes/row", "first day", "last day", "snapshot id"), rows, right=(1, 2, 3, 4)
    )


@lake.command()
@_table_argument
@_at_option
@click.option(
    "--file-mb", type=click.IntRange(1, 4096), default=FILE_MB, show_default=True, help="Wanted size of a file."
)
@click.option("--memory-mb", type=click.IntRange(64), default=MEMORY_MB, show_default=True,
              help="Of the sort; more goes to the disk.")  # fmt: skip
@click.option("--closed-days", is_flag=True, help="Leave today's files, which will be many again, as they are.")
@_json_option
def compact(
    *, tables: tuple[str, ...], place: str | None, file_mb: int, memory_mb: int, closed_days: bool, as_json: bool
) -> None:
    """Join the small files of each day and timeframe of TABLES, clustered by symbol and time.

    Changes no row: snapshots that are there read as before. Run it beside `mps lake sync` at any time; a second run
    finds nothing to do. The files it replaces stay until `mps lake vacuum`.

    Example: mps lake compact gold --closed-days
    """
    from offline.lake.upkeep import compact as join

    before = datetime.now(UTC).date() if closed_days else None
    console = Console(stderr=True)
    done = []
    for opened in _opened(place, tables):
        with console.status(f"{opened.spec.name}: looking for small files") as status:
            name = opened.spec.name

            def tell(n: int, of: int, name: str = name, update: Any = status.update) -> None:
                update(f"{name}: {n} of {of} partitions")

            done.append(
                join(opened, file_bytes=file_mb << 20, memory_bytes=memory_mb << 20, before=before, progress=tell)
            )
    if as_json:
        from dataclasses import asdict

        for one in done:
            click.echo(json.dumps(asdict(one)))
        return
    rows = [
        (c.table, f"{c.partitions}", f"{c.files_before} -> {c.files_after}",
         f"{c.bytes_before / 1e6:,.1f} -> {c.bytes_after / 1e6:,.1f}", c.snapshot_id)
        for c in done
    ]  # fmt: skip
    _print(("table", "partitions", "files", "MB", "snapshot id"), rows, right=(1, 2, 3))


@lake.command()
@_table_argument
@_at_option
@click.option("-n", "limit", type=click.IntRange(1), default=20, show_default=True, help="Newest versions shown.")
@_json_option
def history(*, tables: tuple[str, ...], place: str | None, limit: int, as_json: bool) -> None:
    """Show the versions of TABLES, newest first: when, what was done, and which offsets came in.

    Example: mps lake history bars -n 5
    """
    rows = []
    for opened in _opened(place, tables):
        for entry in opened.history(limit):
            if as_json:
                click.echo(json.dumps({"table": opened.spec.name, **entry}))
                continue
            offsets = " ".join(f"{p}:{a or 0}-{b}" for p, (a, b) in entry.get("offsets", {}).items())
            counts = [entry["rows"], entry["files_added"], entry["files_removed"]]
            rows.append((opened.spec.name, f"{entry['version']}", entry["at"], entry["operation"],
                         *("" if n is None else f"{n:,}" for n in counts), offsets))  # fmt: skip
    if not as_json:
        _print(
            ("table", "version", "at", "operation", "rows", "files +", "files -", "offsets"), rows, right=(1, 4, 5, 6)
        )


@lake.command()
@_table_argument
@_at_option
@click.option("--days", type=click.IntRange(1), default=KEPT_DAYS, show_default=True,
              help="Files that the newest version does not name are kept so long.")  # fmt: skip
@click.option("--keep", "keep", multiple=True, metavar="SNAPSHOT",
              help="Snapshot id whose files stay, however old; repeatable.")  # fmt: skip
@click.option("--remove", is_flag=True, help="Remove them; without it they are only counted.")
@_json_option
def vacuum(
    *, tables: tuple[str, ...], place: str | None, days: int, keep: tuple[str, ...], remove: bool, as_json: bool
) -> None:
    """Count, or with --remove remove, the files that no version of the last --days names.

    A version whose files are gone cannot be read any more: name the snapshots that models were trained on with --keep.

    \b
    mps lake vacuum                                         what would go
    mps lake vacuum gold --days 7 --keep gold@17.0f3c2c5e-7d0b-4c27-96b2-da4bc852d842 --remove
    """
    from offline.lake.snapshot import SnapshotId
    from offline.lake.upkeep import vacuum as clean

    kept = [SnapshotId.parse(text) for text in keep]
    opened_tables = _opened(place, tables)
    for snapshot in kept:
        if snapshot.table not in {opened.spec.name for opened in opened_tables}:
            raise click.BadParameter(f"{snapshot.table} is not among the tables", param_hint="--keep")
    rows = []
    for opened in opened_tables:
        mine = [snapshot for snapshot in kept if snapshot.table == opened.spec.name]
        files = clean(opened, days=days, keep=mine, remove=remove)
        if as_json:
            click.echo(json.dumps({"table": opened.spec.name, "removed": remove, "files": files}))
        rows.append((opened.spec.name, f"{len(files):,}", "removed" if remove else "would go (--remove)"))
    if not as_json:
        _print(("table", "files", ""), rows, right=(1,))


def _opened(place: str | None, tables: Sequence[str]) -> list["OpenTable"]:
    """Return the tables that are asked for; all that are there, where none is."""
    from offline.lake.table import OpenTable
    from offline.lake.tables import lake_tables
    from processors.errors import ConfigError

    store, found = lake_store(place), []
    for name in tables or TABLES:
        try:
            found.append(OpenTable.open(store, lake_tables()[name]))
        except ConfigError as e:
            if tables or e.value != "missing":
                raise
    if not found:
        raise ConfigError("lake", "place", store.root, "one that holds tables: fill it with `mps lake sync`")
    return found


def _topics(opened: "OpenTable", prefix: str) -> list[str]:
    from offline.lake.tables import lake_tables

    topics = [table.topic for table in lake_tables().values() if table.topic]
    return [prefix + topic for topic in ([opened.spec.topic] if opened.spec.topic else topics)]


def _print(heads: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    table = Table(box=None, pad_edge=False)
    for i, head in enumerate(heads):
        table.add_column(head, justify="right" if i in right else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    Console(width=None if Console().is_terminal else 10_000, highlight=False).print(table)
