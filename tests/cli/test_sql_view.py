"""``mps sql`` shows what is wider than the terminal row by row."""

import io
from typing import Any

from rich.console import Console
from rich.text import Text

from cli.sql_view import answer_view


def shown(columns: dict[str, str], rows: list[list[Any]], query: str = "SELECT", width: int = 40) -> str:
    """Return what a terminal of that width shows."""
    console = Console(file=io.StringIO(), width=width)
    view = answer_view({"meta": [{"name": n, "type": t} for n, t in columns.items()]}, rows, query, console)
    console.print(view, soft_wrap=isinstance(view, Text))
    return console.file.getvalue()


def test_a_row_that_fits_stays_in_its_table():
    """Columns side by side, numbers to the right."""
    text = shown({"symbol_id": "String", "n": "UInt64"}, [["A:FX", 7], ["B:FX", 123]])
    assert [line.split() for line in text.splitlines() if "FX" in line] == [["A:FX", "7"], ["B:FX", "123"]]


def test_a_wide_row_is_a_value_a_line_and_no_value_is_cut():
    """Every name and every whole value is there, under the number of its row."""
    columns = {f"column_{i}": "String" for i in range(6)} | {"x": "Float64", "gates": "Array(String)", "no": "Null"}
    long = "d2f875f39c51a2d7fe4d71696356fb7d5ec8d503e9535d8192a4d84c632c5fc8 and a tail"
    rows = [[f"value {i} of {n}" for i in range(5)] + [long, 0.1 + 0.2, ["stale"], None] for n in (1, 2)]
    lines = shown(columns, rows).splitlines()
    assert lines[0] == "row 1"
    assert lines[10] == "row 2"
    assert len(lines) == 20
    assert lines[11].split(maxsplit=1) == ["column_0", "value 0 of 2"]
    assert lines[6].split(maxsplit=1) == ["column_5", long]
    assert [line.split() for line in lines[7:10]] == [["x", "0.3"], ["gates", '["stale"]'], ["no", "null"]]


def test_describe_stays_a_table_of_what_says_something():
    """Names whole; types and comments folded; empty columns and those on storage left out."""
    columns = dict.fromkeys(("name", "type", "default_type", "comment", "codec_expression"), "String")
    rows = [["score", "Float64", "", "Signed score, from minus one to one.", "Gorilla(8)"]]
    text = shown(columns, rows, "describe signals")
    assert "Gorilla" not in text
    assert "default_type" not in text
    for word in ("score", "Float64", "Signed", "minus", "one."):
        assert word in text
    assert all(len(line) <= 40 for line in text.splitlines())
