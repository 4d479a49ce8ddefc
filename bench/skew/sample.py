"""What recordings lack, made up: ticks that keep every partition awake from one recording to the next, and facts.

    2013-10       futures (recorded, or made up)                       2014-05 FX, gold     2024-08 crypto (recorded)
    MADE symbols: two minutes of quotes and trades every four hours -------------|  ...  |---------

A barrier of the cross-section waits for no partition that is too far behind, so rows are the same in any interleaving
only while no partition falls silent for longer than ``LIMIT_S`` and none is fed further ahead. Hence a symbol of every
partition that never sleeps; before the years without any tick all but one fall silent a day early, so that their last
bars are out; and after those years all of them speak, and are heard, before anything else does.
"""

import csv
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from processors.feeds import port
from processors.feeds.own import as_table
from processors.feeds.partitioner import partition_of
from processors.reference.records import Fundamental, MarketEvent
from processors.runtime.batch import Columns
from processors.runtime.strings import STRINGS
from processors.topology import PARTITIONS

SLICE_S = 32 * 3600
"""Recorded time that is published at once, before all of it has passed every stage."""
LIMIT_S = 2 * SLICE_S
"""How far a partition may lag, for ``MPS_CROSS_LIMIT_S``: what is fed at once, and as much for a quiet weekend."""
SHIPPED_INSTRUMENTS = Path(__file__).parents[2] / "schemas" / "reference" / "instruments.csv"
CONTRACTS = ("GCZ13:CMX", "GCG14:CMX", "GCJ14:CMX")
STEP_NS, DAY_NS = 4 * 3_600_000_000_000, 86_400_000_000_000
SECOND_NS, MINUTE_NS = 1_000_000_000, 60_000_000_000
METRICS = (
    "net_income", "revenue", "gross_profit", "operating_cash_flow", "equity", "assets", "liabilities", "eps_diluted",
)  # fmt: skip
Fact = Fundamental | MarketEvent


