"""The enums that kernels count are those of the schemas."""

import pytest

from processors import kinds
from processors.runtime.layout import layout_of
from schemas.registry import load_registry


@pytest.mark.parametrize(
    ("topic", "field", "names"),
    [
        ("ticks.consensus.v1", "kind", "trade quote clock status correction"),
        ("ticks.consensus.v1", "phase", "continuous auction halted"),
        ("data.freshness", "previous", "none fresh delayed stale closed gap"),
    ],
)
def test_an_enum_of_the_kernels_has_the_places_of_its_schema(topic: str, field: str, names: str) -> None:
    """By name and place, and nothing is missing."""
    symbols = layout_of(load_registry().current(topic).schema).symbols[field]
    assert tuple(symbols) == tuple(names.split())
    assert [getattr(kinds, name.upper()) for name in symbols] == list(range(len(symbols)))


def test_two_enums_are_one_but_for_a_name() -> None:
    """A raw heartbeat is a clock; a state is a previous state without none."""
    registry = load_registry()
    raw, consensus = (
        layout_of(registry.current(topic).schema).symbols["kind"] for topic in ("ticks.raw.v1", "ticks.consensus.v1")
    )
    assert [name if name != "heartbeat" else "clock" for name in raw] == list(consensus)
    states = layout_of(registry.current("data.freshness").schema).symbols
    assert tuple(states["state"]) == tuple(states["previous"])[1:]
