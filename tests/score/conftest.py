"""A small trained model, once for all tests of scoring."""

import numpy as np
import pytest

from offline.train_baseline import train_baseline
from processors.score.model import load_model
from tests.score.gold_rows import make_gold


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return the model file and the gold rows it was trained and judged on."""
    gold = make_gold(3000)
    path = tmp_path_factory.mktemp("model") / "baseline.onnx"
    train_baseline(gold, path)
    return path, gold


@pytest.fixture(scope="session")
def model(trained):
    """Return the loaded model."""
    return load_model(trained[0])


@pytest.fixture
def later(trained, model):
    """Return the gold rows after the time that the model has seen."""
    gold = trained[1]
    return gold.take(np.flatnonzero(gold["ts"] > model.card.trained_until_ns))
