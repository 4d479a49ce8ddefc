"""Sentences of the dead letter: every rule has its own, and there is none for a rule nobody wrote."""

from pathlib import Path

import numpy as np
import pytest

from processors.reconcile import kernel as k
from processors.reconcile.rejects import ERRORS, rejected_rows
from tests.reconcile.ticks import columns, quote


def test_every_rule_of_the_kernel_has_a_label_and_a_sentence_of_its_own() -> None:
    """As many labels as rules, and of one row a different sentence for each rule."""
    rules = np.arange(1, len(ERRORS), dtype=np.uint8)
    batch = columns([quote("FXCM", 6, 1.1, 1.2, recv_s=0)] * len(rules))
    out = list(rejected_rows(batch, rules))
    assert rules[-1] == k.TOO_MANY_SOURCES
    assert [r.error for r in out] == list(ERRORS[1:])
    assert len({r.reason for r in out}) == len(rules)


def test_every_rule_is_in_the_operators_table() -> None:
    """Who finds the label in the warehouse finds what it means and what to do."""
    table = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()
    assert [label for label in ERRORS[1:] if f"\n| `{label}` | reconcile" not in table] == []


def test_a_rule_without_a_sentence_is_no_source_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that was added to the kernel and the labels alone stops at once, named by its number."""
    monkeypatch.setattr("processors.reconcile.rejects.ERRORS", (*ERRORS, "new_rule"))
    error = np.array([len(ERRORS)], np.uint8)
    with pytest.raises(AssertionError, match=f"rule {len(ERRORS)} has no sentence"):
        list(rejected_rows(columns([quote("FXCM", 0, 1.1, 1.2)]), error))
