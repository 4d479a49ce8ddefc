"""A small model for the score stage, trained once for the whole run on rows made up for a time before the sample."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from offline.train_baseline import train_baseline
from tests.score.gold_rows import make_gold


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the file of a model whose training ends before the sample begins, deployed for ``build_stage``."""
    gold = make_gold(2000)
    path = tmp_path_factory.mktemp("model") / "baseline.onnx"
    train_baseline(gold, path)
    before = os.environ.get("MPS_MODEL")
    os.environ["MPS_MODEL"] = str(path)
    yield path
    if before is None:
        del os.environ["MPS_MODEL"]
    else:
        os.environ["MPS_MODEL"] = before


@pytest.fixture(scope="session")
def activity_bars(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a file of activity bars for the sample's symbols, deployed for ``build_stage``."""
    rows = [("*", "fx", "tick:50"), ("*", "fx", "tick_imbalance:20"), ("*", "metal", "tick_imbalance:30")]
    rows += [("*", "crypto", f"{kind}:{n}") for kind, n in (("tick", 20), ("volume", 2), ("dollar", 50000))]
    rows += [("*", "crypto", f"{kind}_imbalance:10") for kind in ("tick", "volume", "dollar")]
    path = tmp_path_factory.mktemp("activity") / "activity_bars.csv"
    path.write_text("symbol_id,asset_class,bar\n" + "".join(",".join(row) + "\n" for row in rows))
    before = os.environ.get("MPS_ACTIVITY_BARS")
    os.environ["MPS_ACTIVITY_BARS"] = str(path)
    yield path
    if before is None:
        del os.environ["MPS_ACTIVITY_BARS"]
    else:
        os.environ["MPS_ACTIVITY_BARS"] = before
