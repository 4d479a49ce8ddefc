"""The missing policy: which rows are warm, and that nothing is put in the place of a null."""

import numpy as np
import pytest

from offline.features.packs import load_view
from processors.errors import ConfigError
from processors.missing import is_warm
from schemas.features import FOUNDING_PACK, MISSING_POLICIES, SCHEMA_CSV, load_catalog, read_features


def test_optional_features_are_no_part_of_warm():
    """A row that lacks one feature is warm where that one is optional, and only there."""
    pack = load_view(FOUNDING_PACK)
    values = np.ones((len(pack.names), len(pack.names)))
    np.fill_diagonal(values, np.nan)
    warm = is_warm(values, pack.required)
    assert warm.tolist() == [f.missing_policy != "warmup" for f in pack.pack.features]
    assert is_warm(values, np.flatnonzero(pack.required)).tolist() == warm.tolist()
    assert is_warm(np.ones((2, 1)), np.zeros(2, np.bool_)).tolist() == [True]


@pytest.mark.parametrize("policy", ["", "forward_fill", "forward_fill:60", "backward_fill:5", "zero"])
def test_a_policy_that_is_none_is_refused(policy, tmp_path):
    """A policy other than warmup and optional is refused, with the line and what is allowed: nothing fills a null."""
    assert {f.missing_policy for f in load_catalog()} == set(MISSING_POLICIES) == {"warmup", "optional"}
    lines = SCHEMA_CSV.read_text().splitlines()
    wrong = tmp_path / "features.csv"
    wrong.write_text("\n".join([lines[0], lines[1].replace(",warmup,", f",{policy},")]))
    with pytest.raises(ConfigError, match=r"features.csv:2.*missing_policy.*warmup, optional"):
        read_features(wrong)
