"""The one way latency is measured: a call of one row, as the score stage makes it, on a machine with a name."""

import os

from offline.calibrators import Platt
from offline.export.fold import fold
from offline.export.head import Head, curve_of
from offline.export.latency import cores, measure_latency, processor
from offline.models.estimator import make_estimator, no_progress
from processors.score.model import Model
from tests.offline.models.samples import make_card, make_samples


def test_a_row_of_a_model_of_batches_is_timed_with_the_rows_that_fill_its_batch():
    """What is stored is the time of the call, how many rows it computed, and where."""
    samples = make_samples(400)
    fitted = make_estimator("linear").fit(
        samples, samples, seed=1, progress=no_progress, checkpoint=None
    )  # fmt: skip
    for batch_rows, together in ((0, 1), (4, 4)):
        card = make_card(kind="linear", batch_rows=batch_rows)
        model = Model(fold(fitted.graph(), Head(curve_of(Platt(1.0, 0.0)), 0.1, 0.1), card), "file")
        found = measure_latency(model, samples.x[:1])
        assert 0.0 < found.p50_ms <= found.p99_ms
        assert (found.rows, found.machine, found.cores) == (together, processor(), cores())
    assert processor()
    assert 1 <= cores() <= (os.cpu_count() or 1)
