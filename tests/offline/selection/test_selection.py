"""Choosing: every term where it is said to come from, luck known by what has none, and silence where data are few."""

import math

import numpy as np
import pytest

from offline.selection.luck import BLOCKS, deflated_sharpe, overfitting, summed, superiority
from offline.selection.objective import Candidate, Weights, objective, penalised_sharpe
from offline.selection.ranking import rank
from offline.selection.stability import importance_stability
from offline.selection.trials import UNSTATED, Returns, Trial, Trials
from offline.statistics.deflated import (
    dependent_probabilistic_sharpe_ratio,
    expected_maximum_sharpe,
    probabilistic_sharpe_ratio,
)
from offline.statistics.ranks import mid_ranks
from processors.errors import ConfigError

DAY = 86_400_000_000_000
HOUR = DAY // 24


def series(value, folds=4, first_day=0, period=DAY, **more):
    """Return returns of days in folds of equal length."""
    value = np.asarray(value, float)
    n = len(value)
    return Returns((first_day + np.arange(n)) * DAY, value, np.arange(n) * folds // max(n, 1), 252.0, period, **more)


def tried(matrix, n_failed=0):
    """Return a trial for each column."""
    return Trials("fx", tuple(Trial(str(i), f"t{i}", {}, series(c)) for i, c in enumerate(matrix.T)), n_failed)


def noise(n=300, k=12, seed=1):
    """Return trials without any skill."""
    return 0.01 * np.random.default_rng(seed).standard_normal((n, k))


def test_the_score_is_the_formula_with_every_term_from_its_place():
    """Ten obvious lines give the same number, and each cost is listed."""
    value = 0.001 + noise()[:, 0]
    c = Candidate("a", series(value), 0.03, 7.0)
    annual = math.sqrt(252)
    folds = [f.mean() / f.std(ddof=1) * annual for f in np.split(value, 4)]
    sharpe, spread = value.mean() / value.std(ddof=1) * annual, np.std(folds, ddof=1)
    got = objective(c, Weights(0.7, 11.0, 0.02))
    assert got.value == pytest.approx(sharpe - 0.7 * spread - 11.0 * 0.03 - 0.02 * 7.0, rel=1e-12)
    assert got.numbers["cost_delay"] == pytest.approx(0.14)
    assert got.numbers["cost_dishonesty"] == pytest.approx(0.33)
    assert penalised_sharpe(c.returns, 0.7).value == pytest.approx(sharpe - 0.7 * spread)


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (Candidate("a", series(noise()[:, 0], folds=2), 0.0, 1.0), "2 folds, at least 3"),
        (Candidate("a", series(noise()[:20, 0]), 0.0, 1.0), "20 periods"),
        (Candidate("a", series(np.r_[noise()[:9, 0], np.zeros(200)]), 0.0, 1.0), "a position in 9 of 209 periods"),
        (Candidate("a", series(noise()[:, 0]), None, 1.0), "ece of a was not measured"),
        (Candidate("a", series(noise()[:, 0]), 0.1, None), "latency_ms of a was not measured"),
        (Candidate("a", series(np.full(100, 0.001)), 0.1, 1.0), "return without risk"),
    ],
)
def test_too_little_gives_no_score_but_a_reason(candidate, said):
    """Too few folds or periods, a term that was not measured, a return without risk."""
    got = objective(candidate)
    assert got.value is None
    assert said in got.says
    if "period" in said:
        assert said in deflated_sharpe(candidate.returns, tried(noise())).says


def test_a_weight_that_rewards_a_doubt_is_refused():
    """A negative one, or one that is no number."""
    for bad in (-1.0, math.nan, math.inf):
        with pytest.raises(ConfigError, match="dishonesty"):
            Weights(dishonesty=bad)


def test_the_deflated_ratio_takes_number_and_variance_of_the_trials():
    """The same returns are less sure with more trials, and the benchmark is the expected maximum of the module."""
    matrix = noise(k=40)
    matrix[:, 0] += 0.0012
    best = series(matrix[:, 0])
    few, many = tried(matrix[:, :5]), tried(matrix)
    got = deflated_sharpe(best, many)
    sharpes = matrix.mean(axis=0) / matrix.std(axis=0, ddof=1)
    want = expected_maximum_sharpe(40, sharpes.var(ddof=1)) * math.sqrt(252)
    assert got.numbers["n_trials"] == 40
    assert got.numbers["luck_sharpe"] == pytest.approx(want)
    assert got.value < deflated_sharpe(best, few).value < deflated_sharpe(best, tried(matrix[:, :1])).value
    assert "no trial" in deflated_sharpe(best, tried(matrix[:, :0])).says


