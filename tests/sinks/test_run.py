"""The loop of a sink whose store is away, without a broker."""

import threading

import pytest

from processors.errors import ConfigError, RetryableError
from processors.sinks import run as module
from processors.sinks.config import SinkConfig
from processors.sinks.run import SinkRunner

CONFIG = SinkConfig(tries_max=3, backoff_first_ms=1, backoff_max_ms=2)


class AtTheEnd:
    """A follower whose topics are empty."""

    lost, at_end, backlog_is_read = 0, True, True

    def __init__(self, *_args):
        pass

    def topic_ids(self):
        """Return none."""
        return {}

    def begin(self, positions):
        """Begin."""

    def poll(self, *_args):
        """Return nothing."""
        return []

    def lag(self):
        """Return none."""
        return {}

    def close(self):
        """Close."""


class Away:
    """A sink whose store is away so many times."""

    name, topics = "away", ("a",)

    def __init__(self, times, error=None):
        self.times, self.error, self.tries, self.told = times, error or RetryableError("Redis: away"), 0, 0
        self.away, self.counts = threading.Event(), {"rows": 0}

    def positions(self, _ids):
        """Fail, or return none."""
        self.tries += 1
        if self.tries > self.times:
            return {}
        if self.tries > CONFIG.tries_max:
            self.away.set()
        raise self.error

    def backlog_read(self):
        """Count the calls."""
        self.told += 1

    def idle(self):
        """Do nothing."""

    def finish(self):
        """Do nothing."""

    def waiting(self):
        """Return none."""
        return 0


@pytest.fixture(autouse=True)
def _follower(monkeypatch):
    monkeypatch.setattr(module, "Follower", AtTheEnd)
    monkeypatch.setattr(module, "IDLE_EVERY_S", 0.0)


def started(sink, **more):
    """Return a runner at work, and what it sets to end the process."""
    stop = threading.Event()
    runner = SinkRunner(sink, "nowhere", CONFIG, stop, records_max=1, wait_s=0.0, **more)
    runner.start()
    return runner, stop


def test_a_copy_goes_on_trying_and_catches_up():
    """A copy whose store is away for longer than the tries ends nothing, says so, and goes on when it is back."""
    sink = Away(10**9)
    runner, stop = started(sink, is_copy=True)
    assert sink.away.wait(10)
    assert runner.stats()["away"] == "Redis: away"
    assert not runner.stats()["caught_up"]
    assert not stop.is_set()
    sink.times = 0
    deadline = threading.Event()
    while not runner.stats()["caught_up"] or runner.stats()["away"]:
        assert not deadline.wait(0.001)
        assert runner.is_alive()
    assert sink.told == 1
    stop.set()
    runner.join(5)
    assert runner.error is None


def test_a_store_that_has_no_other_ends_the_process_after_the_tries():
    """Where the rows are in this store alone, the sink gives up, and the process ends."""
    sink = Away(10**9)
    runner, stop = started(sink)
    runner.join(5)
    assert (sink.tries, str(runner.error), stop.is_set()) == (3, "Redis: away", True)


def test_once_a_copy_that_is_away_fails_and_leaves_the_others_at_work():
    """A run that shall end names the copy that was away, and does not end the other sink before it is done."""
    sink = Away(10**9)
    runner, stop = started(sink, once=True, is_copy=True)
    runner.join(5)
    assert (sink.tries, str(runner.error), stop.is_set()) == (3, "Redis: away", False)


def test_a_copy_that_is_wrong_ends_the_process():
    """What waiting does not mend is refused at once, of a copy too."""
    runner, stop = started(Away(1, ConfigError("Redis", "prefix", "x", "y")), is_copy=True)
    runner.join(5)
    assert isinstance(runner.error, ConfigError)
    assert stop.is_set()
