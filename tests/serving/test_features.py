"""The feature service through both doors: the same rows, refusals with a reason, health and description."""

import math
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from offline.features.packs import load_view
from offline.features.service import FeatureService
from processors.errors import ConfigError
from schemas.features import FOUNDING_PACK
from serving.aborts import FAULT, MESSAGE_BYTES_MAX
from serving.client import check_health
from serving.feature_grpc import SERVICE
from serving.feature_openapi import describe
from serving.feature_rest import FeatureRest
from serving.generated import features_pb2 as pb
from serving.generated import features_pb2_grpc as pb_grpc
from tests.serving.feature_support import SYMBOLS, ListedRows, get, run_on
from tests.serving.support import MINUTE_NS, TS0_NS, FakeStore, Served, make_engine


@pytest.fixture
def stores():
    """Return a store of newest rows, and one of history that reaches further back."""
    return [ListedRows(first=5), ListedRows("ClickHouse")]


@pytest.fixture
def doors(stores, model):
    """Return the channel of the gRPC door and the address of the REST one."""
    served = Served(make_engine(FakeStore(), lambda: model), features=FeatureService(stores))
    rest = FeatureRest(served.server.features, "127.0.0.1", 0)
    run_on(served.loop, rest.start())
    yield served.channel, rest.address
    run_on(served.loop, rest.stop())
    served.close()


