"""Health as orchestrators ask for it: each check of the checklist has its test."""

import json
import queue
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.client import check_health
from serving.generated import score_pb2 as pb
from serving.generated import score_pb2_grpc as pb_grpc
from tests.serving.support import make_engine
from tests.support import SHARED

SERVICE = "mps.v1.ScoreService"
SERVING, NOT_SERVING, SERVICE_UNKNOWN = 1, 2, 3


def check(served, name):
    return health_pb2_grpc.HealthStub(served.channel).Check(health_pb2.HealthCheckRequest(service=name), timeout=5)


def watch(served, name):
    """Return the call and a queue of the states it sends."""
    call = health_pb2_grpc.HealthStub(served.channel).Watch(health_pb2.HealthCheckRequest(service=name))
    states: queue.Queue = queue.Queue()

    def read():
        try:
            for response in call:
                states.put(response.status)
        except grpc.RpcError:
            states.put(None)

    threading.Thread(target=read, daemon=True).start()
    return call, states


def test_every_check_of_the_list_is_proved_here():
    """Every check of the list has a test in this file."""
    path = SHARED / "conformance" / "grpc" / "health_checklist.json"
    if not path.is_file():
        pytest.skip("the conformance files are not here")
    ids = {c["id"].lower() for c in json.loads(path.read_text())["checks"]}
    named = {name.split("_")[1] for name in globals() if name.startswith("test_g")}
    assert ids <= named


def test_g1_the_empty_name_is_the_whole_server(served):
    """The empty name gives OK and the status of the server."""
    assert check(served, "").status == SERVING


def test_g2_a_registered_name_has_a_status(serve, store, model):
    """A registered name is SERVING while a score could be made, NOT_SERVING while the store is away."""
    store.away = True
    served = serve(make_engine(store, lambda: model))
    assert check(served, SERVICE).status == NOT_SERVING
    _, states = watch(served, SERVICE)
    assert states.get(timeout=5) == NOT_SERVING
    store.away = False
    assert states.get(timeout=5) == SERVING
    assert check(served, SERVICE).status == SERVING


def test_a_fault_while_looking_is_not_serving_and_the_watch_goes_on(serve, store, model):
    """An error that nobody foresaw does not end the watch over health: it is NOT_SERVING until it is gone."""
    engine = make_engine(store, lambda: model)
    faults, ready = [ZeroDivisionError("planted")], engine.ready
    engine.ready = lambda: (_ for _ in ()).throw(faults[0]) if faults else ready()
    served = serve(engine)
    assert check(served, SERVICE).status == NOT_SERVING
    _, states = watch(served, SERVICE)
    assert states.get(timeout=5) == NOT_SERVING
    faults.clear()
    assert states.get(timeout=5) == SERVING


def test_g3_an_unknown_name_is_not_found(served):
    """Check of a name that is not registered is NOT_FOUND."""
    with pytest.raises(grpc.RpcError) as e:
        check(served, "mps.v1.Nothing")
    assert e.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("name", ["mps.v1.*", "mps.v1.Score", "MPS.V1.SCORESERVICE", "mps.v1.ScoreService ", "*"])
def test_g4_names_are_compared_whole(served, name):
    """Names are compared as whole strings: no wildcard, no prefix, no other case."""
    with pytest.raises(grpc.RpcError) as e:
        check(served, name)
    assert e.value.code() is grpc.StatusCode.NOT_FOUND


def test_g6_watch_sends_changes_only(served):
    """Watch sends the state at once, once more on each change, and nothing where nothing changed."""
    health = served.server.health
    _, states = watch(served, "other")
    assert states.get(timeout=5) == SERVICE_UNKNOWN
    for status in (SERVING, SERVING, SERVING, NOT_SERVING, NOT_SERVING, SERVING):
        served.run(health.set("other", status))
        # Each change is seen before the next, else two of them may be told as one.
        threading.Event().wait(0.05)
    assert [states.get(timeout=5) for _ in range(3)] == [SERVING, NOT_SERVING, SERVING]
    with pytest.raises(queue.Empty):
        states.get(timeout=0.3)


