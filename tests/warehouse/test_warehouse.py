"""The warehouse on the real engine: tables, views, deduplication, the HTTP endpoint and ``mps sql``."""

import dataclasses
import http.client
import json
import shlex
import urllib.parse
from contextlib import suppress

import clickhouse_connect
import pyarrow as pa
import pytest
from click.testing import CliRunner
from clickhouse_connect.driver.exceptions import DatabaseError

from cli.commands.sql import sql as sql_command
from offline.warehouse.ask import answers, ask
from offline.warehouse.client import Warehouse
from offline.warehouse.engine import Engine, QueryError, is_owned
from offline.warehouse.server import QUERY_BYTES_MAX, WarehouseServer
from offline.warehouse.tables import tables
from processors.errors import ConfigError, PlatformError, RetryableError
from serving.requests import Asked, Failure
from tests.serving.support import FakeStore, make_engine, make_model


def block(topic, *rows):
    """Return an insertable block: the given fields, the others filled by type; offsets count up."""
    columns = {}
    for column in tables()[topic].columns:
        default = None if "Nullable" in column.kind else ["m"] if "Array" in column.kind else 1
        default = "x" if column.kind in {"String", "LowCardinality(String)"} else default
        default = True if column.kind == "Bool" else default
        values = [row.get(column.name, i if column.name == "_offset" else default) for i, row in enumerate(rows)]
        kind = pa.timestamp("ns", "UTC") if "DateTime64(9" in column.kind else None
        columns[column.name] = pa.array(values, pa.list_(pa.string()) if "Array" in column.kind else kind)
    return pa.table(columns)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Return a folder for this module's engine: a process may have one."""
    return tmp_path_factory.mktemp("warehouse") / "clickhouse"


@pytest.fixture(scope="module")
def warehouse(path):
    """Return a warehouse with a few rows in each table."""
    warehouse = Warehouse.embedded(path)
    warehouse.create()
    key = {"symbol_id": "EURUSD:FX", "tf": "1m"}
    warehouse.insert("bars", block(
        "bars.v1", {**key, "ts": 60, "revision": 0, "c": 1.0, "bid": 0.5}, {**key, "ts": 120, "revision": 0, "c": 2.0},
        {**key, "ts": 60, "revision": 2, "c": 3.0, "bid": None}, {**key, "ts": 60, "revision": 1, "c": 4.0, "bid": 0.7},
    ), "bars")  # fmt: skip
    warehouse.insert("gold", block("gold.v1", *({**key, "ts": ts * 10**9} for ts in (10, 30, 20))), "gold")
    gated = [{**key, "ts": 1, "gates": ["stale", "adv"]}, {**key, "ts": 2, "gates": []}]
    warehouse.insert("signals", block("signals.v1", *gated), "signals")
    states = [{"symbol_id": "A", "source": s, "tf": "1m", "ts": ts, "state": f"{s}{ts}"} for s, ts in
              (("x", 1), ("x", 3), ("y", 2), ("x", 2))]  # fmt: skip
    warehouse.insert("freshness", block("data.freshness", *states), "freshness")
    yield warehouse
    warehouse.close()


@pytest.fixture(scope="module")
def server(warehouse, path):  # noqa: ARG001 - it owns the path
    """Return the endpoint of the warehouse."""
    engine = Engine(path)
    server = WarehouseServer(engine, lambda: {"bars": {"rows": 4, "lag": 0}})
    server.start()
    yield server
    server.close()
    engine.close()


def test_views_give_the_latest_revision_the_known_row_and_each_gate(warehouse):
    """A view shows what its name says; a null of the latest revision is not replaced by an older value."""
    assert warehouse.query("SELECT toUnixTimestamp64Nano(ts), c, bid, revision FROM mps.ohlcv ORDER BY ts") == [
        (60, 3.0, None, 2), (120, 2.0, None, 0),
    ]  # fmt: skip
    for as_of, expected in (("29.999999999", 20), ("30", 30), ("10", 10), ("09.999999999", None)):
        rows = warehouse.query(f"SELECT toUnixTimestamp(ts) FROM mps.gold_asof(as_of = '1970-01-01 00:00:{as_of}')")  # noqa: S608
        assert [r[0] for r in rows] == ([] if expected is None else [expected])
    assert warehouse.query("SELECT gate FROM mps.signal_gates ORDER BY ts, gate") == [("adv",), ("stale",), ("",)]
    assert warehouse.query("SELECT source, state FROM mps.freshness_now ORDER BY source") == [("x", "x3"), ("y", "y2")]


