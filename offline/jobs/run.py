"""A run of a flow: steps that are done are written down, and are not done again.

    jobs/runs/compact-1f0c.../run.json          flow, parameters, input state, where it stands, result
                             /steps/NAME.json   the result of a step, written when it is done
                             /steps/NAME.begun  written before: a step that finds it goes on rather than begins
                             /out/              files that the flow makes
                             /logs/             output of the stages that it runs

The key of a run is the digest of flow, parameters and state of the input. A run that is not finished is gone on with
whatever the input is by now: its own steps may have changed it.

Prefect's own caching of results was tried in its place: it finds finished tasks again after a kill, and takes a result
that is cut off for none. But who reads or writes one has to import Prefect and start its server, 12 s of computing
against milliseconds, and its results are pickles by default: these are JSON, for `mps jobs show` and for people.
"""

import fcntl
import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from offline.jobs.files import jobs_folder, read_json, write_json
from offline.jobs.job import Job
from processors.errors import ConfigError, PlatformError, RetryableError
from processors.whole_file import write_whole

KEY_CHARS = 16
RUNNING, FINISHED, FAILED, CANCELLED = "running", "finished", "failed", "cancelled"
INTERRUPTED = "interrupted"
"""Shown of a run that says it is running while nobody holds it: its process was killed."""
REFUSED = "refused"
"""Shown of a run that came to a no: its result has ``ok`` false, as of promote where no version passes. It is written
as finished: the same input comes to the same no."""

LOOK_S = 1.0

Work = Callable[[], Any]
Around = Callable[[str, Work], Any]
"""Does the work of a step by its name; Prefect makes a task of it."""
Tell = Callable[[str, float | None], None]
"""Called with what is being done, and how much of it is, 0 to 1, where that is known."""


def _direct(_name: str, work: Work) -> Any:
    return work()


