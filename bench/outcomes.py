"""What became of signals, asked of the warehouse: the view against the plain lookup of the h-th later close.

Random walks of one-minute bars in the hours of their markets, a signal at every tenth, splits and dividends of the
shares. Asked are one day of one symbol, and everything; each question in a process of its own, since chDB stays until
its process ends, and so that the peak of memory is the question's. The plain lookup numbers the closes and joins them
with themselves: no calendar, no actions::

    python -m bench.outcomes --bars 1000000
"""

# ruff: noqa: S608 - every name in a statement comes from this file

import argparse
import multiprocessing
import resource
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console
from rich.table import Table

from offline.warehouse.client import DATABASE, Warehouse
from offline.warehouse.engine import Engine
from offline.warehouse.tables import tables
from processors.sessions import sessions
from schemas.instruments import load_instruments
from schemas.timeframes import MINUTE_NS

SYMBOLS = ("IBM:US", "SPY:US", "EURUSD:FX", "BTC-USD:CRYPTO")
HORIZON = 15
BARS_A_SIGNAL = 10
ACTIONS_A_SHARE = 40
SHARES = ":US"
CLOSES = (
    "SELECT symbol_id, tf, ts, c, row_number() OVER (PARTITION BY symbol_id, tf ORDER BY ts) AS place FROM "
    "(SELECT symbol_id, tf, ts, argMax(c, revision) AS c FROM bars GROUP BY symbol_id, tf, ts)"
)
SIGNAL = ", ".join(f"s.{c.name} AS {c.name}" for c in tables()["signals.v1"].columns if c.path)
PLAIN = (
    f"SELECT {SIGNAL}, o.ts AS outcome_ts, log(o.c / b.c) AS realized_return FROM signals AS s "
    f"INNER JOIN ({CLOSES}) AS b ON s.symbol_id = b.symbol_id AND s.tf = b.tf AND s.ts = b.ts "
    f"LEFT JOIN ({CLOSES}) AS o ON b.symbol_id = o.symbol_id AND b.tf = o.tf AND b.place + s.horizon_bars = o.place"
)
FROM = {"plain lookup": f"({PLAIN})", "signal_outcomes": "signal_outcomes"}
Figures = tuple[float, float]
"""Seconds, and MB above what the process had before."""


def minutes(calendar: str, n: int) -> np.ndarray:
    """Return the ends of the last n minutes before 2026 in which a market is open, ascending."""
    own = sessions(calendar)
    end = np.searchsorted(own.open_ns, np.datetime64("2026-01-01", "ns").astype(np.int64))
    found, there = [], 0
    while there < n:
        end -= 1
        found.append(np.arange(own.open_ns[end] + MINUTE_NS, own.close_ns[end] + 1, MINUTE_NS))
        there += len(found[-1])
    return np.concatenate(found[::-1])[-n:]


def fill(path: Path, bars: int) -> dict[str, str]:
    """Fill a warehouse, and return what is asked of it: name -> condition."""
    warehouse = Warehouse.embedded(path)
    warehouse.create()
    known, rng, day = load_instruments(), np.random.default_rng(1), 0
    for symbol in SYMBOLS:
        ts = minutes(known.rows[known.by_symbol[symbol]].calendar, bars // len(SYMBOLS))
        close = 100.0 * np.exp(np.cumsum(rng.normal(0, 1e-4, len(ts))))
        key = {"symbol_id": [symbol] * len(ts), "tf": ["1m"] * len(ts), "ts": pa.array(ts, pa.timestamp("ns", "UTC"))}
        rows = pa.table({**key, "revision": np.zeros(len(ts), np.int32), "c": close})
        warehouse.insert("bars", rows, symbol)
        scored = pa.table(key).take(np.arange(0, len(ts), BARS_A_SIGNAL))
        for name, values in (("horizon_bars", np.full(scored.num_rows, HORIZON, np.int32)),
                             ("score", rng.normal(0, 1, scored.num_rows)),
                             ("interval_lo", np.full(scored.num_rows, -1e-3)),
                             ("interval_hi", np.full(scored.num_rows, 1e-3))):  # fmt: skip
            scored = scored.append_column(name, pa.array(values))
        warehouse.insert("signals", scored, symbol)
        if symbol.endswith(SHARES):
            warehouse.insert("events", actions(symbol, ts), symbol)
        day = day or int(ts[len(ts) // 2])
    warehouse.close()
    date = np.datetime64(day, "ns").astype("datetime64[D]")
    return {
        "one day of one symbol": f"WHERE symbol_id = '{SYMBOLS[0]}' AND ts >= '{date}' AND ts < '{date + 1}'",
        "everything": "",
    }


def actions(symbol: str, ts: np.ndarray) -> pa.Table:
    """Return dividends of a share, and a split in the middle, each known a day before."""
    at = ts[np.linspace(0, len(ts) - 1, ACTIONS_A_SHARE + 2).astype(int)[1:-1]]
    middle = np.arange(ACTIONS_A_SHARE) == ACTIONS_A_SHARE // 2
    return pa.table({
        "symbol_id": [symbol] * len(at), "event_id": [f"{symbol} {i}" for i in range(len(at))],
        "type": np.where(middle, "split", "dividend"), "name": np.where(middle, "ratio", "amount"),
        "ts_event": pa.array(at, pa.timestamp("ns", "UTC")),
        "ts_known": pa.array(at - 1440 * MINUTE_NS, pa.timestamp("ns", "UTC")),
        "value": np.where(middle, 2.0, 0.1),
    })  # fmt: skip


def ask(path: Path, sql: str) -> Figures:
    """Return what a question takes, asked as ``mps sql`` asks."""
    with Engine(path) as engine:
        engine.ask("SELECT count() FROM signals", database=DATABASE)
        before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begun = time.perf_counter()
        engine.ask(sql, "Null", database=DATABASE)
        took_s = time.perf_counter() - begun
    return took_s, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb) / 1024


def main() -> None:
    """Print seconds and memory of both, and their ratio."""
    parser = argparse.ArgumentParser(
        prog="bench.outcomes", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bars", type=int, default=1_000_000, help="bars of all symbols (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="the least of so many counts (default %(default)s)")
    given = parser.parse_args()
    spawn = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, ProcessPoolExecutor(1, spawn, max_tasks_per_child=1) as pool:
        path = Path(folder) / "clickhouse"
        asked = pool.submit(fill, path, given.bars).result()
        table = Table(title=f"outcomes of {given.bars // BARS_A_SIGNAL:,} signals on {given.bars:,} bars in "
                      f"{len(SYMBOLS)} series", title_justify="left")  # fmt: skip
        for name in ("question", "of", "s", "of the plain lookup", "peak memory, MB"):
            table.add_column(name, justify="left" if name in {"question", "of"} else "right")
        for question, where in asked.items():
            seen: dict[str, list[Figures]] = {name: [] for name in FROM}
            # In turns, so that a machine that slows down slows both.
            for _ in range(given.rounds):
                for name, source in FROM.items():
                    seen[name].append(pool.submit(ask, path, f"SELECT * FROM {source} {where}").result())
            plain_s = min(seen["plain lookup"])[0]
            for name, figures in seen.items():
                took_s, memory_mb = min(figures)
                table.add_row(question, name, f"{took_s:.2f}", f"{took_s / plain_s:.2f}", f"{memory_mb:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