def test_g7_watch_of_an_unknown_name_waits_for_it(served):
    """Watch of an unknown name sends SERVICE_UNKNOWN, stays open, and sends the state once it is registered."""
    call, states = watch(served, "later")
    assert states.get(timeout=5) == SERVICE_UNKNOWN
    with pytest.raises(queue.Empty):
        states.get(timeout=0.3)
    assert call.is_active()
    served.run(served.server.health.set("later", NOT_SERVING))
    assert states.get(timeout=5) == NOT_SERVING


def test_g9_the_numbers_on_the_wire():
    """UNKNOWN is 0, SERVING 1, NOT_SERVING 2, SERVICE_UNKNOWN 3 on the wire."""
    numbers = dict(health_pb2.HealthCheckResponse.ServingStatus.items())
    assert numbers == {"UNKNOWN": 0, "SERVING": 1, "NOT_SERVING": 2, "SERVICE_UNKNOWN": 3}
    assert health_pb2.HealthCheckResponse(status=SERVICE_UNKNOWN).SerializeToString() == b"\x08\x03"


def _other_server(handlers) -> tuple[grpc.Server, str]:
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(handlers)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, f"127.0.0.1:{port}"


def test_g11_a_missed_deadline_is_unhealthy():
    """Our client sets a deadline, and takes a missed one as unhealthy."""
    release = threading.Event()
    handler = grpc.unary_unary_rpc_method_handler(lambda *_: release.wait(5) and b"")
    server, address = _other_server([grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": handler})])
    with grpc.insecure_channel(address) as channel:
        health = check_health(channel, timeout_s=0.2)
    release.set()
    server.stop(None).wait(5)
    assert (health.state, health.is_healthy) == ("DEADLINE_EXCEEDED", False)


def test_g12_a_server_without_health_service_is_taken_as_it_is():
    """Our client copes with a server that has no health service; with one that is away, and with an unknown name."""
    server, address = _other_server([])
    with grpc.insecure_channel(address) as channel:
        health = check_health(channel)
    server.stop(None).wait(5)
    assert (health.state, health.is_healthy) == ("NO_HEALTH", True)
    with grpc.insecure_channel("127.0.0.1:9") as channel:
        assert check_health(channel).state == "UNREACHABLE"


def test_our_client_reads_our_server(served):
    """Our client finds our service healthy, and an unknown one not."""
    assert check_health(served.channel, SERVICE).state == "SERVING"
    assert check_health(served.channel, "nothing").is_healthy is False


def test_on_a_stop_health_changes_first_and_calls_under_way_end(serve, store, model):
    """On a stop watchers hear NOT_SERVING first, the call under way is answered, and no new one is taken."""
    store.hold = threading.Event()
    served = serve(make_engine(store, lambda: model))
    _, states = watch(served, SERVICE)
    assert states.get(timeout=5) == SERVING
    stub = pb_grpc.ScoreServiceStub(served.channel)
    under_way = stub.Score.future(pb.ScoreRequest(symbol_id="EURUSD:FX", tf="1m"), timeout=10)
    threading.Event().wait(0.2)
    stopping = threading.Thread(target=lambda: served.run(served.server.stop()))
    stopping.start()
    assert states.get(timeout=5) == NOT_SERVING
    assert not under_way.done()
    with pytest.raises(grpc.RpcError) as e:
        stub.Score(pb.ScoreRequest(symbol_id="EURUSD:FX", tf="1m"), timeout=5)
    assert e.value.code() is grpc.StatusCode.UNAVAILABLE
    store.hold.set()
    assert under_way.result().symbol_id == "EURUSD:FX"
    stopping.join(10)
    assert not stopping.is_alive()
