"""The views for research on real bars and gold rows, against obvious loops."""

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from offline.warehouse.client import Warehouse
from schemas.timeframes import MINUTE_NS
from tests.offline.warehouse.small import fill


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """Return a filled warehouse and what was put into it."""
    warehouse = Warehouse.embedded(tmp_path_factory.mktemp("warehouse") / "clickhouse")
    yield warehouse, *fill(warehouse)
    warehouse.close()


def latest(bars):
    """Return the newest revision of each bar, ascending by symbol, timeframe and time: dictionaries with ts_ns."""
    rows = bars.append_column("ts_ns", bars.column("ts").cast(pa.int64())).drop_columns(["ts", "ts_start"]).to_pylist()
    found = {}
    for row in sorted(rows, key=lambda r: r["revision"]):
        found[row["symbol_id"], row["tf"], row["ts_ns"]] = row
    return dict(sorted(found.items()))


@pytest.mark.parametrize("minutes", [5, 15])
def test_resampled_minutes_are_the_bars_of_the_platform(filled, minutes):
    """Where every minute is there, all values agree: prices and count exactly, sums to rounding."""
    warehouse, bars, *_ = filled
    native = latest(bars)
    view = f"mps.ohlcv_resampled(minutes = {minutes})"
    rows = warehouse.query(
        f"SELECT symbol_id, toUnixTimestamp64Nano(ts), o, h, l, c, v, vwap, n_trades, bid, ask, complete FROM {view}"  # noqa: S608
    )
    compared = 0
    for symbol, ts, o, h, l, c, v, vwap, n_trades, bid, ask, complete in rows:
        bar = native.get((symbol, f"{minutes}m", ts))
        if bar is None or not complete:
            continue
        compared += 1
        assert (o, h, l, c, n_trades, bid, ask) == tuple(bar[n] for n in ("o", "h", "l", "c", "n_trades", "bid", "ask"))
        assert v == pytest.approx(bar["v"], rel=1e-12)
        assert vwap == pytest.approx(bar["vwap"], rel=1e-12)
    assert compared >= 100 // minutes


def test_any_number_of_minutes_is_a_bar(filled):
    """Seven minutes are bars as well: they end at multiples of seven, hold all trades, and say what they have."""
    warehouse, bars, *_ = filled
    rows = warehouse.query(
        "SELECT symbol_id, toUnixTimestamp64Nano(ts), n_trades, minutes_there, complete "
        "FROM mps.ohlcv_resampled(minutes = 7) ORDER BY ts"
    )
    assert all(ts % (7 * MINUTE_NS) == 0 and complete == (there == 7) for _, ts, _, there, complete in rows)
    minute = [r for (_, tf, _), r in latest(bars).items() if tf == "1m"]
    assert sum(r[2] for r in rows) == sum(r["n_trades"] for r in minute)


def test_a_bar_is_joined_with_the_row_that_was_there(filled):
    """Each minute has the newest gold row of five minutes at or before its end, as a loop finds it."""
    warehouse, bars, gold, _ = filled
    stamps = gold.append_column("ts_ns", gold.column("ts").cast(pa.int64()))
    five = {}
    for symbol, tf, ts, close in zip(
        *(stamps.column(n).to_pylist() for n in ("symbol_id", "tf", "ts_ns", "meta_close")), strict=True
    ):
        if tf == "5m":
            five.setdefault(symbol, []).append((ts, close))
    expected = set()
    for symbol, tf, ts in latest(bars):
        before = [row for row in five.get(symbol, []) if row[0] <= ts]
        if tf == "1m" and before:
            expected.add((symbol, ts, *max(before)))
    rows = warehouse.query(
        "SELECT symbol_id, toUnixTimestamp64Nano(ts), toUnixTimestamp64Nano(gold_ts), meta_close "
        "FROM mps.bars_gold(tf = '1m', gold_tf = '5m')"
    )
    assert len(rows) == len(expected) > 100
    assert set(rows) == expected


@pytest.mark.parametrize("later_first", [False, True])
def test_of_two_records_of_a_row_the_last_in_the_log_is_joined(later_first, filled):
    """In whichever order they were written: a row that a stage made anew replaces the one of before."""
    engine, bars, gold, _ = filled
    at = {n: gold.schema.get_field_index(n) for n in ("meta_close", "_offset")}
    anew = gold.set_column(at["_offset"], "_offset", pc.add(gold.column("_offset"), 10**6))
    anew = anew.set_column(at["meta_close"], "meta_close", pc.add(gold.column("meta_close"), 1e6))
    warehouse = Warehouse(engine.client, engine.where, f"anew_{later_first}".lower())
    warehouse.create()
    warehouse.insert("bars", bars, "bars")
    for i, rows in enumerate((anew, gold) if later_first else (gold, anew)):
        warehouse.insert("gold", rows, f"gold {i}")
    view = f"{warehouse.database}.bars_gold(tf = '1m', gold_tf = '5m')"
    ((least, n),) = warehouse.query(f"SELECT min(meta_close), count() FROM {view}")  # noqa: S608 - our own names
    assert least > 1e6
    assert n > 100
