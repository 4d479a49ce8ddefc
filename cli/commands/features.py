"""``mps features``: rows as of a time, packs, meanings, and back-fills over history."""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from processors.errors import ConfigError, PlatformError
from schemas.features import FOUNDING_PACK, PACKS_YAML, SCHEMA_CSV, load_catalog
from schemas.instruments import load_instruments
from schemas.timeframes import TIMEFRAMES
from serving.records import iso

SHOWN_MAX = 200


@click.group()
def features() -> None:
    """Read features as of a time, look up packs and meanings, back-fill a pack over history.

    \b
    mps features get EURUSD:FX --as-of 2014-05-02T12:30:00Z
    mps features backfill --pack core_value_v1 --from 2014-05-01 --to 2014-05-31
    """


@features.command()
@click.argument("symbols", nargs=-1, required=True)
@click.option("--as-of", help="ISO 8601 with a zone, or nanoseconds.  [default: the newest rows]")
@click.option("--pack", default=FOUNDING_PACK, show_default=True, help="Feature pack.")
@click.option("--known-by", help="Only rows that could be known by then.  [default: not asked]")
@click.option("--time-horizon", "tf", type=click.Choice(TIMEFRAMES), default="1m", show_default=True,
              help="Timeframe of the rows.")  # fmt: skip
@click.option("--rows", type=click.IntRange(1), default=1, show_default=True, help="Newest rows of each symbol.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
def get(
    *, symbols: tuple[str, ...], as_of: str | None, pack: str, known_by: str | None, tf: str, rows: int, as_json: bool
) -> None:  # fmt: skip
    """Show the newest rows of SYMBOLS as of a time.

    Live rows come from Redis, older ones from ClickHouse and from back-fills. --as-of bounds the ends of the bars,
    --known-by the times at which their rows could be known.

    Example: mps features get EURUSD:FX XAUUSD:CFD --as-of 2014-05-02T12:30:00Z
    """
    from cli.feature_service import feature_service
    from offline.features.times import parse_time

    as_of_ns = None if as_of is None else parse_time(as_of, "--as-of")
    known_by_ns = None if known_by is None else parse_time(known_by, "--known-by")
    known = load_instruments().by_symbol
    for symbol in symbols:
        if symbol not in known:
            raise ConfigError("mps features get", "SYMBOLS", symbol, "symbols of the instruments file")
    table = feature_service("event").get_features(symbols, as_of_ns, pack, tf, rows=rows, known_by=known_by_ns)
    times, known = (table.column(name).cast("int64").to_pylist() for name in ("ts", "known_at"))
    rest = table.drop_columns(["symbol_id", "ts", "known_at"]).to_pylist()
    names = table.column("symbol_id").to_pylist()
    found = [
        {"symbol_id": s, "ts": iso(t), **row, "known_at": iso(k)}
        for s, t, k, row in zip(names, times, known, rest, strict=True)
    ]
    missing = sorted(set(symbols) - {row["symbol_id"] for row in found})
    if as_json:
        for row in found:
            click.echo(json.dumps(row, default=str))
    elif found:
        _show(found, pack)
    if missing:
        raise PlatformError(f"no {tf} row with the pack {pack}{'' if as_of is None else f' at {as_of}'}: "
                            f"{', '.join(missing)}")  # fmt: skip


@features.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a pack.")
def packs(*, as_json: bool) -> None:
    """List the packs of the catalog."""
    import yaml

    from offline.features.packs import load_view

    told = yaml.safe_load(PACKS_YAML.read_text())["packs"]
    found = [
        {"pack_id": p, "features": len(load_view(p).names), "hash": load_view(p).hash, "meaning": told[p]["meaning"]}
        for p in told
    ]
    if as_json:
        for row in found:
            click.echo(json.dumps(row))
        return
    table = Table("pack", "features", "hash", "meaning")
    for row in found:
        table.add_row(row["pack_id"], str(row["features"]), row["hash"][:16], row["meaning"])
    Console().print(table)


@features.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="JSON, one object a feature.")
def describe(*, name: str, as_json: bool) -> None:
    """Show what NAME means: a feature of any stage, or every feature of a pack.

    \b
    mps features describe rsi_14_value
    mps features describe cross_section_v1
    """
    import yaml

    from offline.features.packs import load_view

    by_name = {f.name: f for f in load_catalog()}
    known = yaml.safe_load(PACKS_YAML.read_text())["packs"]
    if name not in by_name and name not in known:
        near = get_close_matches(name, [*by_name, *known], n=3) or list(known)
        raise ConfigError(str(SCHEMA_CSV), "name", name, f"a feature of this file or a pack, such as {', '.join(near)}")
    chosen = [by_name[name]] if name in by_name else list(load_view(name).pack.features)
    if as_json:
        for feature in chosen:
            click.echo(json.dumps(asdict(feature)))
    elif len(chosen) == 1:
        for key, value in asdict(chosen[0]).items():
            click.echo(f"{key:<15} {value}")
    else:
        table = Table("feature", "unit", "warm-up bars", "missing", "meaning")
        for f in chosen:
            table.add_row(f.name, f.unit, str(f.warmup_bars), f.missing_policy, f.meaning)
        Console().print(table)


