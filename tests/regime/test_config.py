"""The regime's knobs are checked when they are set."""

import pytest

from processors.errors import ConfigError
from processors.regime.config import RegimeConfig


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hazard_scale", 0.0), ("hazard_max", 1.0), ("hazard_min", 0.2), ("slow_decay", 1.5),
        ("fast_decay", float("nan")), ("run_length_bars_max", 5), ("prior_beta", -1.0), ("t_gain", float("inf")),
    ],
)  # fmt: skip
def test_an_impossible_knob_is_refused_by_name(name: str, value: float) -> None:
    """A value outside of what makes sense is a configuration error that names the knob."""
    with pytest.raises(ConfigError, match=name if name != "run_length_bars_max" else "recent_bars"):
        RegimeConfig(**{name: value})
