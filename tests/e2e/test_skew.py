"""Stream and batch give the same features, bit for bit: the program that says so, over its short sample."""

import subprocess
import sys
from pathlib import Path

import pytest

from schemas.features import load_catalog
from tests.runtime.ticks import REPOSITORY

pytestmark = [pytest.mark.broker, pytest.mark.slow]


def test_every_feature_of_every_pack_is_the_same_live_and_offline(tmp_path: Path) -> None:
    """Five processes on a broker against the stages in memory: no cell differs, and every feature is in some row."""
    page = tmp_path / "skew.md"
    done = subprocess.run(
        [sys.executable, "-m", "bench.skew", "--short", "--write", str(page)],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    rows = [line.strip("| ").split(" | ") for line in page.read_text().splitlines() if line.startswith("|")][2:]
    cells = {name.strip("`"): rest for name, *rest in rows}
    assert {rest[-1] for rest in cells.values()} == {"0"}
    assert {rest[-2] for rest in cells.values()} == {"none"}
    assert int(cells["all"][0]) >= len(load_catalog())
    assert all(float(rest[-3].rstrip("%")) > 40 for rest in cells.values())
