"""The service over the wire."""

import datetime as dt
import threading
import time

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from processors.errors import ConfigError
from serving.aborts import FAULT
from serving.generated import score_pb2 as pb
from serving.generated import score_pb2_grpc as pb_grpc
from serving.messages import timestamp
from tests.serving.support import TS0_NS, config, make_engine

EUR = "EURUSD:FX"


def ask(served, **fields):
    fields = {"symbol_id": EUR, "tf": "1m"} | fields
    if "as_of" in fields:
        fields["as_of"] = timestamp(fields["as_of"])
    return pb_grpc.ScoreServiceStub(served.channel).Score(pb.ScoreRequest(**fields), timeout=5)


def refused(served, **fields) -> tuple[str, str]:
    with pytest.raises(grpc.RpcError) as e:
        ask(served, **fields)
    return e.value.code().name, e.value.details()


def test_a_score_comes_over_the_wire(served):
    """A request gives the signal of the row that was known at as_of."""
    signal = ask(served, as_of=TS0_NS + 5)
    assert (signal.symbol_id, signal.tf, signal.lineage.raw_offset) == (EUR, "1m", 1000)
    assert signal.ts.ToNanoseconds() == TS0_NS
    assert list(signal.model.members) == ["tiny"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tf": "2m"}, "tf is '2m': one of 1m, 5m, 15m, 1h, 1d"),
        ({"symbol_id": ""}, "1 to 64 characters"),
        ({"symbol_id": "X" * 65}, "1 to 64 characters"),
        ({"as_of": 631_152_000 * 10**9 - 1}, "from 1990-01-01 to 2199-12-31"),
        ({"as_of": -1}, "from 1990-01-01"),
        ({"as_of": 7_258_118_400 * 10**9}, "to 2199-12-31"),
    ],
)
def test_a_wrong_argument_is_refused_with_what_is_allowed(served, fields, words):
    """A wrong argument is INVALID_ARGUMENT, and the details say what is allowed."""
    code, details = refused(served, **fields)
    assert code == "INVALID_ARGUMENT"
    assert words in details


def test_as_of_at_the_limits_is_allowed(served):
    """The first allowed time is not refused as an argument: it only finds no row."""
    assert refused(served, as_of=631_152_000 * 10**9)[0] == "NOT_FOUND"


def test_a_batch_has_a_result_or_a_status_for_each_item(served):
    """Each item of a batch has its own outcome, in order."""
    requests = [
        pb.ScoreRequest(symbol_id=EUR, tf="1m"),
        pb.ScoreRequest(symbol_id=EUR, tf="7m"),
        pb.ScoreRequest(symbol_id="NOSUCH", tf="1m"),
        pb.ScoreRequest(symbol_id="NZDUSD:FX", tf="1m"),
    ]
    stub = pb_grpc.ScoreServiceStub(served.channel)
    items = stub.ScoreBatch(pb.ScoreBatchRequest(requests=requests), timeout=5).items
    assert [i.WhichOneof("outcome") for i in items] == ["signal", "error", "error", "signal"]
    assert [i.error.code for i in items[1:3]] == [3, 5]
    assert items[3].signal.symbol_id == "NZDUSD:FX"
    assert items[0].signal == ask(served)
    assert not stub.ScoreBatch(pb.ScoreBatchRequest(), timeout=5).items


def test_a_batch_over_the_limit_is_refused(served):
    """1000 requests pass, 1001 are RESOURCE_EXHAUSTED, and the details name the limit."""
    stub = pb_grpc.ScoreServiceStub(served.channel)
    requests = [pb.ScoreRequest(symbol_id=EUR, tf="1m")] * 1001
    assert len(stub.ScoreBatch(pb.ScoreBatchRequest(requests=requests[:1000]), timeout=10).items) == 1000
    with pytest.raises(grpc.RpcError, match="1001 requests in one batch, limit 1000") as e:
        stub.ScoreBatch(pb.ScoreBatchRequest(requests=requests), timeout=10)
    assert e.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_deadline_is_honoured_and_its_work_is_not_done(serve, store, model):
    """With the store stuck, a caller gets DEADLINE_EXCEEDED in time, and what waited behind it is dropped unrun."""
    store.hold = threading.Event()
    served = serve(make_engine(store, lambda: model))
    stub = pb_grpc.ScoreServiceStub(served.channel)
    started = time.monotonic()
    first = stub.Score.future(pb.ScoreRequest(symbol_id=EUR, tf="1m"), timeout=0.4)
    time.sleep(0.1)
    second = stub.Score.future(pb.ScoreRequest(symbol_id="NZDUSD:FX", tf="1m"), timeout=0.3)
    assert first.exception().code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert second.exception().code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - started < 2
    time.sleep(0.1)
    store.hold.set()
    assert ask(served).symbol_id == EUR
    assert [one for one in store.asked if one[0] == "NZDUSD:FX"] == []


