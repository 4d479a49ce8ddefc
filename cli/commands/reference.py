"""``mps reference``: import, show and check reference data."""

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli.commands.adjusted import adjusted
from cli.commands.replay import _Time
from deploy.local.endpoints import find_broker
from deploy.local.paths import home
from processors.errors import ConfigError, RetryableError
from processors.reference.in_use import list_of, topic_securities
from processors.reference.load import Loaded, load
from processors.reference.load import import_files as import_into
from processors.reference.master import Master, beside_list, default_master, security_or_refuse
from processors.reference.records import FOREVER_NS, MarketEvent, Security, avro_of
from processors.reference.store import ReferenceStore
from processors.reference.table import Problem, ReferenceFileError
from processors.whole_file import write_whole
from schemas.instruments import ASSET_CLASSES, load_instruments
from serving.records import iso

SHOWN_MAX = 20
NOW = FOREVER_NS - 1
"""Whoever names no time means what holds at last."""
DATES = ("first_notice", "last_trade", "listed", "delisted", "period_end")
TIMES = ("valid_from", "valid_to", "ts_event", "ts_known")
FILES = click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
PREFIX = click.option("--prefix", default="", help="Stands before the topics' names.")
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


@click.group()
def reference() -> None:
    """Import, show and check securities, fundamentals and dated events.

    \b
    mps reference check my_securities.csv
    mps reference import my_securities.csv dividends.parquet
    mps reference show WM:US --as-of 2008-09-25
    mps reference adjusted AIG:US --convention ex_close
    mps reference export my_instruments.csv
    """


reference.add_command(adjusted)


@reference.command(name="check")
@FILES
@JSON
def check_files(*, files: tuple[Path, ...], as_json: bool) -> None:
    """Check files without loading them: all that is wrong, with row, column and what is allowed."""
    try:
        loaded = load(files)
    except ReferenceFileError as e:
        _tell_wrong(e.problems, as_json=as_json)
        raise click.exceptions.Exit(1) from None
    if as_json:
        click.echo(json.dumps({"ok": True, "rows": loaded.rows, "records": loaded.counts, "problems": []}))
    else:
        click.echo(f"fine: {_account(loaded)}")


@reference.command(name="import")
@FILES
@PREFIX
@JSON
def import_files(*, files: tuple[Path, ...], prefix: str, as_json: bool) -> None:
    """Check files and publish them to reference.v1, fundamentals.v1 and events.v1: all of them, or nothing.

    FILES are CSV, JSON lines or Parquet, recognised by their columns (docs/reference-data.md): securities,
    fundamentals, events, index closes, a treasury curve, policy rates, open interest, dividends and splits. To
    import a file again changes nothing; a correction is a record that is known later.
    """
    store = _store(prefix)
    begun_s = time.monotonic()
    try:
        loaded = import_into(files, store)
    except ReferenceFileError as e:
        _tell_wrong(e.problems, as_json=as_json)
        click.echo("nothing was imported", err=True)
        raise click.exceptions.Exit(1) from None
    seconds = time.monotonic() - begun_s
    if as_json:
        click.echo(json.dumps({"ok": True, "rows": loaded.rows, "records": loaded.counts, "seconds": seconds}))
    else:
        click.echo(f"imported {_account(loaded)} in {seconds:.1f} s")
        _tell_new(loaded)


