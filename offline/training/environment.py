"""What the bits of a fit depend on besides rows, recipe and seed: versions of packages, threads, and our own code."""

import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from offline.models.deep import XLA_THREADS, XLA_THREADS_VARIABLE
from processors.errors import ConfigError
from processors.kernel_cache import digest_of

PACKAGES = (
    "numpy", "threadpoolctl", "lightgbm", "xgboost-cpu", "jax", "jaxlib", "optax",
    # An accelerator adds in another order than a processor.
    "jax-cuda12-plugin", "jax-cuda13-plugin", "jax-rocm7-plugin",
)  # fmt: skip
"""Distributions whose numbers reach a result."""
ABSENT = "absent"
CODE = "code of mps"


@cache
def environment() -> dict[str, str]:
    """Return name -> version of all that computes, our own sources by their digest."""
    found = {
        "python": platform.python_version(),
        "machine": platform.machine(),
        XLA_THREADS_VARIABLE: os.environ.get(XLA_THREADS_VARIABLE, XLA_THREADS),
    }
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = ABSENT
    return found | {CODE: digest_of(Path(__file__).with_name("run.py"))}


def refuse_other(place: str, theirs: dict[str, str], ours: dict[str, str]) -> None:
    """Refuse a place where something is another version than here.

    Parameters
    ----------
    place
        Such as the address of a worker.
    theirs, ours
        Name -> version; names that only one has are not compared.

    Raises
    ------
    ConfigError
        Names the first one that differs, and how many more do.
    """
    other = [name for name, wanted in ours.items() if theirs.get(name, wanted) != wanted]
    if other:
        more = f", and so are {', '.join(other[1:])}" if other[1:] else ""
        raise ConfigError(
            place, f"version of {other[0]}", theirs[other[0]],
            f"{ours[other[0]]} as here{more}: its workers have to have this checkout and its requirements.lock",
        )  # fmt: skip
