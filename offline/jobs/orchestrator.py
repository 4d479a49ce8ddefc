"""Flows by the clock, with Prefect: its server on loopback where nobody names one, its files in the data folder.

Prefect is imported only below: it takes seconds, and no other command has need of it. `mps jobs run` does without:
what it adds, schedules and a page that shows runs, is of no use to a run by hand.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from deploy.local.paths import CHECKOUT
from offline.jobs.files import jobs_folder
from offline.jobs.schedules import Schedule
from processors.errors import PlatformError

API = "PREFECT_API_URL"
START_S_MAX = 180.0
"""The first start makes the tables of a new database: half a minute where the machine is busy."""
GRACE_S = 20.0


def keep_to_ourselves() -> None:
    """Keep Prefect's files in the data folder and its mouth shut; to be called before it is imported."""
    folder = Path(os.environ.get("PREFECT_HOME") or jobs_folder() / "prefect")
    folder.mkdir(parents=True, exist_ok=True)
    os.environ.update({
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        # Its runs are processes of their own, which import the flows by name.
        "PYTHONPATH": os.pathsep.join(filter(None, [str(CHECKOUT), os.environ.get("PYTHONPATH")])),
    })  # fmt: skip


def serve_flows(schedules: Sequence[Schedule], tell: Callable[[str], None]) -> None:
    """Run flows by their schedules until SIGTERM or SIGINT, one at a time.

    Raises
    ------
    PlatformError
        Prefect's server does not answer.
    """
    keep_to_ourselves()
    # Prefect ends at an interrupt; told to end before it listens, we do too.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        with prefect_server(tell):
            _serve(schedules, tell)
    except KeyboardInterrupt:
        tell("stopped")


def deployments_of(schedules: Sequence[Schedule]) -> list[Any]:
    """Return what Prefect serves: a flow of ``prefect_flows`` by its name, when, and with which parameters."""
    from prefect.schedules import Cron
    from prefect.types.entrypoint import EntrypointType

    from offline.jobs import prefect_flows

    return [
        getattr(prefect_flows, s.flow).to_deployment(
            f"schedule-{number}", schedule=Cron(s.cron, timezone=s.timezone), parameters=s.parameters,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        for number, s in enumerate(schedules)
    ]  # fmt: skip


def _serve(schedules: Sequence[Schedule], tell: Callable[[str], None]) -> None:
    from prefect import serve

    deployments = deployments_of(schedules)
    tell(f"{len(deployments)} schedules are served; {os.environ[API].removesuffix('/api')} shows them")
    serve(*deployments, limit=1, print_starting_message=False)


@contextmanager
def prefect_server(tell: Callable[[str], None]) -> Iterator[None]:
    """Have a server: the one that the environment names, or one of our own that ends with us."""
    if os.environ.get(API):
        yield
        return
    port = _free_port()
    log = Path(os.environ["PREFECT_HOME"]) / "server.log"
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    bound = [sys.executable, "-I", "-S", str(CHECKOUT / "deploy" / "local" / "bound_exec.py"), str(os.getpid())]
    with log.open("ab") as out:
        child = subprocess.Popen(
            [*bound, *command], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, cwd=CHECKOUT,
            start_new_session=True,
        )  # fmt: skip
    try:
        tell(f"starting Prefect's server on 127.0.0.1:{port}; its log is {log}")
        os.environ[API] = f"http://127.0.0.1:{port}/api"
        _wait(child, f"{os.environ[API]}/health", str(log))
        yield
    finally:
        os.environ.pop(API, None)
        child.terminate()
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _wait(child: "subprocess.Popen[bytes]", url: str, log: str) -> None:
    deadline_s = time.monotonic() + START_S_MAX
    while time.monotonic() < deadline_s and child.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own address
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise PlatformError(f"Prefect's server does not answer; its log is {log}")


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
