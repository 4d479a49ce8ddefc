"""One fit of each kind, for the tests of models and of their export."""

import pytest

from offline.models.estimator import make_estimator, no_progress
from tests.offline.models.samples import SMALL, make_samples


@pytest.fixture(scope="session")
def fits():
    """Return kind -> fitted model, fitted when first asked for."""
    made = {}

    def fitted(kind):
        if kind not in made:
            train, valid = make_samples(), make_samples(400, seed=1)
            made[kind] = make_estimator(kind, SMALL[kind]).fit(
                train, valid, seed=1, progress=no_progress, checkpoint=None
            )
        return made[kind]

    return fitted