def ns(text: str) -> int:
    """Return an instant, UTC, as nanoseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * SECOND_NS


BEGIN_NS = ns("2013-10-07")


@dataclass(frozen=True, slots=True)
class Span:
    """When the made-up symbols tick.

    Parameters
    ----------
    end_ns
        End of all but the last symbol, which goes on for another day and a half.
    wake_ns
        Two ticks of each symbol at each of these times, after years without any. Each time is alone in its slice: the
        bars of the first are closed by what the second brings.
    again_ns
        Begin and end of what follows.
    """

    end_ns: int
    wake_ns: tuple[int, ...] = ()
    again_ns: tuple[int, int] = (0, 0)


WHOLE = Span(
    ns("2014-05-10"), (ns("2024-08-06T04:00"), ns("2024-08-07T02:00")), (ns("2024-08-07T20:00"), ns("2024-08-10"))
)
"""Around the shipped recordings."""
SHORT = Span(ns("2014-02-20"))
"""By itself: 136 sessions, so that momentum over six months is there."""


def made_symbols() -> list[str]:
    """Return a symbol of each partition."""
    found: dict[int, str] = {}
    for i in range(1000):
        found.setdefault(partition_of(f"MADE{i}:CRYPTO".encode(), PARTITIONS), f"MADE{i}:CRYPTO")
    return [found[p] for p in range(PARTITIONS)]


def write_instruments(path: Path) -> None:
    """Write the shipped instruments and the made-up ones, for ``MPS_INSTRUMENTS``."""
    shipped = SHIPPED_INSTRUMENTS.read_text()
    (like,) = (row for row in csv.reader(shipped.splitlines()) if row[0] == "ETH-USD:CRYPTO")
    path.write_text(shipped + "".join(",".join([symbol, *like[1:]]) + "\n" for symbol in made_symbols()))


def write_ticks(path: Path, span: Span, *, futures: bool) -> None:
    """Write the made-up ticks as a recording.

    Parameters
    ----------
    futures
        Whether three contracts are made up too, for their first week.
    """
    rng = np.random.default_rng(20)
    parts = []
    for i, symbol in enumerate(made_symbols()):
        end = span.end_ns + (i == PARTITIONS - 1) * 3 * DAY_NS // 2
        times = np.concatenate([np.arange(BEGIN_NS, end, STEP_NS), np.arange(*span.again_ns, STEP_NS)])
        parts.append(_bursts(symbol, times, 20.0 * (i + 1), rng, quotes=True))
        parts += [
            _bursts(symbol, np.array([at]), 20.0 * (i + 1), rng, quotes=True).take(slice(0, 2)) for at in span.wake_ns
        ]
    for i, symbol in enumerate(CONTRACTS if futures else ()):
        hours = np.arange(BEGIN_NS, BEGIN_NS + 4 * DAY_NS, STEP_NS // 4)
        parts.append(_bursts(symbol, hours + 7 * i * SECOND_NS, 1300.0 + 3 * i, rng, quotes=False))
    ints, floats = (np.concatenate([getattr(p, kind) for p in parts], axis=1) for kind in ("ints", "floats"))
    ticks = Columns(parts[0].layout, ints, floats)
    ticks = ticks.take(np.argsort(port.longs(ticks, "ts_recv"), kind="stable"))
    pq.write_table(pa.Table.from_batches([as_table(ticks)]), path)


def _bursts(symbol: str, at_ns: np.ndarray, level: float, rng: np.random.Generator, *, quotes: bool) -> Columns:
    """Return ticks of two minutes from each time on: a quote and a trade by turns, prices of a walk."""
    offsets = np.array([3, 11, 26, 41, 57, 64, 79, 95, 102, 118]) * SECOND_NS
    time = (at_ns[:, None] + offsets).reshape(-1)
    n = len(time)
    mid = level * np.exp(np.cumsum(rng.normal(0, 0.002, n)))
    half = mid * rng.uniform(1e-4, 4e-4, n)
    is_quote = (np.arange(n) % 2 == 0) & quotes
    ticks = port.raw_ticks(n)
    ticks["symbol_id"], ticks["vendor"] = STRINGS.code(symbol), STRINGS.code("MADE")
    ticks["venue"] = STRINGS.code("MADE")
    ticks["kind"] = np.where(is_quote, port.kind_index("quote"), port.kind_index("trade"))
    ticks["ts_event"] = ticks["ts_recv"] = time
    for name, value in (
        ("bid", mid - half), ("ask", mid + half),
        ("bid_size", rng.integers(1, 90, n)), ("ask_size", rng.integers(1, 90, n)),
    ):  # fmt: skip
        ticks[name] = np.where(is_quote, value, np.nan)
    ticks["price"] = np.where(is_quote, np.nan, mid + half * rng.choice([-1.0, 1.0], n))
    ticks["size"] = np.where(is_quote, np.nan, rng.integers(1, 50, n))
    return ticks


def made_facts(span: Span, *, vix: bool) -> list[Fact]:
    """Return figures of the made-up issuers, earnings, policy meetings, rates and the use of a risk budget.

    Parameters
    ----------
    vix
        Whether the closes of the volatility index are made up too.
    """
    out: list[Fact] = []
    for i, symbol in enumerate(made_symbols()):
        for q in range(11):
            end = BEGIN_NS + (91 * (q - 9) + 30 + 5 * i) * DAY_NS
            for j, metric in enumerate(METRICS):
                known, value = end + (20 + j) * DAY_NS, 10.0 + 3 * q + 7 * j + i
                out.append(Fundamental(symbol, metric, end, f"{2011 + q // 4}Q{q % 4 + 1}", value, "USD", end, known,
                                       "made"))  # fmt: skip
    for day in range(-5, (span.end_ns - BEGIN_NS) // DAY_NS):
        ts = BEGIN_NS + day * DAY_NS + 7 * STEP_NS // 4
        used = 0.5 + 0.6 * (day % 37) / 37
        out.append(MarketEvent("BOOK:MADE", f"risk{day}", "index", "risk_budget_util", ts, ts + 60 * SECOND_NS, used,
                               "ratio", "", "made"))  # fmt: skip
        if vix:
            out.append(MarketEvent("VIX:INDEX", f"vix{day}", "index", "close", ts, ts, 13.0 + day % 23, "points", "",
                                   "made"))  # fmt: skip
        for name, of, value in (
            ("primary_credit", "POLICY:US", 0.0075), ("3month", "TREASURY:US", 0.001 + day % 7 / 4096),
            ("10year", "TREASURY:US", 0.027 - day % 11 / 4096),
        ):  # fmt: skip
            out.append(MarketEvent(of, f"{name}{day}", "rate", name, ts, ts + 60 * SECOND_NS, value,
                                   "fraction a year", "", "made"))  # fmt: skip
        if day % 9 == 0:
            of = made_symbols()[day // 9 % PARTITIONS]
            out.append(MarketEvent(of, f"earnings{day}", "earnings", "date", ts, ts - 3 * DAY_NS, 1.0, "", "", "made"))
        if day % 21 == 0:
            out.append(MarketEvent("RATE:MADE", f"policy{day}", "policy", "meeting", ts, ts - 9 * DAY_NS, 1.0, "", "",
                                   "made"))  # fmt: skip
    return sorted(out, key=lambda f: f.ts_known)
