"""All known answers about futures; what differs is explained."""

import pytest

from tests.conformance.explained import OURS, Explanations
from tests.conformance.kinds.futures import check
from tests.support import SHARED


@pytest.mark.skipif(not (SHARED / "conformance/futures").is_dir(), reason="no known answers: MPS_SHARED")
def test_every_known_answer_about_futures_comes_out_or_is_explained():
    """Last trade dates, holidays, maps and factors are as told; at most one in a thousand is explained."""
    known, cases = Explanations(OURS), list(check(SHARED / "conformance"))
    wrong = [c for c in cases if not c.ok]
    assert cases
    assert not [c for c in wrong if known.reason_of(c) is None]
    assert 1000 * len(wrong) <= len(cases)