def test_a_ratio_of_few_trials_is_not_called_deflated():
    """Of four trials it is the probability of the model by itself, with a star; of five it is deflated."""
    matrix = noise(k=5)
    matrix[:, 0] += 0.001
    best = series(matrix[:, 0])
    got = deflated_sharpe(best, tried(matrix[:, :4]))
    assert got.value == dependent_probabilistic_sharpe_ratio(best.value) > deflated_sharpe(best, tried(matrix)).value
    assert "not deflated: 4 trials, fewer than 5" in got.says
    assert deflated_sharpe(best, tried(matrix)).numbers["deflated"]
    table = rank([Candidate("a", best, 0.01, 1.0)], tried(matrix[:, :4]))
    assert next(iter(table.as_table().columns[-1].cells)).endswith("*")
    assert any("not deflated" in r for r in table.remarks())


def test_hours_and_days_and_returns_of_older_versions_are_not_mixed():
    """A model by the day among trials by the hour, and one whose returns were booked whole: refused by name."""
    matrix = noise(k=6)
    by_hour = Trials("fx", tuple(Trial(str(i), "t", {}, series(c, period=HOUR)) for i, c in enumerate(matrix.T)))
    assert "are in hours, days" in deflated_sharpe(series(matrix[:, 0]), by_hour).says
    old = Trials("fx", tuple(Trial(str(i), "t", {}, series(c, period=UNSTATED)) for i, c in enumerate(matrix.T)))
    for said in (deflated_sharpe(series(matrix[:, 0], period=UNSTATED), old).says, overfitting(old).says):
        assert "not marked to market: train again" in said


def test_what_was_booked_whole_has_no_score_and_lengths_are_not_mixed():
    """Alone or beside others the old one is refused and the others are ranked; by hour and by day nobody is."""
    matrix = noise(k=6)
    old, new, hourly = (
        Candidate(n, series(matrix[:, 0], period=p), 0.01, 1.0)
        for n, p in (("old", UNSTATED), ("new", DAY), ("hourly", HOUR))
    )
    assert "returns of old are in periods of an older version, not marked to market" in objective(old).says
    ranks = {p.candidate.label: p.rank for p in rank([old, new], tried(matrix)).places}
    assert ranks == {"new": 1, "old": None}
    mixed = rank([old, new, hourly], tried(matrix))
    assert [p.rank for p in mixed.places] == [None, None, None]
    assert any("new: nothing can be said: returns of fx are in hours, days" in r for r in mixed.remarks())


def test_returns_that_hang_together_are_less_sure():
    """Without skill but with neighbours alike, few are called skilled; as if independent, far more are."""
    rng = np.random.default_rng(8)
    steps = rng.standard_normal((400, 503))
    alike = [0.01 * np.convolve(s, np.ones(4), "valid") for s in steps]
    robust = np.mean([dependent_probabilistic_sharpe_ratio(x) > 0.95 for x in alike])
    naive = np.mean([probabilistic_sharpe_ratio(x) > 0.95 for x in alike])
    assert naive > 0.15
    assert 0.02 < robust < 0.1


