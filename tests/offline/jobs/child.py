"""A flow of three steps in a process of its own, which a test may kill in the middle: ``child FOLDER [hold]``."""

import hashlib
import sys
import time
from pathlib import Path

from offline.jobs.job import Job
from offline.jobs.run import JobRun, execute
from processors.whole_file import write_whole

FOLDER = Path(sys.argv[1]) if __name__ == "__main__" else Path()
STEPS = ("first", "second", "third")


def made(run: JobRun, *, seed: int = 1, names: tuple[str, ...] = STEPS) -> dict:
    """Make a file in each step, of the one before."""
    digest = str(seed)
    for name in names:
        digest = run.step(name, lambda name=name, before=digest: _work(run, name, before))
    return {"digest": digest}


def _work(run: JobRun, name: str, before: str) -> str:
    with (FOLDER / "log").open("a") as log:
        log.write(f"{name}{' again' if run.begun(name) else ''}\n")
    content = hashlib.sha256(f"{before} {name}".encode()).hexdigest() * 100
    if name == "second" and "hold" in sys.argv:
        (run.out / name).write_text(content[:50])
        (FOLDER / "holding").touch()
        time.sleep(600)
    write_whole(run.out / name, content.encode())
    return content[:64]


def job() -> Job:
    """Return the flow; its input is a file of the folder."""
    path = FOLDER / "input"
    return Job("made", made, lambda **_: path.read_text() if path.exists() else "", "a file", "three files")


if __name__ == "__main__":
    print(execute(job(), {}).result["digest"])  # noqa: T201 - the test reads it