def test_waiting_requests_are_answered_together(serve, store, model):
    """Requests that come while the engine works are run together, each with its own answer; past the limit refused."""
    store.hold = threading.Event()
    engine = make_engine(store, lambda: model)
    runs = []
    score = engine.score
    engine.score = lambda asked: runs.append(len(asked)) or score(asked)
    served = serve(engine, pending_max=20)
    stub = pb_grpc.ScoreServiceStub(served.channel)
    first = stub.Score.future(pb.ScoreRequest(symbol_id=EUR, tf="1m"), timeout=10)
    time.sleep(0.2)
    rest = [
        stub.Score.future(pb.ScoreRequest(symbol_id=EUR, tf="1m", as_of=timestamp(TS0_NS + i)), timeout=10)
        for i in range(20)
    ]
    time.sleep(0.3)
    with pytest.raises(grpc.RpcError, match="20 requests wait, limit 20") as e:
        ask(served)
    assert e.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    store.hold.set()
    assert first.result().lineage.raw_offset == 1009
    assert {f.result().lineage.raw_offset for f in rest} == {1000}
    assert runs == [1, 20]


def test_a_fault_of_ours_reaches_the_caller_and_the_next_is_served(serve, store, model):
    """An unexpected error ends one call, not the service."""
    engine = make_engine(store, lambda: model)
    score, faults = engine.score, [ZeroDivisionError("planted")]
    engine.score = lambda asked: score(asked) if not faults else (_ for _ in ()).throw(faults.pop())
    served = serve(engine)
    assert refused(served) == ("INTERNAL", FAULT)
    assert ask(served).symbol_id == EUR


def test_streams_that_are_given_up_keep_their_places_until_their_threads_end(serve, store, model):
    """With the broker away, callers that come and go hold no more threads than there are places."""
    served = serve(make_engine(store, lambda: model), streams_max=2)
    stub = pb_grpc.ScoreServiceStub(served.channel)
    for _ in range(6):
        call = stub.StreamSignals(pb.StreamSignalsRequest(), timeout=5)
        time.sleep(0.05)
        call.cancel()
    assert sum(thread.name == "signals" for thread in threading.enumerate()) <= 2
    with pytest.raises(grpc.RpcError, match="2 clients stream, limit 2") as e:
        next(stub.StreamSignals(pb.StreamSignalsRequest(), timeout=5))
    assert e.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_reflection_names_the_service_and_its_file(served):
    """A caller without our .proto files finds the service and its methods."""
    stub = reflection_pb2_grpc.ServerReflectionStub(served.channel)
    request = reflection_pb2.ServerReflectionRequest
    answers = stub.ServerReflectionInfo(
        iter([request(list_services=""), request(file_containing_symbol="mps.v1.ScoreService")]), timeout=5
    )
    listed, described = list(answers)
    assert {"mps.v1.ScoreService", "grpc.health.v1.Health"} <= {s.name for s in listed.list_services_response.service}
    file = descriptor_pb2.FileDescriptorProto.FromString(described.file_descriptor_response.file_descriptor_proto[0])
    assert [m.name for m in file.service[0].method] == ["Score", "ScoreBatch", "StreamSignals"]


def test_a_port_in_use_is_named(served, serve, store, model):
    """A second service on the port is refused with the address, not shared in silence."""
    with pytest.raises(ConfigError, match=rf"{served.server.address}.*in use.*--port"):
        serve(make_engine(store, lambda: model), port=served.server.port)


def test_a_port_that_nobody_asked_for_gives_way(served, serve, store, model):
    """A second service that may take another port takes a free one, and answers there."""
    second = serve(make_engine(store, lambda: model), port=served.server.port, or_free_port=True)
    assert second.server.port not in (0, served.server.port)
    stub = reflection_pb2_grpc.ServerReflectionStub(second.channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    assert next(stub.ServerReflectionInfo(iter([request]), timeout=5)).list_services_response.service


def test_settings_that_cannot_work_are_refused(tmp_path):
    """Settings that cannot work are refused with what is allowed."""
    for changes, words in (
        ({"clock": "sun"}, "one of event, wall"),
        ({"port": 70000}, "0 to 65535"),
        ({"batch_max": 0}, "at least 1"),
        ({"tls_cert": tmp_path}, "certificate and key"),
        ({"tls_cert": tmp_path / "no.pem", "tls_key": tmp_path / "no.key"}, "a PEM file"),
        ({"tls_client_ca": tmp_path}, "needs a certificate"),
    ):
        with pytest.raises(ConfigError, match=words):
            config(**changes)


def _certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    encoding = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "key.pem").write_bytes(key.private_bytes(*encoding))
    return folder / "cert.pem", folder / "key.pem"


def test_with_a_certificate_only_tls_is_spoken(serve, store, model, tmp_path):
    """With a certificate, a caller that trusts it is served and a plain one is not."""
    cert, key = _certificate(tmp_path)
    served = serve(make_engine(store, lambda: model), tls_cert=cert, tls_key=key)
    request = pb.ScoreRequest(symbol_id=EUR, tf="1m")
    credentials = grpc.ssl_channel_credentials(cert.read_bytes())
    with grpc.secure_channel(f"localhost:{served.server.port}", credentials) as channel:
        assert pb_grpc.ScoreServiceStub(channel).Score(request, timeout=5).symbol_id == EUR
    assert refused(served)[0] == "UNAVAILABLE"
