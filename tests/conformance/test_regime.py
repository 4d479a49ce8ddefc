"""Regimes against the known answers, and the check itself against wrong ones."""

import json
from functools import partial

import numpy as np
import pytest

from offline.regime.segments import FLOOR, HAZARD, PRIOR, change_points
from tests.conformance.change_points import covering, f1, published
from tests.conformance.kinds.regime import check, half_a_digit, scores_of

UMBRELLA = {"name": "u", "startprob": [0.5, 0.5], "transmat": [[0.7, 0.3], [0.3, 0.7]],
            "frame_likelihood": [[0.9, 0.2], [0.9, 0.2]], "posteriors": [[0.8834, 0.1166], [0.8834, 0.1166]],
            "log_likelihood": float(np.log(0.351500)), "viterbi_states": [0, 0], "tolerance": 1e-4}  # fmt: skip
SWITCHING = {"name": "s", "endog": [0.0, 0.0], "model": "markov regression", "model_args": {"k_regimes": 2},
             "params_at_which_filtered": [0.5, 0.5, 0.0, 0.0, 1.0], "llf_at_params": -1.837877066,
             "expected": {"filtered0": [0.5, 0.5], "smoothed1": [0.5, 0.5], "predict0": [0.0, 0.0],
                          "expected_durations": [2.0, 2.0]},
             "tolerance": {"probabilities_atol": 1e-9, "llf_atol": 1e-9}}  # fmt: skip


def written(folder, *cases, series=()):
    """Write cases and annotated series into a folder of known answers and return it."""
    (folder / "regime").mkdir()
    (folder / "regime" / "some.json").write_text(json.dumps({"cases": cases}))
    for name, values, marks in series:
        known = {"name": name, "series": [{"label": "v", "values": values}], "annotations": marks}
        (folder / "regime" / f"tcpd_{name}.json").write_text(json.dumps(known))
    return folder


def test_every_known_answer_is_ours(shared):
    """Every known answer is ours."""
    cases = list(check(shared))
    assert len(cases) >= 7 + 8 + 11 + 2
    assert [c for c in cases if not c.ok] == []


def test_right_answers_pass(tmp_path):
    """Answers worked out by hand pass."""
    cases = list(check(written(tmp_path, UMBRELLA, SWITCHING)))
    assert len(cases) == 3 + 5
    assert [c for c in cases if not c.ok] == []


@pytest.mark.parametrize("key", ["posteriors", "log_likelihood"])
def test_a_wrong_number_of_a_hidden_chain_is_seen(tmp_path, key):
    """A number beyond the tolerance fails, and it alone."""
    wrong = (np.array(UMBRELLA[key]) + 2e-4).tolist()
    found = list(check(written(tmp_path, UMBRELLA | {key: wrong})))
    assert [c.name.split()[-1] for c in found if not c.ok] == [key]


@pytest.mark.parametrize("key", list(SWITCHING["expected"]))
def test_a_wrong_number_of_a_switching_model_is_seen(tmp_path, key):
    """A number beyond the tolerance fails, and it alone."""
    wrong = (np.array(SWITCHING["expected"][key]) + 1e-3).tolist()
    found = list(check(written(tmp_path, SWITCHING | {"expected": SWITCHING["expected"] | {key: wrong}})))
    assert [c.name.split()[-1] for c in found if not c.ok] == [key]


def test_an_answer_that_we_lack_fails_and_no_folder_is_no_case(tmp_path):
    """A name that we do not know is a failing case; an empty folder yields nothing."""
    assert list(check(tmp_path)) == []
    found = check(written(tmp_path, SWITCHING | {"expected": {"entropy": [1.0]}}, UMBRELLA | {"entropy": 1.0}))
    assert [c.name.split()[-1] for c in found if not c.ok] == ["entropy", "entropy"]


def test_what_makes_no_sense_is_a_failing_case(tmp_path):
    """A broken file, a case without its numbers and a series without marks fail with a reason, and no other does."""
    written(tmp_path, UMBRELLA, {"name": "half"}, {"endog": [1.0]})
    (tmp_path / "regime" / "broken.json").write_text("{")
    (tmp_path / "regime" / "list.json").write_text("[]")
    (tmp_path / "regime" / "tcpd_bare.json").write_text('{"name": "bare", "series": [{"values": [1, 2]}]}')
    cases = list(check(tmp_path))
    failed = [c for c in cases if not c.ok]
    assert [c.name for c in failed] == ["broken.json", "list.json", "some.json 1", "some.json 2", "tcpd_bare.json"]
    assert all(c.detail for c in failed)
    assert len(cases) == 3 + 5


