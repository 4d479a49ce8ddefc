"""Signals as a stream, from a real broker."""

import contextlib
import socket
import threading
import time

import grpc
import pytest
from confluent_kafka import Producer

from serving.generated import score_pb2 as pb
from serving.generated import score_pb2_grpc as pb_grpc
from tests.serving.support import TS0_NS, make_engine, wire

pytestmark = pytest.mark.broker

SYMBOLS = ("EURUSD:FX", "NZDUSD:FX", "AIG:US")


def signal_record(i: int) -> dict:
    """Return signal number i, every field different from the one before."""
    return {
        "ts": TS0_NS + i,
        "symbol_id": SYMBOLS[i % 3],
        "tf": ("1m", "5m")[i % 2],
        "horizon_bars": 5 + i % 7,
        "score": -0.5 + i * 1e-4,
        "prob_up": 0.25 + i * 1e-5,
        "conf": 0.125 + i * 1e-5,
        "expected_return": 1e-4 + i * 1e-8,
        "interval": {"lo": -1e-3 - i * 1e-8, "hi": 2e-3 + i * 1e-8, "coverage": 0.9},
        "risk": {"target_vol": 0.12, "realized_vol": 0.08 + i * 1e-6, "kelly_frac": 0.02 + i * 1e-6},
        "sizing": {"nav_frac": 0.01 + i * 1e-6, "max_adv_share": 0.02},
        "model": {"ensemble": "single", "members": ["tiny"], "version": f"v{i}"},
        "regime": "trend",
        "gates": ["stale"] if i % 4 == 0 else [],
        "lineage": {"pack_id": "core_v1", "pack_hash": "c0ffee", "raw_offset": i},
    }


class Publisher:
    """Publishes signals in transactions, in the partition of their symbol."""

    def __init__(self, bootstrap_servers, prefix):
        self.topic = f"{prefix}signals.v1"
        self.producer = Producer({"bootstrap.servers": bootstrap_servers, "transactional.id": prefix})
        self.producer.init_transactions(20)

    def send(self, numbers, *, commit: bool = True):
        """Publish signals by number in one transaction."""
        self.producer.begin_transaction()
        for i in numbers:
            record = signal_record(i)
            while True:
                try:
                    self.producer.produce(
                        self.topic, wire("signals.v1", record), record["symbol_id"], partition=(i % 3) % 2
                    )
                    break
                except BufferError:
                    self.producer.poll(0.1)
        if commit:
            self.producer.commit_transaction(20)
        else:
            self.producer.flush(20)
            self.producer.abort_transaction(20)


@pytest.fixture
def publisher(bootstrap_servers, make_topics, topic_prefix):
    make_topics("signals.v1", partitions=2)
    return Publisher(bootstrap_servers, topic_prefix)


@pytest.fixture
def streaming(serve, store, model, bootstrap_servers, topic_prefix):
    """Return a function that starts a service on the broker."""

    def start(**changes):
        return serve(
            make_engine(store, lambda: model),
            bootstrap_servers=bootstrap_servers,
            topic_prefix=topic_prefix,
            **changes,
        )

    return start


def follow(served, timeout=30, **fields):
    return pb_grpc.ScoreServiceStub(served.channel).StreamSignals(pb.StreamSignalsRequest(**fields), timeout=timeout)


def take(call, n):
    return [next(call) for _ in range(n)]


def test_history_first_then_new_signals_and_nothing_aborted(publisher, streaming):
    """From the beginning: the kept signals, then each new one; those of an aborted transaction never."""
    publisher.send(range(6))
    publisher.send(range(100, 106), commit=False)
    call = follow(streaming(), from_beginning=True)
    assert sorted(s.lineage.raw_offset for s in take(call, 6)) == list(range(6))
    publisher.send([6, 7])
    new = take(call, 2)
    assert sorted(s.lineage.raw_offset for s in new) == [6, 7]
    call.cancel()
    one = next(s for s in new if s.lineage.raw_offset == 6)
    record = signal_record(6)
    assert (one.symbol_id, one.tf, one.score) == (record["symbol_id"], record["tf"], record["score"])
    assert one.ts.ToNanoseconds() == record["ts"]
    assert list(one.model.members) == ["tiny"]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (b"\0" + (9999).to_bytes(4, "big") + b"x", "its schema id is 9999: not one of "),
        (b"no record at all", "its schema id is None"),
        (wire("signals.v1", signal_record(2))[:-9], "cannot be read: "),
    ],
)
def test_a_record_that_cannot_be_read_ends_the_stream_behind_what_came_before(publisher, streaming, value, words):
    """A record of an unknown schema, or none at all, ends the stream with DATA_LOSS and its place; nothing hangs."""
    publisher.send([0, 6])
    call = follow(streaming(), from_beginning=True)
    assert [s.lineage.raw_offset for s in take(call, 2)] == [0, 6]
    publisher.producer.begin_transaction()
    publisher.producer.produce(publisher.topic, value, partition=0)
    publisher.producer.commit_transaction(20)
    with pytest.raises(grpc.RpcError) as caught:
        next(call)
    assert caught.value.code() is grpc.StatusCode.DATA_LOSS
    assert words in caught.value.details()
    assert f"{publisher.topic} partition 0 offset 3 cannot be read" in caught.value.details()
    # The service goes on: whoever connects anew gets what comes now.
    again = follow(streaming(), symbol_ids=["EURUSD:FX"])
    again.initial_metadata()
    publisher.send([12])
    assert take(again, 1)[0].lineage.raw_offset == 12


def test_without_history_only_what_comes_after_the_headers(publisher, streaming):
    """A live client gets no history, and nothing that is published once it has its headers is missed."""
    publisher.send(range(6))
    call = follow(streaming(), symbol_ids=["EURUSD:FX"], tfs=["1m"])
    call.initial_metadata()
    publisher.send(range(6, 19))
    assert [s.lineage.raw_offset for s in take(call, 3)] == [6, 12, 18]
    call.cancel()


