"""The knobs refuse what cannot work."""

import math
from dataclasses import fields, replace

import pytest

from processors.errors import ConfigError
from processors.reconcile.config import FX, KNOBS, ClassLimits, ReconcileConfig
from schemas.instruments import ASSET_CLASSES


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("k", 0),
        ("k", -1),
        ("lateness_ms", 0),
        ("half_life_s", math.inf),
        ("half_life_s", math.nan),
        ("prior_up_share", 1.5),
    ],
)
def test_a_knob_out_of_its_range_is_named(knob, value) -> None:
    """The error tells the key, the value and what is allowed."""
    with pytest.raises(ConfigError, match=f"reconcile: {knob} is .*(positive|at most 1)"):
        ReconcileConfig(**{knob: value})


@pytest.mark.parametrize("knobs", [{"future_ms": 10_000}, {"idle_ms": 5_000}])
def test_a_clock_that_is_believed_cannot_make_a_feed_idle(knobs) -> None:
    """An event may be ahead by less than the lag from which the other feeds are idle."""
    with pytest.raises(ConfigError, match=r"reconcile: future_ms is \d+: less than idle_ms"):
        ReconcileConfig(**knobs)


def test_each_knob_is_one_field_of_what_the_kernels_read() -> None:
    """One of the same name, but for its unit: a knob that is changed changes that and no other."""
    before, seen = ReconcileConfig(), []
    for f in fields(ReconcileConfig):
        if f.name != "limits":
            after = replace(before, **{f.name: getattr(before, f.name) * 1.5})
            moved = [name for name in KNOBS.names if after.knob_row()[name] != before.knob_row()[name]]
            assert [name.rsplit("_", 1)[0] for name in moved] == [f.name.rsplit("_", 1)[0]], f.name
            seen += moved
    assert sorted(seen) == sorted(KNOBS.names)


def test_every_asset_class_has_limits() -> None:
    """One missing, or one wrong, is named."""
    with pytest.raises(ConfigError, match="limits of asset class metal"):
        ReconcileConfig(limits={"fx": FX})
    wrong = dict.fromkeys(ASSET_CLASSES, ClassLimits(1, 1, 0, 1.0))
    with pytest.raises(ConfigError, match=r"limits\.fx\.source_stale_ms is 0"):
        ReconcileConfig(limits=wrong)