def _silent(_text: str, _share: float | None) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a run.

    Parameters
    ----------
    request
        Digest of flow and parameters.
    number
        Which run of the same key: more than 0 where one was begun anew.
    attempts
        How often it was started.
    """

    run: str
    flow: str
    parameters: dict[str, Any]
    request: str
    input_state: Any
    number: int
    status: str
    began: str
    attempts: int = 1
    ended: str | None = None
    error: str | None = None
    result: dict[str, Any] | None = None

    @property
    def folder(self) -> Path:
        """Return where it lies."""
        return jobs_folder() / "runs" / self.run

    def write(self) -> "Record":
        """Write it down, and return it."""
        write_json(self.folder / "run.json", asdict(self))
        return self

    @property
    def is_refused(self) -> bool:
        """Return whether it came to a no."""
        return self.status == FINISHED and self.result is not None and self.result.get("ok") is False

    def is_held(self) -> bool:
        """Return whether a process works on it, or on another run of the same request."""
        try:
            with _alone(self.request):
                return False
        except RetryableError:
            return True

    def steps(self) -> list[dict[str, Any]]:
        """Return the steps that are done, in their order."""
        found = [read_json(path) for path in (self.folder / "steps").glob("*.json")]
        return sorted(found, key=lambda step: step["began"])

    def as_json(self) -> dict[str, Any]:
        """Return it with its steps, for people and programs."""
        return {**asdict(self), "status": self._shown(), "folder": str(self.folder), "steps": self.steps()}

    def _shown(self) -> str:
        if self.is_refused:
            return REFUSED
        return INTERRUPTED if self.status == RUNNING and not self.is_held() else self.status


@dataclass(slots=True)
class JobRun:
    """A run at work, as the function of a flow sees it."""

    record: Record
    tell: Tell = _silent
    around: Around = _direct
    _seen: set[str] = field(default_factory=set)

    @property
    def parameters(self) -> dict[str, Any]:
        """Return the parameters of the flow."""
        return self.record.parameters

    @property
    def out(self) -> Path:
        """Return the folder for files that the flow makes."""
        folder = self.record.folder / "out"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def logs(self) -> Path:
        """Return the folder for output of processes."""
        return self.record.folder / "logs"

    def begun(self, name: str) -> bool:
        """Return whether a step was begun before, and not finished: to be asked inside of it."""
        return self._file(name, "begun").read_text() != self._attempt()

    def step(self, name: str, work: Work) -> Any:
        """Return the result of a step: what was written down where it is done, else of ``work``.

        Parameters
        ----------
        name
            One of its own in the flow.
        work
            Returns words of JSON; doing it twice does no harm, since a kill may fall between its end and its note.
        """
        assert name not in self._seen, f"two steps of {self.record.flow} are named {name}"
        self._seen.add(name)
        done = self._file(name, "json")
        found = read_json(done)
        if found is None:
            self.tell(name, None)
            begun = self._file(name, "begun")
            if not begun.exists():
                write_whole(begun, self._attempt())
            began = _now()
            result = self.around(name, work)
            write_json(done, {"name": name, "began": began, "ended": _now(), "result": result})
            found = read_json(done)
        return found["result"]

    def _file(self, name: str, kind: str) -> Path:
        return self.record.folder / "steps" / f"{re.sub('[^A-Za-z0-9_.-]+', '-', name)}.{kind}"

    def _attempt(self) -> str:
        return str(self.record.attempts)


def execute(
    job: Job, given: Mapping[str, Any], *, anew: bool = False, tell: Tell = _silent, around: Around = _direct
) -> Record:
    """Run a flow to its end, or go on with a run of the same parameters; return what it came to.

    A run of the same key that is finished is returned as it is, unless what it did was undone since.

    Raises
    ------
    ConfigError
        A parameter does not fit.
    RetryableError
        Another process runs the same.
    PlatformError
        A step failed; the next start goes on with it.
    """
    parameters = job.checked(given)
    request = _digest([job.name, parameters])
    # Whoever looks at runs holds the lock for a moment.
    with _alone(request, LOOK_S):
        record = _chosen(job, parameters, request, anew=anew)
        if record.status == FINISHED:
            return record
        run = JobRun(record.write(), tell, around)
        try:
            result = json.loads(json.dumps(job.run(run)))
        except Exception as e:
            replace(record, status=FAILED, ended=_now(), error=f"{type(e).__name__}: {e}").write()
            raise
        except BaseException:
            # Ctrl-C, or what Prefect raises where it is told to stop a flow.
            replace(record, status=CANCELLED, ended=_now()).write()
            raise
        return replace(record, status=FINISHED, ended=_now(), result=result).write()


def records() -> list[Record]:
    """Return all runs, the newest first."""
    found = [read_json(path) for path in (jobs_folder() / "runs").glob("*/run.json")]
    return sorted((Record(**r) for r in found), key=lambda r: r.began, reverse=True)


def find(run: str) -> Record:
    """Return the run whose name begins so.

    Raises
    ------
    ConfigError
        There is none, or more than one.
    """
    found = [r for r in records() if r.run == run] or [r for r in records() if r.run.startswith(run)]
    if len(found) != 1:
        remedy = "more letters of its name" if found else "a run: `mps jobs show` lists them"
        raise ConfigError("jobs", "run", run, remedy)
    return found[0]


def _chosen(job: Job, parameters: dict[str, Any], request: str, *, anew: bool) -> Record:
    """Return the run to go on with, a finished one, or a new one."""
    same = [r for r in records() if r.request == request]
    if same and same[0].status != FINISHED and not anew:
        old = same[0]
        return replace(old, status=RUNNING, attempts=old.attempts + 1, ended=None, error=None)
    state = json.loads(json.dumps(job.input_state(parameters)))
    key = _digest([job.name, parameters, state])
    of_key = [r for r in same if r.input_state == state]
    done = next((r for r in of_key if r.status == FINISHED), None)
    if done is not None and not anew and job.still_stands(done.result or {}, parameters):
        return done
    # What is left of a run whose folder was deleted in part is nobody's: its steps would be taken for done.
    number = max((r.number for r in of_key), default=-1) + 1
    while (record := _new(job, parameters, request, state, key, number)).folder.exists():
        number += 1
    return record


def _new(job: Job, parameters: dict[str, Any], request: str, state: Any, key: str, number: int) -> Record:
    name = f"{job.name}-{key[:KEY_CHARS]}" + (f"-{number}" if number else "")
    return Record(name, job.name, parameters, request, state, number, RUNNING, _now())


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


@contextmanager
def _alone(request: str, wait_s: float = 0.0) -> Iterator[None]:
    """Hold the lock of a request, which is free when its holder dies."""
    folder = jobs_folder() / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / request[:KEY_CHARS]).open("w") as lock:
        deadline_s = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline_s:
                    raise RetryableError("another process runs this flow with these parameters: wait for it") from None
                time.sleep(0.02)
        yield


class StoppedError(PlatformError):
    """A part of a step ended before its work was done."""
