"""The file that names the running processes, so that a later run finds a left-over of a crash.

Called by the supervisor and by `mps down`.

    .mps/run.json   {"processes": [{"name", "layer", "port", "pid", "born_s", "boot",
                                    "owner": {"pid", "born_s", "boot"} | null}]}

An owner is the supervisor that stops the process. A process without an owner was started to stay (`mps up`).
A process whose owner is dead is a left-over.
"""

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy.local.paths import Home, locked
from deploy.local.process import ProcessId
from processors.whole_file import write_whole


@dataclass(frozen=True)
class Running:
    """One process of the run file.

    Parameters
    ----------
    name
        What people call it.
    layer
        Stopped from the highest to the lowest: 0 the parts, 1 the stages.
    port
        Where it listens on loopback, if it does.
    identity
        Pid and birth.
    owner
        The supervisor that stops it; None if it was started to stay.
    """

    name: str
    layer: int
    port: int | None
    identity: ProcessId
    owner: ProcessId | None

    @property
    def is_left_over(self) -> bool:
        """Return whether nobody is there any more to stop it."""
        return self.owner is not None and not self.owner.is_alive()


def us() -> ProcessId:
    """Return the identity of this process."""
    return ProcessId.of(os.getpid())


def read_running(home: Home) -> list[Running]:
    """Return the processes of the run file that are alive, in the order they were started."""
    try:
        raw = json.loads(home.run_file.read_text(encoding="utf-8"))["processes"]
    except (FileNotFoundError, ValueError, KeyError):
        # A file that a full disk cut short names nobody.
        return []
    return [process for process in map(_from_json, raw) if process.identity.is_alive()]


def change_running(home: Home, change: Callable[[list[Running]], list[Running]]) -> None:
    """Rewrite the run file under a lock: several supervisors may share it."""
    with locked(home.folder / "run.lock"):
        rows = [_to_json(process) for process in change(read_running(home))]
        write_json(home.run_file, {"processes": rows})


def write_json(path: Path, content: Any) -> None:
    """Replace a file by JSON in one step: a reader sees the old or the new one, never a half."""
    write_whole(path, json.dumps(content, indent=2) + "\n")


def _to_json(process: Running) -> dict[str, Any]:
    row = asdict(process)
    identity = row.pop("identity")
    return {**row, **identity}


def _from_json(row: dict[str, Any]) -> Running:
    owner = row["owner"]
    return Running(
        row["name"],
        row["layer"],
        row["port"],
        ProcessId(row["pid"], row["born_s"], row.get("boot", "")),
        ProcessId(**owner) if owner else None,
    )