def test_a_view_takes_a_time_as_every_command_does_and_reads_by_the_index(warehouse):
    """With Z, with another zone and without one: the same instant to the nanosecond, and a bound of the key's range."""
    by = "SELECT toUnixTimestamp(ts) FROM mps.gold_asof(as_of = '{}')"
    for form in ("1970-01-01T00:00:{}Z", "1970-01-01 00:00:{}", "1970-01-01T02:00:{}+02:00", "1970-01-01T00:00:{}"):
        assert warehouse.query(by.format(form.format("30"))) == [(30,)]
        assert warehouse.query(by.format(form.format("29.999999999"))) == [(20,)]
    for found in ("corporate_factors", "ohlcv_adjusted"):
        for form in ("1970-01-01T00:00:30Z", "1970-01-01 00:00:30"):
            query = f"SELECT count() FROM mps.{found}(as_of = '{form}', convention = 'ex_close')"  # noqa: S608
            assert len(warehouse.query(query)) == 1
    asked = "EXPLAIN indexes = 1 " + by.format("1970-01-01T00:00:20Z") + " WHERE symbol_id = 'EURUSD:FX' AND tf = '1m'"
    told = "".join(line for (line,) in warehouse.query(asked))
    assert "ts in (-Inf, '20" in told
    with pytest.raises(RetryableError, match="Cannot read DateTime"):
        warehouse.query(by.format("noon"))


def test_a_market_wide_event_that_stands_in_every_partition_counts_once(warehouse):
    """Each time of knowledge is one row with what was published last of it, a null too; revisions stay."""
    other = Warehouse(warehouse.client, "test", database="events_once")
    other.create()
    told = {"symbol_id": "POLICY:US", "event_id": "fed 2014-06", "type": "policy", "name": "rate", "text": ""}
    # The offset in the log is another one in each partition: only the time says what was told last.
    rows = [
        {**told, "ts_known": 10, "value": 0.25, "_published": 1, "_partition": p, "_offset": 9 - p} for p in range(4)
    ]
    rows += [{**told, "ts_known": 20, "value": 0.5, "_published": 1, "_partition": p, "_offset": 20} for p in range(4)]
    rows += [{**told, "ts_known": 20, "value": None, "_published": 2, "_partition": p, "_offset": p} for p in range(4)]
    rows += [{**told, "name": "vote", "ts_known": 10, "value": 9.0, "_published": 1}]
    rows += [{**told, "symbol_id": "AIG:US", "event_id": "split", "ts_known": 10, "value": 20.0, "_published": 1}]
    other.insert("events", block("events.v1", *rows), "events")
    assert other.query("SELECT count() FROM events_once.events") == [(14,)]
    assert other.query(
        "SELECT symbol_id, name, toUnixTimestamp64Nano(ts_known), value FROM events_once.events_once ORDER BY ALL"
    ) == [
        ("AIG:US", "rate", 10, 20.0), ("POLICY:US", "rate", 10, 0.25), ("POLICY:US", "rate", 20, None),
        ("POLICY:US", "vote", 10, 9.0),
    ]  # fmt: skip


def test_positions_are_those_after_the_last_rows(warehouse):
    """The next offset of each partition comes from the rows; a table without rows has none."""
    assert warehouse.positions("bars.v1") == {1: 4}
    assert warehouse.positions("dead.letter.v1") == {}
    none = dict.fromkeys(("alerts", "cross", "dead_letters", "drift", "events"), 0)
    assert warehouse.rows() == {"bars": 4, "gold": 3, "signals": 2, "freshness": 4, **none}


def test_a_block_is_stored_whole_as_one_part_and_once_for_its_token(warehouse, path):
    """A large block is one part, hence atomic; the same block under the same token again changes nothing."""
    rows = block("gold.v1", *({"symbol_id": f"S{i}", "ts": i, "_offset": i} for i in range(60_000)))
    other = Warehouse(warehouse.client, "test", database="atomic")
    other.create()
    for _ in range(2):
        other.insert("gold", rows, "token")
    parts = "SELECT count(), sum(rows) FROM system.parts WHERE database = 'atomic' AND table = 'gold' AND active"
    assert other.query(parts) == [(1, 60_000)]
    other.insert("gold", rows.slice(0, 5), "another")
    assert other.rows()["gold"] == 60_005
    assert is_owned(path)


