"""``mps sql``: ask ClickHouse, and see the answer as a table, JSON, CSV or any of ClickHouse's formats."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from cli.feature_service import known_endpoints
from deploy.local.endpoints import Endpoints
from deploy.local.paths import home
from offline.warehouse.ask import answers, ask
from offline.warehouse.client import DATABASE
from offline.warehouse.engine import Answer, Engine, QueryError, is_owned
from offline.warehouse.guard import format_of
from processors.errors import PlatformError

ROWS_SHOWN = 100
UNKNOWN_TABLE, UNKNOWN_DATABASE = 60, 81


@click.command()
@click.argument("query", metavar="QUERY")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a row.")
@click.option("--csv", "as_csv", is_flag=True, help="CSV with a header.")
@click.option("--format", "named", metavar="NAME", help="Any format of ClickHouse: Parquet, Arrow, Vertical, ...")
@click.option("--limit", type=click.IntRange(1), default=ROWS_SHOWN, show_default=True,
              help="Rows shown in the table; the other formats give all rows.")  # fmt: skip
def sql(query: str, *, as_json: bool, as_csv: bool, named: str | None, limit: int) -> None:
    """Ask ClickHouse; QUERY is one reading statement, or - to read it from standard input.

    What is wider than the terminal is shown row by row, one value a line.

    Tables: bars, gold, cross, signals, freshness, alerts, drift, events, dead_letters, sources (topics that the rows
    come from), migrations (what was done to them). Views: ohlcv (latest revision of each bar), signal_outcomes,
    ohlcv_resampled(minutes = 30), bars_gold(tf = '1m', gold_tf = '1h'), gold_asof(as_of = '...'), signal_gates,
    freshness_now, events_once (each event once, where events has it once a partition), corporate_factors and
    ohlcv_adjusted(as_of = '...', convention = 'ex_close' or 'previous_close').
    What each column means: `mps sql "DESCRIBE gold"`.

    \b
    mps sql "SELECT symbol_id, tf, count() FROM bars GROUP BY ALL ORDER BY ALL"
    mps sql "SELECT ts, c FROM ohlcv WHERE symbol_id = 'EURUSD:FX' AND tf = '1h' ORDER BY ts" --csv
    mps sql "SELECT gate, count() FROM signal_gates GROUP BY gate" --json
    """
    if as_json + as_csv + (named is not None) > 1:
        raise click.UsageError("--json, --csv and --format exclude each other")
    text = click.get_text_stream("stdin").read() if query == "-" else query
    machine = named or ("JSONEachRow" if as_json else "CSVWithNames" if as_csv else format_of(text))
    settings = {} if machine else {"limit": str(limit + 1)}
    # Numbers that JSON readers round, and times that people read.
    settings |= {"output_format_json_quote_64bit_integers": "0"}
    begun_s = time.monotonic()
    answer = _answer(text, machine or "JSONCompact", settings)
    elapsed_s = time.monotonic() - begun_s
    if machine:
        click.get_binary_stream("stdout").write(answer.body)
    elif answer.body:
        _show(json.loads(answer.body), text, limit, elapsed_s)


def rows_of(query: str) -> list[dict[str, Any]]:
    """Return the rows of a query by column, integers as they are.

    Raises
    ------
    PlatformError
        There is no warehouse, or it refused the query.
    """
    body = _answer(query, "JSONEachRow", {"output_format_json_quote_64bit_integers": "0"}).body
    return [json.loads(line) for line in body.splitlines()]


def _answer(text: str, default_format: str, settings: dict[str, str]) -> Answer:
    """Ask whoever has the warehouse: the server, the process that owns the path, or the engine itself."""
    known = known_endpoints()
    try:
        if known.clickhouse_url:
            return ask(known.clickhouse_url, text, default_format, database=_database(known), settings=settings)
        if known.warehouse_url and answers(known.warehouse_url):
            return ask(known.warehouse_url, text, default_format, database=DATABASE, settings=settings)
        path = Path(known.clickhouse_path or home().clickhouse)
        if not (path / "store").is_dir():
            raise PlatformError(f"the warehouse is empty: nothing was stored at {path} yet. Fill it with `mps demo`, "
                                "or with `mps up`, `mps run` and `mps sink`")  # fmt: skip
        if is_owned(path):
            raise PlatformError(
                f"another process owns the warehouse at {path} and its address is not known: "
                "set MPS_WAREHOUSE_URL to it (see the log of `mps sink`), or stop that process"
            )
        with Engine(path) as engine:
            return engine.ask(text, default_format, database=DATABASE, settings=settings)
    except QueryError as e:
        hint = ' Hint: `mps sql "SHOW TABLES"` lists what is there.' if e.code == UNKNOWN_TABLE else ""
        if e.code == UNKNOWN_DATABASE:
            hint = " Hint: the warehouse is empty; `mps sink` makes its tables."
        raise PlatformError(f"{e}{hint}") from None


def _database(known: Endpoints) -> str:
    from urllib.parse import urlsplit

    return urlsplit(known.clickhouse_url or "").path.strip("/") or DATABASE


def _show(found: dict[str, Any], query: str, limit: int, elapsed_s: float) -> None:
    from rich.console import Console
    from rich.text import Text

    from cli.sql_view import answer_view

    # A pipe has no width: lines are as long as they must be there.
    console = Console(width=None if sys.stdout.isatty() else 10_000, highlight=False)
    rows = found["data"]
    view = answer_view(found, rows[:limit], query, console)
    # Lines of a table fit; a long value below its name is left to the terminal.
    console.print(view, soft_wrap=isinstance(view, Text))
    more = f"first {limit} rows (--limit shows more, --csv and --json give all)" if len(rows) > limit else _count(rows)
    console.print(f"{more} in {elapsed_s * 1e3:.0f} ms", style="dim", markup=False)


def _count(rows: list[Any]) -> str:
    return "1 row" if len(rows) == 1 else f"{len(rows):,} rows"