def test_paths_take_the_place_of_folds():
    """Mean and deviation of the paths; two of them are too few, and one that saw later rows has no rank."""
    matrix = noise(k=6)
    paths = (0.5, 1.5, 1.0, 2.0)
    got = penalised_sharpe(series(matrix[:, 0], of_paths=paths, causal=False), 0.5)
    assert got.value == pytest.approx(1.25 - 0.5 * np.std(paths, ddof=1))
    assert (got.numbers["over"], got.numbers["paths"]) == ("paths", list(paths))
    assert "2 paths" in penalised_sharpe(series(matrix[:, 0], of_paths=(1.0, 2.0))).says
    seer = Candidate("seer", series(matrix[:, 0] + 0.01, causal=False), 0.01, 1.0)
    honest = Candidate("honest", series(matrix[:, 1]), 0.01, 1.0)
    both, alone = rank([seer, honest], tried(matrix)), rank([seer], tried(matrix))
    assert [(p.candidate.label, p.rank) for p in both.places] == [("honest", 1), ("seer", None)]
    assert both.places[1].score.value > both.places[0].score.value
    assert [(r["rank"], r["causal"]) for r in both.as_json()["ranking"]] == [(1, True), (None, False)]
    assert any("not causal: seer" in r and "not ranked beside others" in r for r in both.remarks())
    assert alone.places[0].rank == 1
    assert any("could have been earned" in r for r in alone.remarks())


def test_luck_is_told_from_skill():
    """Trials of noise: the best of the past is no better than a coin, nothing stands out. With one that is good: so."""
    lucky, good = noise(k=16), noise(k=16)
    good[:, 5] += 0.004
    assert overfitting(tried(lucky)).value > 0.3
    assert superiority(tried(lucky)).value > 0.1
    assert overfitting(tried(good)).value < 0.01
    assert superiority(tried(good)).value < 0.01
    assert superiority(tried(good)).numbers["best"] == "t5"
    assert overfitting(tried(good)).numbers["n_blocks"] == BLOCKS[0]


def test_trials_that_knew_later_rows_are_not_held_against_the_others():
    """The best of all has seen what came: without it the others are luck, and both measures say that it is left out."""
    lucky = tried(noise(k=9))
    seer = Trial("x", "seer", {}, series(noise(k=1, seed=3)[:, 0] + 0.02, causal=False))
    mixed = Trials(lucky.experiment, (*lucky.finished, seer))
    for judge in (overfitting, superiority):
        found = judge(mixed)
        assert found.value == judge(lucky).value
        assert (found.numbers["not_causal"], judge(lucky).numbers["not_causal"]) == (1, 0)
        assert "1 left out that knew later rows" in found.says
    # Where all of them are such, they are alike.
    assert superiority(Trials("x", (seer,) * 5)).numbers["not_causal"] == 0
    assert len(mixed) == 10


def test_too_few_trials_or_common_periods_say_nothing():
    """Four trials, forty days, trials of other years or of other periods: a reason, no number."""
    matrix = noise()
    for judge in (overfitting, superiority):
        assert "4 trials of fx, at least 5" in judge(tried(matrix[:, :4])).says
        apart = [Trial(str(i), "t", {}, series(matrix[:, i], first_day=100 * i)) for i in range(6)]
        assert "common to all" in judge(Trials("fx", tuple(apart))).says
        mixed = [Trial(str(i), "t", {}, series(matrix[:, i], period=(HOUR, DAY)[i % 2])) for i in range(6)]
        assert "of fx are in hours, days: name another experiment" in judge(Trials("fx", tuple(mixed))).says
    assert "40 common periods, at least 48" in overfitting(tried(matrix[:40])).says
    assert "20 common periods, at least 30" in superiority(tried(matrix[:20])).says
    assert "no trial ever traded" in superiority(tried(np.zeros((100, 6)))).says


def test_trials_that_never_traded_do_not_hide_the_others():
    """They are counted, and the test runs over the rest."""
    matrix = noise(k=8)
    matrix[:, 2] = 0.0
    got = superiority(tried(matrix))
    assert got.value is not None
    assert (got.numbers["n_trials"], got.numbers["never_traded"]) == (8, 1)


def test_trials_are_held_against_each_other_where_all_have_returns():
    """One that begins ten days later takes ten days from all; a hole inside is flat; times stay beside returns."""
    matrix = noise()
    late = Trials("fx", (Trial("0", "a", {}, series(matrix[:, 0])),
                         Trial("1", "b", {}, series(matrix[10:, 1], first_day=10))))  # fmt: skip
    assert late.matrix().tobytes() == np.ascontiguousarray(matrix[10:, :2]).tobytes()
    assert late.overlap() == pytest.approx(290 / 300)
    there = np.r_[0:50, 60:300]
    whole = series(matrix[:, 0])
    holed = Returns(whole.ts_ns[there], matrix[there, 1], whole.fold[there], 252.0, DAY)
    found = Trials("fx", (Trial("0", "a", {}, whole), Trial("1", "b", {}, holed)))
    assert found.overlap() == 1.0
    assert (found.matrix()[50:60, 1] == 0.0).all()
    assert found.matrix()[there, 1].tobytes() == matrix[there, 1].tobytes()


