"""The webhook: every refusal with its status and reason, one run for a request that comes twice, order kept on disk."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from contextlib import closing
from http.client import HTTPConnection

import pytest
from aiohttp.test_utils import TestClient, TestServer

from offline.jobs import queue as queue_module
from offline.jobs.catalog import ALLOWED
from offline.jobs.queue import FINISHED, RUNNING, WAITING, AloneError, OtherRequestError, Queue
from offline.jobs.run import find, records
from offline.jobs.signature import path_of, signed_headers
from offline.jobs.webhook import BODY_BYTES_MAX, Webhook
from offline.lake.store import LakeStore
from processors.errors import ConfigError
from tests.offline.lake.conftest import encode, make_records, records_of, sink_at
from tests.runtime.ticks import REPOSITORY

SECRET = b"0123456789abcdef0123456789abcdef"
KEY = "k" * 20
WAIT_S = 120.0


@pytest.fixture
def queue(mps_home):
    """Return the queue of an empty home."""
    mps_home.mkdir()
    return Queue()


def post(queue, *requests, allowed=ALLOWED, is_working=True):
    """Return status and answer of each request, a path with a body and headers; signed where those are None."""

    async def run():
        hook = Webhook(SECRET, allowed, queue, lambda: None, lambda: is_working)
        async with TestClient(TestServer(hook.application())) as client:
            out = []
            for path, body, headers in requests:
                given = signed_headers(SECRET, path, body) if headers is None else headers
                answer = await client.post(path, data=body, headers=given)
                out.append((answer.status, await answer.json()))
            return out

    return asyncio.run(run())


def test_a_request_that_comes_twice_is_one_run(queue):
    """Taken with its key, and the first ticket again; the same key for something else is refused."""
    path = path_of("compact", KEY)
    first, second, other, more = post(
        queue, (path, b'{"days": 7}', None), (path, b'{"days": 7}', None), (path, b'{"days": 8}', None),
        (path_of("compact"), b"", None),
    )  # fmt: skip
    assert first == (202, {"key": KEY, "flow": "compact", "status": WAITING, "run": None, "new": True})
    assert second == (202, {**first[1], "new": False})
    assert other[0] == 409
    assert more[0] == 202
    assert [t.parameters for t in Queue().waiting()] == [{"days": 7}, {}]


@pytest.mark.parametrize(
    ("flow", "body", "status", "said"),
    [
        ("nothing", b"", 404, "no flow"),
        ("promote", b"", 404, "not allowed here"),
        ("compact", b'{"day": 7}', 422, "no parameter"),
        ("compact", b'{"days": "x"}', 422, "int, 30 by default"),
        ("compact", b"[7]", 422, "a JSON object"),
        ("compact", b"{", 422, "a JSON object"),
        ("compact", b"[" * 60_000, 422, "a JSON object"),
        ("train", b"{}", 422, "needed"),
        ("compact", b" " * (BODY_BYTES_MAX + 1), 413, "at most"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_starts(queue, flow, body, status, said):
    """With a reason; nothing waits afterwards."""
    ((found, told),) = post(queue, (path_of(flow), body, None))
    assert found == status
    assert said in told["error"]
    assert queue.tickets() == []


def test_what_nobody_would_run_is_not_taken(queue, monkeypatch):
    """A worker that has ended, and a disk that is full: 503 with the reason, and nothing waits."""
    asked = (path_of("compact", KEY), b"{}", None)
    ((status, told),) = post(queue, asked, is_working=False)
    assert (status, "worker of this webhook has ended" in told["error"]) == (503, True)

    def full(_path, _value):
        raise ConfigError("queue", "file", "No space left on device", "room")

    monkeypatch.setattr(queue_module, "write_json", full)
    ((status, told),) = post(queue, asked)
    assert (status, "No space left" in told["error"]) == (503, True)
    assert queue.tickets() == []


def test_a_key_is_found_whole(queue):
    """One that another ends in is a request of its own, and is shown as such."""
    first, second = post(queue, (path_of("compact", f"nightly-{KEY}"), b'{"days": 7}', None),
                         (path_of("compact", KEY), b'{"days": 8}', None))  # fmt: skip
    assert (first[0], second[0], second[1]["key"], second[1]["new"]) == (202, 202, KEY, True)
    assert [queue.find(k).parameters["days"] for k in (f"nightly-{KEY}", KEY)] == [7, 8]
    assert queue.find("nightly") is queue.find("*") is None


def test_what_is_not_signed_is_refused(queue):
    """Without headers, with those of another body, with old ones; the answer tells neither secret nor signature."""
    path, body = path_of("compact", KEY), b"{}"
    right, old = signed_headers(SECRET, path, body), signed_headers(SECRET, path, body, time.time() - 301)
    answers = post(queue, (path, body, {}), (path, b'{"days":1}', right), (path, body, old),
                   ("/flows/compact", body, signed_headers(SECRET, "/flows/compact", body)))  # fmt: skip
    for status, told in answers:
        assert status == 401
        assert SECRET.decode() not in told["error"]
        assert "=" not in told["error"].replace("v1=", "").replace("?key=KEY", "")
    assert queue.tickets() == []


def test_the_command_of_the_page_is_taken(queue):
    """What docs/jobs.md shows, openssl and curl, as it stands there but for the address; a changed body is refused."""
    page = (REPOSITORY / "docs" / "jobs.md").read_text()
    script = page.partition("```bash\n")[2].partition("```")[0]

    async def run(text):
        hook = Webhook(SECRET, ALLOWED, queue, lambda: None, lambda: True)
        async with TestServer(hook.application()) as server:
            shown = text.replace("127.0.0.1:8088", f"{server.host}:{server.port}")
            child = await asyncio.create_subprocess_exec(
                "bash", "-euc", shown, stdout=asyncio.subprocess.PIPE,
                env={**os.environ, "MPS_WEBHOOK_SECRET": SECRET.decode()},
            )  # fmt: skip
            return json.loads((await child.communicate())[0])

    told = asyncio.run(run(script))
    assert (told["flow"], told["new"], told["status"]) == ("compact", True, WAITING)
    assert [t.parameters for t in queue.waiting()] == [{"days": 7}]
    assert "not that of" in asyncio.run(run(script.replace('-d "$BODY"', "-d '{}'")))["error"]


def test_an_allowed_flow_must_exist(queue):
    """A list with another name is refused at start."""
    with pytest.raises(ConfigError, match="one of ingest"):
        Webhook(SECRET, ["compat"], queue, lambda: None, lambda: True)


def test_many_at_once_with_one_key_are_one_ticket(queue):
    """However they race."""
    found = []

    def add():
        found.append(queue.add(KEY, "compact", {}))

    threads = [threading.Thread(target=add) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert sum(is_new for _, is_new in found) == 1
    assert len(queue.tickets()) == 1
    with pytest.raises(OtherRequestError):
        queue.add(KEY, "score", {})
    with queue.alone(), pytest.raises(AloneError), Queue().alone():
        pass


def start(home):
    """Start the command, and return its process and address."""
    command = [sys.executable, "-m", "cli.main", "jobs", "webhook", "--port", "0"]
    environment = {**os.environ, "MPS_HOME": str(home), "MPS_WEBHOOK_SECRET": SECRET.decode()}
    process = subprocess.Popen(command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    while not line.startswith("listening"):
        assert process.poll() is None, "it ended"
        line = process.stdout.readline()
    return process, line.split()[-1].removesuffix("/flows/")


def send(address, key, parameters):
    """Send a signed request to start compact, and return the answer."""
    path, body = path_of("compact", key), json.dumps(parameters).encode()
    host, port = address.removeprefix("http://").split(":")
    with closing(HTTPConnection(host, int(port), timeout=30)) as door:
        door.request("POST", path, body, signed_headers(SECRET, path, body))
        answer = door.getresponse()
        return answer.status, json.load(answer)


def until(condition):
    """Wait until a condition holds."""
    deadline_s = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline_s, "waited in vain"
        time.sleep(0.05)


def test_what_waits_survives_a_kill(mps_home, monkeypatch):
    """Two requests, the webhook killed while the first runs: started again it runs both, in order, each once."""
    monkeypatch.delenv("MPS_LAKE", raising=False)
    store = LakeStore.at(mps_home / "lake")
    for first in range(0, 60, 20):
        sink = sink_at(store)
        sink.write([records_of("bars.v1", encode("bars.v1", make_records("bars.v1", 20, first)), first)])
        sink.finish()
    keys, queue = ["a" * 20, "b" * 20], Queue()
    process, address = start(mps_home)
    for number, key in enumerate(keys):
        assert send(address, key, {"tables": ["bars"], "days": 7 + number})[0] == 202
    until(lambda: queue.tickets()[0].status == RUNNING)
    process.kill()
    process.communicate()

    process, address = start(mps_home)
    until(lambda: [t.status for t in queue.tickets()] == [FINISHED, FINISHED])
    told = send(address, keys[0], {"tables": ["bars"], "days": 7})[1]
    assert (told["new"], told["run"]) == (False, queue.find(keys[0]).run)
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0
    first, second = (find(queue.find(key).run) for key in keys)
    assert (first.parameters["days"], second.parameters["days"]) == (7, 8)
    assert first.ended < second.ended
    assert len(records()) == 2
