"""Small recorded files for the feeds' tests: every field differs from every other and from its own past."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from processors.feeds.files import FeedFile, open_recording
from processors.feeds.port import codec
from processors.runtime.batch import NULL_LONG, Columns
from processors.runtime.strings import STRINGS

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes columns as a Parquet file: `write("a", ts=[...], symbol=[...])`.

    Columns named ts, ts_* become UTC nanoseconds.
    """

    def to_file(name: str, **columns: list[Any]) -> Path:
        arrays = {}
        for column, values in columns.items():
            is_time = column == "ts" or column.startswith("ts_")
            arrays[column] = pa.array(values, pa.timestamp("ns", tz="UTC")) if is_time else pa.array(values)
        path = tmp_path / f"{name}.parquet"
        pq.write_table(pa.table(arrays), path)
        return path

    return to_file


@pytest.fixture
def read() -> Callable[..., list[dict[str, Any]]]:
    """Return a function that reads one file of a recording as dictionaries, null as None."""

    def rows(*paths: Path, which: int = 0) -> list[dict[str, Any]]:
        file: FeedFile = open_recording(paths).files[which]
        return [row for ticks in file.ticks() for row in as_rows(ticks)]

    return rows


def as_rows(ticks: Columns) -> list[dict[str, Any]]:
    """Return ticks as dictionaries."""
    out = []
    kinds = codec().layout.symbols["kind"]
    for i in range(len(ticks)):
        row: dict[str, Any] = {}
        for name in ticks.layout.names:
            value = ticks[name][i]
            if name in ("symbol_id", "vendor", "venue", "conditions"):
                row[name] = STRINGS.text(int(value))
            elif name == "kind":
                row[name] = kinds[int(value)]
            elif ticks.layout.column[name][0]:
                row[name] = None if pd.isna(value) else float(value)
            else:
                row[name] = None if value == NULL_LONG else int(value)
        out.append(row)
    return out


def at(text: str) -> int:
    """Return a UTC time as nanoseconds."""
    return int(pd.Timestamp(text, tz="UTC").value)


@pytest.fixture
def ns() -> Callable[[str], int]:
    """Return a function that turns a UTC time into nanoseconds."""
    return at


@pytest.fixture
def rows_of() -> Callable[[Columns], list[dict[str, Any]]]:
    """Return a function that turns ticks into dictionaries."""
    return as_rows


@pytest.fixture
def quotes(write: Write) -> Callable[..., Path]:
    """Return a function that writes dealer quotes at given seconds after a start: `quotes("a", [0, 1.5], "EURUSD")`."""

    def to_file(name: str, seconds: list[float], symbol: str = "EURUSD", start: str = "2014-05-01T12:00") -> Path:
        n = len(seconds)
        return write(
            name,
            ts=[at(start) + round(s * 1e9) for s in seconds],
            symbol=[symbol] * n,
            vendor=["OANDA"] * n,
            seq=list(range(n)),
            bid=[1.3 + i / 1e5 for i in range(n)],
            ask=[1.3 + i / 1e5 + 2e-5 for i in range(n)],
        )

    return to_file