@reference.command()
@click.argument("symbol")
@click.option(
    "--as-of", "at_ns", type=_Time(), help="Instant at which it held, UTC: 2008-09-25. The end of time if not given."
)
@click.option("--known", "known_ns", type=_Time(), help="What was known by then; --as-of where only that is given.")
@click.option(
    "--file", "files", multiple=True, type=click.Path(path_type=Path), help="Ask files, not the topics; repeatable."
)
@click.option("--history", is_flag=True, help="Every record of it, with every revision.")
@PREFIX
@JSON
def show(
    *, symbol: str, at_ns: int | None, known_ns: int | None, files: tuple[Path, ...], history: bool, prefix: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Show a security by symbol or permanent id, as of a time, with the newest of its events.

    Without a running platform the list of instruments is asked, which holds at all times.
    """
    master, events = _loaded(files, prefix)
    known = known_ns if known_ns is not None else (FOREVER_NS if at_ns is None else at_ns)
    at = NOW if at_ns is None else at_ns
    if history:
        found = master.history(symbol)
        if not found:
            security_or_refuse(master, symbol, at, known)
    else:
        found = [security_or_refuse(master, symbol, at, known)]
    newest = _newest(events, symbol, at, known)
    if as_json:
        shown = {"securities": [_readable(s) for s in found], "events": [_readable(e) for e in newest]}
        click.echo(json.dumps(shown, ensure_ascii=False))
        return
    console = Console()
    for security in found:
        console.print(_card(security))
    if newest:
        console.print(_event_table(newest))


@reference.command(name="export")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--known", "known_ns", type=_Time(), help="What was known by then, UTC. All, if not given.")
@click.option(
    "--file", "files", multiple=True, type=click.Path(path_type=Path), help="Ask files, not the topic; repeatable."
)
@PREFIX
def export_instruments(*, file: Path, known_ns: int | None, files: tuple[Path, ...], prefix: str) -> None:
    """Write the list of instruments that stages and feeds read to FILE: start them with MPS_INSTRUMENTS=FILE.

    It has every symbol of reference.v1, delisted ones and former tickers too, each as it was at its last, and the
    symbols of the list in use that were not imported. With MPS_REFERENCE=topic the commands read the topic themselves.

    \b
    mps reference import my_securities.csv
    mps reference export my_instruments.csv
    MPS_INSTRUMENTS=my_instruments.csv mps run reconcile bars
    """
    imported = load(files).securities if files else topic_securities(prefix)
    text = list_of(imported, FOREVER_NS if known_ns is None else known_ns)
    write_whole(file, text)
    symbols = len({s.symbol_id for s in imported})
    click.echo(f"{text.count(chr(10)) - 1:,} instruments in {file}; {symbols:,} symbols were imported")


def _tell_new(loaded: Loaded) -> None:
    """Say that stages do not know some of the symbols, and what to do."""
    known = load_instruments().by_symbol
    new = sorted({s.symbol_id for s in loaded.securities if s.asset_class in ASSET_CLASSES} - known.keys())
    if new:
        names = ", ".join(new[:4]) + (", ..." if new[4:] else "")
        click.echo(
            f"{len(new):,} symbols are not in the list of the stages ({names}): their ticks go to the dead letter "
            "until stages and feeds start anew with MPS_REFERENCE=topic, or with a list of `mps reference export FILE`"
        )


def _store(prefix: str) -> ReferenceStore:
    where = find_broker(home())
    return ReferenceStore(where, prefix)


def _loaded(files: tuple[Path, ...], prefix: str) -> tuple[Master, list[MarketEvent]]:
    """Return master and events of files, else of the topics, else of the list of instruments."""
    if files:
        loaded = load(files)
        return Master(loaded.securities), loaded.events
    try:
        store = _store(prefix)
        securities = [r for r in store.read(Security.TOPIC) if isinstance(r, Security)]
        events = [r for r in store.read(MarketEvent.TOPIC) if isinstance(r, MarketEvent)]
    except (ConfigError, RetryableError):
        click.echo(
            "mps: no platform runs: this is the list of instruments (import with `mps reference import`)", err=True
        )
        return default_master(), []
    return beside_list(securities), events


def _newest(events: Iterable[MarketEvent], symbol: str, at_ns: int, known_ns: int) -> list[MarketEvent]:
    known = [e for e in events if e.symbol_id == symbol and e.ts_event <= at_ns and e.ts_known <= known_ns]
    return sorted(known, key=lambda e: (e.ts_event, e.ts_known))[-SHOWN_MAX:]


def _account(loaded: Loaded) -> str:
    rows = sum(loaded.rows.values())
    records = ", ".join(f"{n:,} on {topic}" for topic, n in loaded.counts.items())
    return f"{rows:,} rows of {len(loaded.rows)} file{'s'[: len(loaded.rows) > 1]} as {records}"


def _tell_wrong(problems: list[Problem], *, as_json: bool) -> None:
    if as_json:
        fields = ("file", "row", "column", "value", "remedy")
        wrong = [{name: getattr(p, name) for name in fields} for p in problems]
        click.echo(json.dumps({"ok": False, "problems": wrong}))
        return
    for problem in problems[:SHOWN_MAX]:
        click.echo(f"mps: {problem}", err=True)
    if len(problems) > SHOWN_MAX:
        click.echo(f"mps: {len(problems) - SHOWN_MAX:,} more; all of them with --json", err=True)


def _readable(record: Security | MarketEvent) -> dict[str, Any]:
    """Return a record with times and dates for people."""
    out = avro_of(record)
    for name in (n for n in (*DATES, *TIMES) if out.get(n) is not None):
        out[name] = iso(out[name])[:10] if name in DATES else iso(out[name])
    return out


def _card(security: Security) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in _readable(security).items():
        if value not in {None, ""}:
            table.add_row(name, str(value))
    return table


def _event_table(events: list[MarketEvent]) -> Table:
    table = Table("event", "type", "name", "value", "unit", "known", box=None, pad_edge=False)
    for e in events:
        value = e.text if e.value is None else f"{e.value:g}"
        table.add_row(iso(e.ts_event), e.type, e.name, value or "withdrawn", e.unit, iso(e.ts_known))
    return table
