"""Files of the jobs: where they lie, and JSON in them."""

import json
from pathlib import Path
from typing import Any

from deploy.local.paths import home
from processors.whole_file import write_whole


def jobs_folder() -> Path:
    """Return the folder of runs, of the webhook's queue and of Prefect's own files."""
    return home().folder / "jobs"


def write_json(path: Path, value: Any) -> None:
    """Write a value as JSON, the same bytes for the same value; see ``write_whole``."""
    write_whole(path, json.dumps(value, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """Return the value of a file; None where there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
