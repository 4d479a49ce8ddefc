"""What a stage compiles before it holds a partition."""

import importlib

import pytest

from processors.runtime.pipeline import Pipeline
from processors.topology import build_stage


@pytest.mark.parametrize(
    ("stage", "loop"),
    [("reconcile", "reconcile"), ("bars", "run"), ("activity", "run"), ("featurize", "run"), ("regime", "run")],
)
def test_the_loop_of_a_stage_is_called_for_no_records_too(
    stage: str, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``warm`` runs a batch of no records: the loop over ticks or bars is called with it, so it is compiled by then."""
    kernel = importlib.import_module(f"processors.{stage}.kernel")
    compiled, called = getattr(kernel, loop), []

    def noted(*given):
        called.append(stage)
        return compiled(*given)

    monkeypatch.setattr(kernel, loop, noted)
    Pipeline([build_stage(stage)]).warm()
    assert called
