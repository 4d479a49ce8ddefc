"""``mps replay`` on files that are no recordings: one line with the file and the remedy, and nothing published."""

import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cli.main import main
from deploy.local.paths import SHIPPED_TICKS
from processors.runtime.topics import describe_topics

GOOD = SHIPPED_TICKS / "eurusd_ticks_two_vendors.parquet"


def whole() -> bytes:
    """Return the bytes of a shipped recording."""
    return GOOD.read_bytes()


def flipped(data: bytes) -> bytes:
    """Return the bytes with a stretch in the middle overwritten: footer and magic are still right."""
    middle = len(data) // 2
    return data[:middle] + b"\xff" * 4096 + data[middle + 4096 :]


def table_bytes(table: pa.Table) -> bytes:
    """Return a table as a Parquet file."""
    out = pa.BufferOutputStream()
    pq.write_table(table, out)
    return out.getvalue().to_pybytes()


def rows(n: int) -> pa.Table:
    """Return the first rows of the recording."""
    with pq.ParquetFile(GOOD) as file:
        return pa.Table.from_batches([next(file.iter_batches(max(n, 1)))]).slice(0, n)


def without_zone() -> pa.Table:
    """Return rows whose times do not say which hour they are."""
    table = rows(3)
    at = next(i for i, field in enumerate(table.schema) if pa.types.is_timestamp(field.type))
    return table.set_column(at, table.schema.field(at).name, table.column(at).cast(pa.timestamp("ns")))


BAD_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "the file is empty: copy it again"),
    "truncated": (lambda: whole()[:20_000], "truncated, or no Parquet file"),
    "without its last byte": (lambda: whole()[:-1], "truncated, or no Parquet file"),
    "overwritten inside": (lambda: flipped(whole()), "truncated, or no Parquet file"),
    "a text": (lambda: b"ts,bid,ask\n2014-05-02T12:30:00Z,1.38,1.39\n" * 50, "truncated, or no Parquet file"),
    "of unknown columns": (lambda: table_bytes(pa.table({"when": [1], "how_much": [2.0]})), "how_much"),
    "without rows": (lambda: table_bytes(rows(0)), "but no ticks"),
    "without a zone": (lambda: table_bytes(without_zone()), "a timestamp with a time zone"),
}


def replay(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Return the exit code of ``mps replay`` with these arguments."""
    monkeypatch.setattr(sys, "argv", ["mps", "replay", *arguments])
    try:
        main()
    except SystemExit as e:
        return int(e.code or 0)
    return 0


@pytest.mark.parametrize("what", BAD_FILES)
def test_a_file_that_is_no_recording_ends_with_2_and_one_line(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is no recording ends with 2, before any broker is asked, in one line with its name and the remedy."""
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    contents, remedy = BAD_FILES[what]
    path = tmp_path / "ticks.parquet"
    path.write_bytes(contents())
    assert replay(monkeypatch, str(path), "--json") == 2
    captured = capsys.readouterr()
    (line,) = captured.err.splitlines()
    assert line.startswith(f"mps: {path}")
    assert remedy in line
    assert captured.out == ""


@pytest.mark.parametrize("folder", [False, True])
def test_a_missing_file_and_an_empty_folder_end_with_2(
    folder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A file that is not there and a folder without recordings end with 2 and what to give instead."""
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    path = tmp_path if folder else tmp_path / "nowhere.parquet"
    assert replay(monkeypatch, str(path), "--json") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"mps: {path}")
    assert "give a Parquet file of recorded ticks, or a folder of them" in line


@pytest.mark.broker
def test_one_bad_file_among_good_ones_stops_all(
    bootstrap_servers: str,
    topic_prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A damaged file beside a good one is found before the first tick: nothing at all is published."""
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", bootstrap_servers)
    (tmp_path / "a.parquet").write_bytes(table_bytes(rows(500)))
    (tmp_path / "b.parquet").write_bytes(flipped(whole()))
    assert replay(monkeypatch, str(tmp_path), "--prefix", topic_prefix, "--json") == 2
    assert "b.parquet" in capsys.readouterr().err
    assert sum(t.offsets for t in describe_topics(bootstrap_servers, topic_prefix)) == 0


@pytest.mark.broker
def test_an_unknown_symbol_is_published_with_a_warning(
    bootstrap_servers: str,
    topic_prefix: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ticks of an instrument that nobody declared are published, with a warning that they will be dead letters."""
    monkeypatch.setenv("MPS_BOOTSTRAP_SERVERS", bootstrap_servers)
    table = rows(40)
    symbol = table.schema.get_field_index("symbol")
    stranger = pa.array(["QQQXXX"] * 40, pa.string())
    (tmp_path / "a.parquet").write_bytes(table_bytes(table.set_column(symbol, "symbol", stranger)))
    assert replay(monkeypatch, str(tmp_path), "--prefix", topic_prefix, "--json") == 0
    captured = capsys.readouterr()
    assert "QQQXXX:FX has no instrument: its 40 ticks are published and will go to the dead letter" in captured.err
    assert '"symbols": {"QQQXXX:FX": 40}' in captured.out
