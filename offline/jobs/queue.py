"""What the webhook was asked for, on disk: runs one after another, in the order they came, also after a restart.

jobs/queue/000017-KEY.json    flow, parameters, when; status waiting, running, finished, refused, failed; its run
"""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy.local.paths import CHECKOUT, locked
from offline.jobs.files import jobs_folder, read_json, write_json
from offline.jobs.run import REFUSED
from processors.errors import ConfigError, PlatformError

WAITING, RUNNING, FINISHED, FAILED = "waiting", "running", "finished", "failed"
WAITING_MAX = 1_000
"""More are refused: a queue that long is a fault of who asks."""
RETRY_S = 5.0
"""After a fault of the disk or the machine, which passes or is mended by people."""
SHOWN_BYTES = 200
"""Of what a command printed in place of a record: as much as finds the line that printed it."""
_BOUND = CHECKOUT / "deploy" / "local" / "bound_exec.py"
"""Starts a program that ends with its parent."""


class FullError(PlatformError):
    """Too many requests wait."""


class OtherRequestError(PlatformError):
    """The key was used for something else."""


class AloneError(PlatformError):
    """Another process runs this queue."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request.

    Parameters
    ----------
    key
        Of the request; the same key is the same ticket.
    number
        Place in the order.
    run
        Of the flow; None until it has run.
    """

    key: str
    number: int
    flow: str
    parameters: dict[str, Any]
    received: str
    status: str = WAITING
    run: str | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it in words of JSON."""
        return asdict(self)


class Queue:
    """The tickets of a folder; several processes may add to them, one runs them."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or jobs_folder() / "queue"

    def tickets(self) -> list[Ticket]:
        """Return all of them, in their order."""
        return [Ticket(**read_json(path)) for path in sorted(self.folder.glob("[0-9]*.json"))]

    def waiting(self) -> list[Ticket]:
        """Return those that have not ended."""
        return [t for t in self.tickets() if t.status in (WAITING, RUNNING)]

    def add(self, key: str, flow: str, parameters: dict[str, Any]) -> tuple[Ticket, bool]:
        """Return the ticket of a request, and whether it is new.

        Raises
        ------
        OtherRequestError
            The key stands for another flow or other parameters.
        FullError
            Too many wait.
        """
        with locked(self.folder / "lock"):
            known = self.find(key)
            if known is not None:
                if (known.flow, known.parameters) != (flow, parameters):
                    raise OtherRequestError("this key was used for another flow or other parameters")
                return known, False
            tickets = self.tickets()
            if len([t for t in tickets if t.status == WAITING]) >= WAITING_MAX:
                raise FullError(f"{WAITING_MAX} requests wait already")
            number = tickets[-1].number + 1 if tickets else 0
            return self.write(Ticket(key, number, flow, parameters, datetime.now(UTC).isoformat())), True

    def write(self, ticket: Ticket) -> Ticket:
        """Write a ticket down, and return it."""
        write_json(self.folder / f"{ticket.number:08d}-{ticket.key}.json", ticket.as_json())
        return ticket

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the one process that runs the tickets.

        Raises
        ------
        AloneError
            Another one is.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / "worker").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AloneError(f"another webhook runs the requests of {self.folder}") from None
            yield

    def find(self, key: str) -> Ticket | None:
        """Return the ticket of a request; None where none has that key."""
        # A pattern would also find a longer key that ends in this one, behind a dash.
        found = [path for path in self.folder.glob("[0-9]*.json") if path.stem.partition("-")[2] == key]
        return Ticket(**read_json(found[0])) if found else None


