"""The worker of the queue: what a flow prints, or a disk refuses, never ends the thread that runs the next one."""

import subprocess
import threading
import time

import pytest

from offline.jobs import queue as queue_module
from offline.jobs.queue import FAILED, FINISHED, Queue, Worker
from processors.errors import ConfigError

FLOWS = """
import sys
flow = sys.argv[sys.argv.index("run") + 1]
printed = {"score": "a stray line\\n{}", "compact": "[7]", "train": '{"run": "train-1"}', "ingest": "half"}
print(printed[flow])
if flow == "ingest":
    sys.exit("the broker is away")
"""
"""Stands for the command: prints what a test has of it."""
WAIT_S = 30.0


def work_off(queue, tell=lambda _line: None):
    """Run a worker until nothing waits; it lives until then."""
    worker = Worker(queue, tell)
    thread = threading.Thread(target=worker.run)
    thread.start()
    deadline_s = time.monotonic() + WAIT_S
    while queue.waiting() and thread.is_alive() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert thread.is_alive()
    worker.stop()
    thread.join()


@pytest.fixture
def flows(tmp_path, monkeypatch, mps_home):  # noqa: ARG001 - a home
    """Put a script in the place of the command."""
    script = tmp_path / "flows.py"
    script.write_text(FLOWS)
    monkeypatch.setattr(queue_module, "_BOUND", script)


@pytest.mark.usefixtures("flows")
def test_a_stray_line_fails_its_ticket_and_no_other():
    """The reason is kept, that of the command where it has one, and what waits behind is run."""
    queue = Queue()
    for flow in ("score", "compact", "ingest", "train"):
        queue.add(flow[0] * 20, flow, {})
    work_off(queue)
    stray, listed, away, fine = queue.tickets()
    assert [t.status for t in (stray, listed, away, fine)] == [FAILED, FAILED, FAILED, FINISHED]
    assert stray.error == "the command printed what is no record of a run: a stray line\n{}"
    assert listed.error.endswith("no record of a run: [7]")
    assert away.error == "the broker is away"
    assert (fine.run, fine.error) == ("train-1", None)


@pytest.mark.usefixtures("flows")
@pytest.mark.parametrize("fault", ["write", "start", "tell"])
def test_a_fault_of_the_machine_is_told_and_tried_again(monkeypatch, fault):
    """A state that is not written, a process that is not started, a listener that is gone: all is run in the end."""
    told, faults, queue = [], iter(range(2)), Queue()
    for key in "ab":
        queue.add(key * 20, "train", {})

    def failing(work, error):
        def run(*given, **more):
            if next(faults, None) is not None:
                raise error
            return work(*given, **more)

        return run

    monkeypatch.setattr(queue_module, "RETRY_S", 0.02)
    if fault == "write":
        error = ConfigError("queue", "file", "No space left on device", "room")
        monkeypatch.setattr(Queue, "write", failing(Queue.write, error))
    if fault == "start":
        error = OSError(11, "Resource temporarily unavailable")
        monkeypatch.setattr(subprocess, "Popen", failing(subprocess.Popen, error))
    work_off(queue, failing(told.append, BrokenPipeError()) if fault == "tell" else told.append)
    assert [(t.status, t.run) for t in queue.tickets()] == [(FINISHED, "train-1")] * 2
    assert sum("tried again" in line for line in told) == (0 if fault == "tell" else 2)


@pytest.mark.usefixtures("flows")
def test_a_parameter_that_no_command_can_have_fails_its_ticket():
    """It would never start: it is not tried again, and what waits behind is run."""
    queue = Queue()
    queue.add("a" * 20, "train", {"recipes": ["a\0b"]})
    queue.add("b" * 20, "train", {})
    work_off(queue)
    assert [t.status for t in queue.tickets()] == [FAILED, FINISHED]
    assert "null byte" in queue.tickets()[0].error
