"""Compile the indicators and the loops of the stages beforehand, on all cores: ``python -m processors.precompile``.

A first run that compiles what it needs as it goes does so on one core. What is compiled already costs nothing here.
What a stage calls only when it has records (few and small, of rolls and cross) is compiled at the first of them.
"""

import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed

from rich.console import Console

from processors.featurize.families import KERNELS, address_of
from processors.runtime.pipeline import Pipeline
from processors.topology import BRANCHES, TOPOLOGY, build_stage

NEEDS_FILE = ("score",)
"""Stages that are made from a file of the user's: score has a small kernel of its own."""


def _compile(what: str) -> str:
    """Compile an indicator or a stage by its name."""
    if what in KERNELS:
        address_of(what)
    else:
        Pipeline([build_stage(what)]).warm()
    return what


def main() -> None:
    """Compile all of it."""
    stages = [row.stage for row in TOPOLOGY + BRANCHES if row.stage not in NEEDS_FILE]
    units = [*KERNELS, *stages]
    began = time.monotonic()
    console = Console(stderr=True)
    with ProcessPoolExecutor(os.cpu_count()) as pool, console.status("compiling kernels (once)"):
        for done in as_completed([pool.submit(_compile, what) for what in units]):
            done.result()
    console.print(f"kernels compiled in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
