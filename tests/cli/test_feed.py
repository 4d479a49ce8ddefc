"""``mps feed``: what it says before the first tick."""

from cli.commands.feed import clock_warning
from deploy.local.endpoints import Endpoints, save_endpoints
from deploy.local.paths import Home


def test_live_ticks_beside_a_service_on_the_event_clock_are_warned_of(tmp_path, monkeypatch):
    """A running ScoreService is named with the remedy, unless MPS_CLOCK says wall or none runs."""
    where = Home(tmp_path)
    monkeypatch.delenv("MPS_CLOCK", raising=False)
    for name in ("MPS_BOOTSTRAP_SERVERS", "MPS_REDIS_URL", "MPS_REGISTRY_URL", "MPS_GRPC_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    assert clock_warning(where) == ""
    save_endpoints(where, Endpoints("kafka:1", "redis://redis:2/0", "http://registry:3"))
    assert clock_warning(where) == ""
    save_endpoints(
        where, Endpoints("kafka:1", "redis://redis:2/0", "http://registry:3", grpc_address="127.0.0.1:50051")
    )
    assert "127.0.0.1:50051 may take an old row for a new one" in clock_warning(where)
    assert "MPS_CLOCK=wall mps up --stages" in clock_warning(where)
    monkeypatch.setenv("MPS_CLOCK", "event")
    assert clock_warning(where)
    monkeypatch.setenv("MPS_CLOCK", "wall")
    assert clock_warning(where) == ""
