"""Recorded files: what is wrong with one is said with its name."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from processors.errors import ConfigError
from processors.feeds.files import open_recording
from processors.feeds.forms import FORMS, recognise

MARKET = Path(__file__).parents[2] / "deploy" / "demo" / "market"


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.name)
def test_a_form_is_recognised_by_its_columns_alone(form) -> None:
    """A form is recognised by its columns alone, whatever their order and whatever stands beside them."""
    columns = sorted(form.columns)
    assert recognise(Path("x"), columns) is form
    assert recognise(Path("x"), [*reversed(columns), "something_else"]) is form


def test_a_file_of_an_unknown_form_is_refused_with_its_columns_and_the_nearest_form(tmp_path: Path) -> None:
    """A file of an unknown form is refused in a short line: its columns, the form most like it and what it lacks."""
    path = tmp_path / "mine.csv"
    path.write_text("time,sym,bid,ask\n2014-05-01T12:00:00Z,EURUSD,1.3,1.4\n")
    with pytest.raises(ConfigError) as e:
        open_recording([path])
    assert str(e.value) == (
        f"{path}: columns is 'time, sym, bid, ask': the form is not known: the nearest, {FORMS[0].name}, have also "
        "seq, symbol, ts, vendor; other forms: README, Your own ticks"
    )
    path.write_text("when,what\n1,2\n")
    with pytest.raises(ConfigError, match="no form has any of these columns; all forms: README, Your own ticks"):
        open_recording([path])


def test_a_file_that_is_none_among_others_is_named_and_how_to_leave_it_out(write, ns) -> None:
    """In a folder, a file of an unknown form is named with the way round it."""
    good = write("quotes", ts=[ns("2014-05-01")], symbol=["EURUSD"], vendor=["A"], seq=[1], bid=[1.3], ask=[1.4])
    stray = good.parent / "notes.csv"
    stray.write_text("when,what\n1,2\n")
    with pytest.raises(ConfigError, match=r"notes\.csv: .*; to leave it out, name the other files instead of /"):
        open_recording([good.parent])
    stray.unlink()
    assert open_recording([good.parent]).rows == 1


@pytest.mark.parametrize(("name", "told"), [("README.md", "a .md file"), ("LICENSE", "without an ending")])
def test_what_is_no_file_of_ticks_is_not_called_truncated(tmp_path: Path, name: str, told: str) -> None:
    """A file of another kind is told what files of ticks are; by its contents Parquet is taken whatever its name."""
    path = tmp_path / name
    path.write_text("# Ours\n")
    with pytest.raises(ConfigError, match=rf"{name}: file is '{told}': no file of ticks, which are \.parquet, \.csv"):
        open_recording([path])
    path.write_bytes(min(MARKET.glob("*.parquet"), key=lambda p: p.stat().st_size).read_bytes())
    assert open_recording([path]).rows


def test_orders_are_not_taken_for_trades(write, ns) -> None:
    """Market-by-order events have all columns of trades and more: they are not taken for trades."""
    path = write(
        "mbo", ts_recv=[ns("2024-01-01")], ts_event=[ns("2024-01-01")], symbol=["ESH4"], action=["A"], side=["B"],
        price=[4799.0], size=[2], order_id=[6], sequence=[7],
    )  # fmt: skip
    with pytest.raises(ConfigError, match="the form is not known"):
        open_recording([path])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """A missing file is named."""
    with pytest.raises(ConfigError, match=r"nowhere\.parquet: file is 'missing'"):
        open_recording([tmp_path / "nowhere.parquet"])


def test_an_empty_file_is_named(tmp_path: Path) -> None:
    """An empty file is named."""
    path = tmp_path / "empty.parquet"
    path.touch()
    with pytest.raises(ConfigError, match=r"empty\.parquet: file is '0 bytes'"):
        open_recording([path])


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_a_truncated_file_is_named(tmp_path: Path, share: float) -> None:
    """A truncated file is named, wherever it is cut."""
    data = (MARKET / "binance_trades_3venues.parquet").read_bytes()
    path = tmp_path / "cut.parquet"
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ConfigError, match=r"cut\.parquet: file is 'truncated, or no Parquet file'"):
        open_recording([path])


def test_a_file_spoilt_inside_is_named(tmp_path: Path) -> None:
    """A file with a whole footer and spoilt pages is named."""
    data = bytearray((MARKET / "binance_trades_3venues.parquet").read_bytes())
    data[4 : len(data) // 2] = bytes(len(data) // 2 - 4)
    path = tmp_path / "spoilt.parquet"
    path.write_bytes(data)
    with pytest.raises(ConfigError, match=r"spoilt\.parquet: file is 'truncated, or no Parquet file'"):
        open_recording([path])


def test_a_file_without_rows_is_named(write) -> None:
    """A file without rows is named."""
    path = write("none", ts=[], symbol=[], vendor=[], seq=[], bid=[], ask=[])
    with pytest.raises(ConfigError, match=r"none\.parquet: rows is 0"):
        open_recording([path])


def test_times_without_a_zone_are_refused(tmp_path: Path) -> None:
    """Times without a zone are refused: an hour off looks like a real price."""
    path = tmp_path / "naive.parquet"
    columns = {"ts": pa.array([1], pa.timestamp("ns")), "symbol": ["EURUSD"], "vendor": ["FXCM"], "seq": [1]}
    pq.write_table(pa.table({**columns, "bid": [1.0], "ask": [1.1]}), path)
    with pytest.raises(ConfigError, match=r"naive\.parquet: ts is 'timestamp\[ns\]'"):
        open_recording([path])


def test_times_of_another_zone_and_unit_are_the_same_instants(tmp_path: Path, read, ns) -> None:
    """Times of another zone and unit are the same instants in nanoseconds UTC."""
    path = tmp_path / "zoned.parquet"
    times = pa.array([ns("2014-05-01T12:00") // 1000], pa.timestamp("us", tz="America/New_York"))
    columns = {"ts": times, "symbol": ["EURUSD"], "vendor": ["FXCM"], "seq": [1], "bid": [1.0], "ask": [1.1]}
    pq.write_table(pa.table(columns), path)
    assert [r["ts_event"] for r in read(path)] == [ns("2014-05-01T12:00")]


def test_a_row_without_a_time_is_named(write, ns) -> None:
    """A row without a time is named with its file and number."""
    path = write(
        "hole", ts=[ns("2014-05-01"), None], symbol=["EURUSD"] * 2, vendor=["FXCM"] * 2, seq=[1, 2], bid=[1.0, 2.0],
        ask=[1.1, 2.1],
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"hole\.parquet: ts_event of row 2"):
        open_recording([path])


def test_a_null_price_or_number_is_null_in_the_tick(write, read, ns) -> None:
    """A null price or number is null in the tick, never zero."""
    path = write(
        "nulls", ts=[ns("2014-05-01"), ns("2014-05-02")], symbol=["EURUSD"] * 2, vendor=["FXCM"] * 2, seq=[None, 2],
        bid=[None, 2.0], ask=[1.1, float("nan")],
    )  # fmt: skip
    assert [(r["seq"] is None, r["bid"], r["ask"]) for r in read(path)] == [(True, None, 1.1), (False, 2.0, None)]


def test_a_symbol_without_an_instrument_is_read_and_warned_about(quotes, read) -> None:
    """A symbol without an instrument is read all the same, and warned about."""
    path = quotes("a", [0, 1], symbol="USDTRY")
    assert len(read(path)) == 2
    (warning,) = open_recording([path]).warnings
    assert "USDTRY:FX has no instrument: its 2 ticks" in warning
    assert str(path) in warning


def test_a_folder_stands_for_its_files_in_the_order_of_their_names(quotes, tmp_path: Path) -> None:
    """A folder stands for its Parquet files in the order of their names; an empty folder is refused."""
    quotes("b", [0])
    quotes("a", [1])
    assert [f.path.name for f in open_recording([tmp_path]).files] == ["a.parquet", "b.parquet"]
    (tmp_path / "bare").mkdir()
    with pytest.raises(ConfigError, match=r"no \*\.parquet"):
        open_recording([tmp_path / "bare"])


def test_symbols_are_counted(quotes) -> None:
    """Symbols are counted."""
    recording = open_recording([quotes("a", [0, 1, 2]), quotes("b", [5], symbol="XAUUSD")])
    assert [f.symbols for f in recording.files] == [{"EURUSD:FX": 3}, {"XAUUSD:CFD": 1}]
    assert recording.rows == 4