def test_change_points_far_from_the_marks_are_seen(tmp_path):
    """A series with one clear jump passes with the mark there, and fails where nobody marked it."""
    values = [*np.tile([0.0, 1.0, -1.0], 20), *np.tile([9.0, 10.0, 8.0], 20)]
    right, wrong = {"a": [60], "b": [60]}, {"a": [], "b": []}
    series = [("right", values, right), ("wrong", values, wrong)]
    assert [c.name for c in check(written(tmp_path, series=series)) if not c.ok] == ["tcpd_wrong.json change points"]


def answers(shared):
    """Return the annotated series that we have."""
    return [json.loads(p.read_text()) for p in sorted((shared / "regime").glob("tcpd_*.json"))]


MEANS = ["tcpd mean F1", "tcpd mean covering"]


@pytest.mark.parametrize("points", [lambda _: [], lambda v: list(range(20, len(v), 20))])
def test_finding_nothing_or_everything_fails(shared, monkeypatch, points):
    """A detector that never tells a change, and one that tells one every 20 values, fail both means and some series."""
    monkeypatch.setattr("tests.conformance.kinds.regime.change_points", points)
    failed = [c.name for c in check(shared) if not c.ok]
    assert failed[-2:] == MEANS
    assert len(failed) > 2


def test_no_single_series_makes_the_difference(shared):
    """Without any one of the series, the means of the others are above both baselines'."""
    theirs = published()
    table = np.array([(*scores_of(known)[:2], theirs[known["name"]]) for known in answers(shared)])
    for i in range(len(table)):
        ours, nothing, online = np.delete(table, i, axis=0).mean(axis=0)
        assert (ours > np.maximum(nothing, online)).all(), (i, ours, nothing, online)


KNOBS = {"hazard": HAZARD, "floor": FLOOR, **{f"prior {i}": x for i, x in enumerate(PRIOR[:6])}}


@pytest.mark.parametrize("factor", [0.5, 2.0])
@pytest.mark.parametrize("knob", list(KNOBS))
def test_half_or_twice_a_knob_is_above_both_baselines_too(shared, monkeypatch, knob, factor):
    """No number of the setting is the one that makes it good."""
    changed = {"hazard": HAZARD, "floor": FLOOR, "prior": PRIOR.copy()}
    if knob.startswith("prior"):
        changed["prior"][int(knob[-1])] *= factor
    else:
        changed[knob] *= factor
    monkeypatch.setattr("tests.conformance.kinds.regime.change_points", partial(change_points, **changed))
    theirs = published()
    table = np.array([(*scores_of(known)[:2], theirs[known["name"]]) for known in answers(shared)])
    ours, nothing, online = table.mean(axis=0)
    assert (ours > np.maximum(nothing, online)).all(), (ours, nothing, online)


def test_the_measures_are_right_on_a_case_done_by_hand():
    """Two people, one mark at 10 and none, of 40 values; found 12 and 30."""
    marks = {"a": [10], "b": []}
    assert f1(marks, [12, 30]) == pytest.approx(2 * (2 / 3) / (2 / 3 + 1))
    assert covering(marks, [12, 30], 40) == pytest.approx(((10 * 10 / 12 + 30 * 18 / 30) / 40 + 18 / 40) / 2)


def test_doing_nothing_scores_as_published(shared):
    """Our measures give the source's own scores for no change at all."""
    zero = {"bank": (1.0, 1.0), "brent_spot": (0.3146067, 0.2658176), "ozone": (0.7234043, 0.5736626)}
    for name, expected in zero.items():
        case = json.loads((shared / "regime" / f"tcpd_{name}.json").read_text())
        n = len(case["series"][0]["values"])
        found = f1(case["annotations"], []), covering(case["annotations"], [], n)
        assert found == pytest.approx(expected, abs=1e-6)
        assert name in published()


def test_a_printed_number_is_known_to_half_its_last_digit():
    """Four decimals are known to half a ten-thousandth."""
    assert half_a_digit(-586.5718) == pytest.approx(5e-5)
    assert half_a_digit(2.0) == pytest.approx(0.05)
