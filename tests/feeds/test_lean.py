"""LEAN's tick files, and CSV: the same ticks as the tables of the same data."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from processors.errors import ConfigError
from processors.feeds.files import open_recording
from processors.runtime.batch import NULL_LONG

Read = Callable[..., list[dict[str, Any]]]
MARKET = Path(__file__).parents[2] / "deploy" / "demo" / "market"


def lean(folder: Path, path: str, **members: str) -> Path:
    """Write a zip file of members at a path of LEAN's folders."""
    file = folder / path
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as z:
        for name, text in members.items():
            z.writestr(f"{name}.csv", text)
    return file


def test_equity_trades_are_of_new_york_and_in_ten_thousandths(tmp_path: Path, read: Read) -> None:
    """Times count from New York's midnight, in summer and winter; prices are divided; the flag is a condition."""
    lines = "34200000,491800,300,P,2000,0\n34200001.5,491900,0,D,,1\n"
    for day, hour in (("20131007", 13), ("20131207", 14)):
        rows = read(lean(tmp_path, f"equity/usa/tick/aig/{day}_trade.zip", a=lines))
        assert rows[0]["ts_event"] // 3_600_000_000_000 % 24 == hour
        assert rows[1]["ts_event"] - rows[0]["ts_event"] == 1_500_000
        assert [r["price"] for r in rows] == [49.18, 49.19]
        assert [r["size"] for r in rows] == [300.0, 0.0]
        assert [(r["symbol_id"], r["venue"], r["conditions"]) for r in rows] == [
            ("AIG:US", "P", "2000"), ("AIG:US", "D", "SUSPICIOUS")
        ]  # fmt: skip
        assert rows[1]["seq"] - rows[0]["seq"] == 2


def test_an_equity_quote_of_one_side_has_no_other(tmp_path: Path, read: Read) -> None:
    """A side of zero price and size is absent, not a price."""
    lines = "34200000,0,0,494100,300,Q,1,0\n34200001,491800,200,0,0,P,1,0\n"
    ask, bid = read(lean(tmp_path, "equity/usa/tick/aig/20131007_quote.zip", a=lines))
    assert (ask["bid"], ask["bid_size"], ask["ask"], ask["ask_size"]) == (None, None, 49.41, 300.0)
    assert (bid["bid"], bid["bid_size"], bid["ask"], bid["ask_size"]) == (49.18, 200.0, None, None)


def test_contract_months_are_members_merged_by_time(tmp_path: Path, read: Read) -> None:
    """Each member of a futures file is a contract; the ticks of all come by time."""
    path = lean(
        tmp_path, "future/comex/tick/gc/20131007_trade.zip",
        **{"20131007_gc_tick_trade_201312": "10,1313.8,1,usa,,0\n30,1313.9,2,usa,,0\n",
           "20131007_gc_tick_trade_201402": "20,1320.5,3,usa,,0\n"},
    )  # fmt: skip
    rows = read(path)
    assert [(r["symbol_id"], r["venue"], r["price"]) for r in rows] == [
        ("GCZ13:CMX", "CMX", 1313.8), ("GCG14:CMX", "CMX", 1320.5), ("GCZ13:CMX", "CMX", 1313.9)
    ]  # fmt: skip


def test_dealers_and_coins_have_their_zones_and_names(tmp_path: Path, read: Read) -> None:
    """FXCM's day begins at 05:00 UTC, OANDA's and a coin's at midnight."""
    fxcm = read(lean(tmp_path, "forex/fxcm/tick/eurusd/20140501_quote.zip", a="1787,1.38727,1.38729\n"))[0]
    oanda = read(lean(tmp_path, "cfd/oanda/tick/xauusd/20140501_quote.zip", a="43.142,1291.677,1292.033\n"))[0]
    coin = read(lean(tmp_path, "crypto/coinbase/tick/btcusd/20140501_trade.zip", a="5,450.5,0.25\n"))[0]
    midnight_ns = 1_398_902_400_000_000_000
    assert fxcm["ts_event"] == midnight_ns + 5 * 3_600_000_000_000 + 1_787_000_000
    assert oanda["ts_event"] == midnight_ns + 43_142_000
    assert (fxcm["symbol_id"], fxcm["vendor"], fxcm["bid"], fxcm["ask"]) == ("EURUSD:FX", "FXCM", 1.38727, 1.38729)
    assert (oanda["symbol_id"], oanda["vendor"]) == ("XAUUSD:CFD", "OANDA")
    assert (coin["symbol_id"], coin["vendor"], coin["price"], coin["size"]) == (
        "BTC-USD:CRYPTO", "COINBASE", 450.5, 0.25
    )  # fmt: skip


