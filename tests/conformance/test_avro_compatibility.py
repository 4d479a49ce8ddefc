"""Our reader/writer check against the verdicts of Apache Avro's and Karapace's own tests (Apache-2.0)."""

import json
from pathlib import Path

import pytest

from schemas.compatibility import can_read

CASES = json.loads(Path(__file__).with_name("avro_reader_writer.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['test']}-{CASES.index(case)}")
def test_a_reader_reads_a_writer_exactly_where_avro_says_so(case):
    """A reader reads a writer exactly where Avro says so."""
    assert can_read(case["reader"], case["writer"]) is case["compatible"]


def test_the_table_has_both_verdicts():
    """The table has both verdicts, so that a check that always says yes fails."""
    assert {case["compatible"] for case in CASES} == {True, False}
