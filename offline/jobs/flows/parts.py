"""Steps that several flows have: a stage until it has caught up, and a table of the lake likewise."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from deploy.local.endpoints import find_broker
from deploy.local.paths import CHECKOUT, home, locked
from offline.jobs.files import jobs_folder
from offline.jobs.flows.inputs import lake_at
from offline.jobs.run import JobRun, StoppedError
from processors.runtime.goal import Goal
from processors.runtime.topics import create_topics
from processors.topology import BRANCHES, TOPOLOGY

INSTANCE = "jobs"
"""Name of our processes in their groups: beside those of `mps run`, whose partitions they share."""
LOOK_S, GRACE_S = 0.5, 30.0
_BOUND = CHECKOUT / "deploy" / "local" / "bound_exec.py"
"""Starts a program that ends with its parent."""
_LINES = 15


def source_of(stage: str) -> str:
    """Return the topic that a stage reads."""
    return next(row.source for row in TOPOLOGY + BRANCHES if row.stage == stage)


def catch_up(run: JobRun, stage: str, prefix: str) -> None:
    """Have a stage process and commit what its topic holds now, as a step: `mps run STAGE --once`."""
    run.step(stage, lambda: _stage(run, stage, prefix))


def sync_lake(run: JobRun, table: str, lake: str | None, prefix: str) -> None:
    """Store in the lake what a topic holds now, as a step: what `mps lake sync --once` does."""
    run.step(f"lake {table}", lambda: _sync(table, lake, prefix))


def _stage(run: JobRun, stage: str, prefix: str) -> dict[str, Any]:
    """Run the stage as a process of its own, which the driver of Kafka is; stop it where we are stopped.

    Raises
    ------
    StoppedError
        It failed, with the last lines of its log.
    """
    servers = find_broker(home())
    create_topics(servers, prefix=prefix)
    log = run.logs / f"{stage}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "cli.main", "run", stage, "--once", "--instance", INSTANCE]
    command += ["--prefix", prefix] if prefix else []
    # Two of one instance would fence each other.
    with locked(jobs_folder() / "locks" / f"stage-{prefix}{stage}"), log.open("ab") as out:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_BOUND), str(os.getpid()), *command], stdin=subprocess.DEVNULL,
            stdout=out, stderr=subprocess.STDOUT, cwd=CHECKOUT, start_new_session=True,
            env={**os.environ, "MPS_BOOTSTRAP_SERVERS": servers},
        )  # fmt: skip
        try:
            goal = Goal.now(servers, prefix + stage, [prefix + source_of(stage)])
            while child.poll() is None:
                done, of = goal.progress()
                run.tell(f"{stage}: {done:,} of {of:,} offsets", done / of if of else None)
                time.sleep(LOOK_S)
        finally:
            _end(child)
    if child.returncode != 0:
        raise StoppedError(
            f"mps run {stage} ended with exit code {child.returncode}; its log {log} ends:\n{_tail(log)}"
        )
    return {"stage": stage}


def _end(child: "subprocess.Popen[bytes]") -> None:
    """Stop a process that still runs: it finishes its transaction first."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_LINES:])


def _sync(table: str, lake: str | None, prefix: str) -> dict[str, Any]:
    """Store what the topic of a table holds.

    Raises
    ------
    KeyboardInterrupt
        It was told to stop: what it had is stored.
    """
    from processors.sinks.config import SinkConfig
    from processors.sinks.lake_process import run_lake

    # It takes signals for itself and stores what waits: they are ours again afterwards.
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        found = run_lake(find_broker(home()), lake_at(lake), SinkConfig(), once=True, prefix=prefix, tables=(table,))
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)
    if not found["caught_up"]:
        raise KeyboardInterrupt
    return {"snapshot": found["snapshots"].get(table)}
