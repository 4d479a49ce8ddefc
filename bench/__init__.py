"""Side-by-side benchmarks: every figure is a ratio to a peer or to a limit measured in the same run."""

import os
from pathlib import Path

MARKET = Path(os.environ.get("MPS_SHARED") or Path(__file__).parents[2] / "shared") / "market"
"""Folder of recordings, in the folder that ``MPS_SHARED`` names, ../shared where it names none."""
