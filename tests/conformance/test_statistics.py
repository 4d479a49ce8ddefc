"""Statistics against the known answers, and the check itself against wrong ones."""

import json

import pytest

from tests.conformance.kinds.statistics import check

POOL = {"up": {"series": [0.1, 0.2], "index": ["2000-01-03", "2000-01-04"]},
        "down": {"series": [-0.5, "NaN"], "index": ["2000-01-03", "2000-01-04"]}}  # fmt: skip
GAINS = [0.1, 0.2, 0.3, 0.1, 0.2, -0.1]
UP, DOWN = {"ref": "up"}, {"ref": "down"}


def of(function, expected, **args):
    return {"function": function, "args": args, "expected": expected, "decimals": 8}


RIGHT = [
    of("cum_returns_final", 0.32, returns=UP), of("cum_returns", [0.1, 0.32], returns=UP, starting_value=0, out=None),
    of("cum_returns_final", 1.32, returns=UP, starting_value=1), of("max_drawdown", -0.5, returns=DOWN),
    of("sharpe_ratio", "NaN", returns=DOWN, period="daily", annualization=None),
    of("sortino_ratio", "Inf", returns=UP, required_return=0.0), of("value_at_risk", 0.15, returns=UP, cutoff=0.5),
    of("excess_sharpe", "NaN", returns=UP, factor_returns=UP), of("beta", 2.0, returns=UP, factor_returns={
        "series": [0.05, 0.1], "index": POOL["up"]["index"]}),
    of("alpha_aligned", 0.0, returns=UP, factor_returns=UP, _beta=None),
    of("roll_max_drawdown", [0.0], arr=UP, window=2),
    of("roll_up_capture", [], returns=UP, factor_returns=UP, window=3, kwargs={}),
    of("roll_beta", ["NaN"], lhs=UP, rhs={"series": [0.1, 0.1], "index": POOL["up"]["index"]}, window=9),
    of("gpd_risk_estimates", "[0, 0, 0, 0]", returns=UP, var_p=0.01),
    of("aggregate_returns", [0.32], returns=UP, convert_to="monthly"),
    of("downside_risk", {"series": [1.0, 0.0], "index": ["one", "two"]}, period="yearly", required_return=0.0,
       returns={"frame": {"one": [-1.0, 1.0, -1.0, -1.0], "two": [0.0] * 4},
                "index": ["a", "b", "c", "d"]}) | {"decimals": 0},
    of("excess_sharpe", 2.121320343559643, returns=UP, factor_returns=0.0),
    of("batting_average", [0.0, 0.0, "NaN"], returns=UP, factor_returns=UP),
    of("roll_alpha_beta", [["NaN", "NaN"], ["NaN", "NaN"]], lhs=UP, rhs=UP, window=1),
    of("roll_alpha_beta", [[0.0, 1.0]], lhs=UP, rhs=UP, window=2),
]  # fmt: skip
LEAN = {
    "psr": [{"name": "same", "performance": GAINS, "benchmark": GAINS, "expected": 0.5}],
    "observed_sharpe": [{"performance": [0.02, 0.04], "risk_free_rate": 0.03, "expected": 0.0, "tolerance": 1e-12}],
    "drawdown_recovery": [{"equity_per_day": [100, 90, 95, 100], "longest_recovery_days": 3}],
}


def answers(folder, known):
    """Return what the check says of a file."""
    (folder / "statistics").mkdir(exist_ok=True)
    (folder / "statistics" / "some.json").write_text(json.dumps(known))
    return list(check(folder))


def test_every_known_answer_is_ours(shared):
    """Every known answer is ours."""
    cases = list(check(shared))
    assert len(cases) >= 98
    assert [c for c in cases if not c.ok] == []


def test_right_answers_pass(tmp_path):
    """Answers worked out by hand pass, one case each."""
    found = answers(tmp_path, {"series_pool": POOL, "cases": RIGHT} | LEAN)
    assert len(found) == len(RIGHT) + 3
    assert [c for c in found if not c.ok] == []


@pytest.mark.parametrize("case", [c for c in RIGHT if isinstance(c["expected"], float)])
def test_a_wrong_number_is_seen(tmp_path, case):
    """A number that is off in the seventh decimal fails."""
    wrong = case | {"expected": case["expected"] + 1e-7}
    assert [c.ok for c in answers(tmp_path, {"series_pool": POOL, "cases": [wrong]})] == [False]


def test_wrong_texts_lengths_and_days_are_seen(tmp_path):
    """NaN for a number, too few values, infinity for NaN, and a day more fail."""
    cases = [of("cum_returns_final", "NaN", returns=UP), of("cum_returns", [0.1], returns=UP),
             of("sharpe_ratio", "Inf", returns=DOWN)]  # fmt: skip
    wrong = LEAN | {"drawdown_recovery": [LEAN["drawdown_recovery"][0] | {"longest_recovery_days": 4}], "psr": [
        LEAN["psr"][0] | {"expected": 0.51}]}  # fmt: skip
    found = answers(tmp_path, {"series_pool": POOL, "cases": cases} | wrong)
    assert [c.ok for c in found] == [False, False, False, False, True, False]


def test_what_is_unknown_fails_by_name(tmp_path):
    """A function, an argument, a series and a form of case that we lack are failing cases that name it."""
    cases = [of("treynor_ratio", 1.0, returns=UP), of("sharpe_ratio", 1.0, returns=UP, mood="good"),
             of("sharpe_ratio", 1.0, returns={"ref": "away"}), {"colour": 1}]  # fmt: skip
    found = answers(tmp_path, {"series_pool": POOL, "cases": cases})
    assert [c.ok for c in found] == [False] * 4
    for case, word in zip(found, ("treynor_ratio", "mood", "away", "colour"), strict=True):
        assert word in case.detail
