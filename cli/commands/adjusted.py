"""``mps reference adjusted``: daily closes as traded and adjusted for corporate actions, as known at a time."""

import json
from collections.abc import Sequence
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from cli.commands.replay import _Time
from cli.commands.sql import rows_of
from deploy.local.endpoints import find_broker
from deploy.local.paths import home
from processors.errors import ConfigError
from processors.reference.actions.daily import AdjustedDays, adjusted_days
from processors.reference.actions.factors import CONVENTIONS, Closes, Convention
from processors.reference.announced import actions_of
from processors.reference.closes import closes_of_file
from processors.reference.load import load
from processors.reference.records import FOREVER_NS, MarketEvent
from processors.reference.store import ReferenceStore
from processors.runtime.batch import I64
from processors.sessions import calendar_zone
from processors.times import DAY_NS
from schemas.instruments import Instrument, load_instruments

NOW = FOREVER_NS - 1


@click.command()
@click.argument("symbol")
@click.option("--convention", type=click.Choice(sorted(CONVENTIONS)), default="previous_close", show_default=True,
              help="Of cash: at the close before the ex-date (LEAN, CRSP), or at its own (Alpha Vantage).")  # fmt: skip
@click.option("--as-of", "as_of_ns", type=_Time(),
              help="What was known by then, UTC: 2014-06-09T20:00. All, if not given.")  # fmt: skip
@click.option("--from", "begin_ns", type=_Time(), help="First date shown.")
@click.option("--to", "end_ns", type=_Time(), help="Date to stop before.")
@click.option("--file", "files", multiple=True, type=click.Path(path_type=Path),
              help="Dividends, splits or events; events.v1 if none is given; repeatable.")  # fmt: skip
@click.option("--closes", type=click.Path(path_type=Path),
              help="Parquet or CSV: date, close, symbol; the daily bars of the warehouse if not given.")  # fmt: skip
@click.option("--prefix", default="", help="Stands before the topics' names.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def adjusted(
    *, symbol: str, convention: Convention, as_of_ns: int | None, begin_ns: int | None, end_ns: int | None,
    files: tuple[Path, ...], closes: Path | None, prefix: str, as_json: bool,
) -> None:  # fmt: skip
    """Show closes of SYMBOL as traded and adjusted, with their factors, as known at a time.

    A factor multiplies every price before its ex-date, once the action was announced, its reference close was known
    and the ex-date has come: before that the prices are as traded. What else it means: docs/corporate-actions.md.

    \b
    mps reference adjusted AAPL:US --as-of 2014-06-10 --from 2014-06-02
    mps reference adjusted AAPL:US --convention ex_close --file actions.parquet --closes daily.parquet --json
    """
    instrument = _instrument(symbol)
    events = load(files).events if files else _store_events(prefix)
    found = closes_of_file(closes, symbol, instrument.calendar) if closes else _warehouse_closes(instrument)
    actions = actions_of((e for e in events if e.symbol_id == symbol), calendar_zone(instrument.calendar))
    days = adjusted_days(found, actions, convention, NOW if as_of_ns is None else as_of_ns)
    first = 0 if begin_ns is None else int(np.searchsorted(days.day * DAY_NS, begin_ns))
    last = len(days.day) if end_ns is None else int(np.searchsorted(days.day * DAY_NS, end_ns))
    rows = _rows(days, first, last)
    if as_json:
        for row in rows:
            click.echo(json.dumps({"symbol_id": symbol, "convention": convention, **row}))
    else:
        Console().print(_table(rows))


def _instrument(symbol: str) -> Instrument:
    instruments = load_instruments()
    at = instruments.by_symbol.get(symbol)
    if at is None:
        near = [s for s in instruments.by_symbol if s.startswith(symbol[:2])][:4]
        raise ConfigError(
            "instruments", "symbol", symbol, f"a symbol that ticks may have, such as {', '.join(near) or 'AIG:US'}; "
            "`mps reference export` writes the list of what was imported",
        )  # fmt: skip
    return instruments.rows[at]


def _store_events(prefix: str) -> list[MarketEvent]:
    where = find_broker(home())
    return [r for r in ReferenceStore(where, prefix).read(MarketEvent.TOPIC) if isinstance(r, MarketEvent)]


def _warehouse_closes(instrument: Instrument) -> Closes:
    """Return the closes of the newest revisions of the daily bars."""
    name = instrument.symbol_id.replace("\\", "\\\\").replace("'", "\\'")
    columns = "toUnixTimestamp64Nano(ts_start) AS start, toUnixTimestamp64Nano(ts) AS end, c"
    # An instrument of ours, quoted.
    rows = rows_of(f"SELECT {columns} FROM ohlcv WHERE symbol_id = '{name}' AND tf = '1d' ORDER BY ts")  # noqa: S608
    if not rows:
        raise ConfigError("warehouse", "daily bars", instrument.symbol_id, "a symbol that has some, or --closes FILE")
    start, end, close = (np.array([row[name] for row in rows]) for name in ("start", "end", "c"))
    zone = calendar_zone(instrument.calendar)
    return Closes(_dates(start.astype(np.int64), zone), end.astype(np.int64), close.astype(np.float64))


def _dates(at_ns: I64, zone: str) -> I64:
    """Return the date of each instant in a zone, days since the epoch."""
    local = pd.DatetimeIndex(at_ns).tz_localize("UTC").tz_convert(zone).tz_localize(None)
    found: I64 = local.to_numpy().astype("datetime64[D]").astype(np.int64)
    return found


def _rows(days: AdjustedDays, first: int, last: int) -> list[dict[str, str | float]]:
    return [
        {
            "date": str(np.datetime64(int(days.day[i]), "D")), "close": float(days.close[i]),
            "price_factor": float(days.price_factor[i]), "adjusted": float(days.adjusted[i]),
            "share_factor": float(days.share_factor[i]),
        }
        for i in range(first, last)
    ]  # fmt: skip


def _table(rows: Sequence[dict[str, str | float]]) -> Table:
    table = Table("date", box=None, pad_edge=False)
    for name in ("close", "price factor", "adjusted", "share factor"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*(v if isinstance(v, str) else f"{v:.10g}" for v in row.values()))
    return table
