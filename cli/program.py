"""The name under which the user can call this program again, for lines that work as printed."""

import shlex
import shutil
import sys
from pathlib import Path


def program() -> str:
    """Return ``mps`` where the shell finds it, else the path of the script beside this Python.

    Relative where it lies in the working folder: ``make demo`` is called from the checkout, without an active
    environment. A checkout that is not installed has no script; its module is called then.
    """
    if shutil.which("mps"):
        return "mps"
    python = Path(sys.executable)
    script = python.with_name("mps")
    return _shown(script) if script.is_file() else f"{_shown(python)} -m cli.main"


def _shown(path: Path) -> str:
    here = Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
