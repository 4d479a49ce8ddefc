"""The feature schema and the kernels agree."""

from dataclasses import replace

import pytest

from processors.errors import ConfigError
from processors.featurize.config import FeaturizeConfig
from processors.featurize.families import kernels_of
from processors.featurize.program import KERNELS, compile_program
from schemas.features import bar_features


def test_every_output_of_every_kernel_has_a_row_and_every_row_a_kernel() -> None:
    """No feature without a kernel, no output of a kernel without a feature."""
    compile_program([(f, i) for i, f in enumerate(bar_features())])
    rows = {(f.indicator, f.output) for f in bar_features()}
    assert rows == {(name, output) for name, kernel in KERNELS.items() for output in kernel.outputs}


def test_features_of_one_indicator_share_one_run() -> None:
    """Outputs of the same indicator with the same parameters are computed once."""
    features = [f for f in bar_features() if f.indicator == "macd"]
    assert len(compile_program([(f, i) for i, f in enumerate(features)]).ops) == 1


@pytest.mark.parametrize("name", ["cross_over", "regime_change"])
def test_an_indicator_with_the_name_of_another_stage_is_refused(name: str) -> None:
    """Its features would be taken for those of that stage."""
    with pytest.raises(ConfigError, match=f"indicator is '{name}'.* taken for those of {name.partition('_')[0]}"):
        kernels_of([KERNELS, {name: KERNELS["rsi"]}])
    assert kernels_of([KERNELS, {f"my_{name}": KERNELS["rsi"]}])


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
    row = next(f for f in bar_features() if f.name == "rsi_14_value")
    with pytest.raises(ConfigError, match=message):
        compile_program([(replace(row, **change), 0)])


def test_the_packs_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """MPS_FEATURE_PACKS names the packs, the founding one without it; an empty name or one twice is refused."""
    assert FeaturizeConfig.from_environment().pack_ids == ("core_value_v1",)
    monkeypatch.setenv("MPS_FEATURE_PACKS", "core_value_v1, other_v1")
    assert FeaturizeConfig.from_environment().pack_ids == ("core_value_v1", "other_v1")
    for wrong in ("", "core_value_v1,", "core_value_v1,core_value_v1"):
        monkeypatch.setenv("MPS_FEATURE_PACKS", wrong)
        with pytest.raises(ConfigError):
            FeaturizeConfig.from_environment()
