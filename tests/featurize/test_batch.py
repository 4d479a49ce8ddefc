"""The batch form is the incremental one: one indicator over a series, and the program of all over bars."""

import numpy as np

from processors.featurize.batch import indicator_values, ring_of, run_program
from processors.featurize.program import assembled, kernel_of
from schemas.features import bar_features
from tests.featurize.series import walk

N = 700


def test_every_indicator_over_a_series_gives_the_values_of_its_steps() -> None:
    """All outputs of each indicator of the schema, with its parameters there: equal bit for bit, NaN included."""
    runs = {(f.indicator, tuple(f.numbers[name] for name in kernel_of(f).parameters)): f for f in bar_features()}
    bars, differing = walk(N, 7), []
    ring = ring_of(bars)
    for (indicator, values), feature in runs.items():
        one = kernel_of(feature)
        numbers = dict(zip(one.parameters, values, strict=True))
        whole = indicator_values(indicator, numbers, bars.copy(), ring)
        steps = run_program(assembled([(indicator, values, [(i, i) for i in range(len(one.outputs))])]), bars.copy())
        for i, name in enumerate(one.outputs):
            if whole[name].tobytes() != np.ascontiguousarray(steps[:, i]).tobytes():
                differing.append((indicator, name))
    assert differing == []
    assert len(runs) > 100
