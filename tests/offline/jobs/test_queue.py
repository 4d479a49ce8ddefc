"""The worker of the queue: what a flow prints never ends the thread that runs the next one."""

import threading
import time

import pytest

from offline.jobs import queue as queue_module
from offline.jobs.queue import FAILED, FINISHED, Queue, Worker

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


@pytest.mark.usefixtures("mps_home")
def test_a_stray_line_fails_its_ticket_and_no_other(tmp_path, monkeypatch):
    """The reason is kept, that of the command where it has one, and what waits behind is run."""
    script = tmp_path / "flows.py"
    script.write_text(FLOWS)
    monkeypatch.setattr(queue_module, "_BOUND", script)
    queue = Queue()
    for flow in ("score", "compact", "ingest", "train"):
        queue.add(flow[0] * 20, flow, {})
    worker = Worker(queue, lambda _line: None)
    thread = threading.Thread(target=worker.run)
    thread.start()
    deadline_s = time.monotonic() + WAIT_S
    while queue.waiting() and thread.is_alive() and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert thread.is_alive()
    worker.stop()
    thread.join()
    stray, listed, away, fine = queue.tickets()
    assert [t.status for t in (stray, listed, away, fine)] == [FAILED, FAILED, FAILED, FINISHED]
    assert stray.error == "the command printed what is no record of a run: a stray line\n{}"
    assert listed.error.endswith("no record of a run: [7]")
    assert away.error == "the broker is away"
    assert (fine.run, fine.error) == ("train-1", None)