def test_history_waits_for_a_slow_client(publisher, streaming):
    """A client that reads history slowly through a short queue misses nothing and is not dropped."""
    publisher.send(range(3000))
    call = follow(streaming(stream_queue_max=10), from_beginning=True)
    got = []
    for _ in range(3000):
        got.append(next(call).lineage.raw_offset)
        if len(got) % 500 == 0:
            time.sleep(0.05)
    call.cancel()
    assert sorted(got) == list(range(3000))


def test_a_client_that_does_not_keep_up_with_live_signals_is_dropped(publisher, streaming):
    """A client that takes no live signals is dropped with RESOURCE_EXHAUSTED, and a fast one beside it is not."""
    served = streaming(stream_queue_max=200, stream_behind_max_s=4.0)
    # Without the windows that grow with the load, megabytes would be taken on behalf of a client that takes nothing.
    with grpc.insecure_channel(served.server.address, [("grpc.http2.bdp_probe", 0)]) as channel:
        _follow_slow_and_fast(served, publisher, channel)


def _follow_slow_and_fast(served, publisher, channel):
    slow = pb_grpc.ScoreServiceStub(channel).StreamSignals(pb.StreamSignalsRequest(), timeout=90)
    fast = follow(served, timeout=90)
    slow.initial_metadata()
    fast.initial_metadata()
    got = []

    def read():
        for signal in fast:
            got.append(signal)
            if len(got) == 10_000:
                return

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    for begin in range(0, 10_000, 100):
        publisher.send(range(begin, begin + 100))
        time.sleep(0.02)
        # The pace is the fast client's, however busy the machine is: what waits for it stays below the limit.
        while begin - len(got) > 100 and reader.is_alive():
            time.sleep(0.005)
    reader.join(60)
    fast.cancel()
    assert len(got) == 10_000
    # The service lets it go too, though the client has not read a word.
    deadline = time.monotonic() + 20
    while served.server._servicer._streams and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not served.server._servicer._streams
    with pytest.raises(grpc.RpcError, match="reads too slowly: 200 signals wait") as e:
        for _ in slow:
            pass
    assert e.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_wrong_wishes_too_many_streams_and_a_missing_topic(
    publisher, streaming, bootstrap_servers, serve, store, model
):
    """A wrong timeframe is INVALID_ARGUMENT, one stream too many RESOURCE_EXHAUSTED, no topic FAILED_PRECONDITION."""
    served = streaming(streams_max=1)

    def code(**fields):
        with pytest.raises(grpc.RpcError) as e:
            next(follow(served, **fields))
        return e.value.code().name, e.value.details()

    assert code(tfs=["1m", "3m"]) == ("INVALID_ARGUMENT", "tfs has '3m': one of 1m, 5m, 15m, 1h, 1d")
    assert code(symbol_ids=[""])[0] == "INVALID_ARGUMENT"
    one = follow(served)
    one.initial_metadata()
    assert code()[0] == "RESOURCE_EXHAUSTED"
    one.cancel()
    # The place is free again once the service has seen the client go.
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        two = follow(served, from_beginning=True)
        publisher.send([1])
        try:
            assert next(two).lineage.raw_offset == 1
            break
        except grpc.RpcError:
            time.sleep(0.05)
    else:
        pytest.fail("the place of a client that left is not free again")
    two.cancel()
    served = serve(make_engine(store, lambda: model), bootstrap_servers=bootstrap_servers, topic_prefix="absent.")
    name, details = code()
    assert name == "FAILED_PRECONDITION", details


class Line:
    """A way to a server that can be cut so that neither side is told, as by a machine that loses its power."""

    def __init__(self, port):
        self.cut, self._port = threading.Event(), port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = "{}:{}".format(*self._listener.getsockname())
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                ends = self._listener.accept()[0], socket.create_connection(("127.0.0.1", self._port))
                for one, other in (ends, ends[::-1]):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one, other):
        with contextlib.suppress(OSError), one, other:
            while data := one.recv(65536):
                if self.cut.is_set():
                    threading.Event().wait(20)
                other.sendall(data)

    def close(self):
        """Take no more connections."""
        self._listener.close()


@pytest.mark.usefixtures("publisher")
def test_a_client_whose_machine_is_gone_leaves_its_place(streaming, monkeypatch):
    """A silent client that no longer answers is let go, though its connection was never closed; one that does stays."""
    monkeypatch.setattr("serving.grpc_server.KEEPALIVE_MS", 1000)
    served = streaming()
    here = follow(served)
    here.initial_metadata()
    line = Line(served.server.port)
    with grpc.insecure_channel(line.address) as channel, contextlib.closing(line):
        gone = pb_grpc.ScoreServiceStub(channel).StreamSignals(pb.StreamSignalsRequest(), timeout=60)
        gone.initial_metadata()
        assert len(served.server._servicer._streams) == 2
        line.cut.set()
        deadline = time.monotonic() + 15
        while len(served.server._servicer._streams) == 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(served.server._servicer._streams) == 1
        assert here.is_active()


@pytest.mark.usefixtures("publisher")
def test_a_stop_ends_streams_with_unavailable(streaming):
    """A stop tells every streaming client to connect again, well within the grace."""
    served = streaming(grace_s=10.0)
    call = follow(served)
    call.initial_metadata()
    started = time.monotonic()
    served.run(served.server.stop())
    with pytest.raises(grpc.RpcError, match="the service stops") as e:
        next(call)
    assert e.value.code() is grpc.StatusCode.UNAVAILABLE
    assert time.monotonic() - started < 5