def test_many_periods_are_summed_to_fewer():
    """No more than asked for, nothing lost but the first that fill no sum."""
    matrix = np.arange(22.0).reshape(11, 2)
    assert summed(matrix, 4).tolist() == (matrix[2::3] + matrix[3::3] + matrix[4::3]).tolist()
    assert summed(matrix, 11) is matrix


def test_folds_that_agree_are_stable_and_folds_of_noise_are_not():
    """1 of equal orders, about 0 of random ones; the top sets agree as much as random sets do."""
    rng = np.random.default_rng(3)
    order = np.arange(30.0)
    same = importance_stability(np.array([order, order * 2, order**2]))
    assert (same.value, same.numbers["jaccard"], same.numbers["top"]) == (pytest.approx(1.0), 1.0, 10)
    got = importance_stability(rng.random((20, 30)))
    assert abs(got.value) < 0.05
    assert got.numbers["jaccard"] == pytest.approx(got.numbers["jaccard_by_chance"], abs=0.04)
    turned = importance_stability(np.array([order, order, order[::-1]]))
    assert turned.numbers["worst"] == pytest.approx(-1.0)
    assert turned.numbers["jaccard_worst"] == 0.0


def test_ranks_share_their_mean():
    """Ties, as in Spearman's coefficient."""
    assert mid_ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [3.5, 1.0, 3.5, 2.0]


def test_importances_that_can_say_nothing_are_refused():
    """Two folds, two inputs, a fold without a difference; negative ones are an error."""
    assert "2 folds" in importance_stability(np.ones((2, 5))).says
    assert "2 inputs" in importance_stability(np.ones((5, 2))).says
    assert "fold 1" in importance_stability(np.array([[1.0, 2, 3], [1, 1, 1], [3, 2, 1]])).says
    with pytest.raises(ConfigError, match="importance"):
        importance_stability(np.full((4, 4), -1.0))


def test_the_table_has_the_best_first_and_refusals_last():
    """Candidates without a score stand below, with the reason among the remarks; JSON has all of it."""
    matrix = noise(k=6)
    weak, strong = (Candidate(n, series(matrix[:, 0] + m), 0.02, 1.0) for n, m in (("weak", 0.0005), ("strong", 0.002)))
    dumb = Candidate("dumb", series(matrix[:, 0]), None, 1.0)
    got = rank([dumb, weak, strong], tried(matrix, n_failed=2))
    assert [p.candidate.label for p in got.places] == ["strong", "weak", "dumb"]
    assert any("dumb: nothing can be said: ece" in r for r in got.remarks())
    table, whole = got.as_table(), got.as_json()
    assert table.row_count == 3
    assert (whole["n_trials"], whole["n_failed"], whole["ranking"][0]["label"]) == (6, 2, "strong")
    assert {"overfitting", "superiority"} <= set(whole)


def test_latencies_of_different_machines_are_not_ranked_in_silence():
    """Two machines are named below the table; one, or one that is not known, is not."""
    matrix = noise(k=6)
    here, there, unknown = (Candidate(m or "?", series(matrix[:, 0]), 0.02, 1.0, m) for m in ("A", "B", ""))
    said = "latency is of different machines, A; B: leave it out with --delay 0"
    assert said in rank([here, there, unknown], tried(matrix)).remarks()
    assert not any("machines" in r for r in rank([here, unknown], tried(matrix)).remarks())


@pytest.mark.parametrize(
    ("ts", "value", "said"),
    [([2, 1], [0.0, 0.0], "ascend"), ([1, 2], [0.0, math.nan], "no numbers"), ([1], [0.0, 0.0], "lengths")],
)
def test_returns_that_are_no_series_are_refused(ts, value, said):
    """Times that go back, holes, other lengths."""
    with pytest.raises(ConfigError, match=said):
        Returns(np.array(ts), np.array(value), np.zeros(len(ts), np.int64), 252.0, DAY)
