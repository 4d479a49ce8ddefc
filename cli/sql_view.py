"""How ``mps sql`` shows an answer to a person: as a table, or row by row where a table is wider than the terminal."""

import json
import re
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_NUMBERS = ("Int", "Float", "Decimal")
_STORAGE = ("codec_expression", "ttl_expression")
"""Columns of DESCRIBE on how values are stored: no news to a reader."""
_DESCRIBES = re.compile(r"\s*DESC(RIBE)?\b", re.IGNORECASE)


def answer_view(found: dict[str, Any], rows: list[list[Any]], query: str, console: Console) -> Table | Text:
    """Return the answer for a terminal of the console's width.

    Parameters
    ----------
    found
        Answer in ClickHouse's format JSONCompact.
    rows
        Those of its rows that are to be shown.
    query
        DESCRIBE keeps its table, less the columns that say nothing, and folds types and comments.

    Returns
    -------
    A table; or a text, to be printed without wrapping.
    """
    columns = [(column["name"], column["type"]) for column in found["meta"]]
    if _DESCRIBES.match(query):
        kept = [i for i, (name, _) in enumerate(columns) if name not in _STORAGE and any(row[i] for row in rows)]
        columns, rows = [columns[i] for i in kept], [[row[i] for i in kept] for row in rows]
        return _table(columns, rows, folds=True)
    table = _table(columns, rows, folds=False)
    # A table that is too wide would lose the ends of its cells.
    endless = console.options.update(max_width=1_000_000)
    if Measurement.get(console, endless, table).maximum <= console.width:
        return table
    return _by_row([name for name, _ in columns], rows)


def _table(columns: list[tuple[str, str]], rows: list[list[Any]], *, folds: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, (name, kind) in enumerate(columns):
        right = any(word in kind for word in _NUMBERS)
        table.add_column(name, justify="right" if right else "left", no_wrap=not folds or i == 0, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    return table


def _by_row(names: list[str], rows: list[list[Any]]) -> Text:
    """Return each row as lines of name and value, below its number."""
    width = max(map(len, names))
    shown = Text()
    for n, row in enumerate(rows, 1):
        shown.append(f"row {n}\n", style="bold")
        for name, value in zip(names, row, strict=True):
            shown.append(f"  {name:<{width}}  ", style="dim").append(_cell(value)).append("\n")
    shown.right_crop(1)
    return shown


def _cell(value: Any) -> Text:
    if value is None:
        return Text("null", style="dim")
    if isinstance(value, float):
        return Text(f"{value:.10g}")
    return Text(value if isinstance(value, str) else json.dumps(value))