def test_a_table_gains_nullable_columns_and_refuses_other_changes(warehouse):
    """A compatible schema change is followed; a changed type names the table and the statement that mends it."""
    other = Warehouse(warehouse.client, "test", database="evolved")
    other.create()
    other.command("ALTER TABLE evolved.gold DROP COLUMN meta_spread_bp")
    other.create()
    assert other.query("SELECT count() FROM system.columns WHERE database = 'evolved' AND name = 'meta_spread_bp'") == [
        (1,)
    ]
    other.command("ALTER TABLE evolved.bars MODIFY COLUMN n_trades Int32")
    other.command("ALTER TABLE evolved.bars ADD COLUMN mine String")
    with pytest.raises(ConfigError, match=r"evolved.*MODIFY COLUMN n_trades Int64, DROP COLUMN mine; or remove"):
        other.create()


def test_a_failed_insert_is_retryable_and_says_what_clickhouse_said(warehouse):
    """A block that does not fit the table is an error in ClickHouse's words."""
    with pytest.raises(RetryableError, match=r"ClickHouse at .*Code: \d+\. DB::Exception"):
        warehouse.insert("bars", pa.table({"no_such_column": [1]}), "bad")


def test_an_ordinary_client_over_http_reads_and_cannot_write(server):
    """clickhouse-connect's HTTP client works: rows, parameters, Arrow, errors with their code."""
    client = clickhouse_connect.get_client(host="127.0.0.1", port=server.server_port, database="mps")
    assert client.query("SELECT c FROM ohlcv ORDER BY ts").result_rows == [(3.0,), (2.0,)]
    assert client.query("SELECT count() FROM bars WHERE tf = {tf:String}", {"tf": "1m"}).result_rows == [(4,)]
    assert client.query_arrow("SELECT number AS n FROM numbers(3)").to_pydict() == {"n": [0, 1, 2]}
    with pytest.raises(DatabaseError, match=r"Code: 60\..*UNKNOWN_TABLE"):
        client.query("SELECT 1 FROM nowhere")
    with pytest.raises(DatabaseError, match="DROP is refused"):
        client.command("DROP TABLE bars")
    with pytest.raises(DatabaseError, match="READONLY"):
        client.query("SELECT * FROM file('x', 'LineAsString')")
    client.close()


def _status(server, method, path, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port)
    # A body that is too long is refused before it is read to its end.
    with suppress(BrokenPipeError, ConnectionResetError):
        connection.request(method, path, body, headers)
    response = connection.getresponse()
    found = response.status, response.read()
    connection.close()
    return found


def test_plain_http_is_enough(server):
    """The query may be in the address or the body; faults have ClickHouse's statuses."""
    assert _status(server, "GET", "/ping") == (200, b"Ok.\n")
    assert json.loads(_status(server, "GET", "/stats")[1]) == {"bars": {"rows": 4, "lag": 0}}
    assert _status(server, "GET", "/?query=" + urllib.parse.quote("SELECT 1, 'a'")) == (200, b"1\ta\n")
    assert _status(server, "POST", "/?default_format=CSV&query=SELECT", b"'a'") == (200, b'"a"\n')
    assert _status(server, "POST", "/?limit=2", b"SELECT number FROM numbers(9)") == (200, b"0\n1\n")
    assert _status(server, "POST", "/", b"SELECT FROM WHERE")[0] == 400
    assert _status(server, "POST", "/", b"SELECT 1 FROM mps.nowhere")[0] == 404
    assert _status(server, "POST", "/?no_such_setting=1", b"SELECT 1")[0] == 404
    assert _status(server, "POST", "/", b"\xff\xfe")[0] == 400
    assert _status(server, "GET", "/elsewhere")[0] == 404
    assert _status(server, "POST", "/", b"x" * (QUERY_BYTES_MAX + 1))[0] == 413


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://a.example"}, {"Host": "a.example"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_web_pages_cannot_ask(server, headers):
    """A page in the user's browser reaches loopback too: it gets nothing."""
    assert _status(server, "POST", "/", b"SELECT 1", **headers)[0] == 403


def test_one_query_leaves_no_setting_for_the_next(server):
    """Settings and the read-only state are the query's own."""
    query = "SELECT getSetting('max_threads')"
    assert ask(server.url, query, "TSV", database="mps", settings={"max_threads": "3"}).body == b"3\n"
    assert ask(server.url, query, "TSV", database="mps").body != b"3\n"
    with pytest.raises(QueryError, match=r"^Code: 47\.") as caught:
        ask(server.url, "SELECT nothing", "TSV", database="mps")
    assert caught.value.code == 47
    assert not answers("http://127.0.0.1:9")


@pytest.fixture
def shell(server, mps_home, monkeypatch):  # noqa: ARG001 - not the user's own
    """Return a function that runs `mps sql` against the endpoint."""
    monkeypatch.setenv("MPS_WAREHOUSE_URL", server.url)
    return lambda *arguments, **more: CliRunner().invoke(sql_command, list(arguments), **more)


