"""Target encoders: what they learn, and that a row never sees its own target."""

import numpy as np
import pytest

from offline.datasets.encoders import TargetEncoder, codes_of
from processors.errors import ConfigError


def test_an_encoder_shrinks_categories_of_few_rows():
    """The mean of a category, drawn to the mean of all by the smoothing; one that was not seen is the mean of all."""
    category, target = np.array([5, 5, 5, 9]), np.array([1.0, 2.0, 3.0, 10.0])
    fitted = TargetEncoder(smoothing=2.0).fit(category, target)
    np.testing.assert_allclose(fitted.transform(np.array([5, 9, 7])), [(6 + 2 * 4) / 5, (10 + 2 * 4) / 3, 4.0])
    with pytest.raises(ConfigError, match="smoothing"):
        TargetEncoder(-1.0)


def test_training_rows_see_only_labels_that_were_known():
    """Against the obvious loop, for rows in any order."""
    rng = np.random.default_rng(3)
    n = 120
    ts, category, target = rng.permutation(n) * 10, rng.integers(0, 3, n), rng.standard_normal(n)
    end = ts + rng.integers(1, 90, n)
    got = TargetEncoder(smoothing=5.0).expanding(category, target, ts, end)
    for i in range(n):
        known = end <= ts[i]
        prior = target[known].mean() if known.any() else 0.0
        own = known & (category == category[i])
        assert got[i] == pytest.approx((target[own].sum() + 5.0 * prior) / (own.sum() + 5.0))


def test_a_category_is_that_of_the_instruments_file():
    """Contracts of one root have one code, a symbol that is no instrument has none."""
    symbols = ("ESZ13:CME", "EURUSD:FX", "ESM14:CME", "GCZ14:CMX", "NEW:US")
    roots = codes_of("root", symbols)
    assert roots[0] == roots[2]
    assert len(set(roots.tolist())) == 4
    assert codes_of("asset_class", symbols).tolist()[-1] == -1
    assert codes_of("root", symbols[1:]).tolist() == roots.tolist()[1:]
