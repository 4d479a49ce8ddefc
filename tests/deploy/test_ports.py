"""Free loopback ports."""

from deploy.local import ports
from deploy.local.score_service import serve_command


def test_a_promised_port_is_not_given_twice(monkeypatch):
    """The system may pick a port again that is promised and not yet listened on: then it is asked once more."""
    picks = iter([40_001, 40_001, 40_002])

    class Probe:
        def __enter__(self):
            self.port = next(picks)
            return self

        def __exit__(self, *_):
            pass

        def bind(self, _):
            pass

        def getsockname(self):
            return ("127.0.0.1", self.port)

    monkeypatch.setattr(ports.socket, "socket", lambda *_: Probe())
    assert ports.choose("Kafka controller", preferred=ports.ANY, other_than=40_001) == 40_002


def test_the_score_service_gets_its_usual_port_or_a_free_one():
    """The command leaves it to the service, which binds the port: see tests/serving/test_grpc_server.py."""
    assert serve_command(50_051) == ["serve", "--port", "50051", "--or-free-port"]