def test_mps_sql_shows_a_table_with_its_limit_and_time(shell):
    """Values stand in columns, null is named, and a cut answer says so."""
    shown = shell("SELECT number AS n, NULL AS nothing, 0.1 + 0.2 AS x FROM numbers(1000)", "--limit", "3").output
    lines = [line.split() for line in shown.splitlines() if line.strip()]
    assert lines[0] == ["n", "nothing", "x"]
    assert lines[2:5] == [["0", "null", "0.3"], ["1", "null", "0.3"], ["2", "null", "0.3"]]
    assert shown.splitlines()[-1].startswith("first 3 rows (--limit shows more")
    assert "1 row in" in shell("SELECT 1").output


def test_mps_sql_gives_machines_all_rows(shell):
    """--json is a row a line, --csv has a header, --format and FORMAT are ClickHouse's own; - reads the query."""
    rows = [json.loads(line) for line in shell("SELECT number AS n FROM numbers(300)", "--json").output.splitlines()]
    assert rows == [{"n": n} for n in range(300)]
    assert shell("SELECT 1 AS a", "--csv").output == '"a"\n1\n'
    assert shell("SELECT 1 AS a FORMAT TSVWithNames").output == "a\n1\n"
    assert shell("-", "--format", "TSV", input="SELECT 7;\n").output == "7\n"
    assert shell("SELECT 1", "--csv", "--json").exit_code == 2


def test_mps_sql_says_what_clickhouse_said(shell):
    """An error is ClickHouse's message with a hint, and nothing of our code."""
    error = shell("SELECT 1 FROM nowhere").exception
    assert isinstance(error, PlatformError)
    assert str(error).startswith("Code: 60. DB::Exception: Unknown table")
    assert "SHOW TABLES" in str(error)


def test_a_misspelt_statement_is_told_as_clickhouse_tells_it(shell):
    """A typo in the first word is a syntax error at its place, not a write; what writes is refused as before."""
    typo = str(shell("\n SELCT *\nFROM bars").exception)
    assert typo.startswith("Code: 62. DB::Exception: Syntax error: failed at position 3 (SELCT)")
    assert "Maybe you meant: SELECT" in typo
    assert "EXPLAIN" not in typo
    assert len(typo) < 200
    for write in ("DROP TABLE bars", "INSERT INTO bars SELECT 1", "SET readonly = 0"):
        assert "is refused" in str(shell(write).exception)


def test_the_query_that_the_score_service_names_for_older_rows_runs(shell):
    """What stands behind NOT_FOUND for a time before the service's rows is a call that finds the row."""
    (answer,) = make_engine(FakeStore(), make_model).score([Asked("EURUSD:FX", "1m", 20_500_000_000)])
    assert isinstance(answer, Failure)
    mps, sql, query = shlex.split(answer.message[answer.message.index("mps sql") :])
    assert (mps, sql) == ("mps", "sql")
    result = shell(query, "--json", catch_exceptions=False)
    assert "1970-01-01T00:00:20" in result.stdout.replace(" ", "T")


@pytest.mark.usefixtures("mps_home")
def test_mps_sql_without_a_warehouse_says_how_to_fill_one():
    """Where nothing was stored yet, the message names the commands that store."""
    error = CliRunner().invoke(sql_command, ["SELECT 1"]).exception
    assert isinstance(error, PlatformError)
    assert "the warehouse is empty" in str(error)
    assert "`mps sink`" in str(error)


@pytest.mark.usefixtures("mps_home", "warehouse")
def test_a_taken_path_is_named(path, monkeypatch):
    """A path that another process owns is not opened a second time: the message says what to do."""
    monkeypatch.setenv("MPS_CLICKHOUSE_PATH", str(path))
    error = CliRunner().invoke(sql_command, ["SELECT 1"]).exception
    assert "set MPS_WAREHOUSE_URL" in str(error)
    with pytest.raises(RetryableError, match="open in another process"):
        Warehouse.embedded(path)


def test_tables_are_what_the_warehouse_keeps(warehouse):
    """A column is documented by its field."""
    column = next(c for c in tables()["bars.v1"].columns if c.name == "quality_gap")
    assert dataclasses.astuple(column)[1] == "quality.gap"
    comment = "SELECT comment FROM system.columns WHERE database = 'mps' AND table = 'bars' AND name = 'quality_gap'"
    assert warehouse.query(comment) == [(column.comment,)]
