"""All known answers about corporate actions."""

import pytest

from tests.conformance.kinds.corporate_actions import check
from tests.support import SHARED


@pytest.mark.skipif(not (SHARED / "conformance/corporate_actions").is_dir(), reason="no known answers: MPS_SHARED")
def test_every_known_answer_about_corporate_actions_comes_out():
    """Adjusted prices of both vendors, events, fits of the conventions and factor files are as told."""
    count, wrong = 0, []
    for case in check(SHARED / "conformance"):
        count += 1
        if not case.ok:
            wrong.append(case)
    assert count > 0
    assert not wrong, wrong[:5]