def ask(channel, symbols=SYMBOLS, as_of_ns=None, known_by_ns=None, **more):
    """Return the answer to a gRPC request."""
    request = pb.GetFeaturesRequest(symbol_ids=symbols, **more)
    for field, ns in ((request.as_of, as_of_ns), (request.known_by, known_by_ns)):
        if ns is not None:
            field.CopyFrom(Timestamp(seconds=ns // 10**9, nanos=ns % 10**9))
    return pb_grpc.FeatureServiceStub(channel).GetFeatures(request, timeout=10)


def refused(channel, **request):
    """Return status and message of a refused request."""
    with pytest.raises(grpc.RpcError) as error:
        ask(channel, **request)
    return error.value.code(), error.value.details()


@pytest.mark.parametrize(
    ("as_of_ns", "known_by_ns", "rows"),
    [
        (None, None, 1), (TS0_NS + 7 * MINUTE_NS + 1, None, 2), (TS0_NS + 3 * MINUTE_NS, None, 9),
        (None, TS0_NS + 6 * MINUTE_NS + 1_999_999_999, 2), (TS0_NS + 8 * MINUTE_NS, TS0_NS + 6 * MINUTE_NS, 3),
    ],
)  # fmt: skip
def test_both_doors_give_the_rows_of_the_library(doors, stores, as_of_ns, known_by_ns, rows):
    """Both doors give the rows of the library: names in the pack's order, values, both times, staleness, quality."""
    channel, address = doors
    table = FeatureService(stores).get_features(SYMBOLS, as_of_ns, rows=rows, known_by=known_by_ns).to_pylist()
    message = ask(channel, as_of_ns=as_of_ns, known_by_ns=known_by_ns, rows=rows)
    query = {"symbols": ",".join(SYMBOLS), "rows": str(rows)}
    query |= {n: str(t) for n, t in (("as_of", as_of_ns), ("known_by", known_by_ns)) if t is not None}
    status, body = get(address, "/v1/features", **query)
    view = load_view(FOUNDING_PACK)
    assert (status, tuple(message.feature_names), message.pack_hash) == (200, view.names, view.hash)
    assert (body["pack_id"], body["pack_hash"], body["missing"]) == (FOUNDING_PACK, view.hash, [])
    assert len(message.rows) == len(body["rows"]) == len(table) > 0
    for vector, shown, row in zip(message.rows, body["rows"], table, strict=True):
        values = [None if math.isnan(v) else v for v in vector.values]
        assert values == [row[name] for name in view.names]
        assert list(shown["features"]) == list(view.names)
        assert [float(v) if isinstance(v, str) else v for v in shown["features"].values()] == values
        assert (vector.symbol_id, vector.ts.seconds * 10**9 + vector.ts.nanos) == (row["symbol_id"], row["ts"].value)
        assert shown["ts"].startswith(row["ts"].isoformat()[:16])
        assert vector.known_at.seconds * 10**9 + vector.known_at.nanos == row["known_at"].value
        assert shown["known_at"].startswith(row["known_at"].isoformat()[:19])
        assert known_by_ns is None or row["known_at"].value <= known_by_ns
        for name in ("warm", "age_ms", "stale"):
            assert getattr(vector, name) == shown[name] == row[name]
        for name in ("stale", "outlier_frac", "n_src", "gap"):
            assert getattr(vector.quality, name) == shown["quality"][name] == row[f"quality_{name}"]
        assert (vector.quality.lat_ms if vector.quality.HasField("lat_ms") else None) == row["quality_lat_ms"]
        assert shown["quality"]["lat_ms"] == row["quality_lat_ms"]


def test_a_symbol_without_a_row_is_named_beside_those_that_have_one(doors):
    """A symbol without a row is named beside those that have one, with the reason."""
    channel, address = doors
    message = ask(channel, ["EURUSD:FX", "AIG:US", "NOPE:X"])
    reasons = {m.symbol_id: m.reason for m in message.missing}
    assert [r.symbol_id for r in message.rows] == ["EURUSD:FX"]
    assert reasons == {
        "NOPE:X": "NOPE:X is no instrument",
        "AIG:US": "AIG:US 1m has no row with the pack core_value_v1",
    }
    _, body = get(address, "/v1/features", symbols="EURUSD:FX,AIG:US,NOPE:X")
    assert {m["symbol_id"]: m["reason"] for m in body["missing"]} == reasons


@pytest.mark.parametrize(
    ("query", "status", "key"),
    [
        ({}, 400, "symbols"), ({"symbols": ","}, 400, "symbols"), ({"as_of": "noon"}, 400, "as_of"),
        ({"as_of": "2014-05-05T12:00:00"}, 400, "as_of"), ({"known_by": "noon"}, 400, "known_by"),
        ({"known_by": "2014-05-05T12:00:01Z"}, 404, "symbols"), ({"as_of": "1399291200"}, 400, "as_of"),
        ({"as_of": "2014-02-30T12:00:00Z"}, 400, "as_of"), ({"pack": "nope"}, 400, "pack_id"),
        ({"time_horizon": "7m"}, 400, "time_horizon"), ({"rows": "0"}, 400, "rows"), ({"rows": "-1"}, 400, "rows"),
        ({"rows": "1e3"}, 400, "rows"), ({"rows": "20000"}, 400, "rows"), ({"colour": "red"}, 400, "colour"),
        ({"symbols": "NOPE:X"}, 404, "symbols"), ({"symbols": "AIG:US"}, 404, "symbols"),
        ({"as_of": "2014-05-05T12:00:00Z"}, 404, "symbols"), ({"time_horizon": "1h"}, 404, "symbols"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_key_its_value_and_what_to_do(doors, query, status, key):
    """A refusal over HTTP names the key, its value and what to do."""
    asked = {} if query == {} else {"symbols": "EURUSD:FX"} | query
    found, body = get(doors[1], "/v1/features", **asked)
    assert (found, body["error"]["key"]) == (status, key)
    assert {"message", "where", "value", "remedy"} <= set(body["error"])
    # A caller learns the name of a file, never where it lies.
    assert str(Path(__file__).parents[2]) not in str(body)


@pytest.mark.parametrize(
    ("request_", "code", "words"),
    [
        ({"symbols": []}, grpc.StatusCode.INVALID_ARGUMENT, "symbols"),
        ({"as_of_ns": 5}, grpc.StatusCode.INVALID_ARGUMENT, "as_of"),
        ({"known_by_ns": 5}, grpc.StatusCode.INVALID_ARGUMENT, "known_by"),
        ({"known_by_ns": TS0_NS + 1}, grpc.StatusCode.NOT_FOUND, "known by 2014-05-05T12:00:00.000000001Z"),
        ({"pack_id": "nope"}, grpc.StatusCode.INVALID_ARGUMENT, "pack_id"),
        ({"time_horizon": "7m"}, grpc.StatusCode.INVALID_ARGUMENT, "time_horizon"),
        ({"rows": -1}, grpc.StatusCode.INVALID_ARGUMENT, "rows"),
        ({"symbols": ["NOPE:X"]}, grpc.StatusCode.NOT_FOUND, "NOPE:X is no instrument"),
        ({"symbols": ["AIG:US"]}, grpc.StatusCode.NOT_FOUND, "mps features backfill --pack core_value_v1"),
    ],
)
def test_a_refused_call_has_its_status(doors, request_, code, words):
    """A refused call has its status and names what is wrong."""
    found, message = refused(doors[0], **request_)
    assert found == code
    assert words in message


def test_a_refusal_fits_into_the_header_that_carries_it(doors):
    """Whatever is asked, its own status arrives: the message names five symbols, and ends where the header does."""
    channel, address = doors
    named = [f"SYM{i:04d}:US" for i in range(1000)]
    code, message = refused(channel, symbols=named)
    assert (code, message.count("is no instrument")) == (grpc.StatusCode.NOT_FOUND, 5)
    assert message.endswith(" and 995 more")
    for odd in ("x" * 50_000, "€\n" * 9_000):
        code, message = refused(channel, pack_id=odd)
        assert (code, message[-3:]) == (grpc.StatusCode.INVALID_ARGUMENT, "...")
        assert len(message.encode()) <= MESSAGE_BYTES_MAX + 3
        assert refused(channel, time_horizon=odd)[0] is grpc.StatusCode.INVALID_ARGUMENT
    status, body = get(address, "/v1/features", symbols=",".join(named))
    assert (status, body["error"]["value"]) == (404, named[:5])


def test_more_symbols_than_a_call_may_have_are_refused_whatever_they_are(doors):
    """1001 symbols are refused by their number, known or not; one that is named twice counts once."""
    channel, _ = doors
    for symbols in ([f"S{i}" for i in range(1001)], ["EURUSD:FX", *(f"S{i}" for i in range(1000))]):
        code, message = refused(channel, symbols=symbols)
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        assert message.startswith("get_features: symbols is 1001: 1 to 1000")
    assert len(ask(channel, ["EURUSD:FX"] * 1001).rows) == 1


@pytest.mark.parametrize("nanos", [-1, 1_000_000_000])
@pytest.mark.parametrize("field", ["as_of", "known_by"])
def test_a_time_whose_nanoseconds_are_none_is_refused(doors, field, nanos):
    """Nanoseconds below 0, or of a second and more, are INVALID_ARGUMENT: they would stand for another time."""
    time = Timestamp(seconds=TS0_NS // 10**9 + 600, nanos=nanos)
    code, message = refused(doors[0], **{field: time})
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert f"{field}.nanos is {nanos}: 0 to 999999999" in message


def test_what_is_named_twice_in_an_address_is_refused(doors):
    """A second value of a key is refused, not left out; symbols may be named in several parts."""
    address = doors[1]
    path = "/v1/features?symbols=EURUSD:FX&symbols=NZDUSD:FX"
    assert len(get(address, path)[1]["rows"]) == 2
    for more in ("&rows=1&rows=3", "&as_of=1399291200000000000&as_of=1399291200000000000"):
        status, body = get(address, path + more)
        assert (status, body["error"]["remedy"]) == (400, "given once")


def test_a_fault_of_ours_is_told_as_one_and_says_nothing_of_the_inside(doors, stores, caplog, monkeypatch):
    """An error that nobody foresaw is INTERNAL, and 500 as JSON; its text is in the log alone, and health goes on."""
    channel, address = doors

    def broken(*_):
        raise ZeroDivisionError("inside /srv/secret")

    monkeypatch.setattr(stores[0], "newest", broken)
    assert refused(channel) == (grpc.StatusCode.INTERNAL, FAULT)
    assert get(address, "/v1/features", symbols="EURUSD:FX") == (500, {"error": {"message": FAULT}})
    monkeypatch.setattr("serving.feature_rest.packs", broken)
    assert get(address, "/v1/packs") == (500, {"error": {"message": FAULT}})
    assert "inside /srv/secret" in caplog.text
    assert _state_within(channel, "NOT_SERVING", 5)
    monkeypatch.undo()
    assert _state_within(channel, "SERVING", 5)


def _state_within(channel, state, seconds):
    """Return whether the service tells a state within some seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check_health(channel, SERVICE).state == state:
            return True
        time.sleep(0.05)
    return False


def test_a_store_that_is_away_is_named(doors, stores):
    """A store that is away is named with 503 and UNAVAILABLE; what another one has is still served."""
    channel, address = doors
    stores[1].away = True
    assert get(address, "/v1/features", symbols="EURUSD:FX")[0] == 200
    status, body = get(address, "/v1/features", symbols="EURUSD:FX", as_of=str(TS0_NS + 2 * MINUTE_NS))
    assert (status, body["error"]["message"]) == (503, "ClickHouse: connection refused")
    stores[0].away = True
    assert refused(channel) == (
        grpc.StatusCode.UNAVAILABLE,
        "Redis: connection refused; ClickHouse: connection refused",
    )
    stores[1].away = False
    assert len(ask(channel).rows) == 2


def test_a_store_that_is_not_set_up_is_no_fault_of_the_request(doors, stores, monkeypatch):
    """Where the tables of a store are missing, the service says what to do, and does not blame the argument."""

    def empty(*_):
        raise ConfigError("ClickHouse", "tables", "missing", "fill the warehouse with `mps sink`")

    monkeypatch.setattr(stores[1], "newest", empty)
    code, message = refused(doors[0], symbols=["AIG:US"])
    assert (code, "mps sink" in message) == (grpc.StatusCode.UNAVAILABLE, True)
    status, body = get(doors[1], "/v1/features", symbols="AIG:US")
    assert (status, body["error"]["key"]) == (503, "tables")
    assert len(ask(doors[0]).rows) == 2


def test_a_caller_that_does_not_read_does_not_hold_up_a_stop(serve, model, monkeypatch):
    """A stop waits for a call under way for a short while only: its caller may never read the answer."""
    monkeypatch.setattr("serving.feature_rest.STOP_TIMEOUT_S", 0.2)
    monkeypatch.setattr("serving.feature_rest.body_of", lambda _: b" " * 50_000_000)
    served = serve(make_engine(FakeStore(), lambda: model), features=FeatureService([ListedRows()]))
    rest = FeatureRest(served.server.features, "127.0.0.1", 0)
    run_on(served.loop, rest.start())
    with socket.create_connection(("127.0.0.1", rest.port)) as caller:
        caller.sendall(b"GET /v1/features?symbols=EURUSD:FX HTTP/1.1\r\nHost: here\r\n\r\n")
        assert caller.recv(12) == b"HTTP/1.1 200"
        started = time.monotonic()
        run_on(served.loop, rest.stop())
        assert time.monotonic() - started < 5


def test_packs_are_listed_with_their_rows(doors):
    """Packs are listed with id, hash and size; one has the schema row of each feature; another is not found."""
    status, body = get(doors[1], "/v1/packs")
    view = load_view(FOUNDING_PACK)
    listed = {p["pack_id"]: p for p in body["packs"]}
    assert (status, listed[FOUNDING_PACK]["hash"], listed[FOUNDING_PACK]["n_features"]) == (
        200,
        view.hash,
        len(view.names),
    )
    status, body = get(doors[1], f"/v1/packs/{FOUNDING_PACK}")
    assert (status, [f["name"] for f in body["features"]]) == (200, list(view.names))
    status, body = get(doors[1], "/v1/packs/nope")
    assert (status, body["error"]["value"]) == (404, "nope")


def test_every_path_is_described_and_every_described_path_answers(doors):
    """Every described path answers with what its description requires; any other path is 404 as JSON."""
    status, told = get(doors[1], "/v1/openapi.json")
    assert (status, told) == (200, describe())
    schemas = told["components"]["schemas"]
    for path, methods in told["paths"].items():
        asked = path.replace("{pack_id}", FOUNDING_PACK)
        status, body = get(doors[1], asked, **({"symbols": "EURUSD:FX"} if path == "/v1/features" else {}))
        name = methods["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
        assert (status, set(schemas[name].get("required", ())) - set(body)) == (200, set())
    row = get(doors[1], "/v1/features", symbols="EURUSD:FX")[1]["rows"][0]
    assert set(schemas["Row"]["required"]) == set(row)
    assert get(doors[1], "/v2/features") == (404, {"error": {"message": "GET /v2/features: Not Found"}})
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"{doors[1]}/v1/features", data=b"", timeout=10)  # noqa: S310 - our own server
    with error.value as e:
        assert (e.code, e.headers["Allow"]) == (405, "GET,HEAD")


def test_health_and_reflection_know_the_service(doors, stores):
    """Health and reflection know the service: serving while the newest rows can be read."""
    channel, _ = doors
    assert check_health(channel, SERVICE).state == "SERVING"
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    (answer,) = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    assert SERVICE in {s.name for s in answer.list_services_response.service}
    stores[0].away = True
    assert _state_within(channel, "NOT_SERVING", 10)