@features.command()
@click.option("--pack", default=FOUNDING_PACK, show_default=True, help="Feature pack.")
@click.option("--from", "first", required=True, metavar="TIME", help="First ts of the rows: a date, or ISO 8601.")
@click.option("--to", "last", required=True, metavar="TIME", help="Last ts of the rows.")
@click.option("--symbols", help="With commas between them.  [default: all that have bars]")
@click.option("--facts", "facts_files", multiple=True, type=click.Path(path_type=Path),
              help="File of fundamentals or events; repeatable.  [default: the topics, and MPS_FACTS]")  # fmt: skip
@click.option("--no-facts", is_flag=True, help="Leave facts out: features of them are null.")
@click.option("--bars", "files", multiple=True, type=click.Path(path_type=Path),
              help="Parquet file or folder of bars; repeatable.  [default: ClickHouse]")  # fmt: skip
@click.option("--chunk-bars", type=click.IntRange(1), help="Bars between two checkpoints.  [default: 100000]")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path),
              help="Folder of the versions.  [default: features/ of the running stack]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the version as JSON, and no progress bar.")
def backfill(
    *, pack: str, first: str, last: str, symbols: str | None, facts_files: tuple[Path, ...], no_facts: bool,
    files: tuple[Path, ...], chunk_bars: int | None, out: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Compute a pack over history into a version: pack, hash and snapshot of the bars and facts.

    Bars before --from are read too, to fill the windows. Stop it whenever you like: the same command goes on where it
    was; and where the version is complete it ends at once.

    A pack with a futures curve brings the other contracts of a root along. A pack of the cross-section is made of all
    symbols, and of bars up to a week after --to, since a close may end with what comes after it.

    \b
    mps features backfill --pack core_value_v1 --from 2014-05-01 --to 2014-05-31
    mps features backfill --pack outside_v1 --from 2014-05-01 --to 2014-05-31 --facts fundamentals.csv
    """
    from cli.feature_service import versions_folder
    from offline.features import backfill as job
    from offline.features.addresses import bars_from
    from offline.features.asked_facts import facts_for, with_roots
    from offline.features.packs import load_view
    from offline.features.times import parse_time
    from processors.cross.config import CrossConfig

    to_ns, view, partitions = parse_time(last, "--to"), load_view(pack), CrossConfig.from_environment().partitions
    named = with_roots(view, symbols.split(",")) if symbols else None
    known, of_files = facts_for(view, facts_files, without=no_facts, partitions=partitions)
    plan = job.Plan(
        out or versions_folder(), view, parse_time(first, "--from"), to_ns,
        ", ".join(map(str, files)) or "ClickHouse", chunk_bars or job.CHUNK_BARS, known, of_files, no_facts, partitions,
    )  # fmt: skip
    source = bars_from(files, named, job.reads_until_ns(view, to_ns))
    with _progress(shown=not as_json) as (tell, advance):
        version, manifest = job.backfill(plan, source, tell, advance)
    if as_json:
        click.echo(
            json.dumps({"folder": str(version.folder), **json.loads((version.folder / "manifest.json").read_text())})
        )
    else:
        n = sum(manifest.rows.values())
        symbols_of = "1 symbol" if len(manifest.rows) == 1 else f"{len(manifest.rows):,} symbols"
        click.echo(f"{n:,} rows of {symbols_of} in {version.folder}")


@features.command()
@click.option("--to", "last", required=True, metavar="TIME", help="Last ts of the bars: a date, or ISO 8601.")
@click.option("--bars", "files", multiple=True, type=click.Path(path_type=Path),
              help="Parquet file or folder of bars; repeatable.  [default: ClickHouse]")  # fmt: skip
@click.option("--prefix", default="", help="Stands before the topics' names.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and no progress bar.")
def bootstrap(*, last: str, files: tuple[Path, ...], prefix: str, as_json: bool) -> None:
    """Let cross begin with history: ranks of momentum from its first close on, not after months.

    Runs all bars up to --to through featurize and cross in memory and writes the state into the changelog of cross,
    which must not have begun. Start cross afterwards: bars that history has had are late for it and change nothing.

    Example: mps features bootstrap --to 2014-05-01 && mps up --stages
    """
    from cli.feature_service import known_endpoints
    from offline.features.addresses import bars_from
    from offline.features.asked_facts import facts_for
    from offline.features.bootstrap import PACK, STAGE, cross_history
    from offline.features.packs import load_view
    from offline.features.times import parse_time
    from processors.runtime.changelog import begin_changelog
    from processors.runtime.topics import create_changelog, partitions_at
    from processors.topology import PARTITIONS_VARIABLE

    source = bars_from(files, None, parse_time(last, "--to"))
    servers = known_endpoints().bootstrap_servers
    if not servers:
        raise ConfigError("features bootstrap", "Kafka", "not running", "start it with `mps up`, without --stages")
    partitions = partitions_at(servers, prefix)
    # As for `mps run`: the stage whose state it is counts them.
    os.environ[PARTITIONS_VARIABLE] = str(partitions)
    with _progress(shown=not as_json) as (tell, advance):
        tell(source.counts())
        known, of_files = facts_for(load_view(PACK), (), without=False, partitions=partitions)
        history = cross_history(
            source, partitions, lambda n: advance("bars", n), facts=known, facts_files=of_files
        )  # fmt: skip
    changelog = f"{prefix}{STAGE}.changelog"
    create_changelog(servers, changelog, partitions)
    begin_changelog(servers, changelog, 0, history.entries)
    told = {"bars": history.bars, "symbols": history.symbols, "rows_of_state": len(history.entries)}
    if as_json:
        click.echo(json.dumps({**told, "newest": iso(history.newest_ns), "changelog": changelog}))
    else:
        click.echo(
            f"{history.bars:,} bars of {history.symbols} symbols up to {iso(history.newest_ns)}: "
            f"{len(history.entries):,} rows of state in {changelog}"
        )


@contextmanager
def _progress(*, shown: bool) -> Iterator[tuple[Any, Any]]:
    """Show how many bars are done; yield what is told the sizes, and what is told each step."""
    console = Console(stderr=True)
    bar = Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("bars"),
        TimeRemainingColumn(), console=console, disable=not shown or not console.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task("reading the bars", total=None)
        yield (
            lambda counts: bar.update(task, total=sum(counts.values())),
            lambda group, n: bar.update(task, advance=n, description=group),
        )


def _show(rows: list[dict[str, Any]], pack: str) -> None:
    """Print rows as columns: a name a line, for a pack is longer than a terminal is wide.

    As many columns side by side as the terminal has room for, the next ones below: a value is never cut.
    """
    console = Console()
    names = [name for name in rows[0] if name not in ("symbol_id", "ts", "pack_hash")]
    shown = rows[:SHOWN_MAX]
    columns = [(f"{row['symbol_id']}\n{_text(row['ts'])}", *(_text(row[name]) for name in names)) for row in shown]
    # A column's rim and padding take three characters, and the table's right rim one.
    widest = max(len(line) for column in columns for cell in column for line in cell.splitlines()) + 3
    side_by_side = max(1, (console.width - max(map(len, names)) - 4) // widest)
    for first in range(0, len(columns), side_by_side):
        some = columns[first : first + side_by_side]
        table = Table("")
        for column in some:
            table.add_column(column[0], overflow="fold")
        for at, name in enumerate(names, 1):
            table.add_row(name, *(column[at] for column in some))
        console.print(table)
    console.print(f"{pack}, hash {rows[0]['pack_hash'][:16]}", highlight=False)


def _text(value: Any) -> str:
    """Return a value as a cell; a time as two lines, date and time of day, since one is too wide for three columns."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    return re.sub(r"^(\d{4}-\d\d-\d\d)T(?=\d\d:)", r"\1\n", str(value))