class Worker:
    """Runs tickets one after another, each as a process ``mps jobs run``; one that was broken off is run again.

    So is one whose state cannot be written, or whose process cannot be started: a run that is done is not done again.

    Parameters
    ----------
    tell
        Told a line for each beginning and end.
    """

    def __init__(self, queue: Queue, tell: Callable[[str], None]) -> None:
        self._queue, self._tell = queue, tell
        self._stop, self._more = threading.Event(), threading.Event()
        self._child: subprocess.Popen[bytes] | None = None

    def wake(self) -> None:
        """Look at the queue now."""
        self._more.set()

    def stop(self) -> None:
        """End soon: a flow at work is stopped, and waits for the next start."""
        self._stop.set()
        self._more.set()
        if self._child is not None and self._child.poll() is None:
            self._child.terminate()

    def run(self) -> None:
        """Work until ``stop``; to be called in a thread that lives as long, since flows end with it."""
        while not self._stop.is_set():
            self._more.clear()
            try:
                waiting = self._queue.waiting()
                if waiting:
                    self._ticket(self._queue.write(replace(waiting[0], status=RUNNING)))
                    continue
            except (OSError, ConfigError) as e:
                # Raised, it would end the thread, while the webhook went on to take requests that nobody runs.
                self._say(f"what waits is tried again in {RETRY_S:.0f} s: {e}")
                self._stop.wait(RETRY_S)
                continue
            self._more.wait(1.0)

    def _say(self, line: str) -> None:
        # Flows run, whether somebody listens or not.
        with suppress(OSError):
            self._tell(line)

    def _ticket(self, ticket: Ticket) -> None:
        self._say(f"{ticket.key}: {ticket.flow} begins")
        words = [w for k, v in ticket.parameters.items() for one in _texts(v) for w in ("-p", f"{k}={one}")]
        try:
            code, text, said = self._printed([ticket.flow, *words])
        except ValueError as e:
            # A parameter that no command line can have, such as one with a null character.
            self._ended(replace(ticket, status=FAILED, error=f"no command can be made of the parameters: {e}"))
            return
        if self._stop.is_set() and code != 0:
            # Stopped with us: it waits, and goes on where it was.
            self._queue.write(replace(ticket, status=WAITING))
            return
        fault = None
        try:
            record = _record_of(text)
        except ValueError as e:
            record, fault = {}, f"the command printed what is no record of a run: {e}"
        ended = FINISHED if code == 0 and not fault else REFUSED if record.get("status") == REFUSED else FAILED
        last = said.strip().splitlines()[-1:] if code else []
        error = None if ended != FAILED else (last or [fault or f"exit code {code}"])[0]
        self._ended(replace(ticket, status=ended, run=record.get("run"), error=error))

    def _ended(self, ticket: Ticket) -> None:
        self._queue.write(ticket)
        self._say(f"{ticket.key}: {ticket.flow} {ticket.status}")

    def _printed(self, words: list[str]) -> tuple[int, bytes, str]:
        """Run a flow, and return its exit code, what it printed and what it said of errors."""
        command = [sys.executable, "-m", "cli.main", "jobs", "run", *words, "--json"]
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            self._child = child = subprocess.Popen(
                [sys.executable, "-I", "-S", str(_BOUND), str(os.getpid()), *command], stdin=subprocess.DEVNULL,
                stdout=out, stderr=err, cwd=CHECKOUT, start_new_session=True,
            )  # fmt: skip
            if self._stop.is_set():
                child.terminate()
            child.wait()
            out.seek(0)
            err.seek(0)
            return child.returncode, out.read(), err.read().decode(errors="replace")


def _record_of(text: bytes) -> dict[str, Any]:
    """Return the record that a command printed, empty where it printed nothing; raises ValueError where it is none."""
    if not text.strip():
        return {}
    shown = text.strip()[:SHOWN_BYTES].decode(errors="replace")
    try:
        found = json.loads(text)
    except ValueError as e:
        raise ValueError(shown) from e
    if not isinstance(found, dict):
        raise ValueError(shown)  # noqa: TRY004 - of the text, as above
    return found


def _texts(value: Any) -> list[str]:
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [v if isinstance(v, str) else json.dumps(v) for v in values]
