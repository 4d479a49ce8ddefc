"""Tickers over time against the known answers, and the check itself against wrong ones."""

import json
import shutil

import pytest

from tests.conformance.kinds.symbol_changes import check


def test_every_ticker_of_the_known_answers_means_what_it_should(shared):
    """Every ticker of the known answers means the security that it meant on that date."""
    cases = list(check(shared))
    assert len(cases) >= 5
    assert [c for c in cases if not c.ok] == []


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [("mapped", [["2014-04-02", "GOOGL"]]), ("permtick", "AAPL"), ("found", True), ("nonsense", 1)],
)
def test_a_wrong_answer_is_seen(shared, tmp_path, answer, wrong):
    """An answer that is not ours fails, whichever its form; one of an unknown form too."""
    (tmp_path / "corporate_actions").mkdir()
    path = tmp_path / "corporate_actions" / "symbol_change_cases.json"
    shutil.copy(shared / "corporate_actions" / path.name, path)
    known = json.loads(path.read_text())
    known["cases"] = [{"query": {"ticker": "PEPE", "on": "2015-08-23"}, answer: wrong}]
    path.chmod(0o644)
    path.write_text(json.dumps(known))
    assert [c.ok for c in check(tmp_path)] == [False]


def test_no_folder_is_no_case(tmp_path):
    """No folder is no case."""
    assert list(check(tmp_path)) == []
