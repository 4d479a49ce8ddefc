"""Windows, parts and folds: nothing judges rows that it was made of, by any scheme."""

from dataclasses import replace

import numpy as np
import pytest

from offline.recipes.recipe import LabelSpec, UniverseSpec, ValidationSpec
from offline.training.folds import embargo_ns, folds_of
from offline.training.parts import ROWS_MIN, parts_of
from offline.training.periods import DAY_NS, calendars_of
from offline.validation.leakage import overlaps
from processors.errors import ConfigError
from processors.sessions import sessions
from tests.offline.training.made import MINUTE, made, recipe_of

DATA = made()
TS = DATA.ts_ns[DATA.at]
DAILY_FROM = int(np.datetime64("2011-01-01", "ns").astype(np.int64))


def test_parts_follow_each_other_and_labels_end_before_the_next():
    """Fit, stop and calibrate: the last label of each ends an embargo before the first row of the next."""
    embargo = 5 * MINUTE
    parts = parts_of(np.arange(len(DATA)), TS, DATA.end_ns, embargo)
    for before, after in ((parts.fit, parts.stop), (parts.stop, parts.calibrate)):
        assert DATA.end_ns[before].max() + embargo <= TS[after].min()
    assert len(parts.fit) > len(parts.calibrate) > len(parts.stop) >= ROWS_MIN
    assert len(np.unique(parts.all)) == len(parts.all)


def test_too_few_samples_are_refused_with_their_numbers():
    """The error tells how many samples each part has."""
    with pytest.raises(ConfigError, match=r"samples of its parts is \{'fit': .*at least 100 each"):
        parts_of(np.arange(300), TS, DATA.end_ns, 0)


@pytest.mark.parametrize("scheme", ["walk_forward", "kfold", "combinatorial", "nested"])
def test_no_training_label_of_any_scheme_reaches_into_the_test(scheme):
    """Over all folds: no overlap, and every path judges each sample that it has once."""
    recipe = replace(recipe_of("lgbm"), validation=ValidationSpec(scheme, 5, embargo_bars=5))
    folds = folds_of(recipe, DATA, np.arange(len(DATA)))
    judged: dict[int, list[np.ndarray]] = {}
    for fold in folds:
        for test, path in zip(fold.tests, fold.paths, strict=True):
            reaching = overlaps(
                TS[fold.train], DATA.end_ns[fold.train], TS[test], DATA.end_ns[test], embargo_ns(recipe)
            )
            assert not reaching.any()
            judged.setdefault(path, []).append(test)
    for path in judged.values():
        all_of_it = np.concatenate(path)
        assert len(np.unique(all_of_it)) == len(all_of_it)
    whole = {len(np.concatenate(path)) for path in judged.values()}
    assert whole == {len(DATA)} if scheme in {"kfold", "combinatorial"} else whole < {len(DATA), *range(len(DATA))}


@pytest.mark.parametrize("scheme", ["walk_forward", "kfold"])
@pytest.mark.parametrize("symbol", ["AIG:US", "EURUSD:FX", "BTC-USD:CRYPTO"])
def test_an_embargo_of_daily_bars_is_of_sessions(symbol, scheme):
    """On either side of what is judged 60 sessions of the market are kept clear, and less than ten more."""
    (calendar,) = calendars_of((symbol,))
    closes = np.unique(sessions(calendar).session_close_ns)
    ts = closes[closes > DAILY_FROM][:1200]
    at, flat = np.arange(1195), np.zeros(1200, np.int64)
    data = replace(DATA, symbols=(symbol,), symbol=flat, ts_ns=ts, at=at, end_ns=ts[at + 5])
    recipe = replace(
        recipe_of("linear"), label=LabelSpec(5), universe=UniverseSpec("1d", (symbol,)),
        validation=ValidationSpec(scheme, 3, embargo_bars=60),
    )  # fmt: skip
    for fold in folds_of(recipe, data, at):
        test = fold.tests[0]
        ended, spoken = data.end_ns[fold.train], ts[fold.train]
        before, after = ended[ended <= ts[test[0]]], spoken[spoken >= data.end_ns[test[-1]]]
        assert len(before) + len(after) == len(fold.train)
        clear = [np.searchsorted(ts, ts[test[0]]) - np.searchsorted(ts, before.max())] if len(before) else []
        clear += [np.searchsorted(ts, after.min()) - np.searchsorted(ts, data.end_ns[test[-1]])] if len(after) else []
        assert all(60 <= n < 70 for n in clear), clear
    unnamed = replace(recipe, universe=UniverseSpec("1d"))
    assert embargo_ns(unnamed) >= embargo_ns(recipe) >= 60 * DAY_NS
    assert embargo_ns(replace(recipe, validation=ValidationSpec(scheme, 3, embargo_bars=0))) == 0


def test_the_last_fold_ends_with_the_rows():
    """What does not divide goes to the first training window."""
    folds = folds_of(recipe_of("lgbm", folds=7), DATA, np.arange(len(DATA)))
    assert TS[folds[-1].tests[0]].max() == TS.max()


@pytest.mark.parametrize(
    ("scheme", "most"), [("walk_forward", 80), ("nested", 80), ("kfold", 133), ("combinatorial", 133)]
)
def test_a_fold_judges_at_least_the_length_of_a_label(scheme, most):
    """Of 2,000 times, labels of 15: the most folds that are taken, and the refusal of one more, which names them."""

    def folds(n):
        recipe = replace(recipe_of("lgbm"), validation=ValidationSpec(scheme, n, embargo_bars=5))
        return folds_of(recipe, DATA, np.arange(len(DATA)))

    # As many as that choose two of combinatorial are thousands.
    if scheme != "combinatorial":
        assert len(folds(most)) == most
    with pytest.raises(ConfigError, match=f"at most {most}: of 2,000 times each would judge 14, and a label runs"):
        folds(most + 1)