@pytest.mark.parametrize(
    ("path", "lines", "told"),
    [
        ("equity/usa/minute/aig/20131007_trade.zip", "1,2,3,4,5,6\n", "minute bars"),
        ("future/comex/tick/gc/20131007_openinterest.zip", "1,2\n", "open interest"),
        ("somewhere/20131007_trade.zip", "1,2\n", "path"),
        ("equity/usa/tick/aig/20131007_trade.zip", "34200000,x,300,P,2000,0\n", "x"),
        ("equity/usa/tick/aig/20131007_trade.zip", "34200000,1\n", "columns"),
        ("equity/usa/tick/aig/20131007_trade.zip", ",491800,300,P,2000,0\n", "line 1"),
        ("equity/usa/tick/aig/20131007_trade.zip", "", "no ticks"),
        ("future/comex/tick/gc/20131007_trade.zip", "1,2,3,usa,,0\n", "month"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, path: str, lines: str, told: str) -> None:
    """Bars, open interest, other paths and broken lines are errors that name the file and the fault."""
    with pytest.raises(ConfigError) as error:
        open_recording([lean(tmp_path, path, a=lines)])
    assert path.rpartition("/")[2] in str(error.value)
    assert told in str(error.value)


def test_a_cut_zip_is_refused(tmp_path: Path) -> None:
    """A truncated zip file is an error that names it."""
    path = lean(tmp_path, "equity/usa/tick/aig/20131007_trade.zip", a="34200000,491800,300,P,2000,0\n")
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ConfigError, match=r"20131007_trade\.zip"):
        open_recording([path])


def test_a_csv_of_any_form_is_its_parquet(tmp_path: Path, read: Read) -> None:
    """The same table as CSV and as Parquet gives the same ticks, numbers and all."""
    table = pq.read_table(next(MARKET.glob("*trades*.parquet"))).slice(0, 500)
    pq.write_table(table, tmp_path / "a.parquet")
    names = table.schema.names
    plain = table.cast(table.schema).to_pandas()
    for name in names:
        if str(plain[name].dtype).startswith("datetime"):
            plain[name] = plain[name].map(lambda t: None if t is None else t.isoformat().replace("+00:00", "Z"))
    plain.to_csv(tmp_path / "a.csv", index=False)
    assert read(tmp_path / "a.csv") == read(tmp_path / "a.parquet")
    assert pacsv.read_csv(tmp_path / "a.csv").num_rows == 500


def test_a_csv_without_a_zone_or_with_a_wrong_row_is_refused(tmp_path: Path) -> None:
    """A row that is not of the others' form is named by its place."""
    path = tmp_path / "a.csv"
    path.write_text(
        "ts,symbol,vendor,seq,bid,ask\n2014-05-01T00:00:01.787Z,EURUSD,FXCM,1,1.1,1.2\nnow,EURUSD,FXCM,2,1,2\n"
    )
    with pytest.raises(ConfigError, match="row"):
        open_recording([path])


def test_numbers_that_are_null_stay_null(tmp_path: Path, read: Read) -> None:
    """Our own columns in a Parquet file come back as they were, nulls included."""
    from processors.feeds.live.port import Tick, columns_of
    from processors.feeds.own import as_table

    ticks = [
        Tick("trade", "BTC-USD:CRYPTO", "COINBASE", "", 1_767_607_200_123_456_789, 1_767_607_200_223_456_789, 5.5, 0.25,
             seq=15, conditions="x"),
        Tick("status", "BTC-USD:CRYPTO", "COINBASE", "", 1_767_607_201_000_000_001, 1_767_607_201_000_000_002,
             conditions="gap:2"),
    ]  # fmt: skip
    import pyarrow as pa

    pq.write_table(pa.Table.from_batches([as_table(columns_of(ticks))]), tmp_path / "own.parquet")
    first, second = read(tmp_path / "own.parquet")
    assert (first["ts_event"], first["price"], first["seq"], first["bid"]) == (1_767_607_200_123_456_789, 5.5, 15, None)
    assert (second["kind"], second["conditions"], second["price"]) == ("status", "gap:2", None)
    assert second["seq"] in (None, NULL_LONG)
