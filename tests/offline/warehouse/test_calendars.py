"""Sessions and instruments in the warehouse: those of the calendars, filled once, and again where they changed."""

import numpy as np
import pytest

from offline.warehouse import calendars
from offline.warehouse.client import Warehouse
from processors.errors import ConfigError
from processors.sessions import calendar_zone, sessions
from schemas.instruments import Instruments, load_instruments
from tests.warehouse.test_warehouse import block


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory):
    """Return a warehouse as a sink makes it."""
    warehouse = Warehouse.embedded(tmp_path_factory.mktemp("calendars") / "clickhouse")
    warehouse.create()
    yield warehouse
    warehouse.close()


def stored(warehouse, table):
    """Return all rows of a table."""
    return warehouse.query(f"SELECT * FROM mps.{table} ORDER BY ALL")  # noqa: S608


def test_the_tables_have_every_session_and_instrument(warehouse):
    """Opens, closes and what was before them, counted by a loop; each symbol with calendar and zone."""
    of = sessions("CMES")
    rows = warehouse.query(
        "SELECT toUnixTimestamp64Nano(open_ts), toUnixTimestamp64Nano(close_ts), "
        "toUnixTimestamp64Nano(session_close_ts), open_before_ns, sessions_before FROM mps.sessions "
        "WHERE calendar = 'CMES' ORDER BY open_ts"
    )
    found = np.array(rows).T
    for got, want in zip(found, (of.open_ns, of.close_ns, of.session_close_ns), strict=False):
        np.testing.assert_array_equal(got, want)
    open_ns, closed = 0, set()
    for i in range(500):
        closed |= {c for c in of.session_close_ns[max(i - 5, 0) : i + 1].tolist() if c <= of.open_ns[i]}
        assert (found[3][i], found[4][i]) == (open_ns, len(closed))
        open_ns += of.close_ns[i] - of.open_ns[i]
    known = load_instruments().rows
    assert stored(warehouse, "instruments") == sorted(
        (r.symbol_id, r.calendar, calendar_zone(r.calendar)) for r in known
    )


def test_they_are_filled_again_only_where_they_changed(warehouse, monkeypatch):
    """A start with the same calendars writes nothing; a list without a symbol, or a fill cut short, is made good."""
    done = []
    monkeypatch.setattr(warehouse, "command", lambda sql, real=warehouse.command: (done.append(sql), real(sql))[1])
    warehouse.create()
    assert not [sql for sql in done if "TRUNCATE" in sql or "MODIFY COMMENT" in sql]
    before = stored(warehouse, "instruments")
    fewer = Instruments(load_instruments().rows[1:])
    monkeypatch.setattr(calendars, "load_instruments", lambda: fewer)
    with monkeypatch.context() as cut:
        cut.setattr(warehouse, "insert", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            warehouse.create()
    assert stored(warehouse, "instruments") == []
    monkeypatch.setattr(calendars, "load_instruments", load_instruments)
    warehouse.create()
    assert stored(warehouse, "instruments") == before
    assert [sql.split("`")[3] for sql in done if "TRUNCATE" in sql] == ["instruments", "instruments"]


def test_a_calendar_that_cannot_be_built_keeps_its_symbols(warehouse, monkeypatch, caplog):
    """Their market never shuts, the log says so, and a split that was known is no move; without a zone none is kept."""

    def fail(name):
        if name in {"XNYS", "CMES"}:
            raise ConfigError("instruments", "calendar", name, "one that is built")
        return sessions(name)

    def no_zone(name):
        if name == "CMES":
            raise NotImplementedError(name)
        return calendar_zone(name)

    monkeypatch.setattr(calendars, "sessions", fail)
    monkeypatch.setattr(calendars, "calendar_zone", no_zone)
    warehouse.create()
    assert stored(warehouse, "instruments") == sorted(
        (r.symbol_id, "" if r.calendar == "XNYS" else r.calendar, calendar_zone(r.calendar))
        for r in load_instruments().rows
        if r.calendar != "CMES"
    )
    told = {record.args[0]: record.args[1] for record in caplog.records}
    assert told == {"XNYS": "splits and dividends count", "CMES": "a split or dividend is a move of the price"}
    friday = int(np.datetime64("2014-06-06T21:00", "ns").astype(np.int64))
    for symbol in ("IBM:US", "ESU4:CME"):
        key = {"symbol_id": symbol, "tf": "1d", "revision": 0, "horizon_bars": 1, "score": 1.0}
        day = 24 * 3600 * 10**9
        bars = [{**key, "ts": friday, "c": 140.0}, {**key, "ts": friday + day, "c": 20.5}]
        warehouse.insert("bars", block("bars.v1", *bars), symbol)
        warehouse.insert("signals", block("signals.v1", bars[0]), symbol)
        split = {"symbol_id": symbol, "event_id": symbol, "type": "split", "name": "ratio", "value": 7.0,
                 "ts_event": friday + day // 2, "ts_known": friday - day}  # fmt: skip
        warehouse.insert("events", block("events.v1", split), symbol)
    rows = dict(warehouse.query("SELECT symbol_id, realized_return FROM mps.signal_outcomes"))
    assert rows == {"IBM:US": pytest.approx(np.log(7 * 20.5 / 140)), "ESU4:CME": pytest.approx(np.log(20.5 / 140))}
