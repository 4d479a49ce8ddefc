"""The feature schema and the kernels agree."""

from dataclasses import replace

import pytest

from processors.errors import ConfigError
from processors.featurize.config import FeaturizeConfig
from processors.featurize.program import KERNELS, compile_program
from schemas.features import load_features


def test_every_output_of_every_kernel_has_a_row_and_every_row_a_kernel() -> None:
    """No feature without a kernel, no output of a kernel without a feature."""
    compile_program([(f, i) for i, f in enumerate(load_features())])
    rows = {(f.indicator, f.output) for f in load_features()}
    assert rows == {(name, output) for name, kernel in KERNELS.items() for output in kernel.outputs}


def test_features_of_one_indicator_share_one_run() -> None:
    """Outputs of the same indicator with the same parameters are computed once."""
    features = [f for f in load_features() if f.indicator == "macd"]
    assert len(compile_program([(f, i) for i, f in enumerate(features)]).ops) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"indicator": "astrology"}, "indicator of rsi_14_value"),
        ({"parameters": "period=14;output=value"}, "parameters of rsi_14_value"),
        ({"parameters": "window=14;output=hist"}, "output of rsi_14_value"),
    ],
)
def test_a_row_that_no_kernel_can_compute_is_refused(change: dict[str, str], message: str) -> None:
    """An unknown indicator, parameter or output is a configuration error that names the feature."""
    row = next(f for f in load_features() if f.name == "rsi_14_value")
    with pytest.raises(ConfigError, match=message):
        compile_program([(replace(row, **change), 0)])


def test_the_pack_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """MPS_FEATURE_PACK names the pack; without it the founding pack is used; an empty name is refused."""
    assert FeaturizeConfig.from_environment().pack_id == "core_value_v1"
    monkeypatch.setenv("MPS_FEATURE_PACK", "other_v1")
    assert FeaturizeConfig.from_environment().pack_id == "other_v1"
    monkeypatch.setenv("MPS_FEATURE_PACK", "")
    with pytest.raises(ConfigError):
        FeaturizeConfig.from_environment()
