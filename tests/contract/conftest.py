"""A small model for the score stage, trained once for the whole run on rows made up for a time before the sample."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from offline.train_baseline import train_baseline
from processors.featurize.config import FeaturizeConfig
from processors.runtime.strings import STRINGS
from schemas.features import load_pack
from tests.score.gold_rows import make_gold


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the file of a model whose training ends before the sample begins, deployed for ``build_stage``."""
    pack = load_pack(FeaturizeConfig().pack_id)
    gold = make_gold(2000)
    gold["pack_id"], gold["pack_hash"] = STRINGS.code(pack.pack_id), STRINGS.code(pack.hash)
    path = tmp_path_factory.mktemp("model") / "baseline.onnx"
    train_baseline(gold, path)
    before = os.environ.get("MPS_MODEL")
    os.environ["MPS_MODEL"] = str(path)
    yield path
    if before is None:
        del os.environ["MPS_MODEL"]
    else:
        os.environ["MPS_MODEL"] = before
