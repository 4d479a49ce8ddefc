"""Files of the jobs: where they lie, written whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any

from deploy.local.paths import home


def jobs_folder() -> Path:
    """Return the folder of runs, of the webhook's queue and of Prefect's own files."""
    return home().folder / "jobs"


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file that is there whole or as it was before, also after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with part.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    part.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, the same bytes for the same value."""
    write_bytes(path, json.dumps(value, indent=1, sort_keys=True).encode() + b"\n")


def read_json(path: Path) -> Any:
    """Return the value of a file; None where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
