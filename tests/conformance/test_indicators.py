"""Indicators against the tables of LEAN and TA-Lib, and the check itself against wrong tables."""

import json
import re

import numpy as np
import pytest

from tests.conformance.indicators.lean_names import PARAMETERS, output_of, parameters_of
from tests.conformance.indicators.support import mappings, together
from tests.conformance.kinds.indicators import check, columns_of, found

MANIFEST = {
    "cases": [
        {
            "name": "t:EMA", "indicator": "ExponentialMovingAverage (of the close)", "params": {"period": 2},
            "input_file": "lean/t.csv", "input": "close", "expected_column": "EMA", "output": "value",
            "warmup_bars": 2, "first_nonempty_row": 0, "first_nonzero_row": 0, "tolerance_abs": 1e-3,
        }
    ]
}  # fmt: skip
TABLE = "time,close,EMA\n1,1,9\n2,3,2\n3,5,4\n4,8,\n"
TALIB = {
    "cases": [
        {"function": "EMA", "params": {"timeperiod": 2}, "inputs": {"price": "high"}, "columns": ["EMA"],
         "lookback_bars": 1}
    ]
}  # fmt: skip
TALIB_TABLE = "time,high,close,EMA\n1,1,7,\n2,3,7,2\n3,5,7,4\n"


def written(folder, table=TABLE, talib_table=TALIB_TABLE, manifest=MANIFEST, talib=TALIB):
    """Write one table of each library into a folder of known answers and return it."""
    for name in ("lean", "talib"):
        (folder / "indicators" / name).mkdir(parents=True)
    (folder / "indicators" / "manifest_lean.json").write_text(json.dumps(manifest))
    (folder / "indicators" / "lean" / "t.csv").write_text(table)
    (folder / "indicators" / "talib" / "some.json").write_text(json.dumps(talib))
    (folder / "indicators" / "talib" / "some.csv").write_text(talib_table)
    return folder


def test_every_answer_is_ours(shared):
    """Every table is met within its stated tolerance; none is of an indicator that we lack."""
    cases = list(check(shared))
    assert len(cases) >= 200
    assert [c for c in cases if not c.ok] == []


def test_right_tables_pass(tmp_path):
    """Tables worked out by hand pass: cells before the warm-up and empty ones do not count, inputs are as named."""
    assert [(c.name, c.ok, c.detail) for c in check(written(tmp_path))] == [
        ("lean:t:EMA", True, ""),
        ("some:EMA(timeperiod=2)", True, ""),
    ]


@pytest.mark.parametrize("wrong", ["2,3,2.01", "3,5,3.99", "3,5.1,4"])
def test_a_wrong_cell_of_lean_is_seen(tmp_path, wrong):
    """A cell that is off by more than the tolerance, or an input that is another, fails."""
    lines = [wrong if line[0] == wrong[0] else line for line in TABLE.splitlines()]
    assert [c.ok for c in check(written(tmp_path, table="\n".join(lines)))] == [False, True]


@pytest.mark.parametrize("wrong", ["2,3,7,2.00001", "3,5,7,", "2,3,7,"])
def test_a_wrong_cell_of_talib_is_seen(tmp_path, wrong):
    """A cell that is off in the sixth place, and a cell that is empty where we have a value, fail."""
    lines = [wrong if line[0] == wrong[0] else line for line in TALIB_TABLE.splitlines()]
    assert [c.ok for c in check(written(tmp_path, talib_table="\n".join(lines)))] == [True, False]


def test_a_value_before_the_lookback_is_seen(tmp_path):
    """A value of ours where the library has none yet fails."""
    late = {"cases": [TALIB["cases"][0] | {"lookback_bars": 2}]}
    table = TALIB_TABLE.replace("2,3,7,2", "2,3,7,")
    assert [c.ok for c in check(written(tmp_path, talib_table=table, talib=late))] == [True, False]


def test_an_indicator_that_we_lack_fails_and_says_so(tmp_path):
    """An indicator or a function without a mapping is a failing case; an empty folder yields nothing."""
    assert list(check(tmp_path)) == []
    lean = {"cases": [MANIFEST["cases"][0] | {"indicator": "Astrology"}]}
    talib = {"cases": [TALIB["cases"][0] | {"function": "MOON"}]}
    cases = list(check(written(tmp_path, manifest=lean, talib=talib)))
    assert [c.ok for c in cases] == [False, False]
    assert ["Astrology" in cases[0].detail, "MOON" in cases[1].detail] == [True, True]


def test_parameters_that_we_do_not_know_fail(tmp_path):
    """A case without the parameters that it needs is a failing case, not a crash."""
    lean = {"cases": [MANIFEST["cases"][0] | {"params": {"colour": "blue"}}]}
    assert [c.ok for c in check(written(tmp_path, manifest=lean))] == [False, True]


@pytest.mark.parametrize("name", ["length", "timePeriod", "Window", "n"])
def test_a_parameter_has_many_names(tmp_path, name):
    """Another name of a parameter that is known is as good as ours, and needs no remark."""
    lean = {"cases": [MANIFEST["cases"][0] | {"params": {name: 2}}]}
    assert [(c.ok, c.detail) for c in check(written(tmp_path, manifest=lean))] == [(True, ""), (True, "")]


def test_a_parameter_of_an_unknown_name_goes_by_its_place_and_says_so(tmp_path):
    """A number under a name that nobody knows is the first parameter left; the case says what was taken for what."""
    lean = {"cases": [MANIFEST["cases"][0] | {"params": {"stride": 2}}]}
    first = next(iter(check(written(tmp_path, manifest=lean))))
    assert (first.ok, first.detail) == (True, "parameter stride taken as period")


def test_a_wrong_place_is_no_pass(tmp_path):
    """A number under an unknown name that is another number fails as any other would."""
    lean = {"cases": [MANIFEST["cases"][0] | {"params": {"stride": 3}}]}
    first = next(iter(check(written(tmp_path, manifest=lean))))
    assert not first.ok
    assert "stride taken as period" in first.detail


AROON = "time,high,low,close,X\n1,5,1,2,\n2,4,2,3,\n3,6,3,4,100\n4,5,2,3,50\n"
"""Highest high one bar ago, or none; bars without an open."""


def aroon(output: str, **more):
    """Return a case of Aroon with a window of 2, of which ``X`` are the ups."""
    return MANIFEST["cases"][0] | {"indicator": "AroonOscillator", "params": {"period": 2}, "output": output,
                                   "expected_column": "X", "warmup_bars": 3} | more  # fmt: skip


@pytest.mark.parametrize("name", ["up", "Aroon_Up", "AROONUP"])
def test_an_output_has_many_names(tmp_path, name):
    """Another name of an output that is known is as good as ours, and needs no remark."""
    first = next(iter(check(written(tmp_path, table=AROON, manifest={"cases": [aroon(name)]}))))
    assert (first.ok, first.detail) == (True, "")


def test_a_known_output_is_never_taken_for_another(tmp_path):
    """A case that names the other output fails, although one of ours would fit."""
    first = next(iter(check(written(tmp_path, table=AROON, manifest={"cases": [aroon("down")]}))))
    assert not first.ok


def test_an_output_of_an_unknown_name_goes_by_its_values_and_says_so(tmp_path):
    """The one output that fits is taken and named; where none fits, and where two do, the case fails."""
    first = next(iter(check(written(tmp_path, table=AROON, manifest={"cases": [aroon("zenith")]}))))
    assert first.ok
    assert first.detail == "output 'zenith' is none of up, down, value: its values are those of up"


@pytest.mark.parametrize(("cells", "said"), [("7", "fit none"), ("50", "fit several")])
def test_an_output_of_an_unknown_name_that_does_not_fit_alone_fails(tmp_path, cells, said):
    """No output with these values, or more than one: the case fails and says which."""
    table = f"time,high,low,close,X\n1,5,1,2,\n2,6,2,3,\n3,5,3,4,{cells}\n4,4,4,5,\n"
    case = aroon("zenith", tolerance_abs=50.0 if said == "fit several" else 0.001)
    first = next(iter(check(written(tmp_path, table=table, manifest={"cases": [case]}))))
    assert not first.ok
    assert said in first.detail


@pytest.mark.parametrize(("column", "ok"), [("Var", True), ("SD", False)])
def test_where_a_case_says_just_value_its_column_names_the_output(tmp_path, column, ok):
    """A column of variances of a standard deviation is its square; under another name it is a wrong deviation."""
    table = f"time,close,{column}\n1,1,\n2,5,4\n3,9,4\n"
    case = MANIFEST["cases"][0] | {"indicator": "StandardDeviation", "expected_column": column}
    assert next(iter(check(written(tmp_path, table=table, manifest={"cases": [case]})))).ok is ok


@pytest.mark.parametrize("tool", ["HP", "high_pass", "SwissArmyKnifeTool.HighPass"])
def test_a_tool_has_many_names(tool):
    """The filter that a case names is the value, by any of its names."""
    out = mappings("lean")["SwissArmyKnife"]({"period": 5, "tool": tool}, {"close": np.arange(20.0) ** 2})
    np.testing.assert_array_equal(out["value"], out["highpass"])


CONSTRUCTORS = {
    "MovingAverageConvergenceDivergence": "fastPeriod slowPeriod signalPeriod",
    "KnowSureThing": "roc1Period roc1MaPeriod roc2Period roc2MaPeriod roc3Period roc3MaPeriod roc4Period roc4MaPeriod "
    "signalPeriod",
    "DerivativeOscillator": "rsiPeriod smoothingRsiPeriod doubleSmoothingRsiPeriod signalLinePeriod",
    "SqueezeMomentum": "bollingerPeriod bollingerMultiplier keltnerPeriod keltnerMultiplier",
    "ConnorsRelativeStrengthIndex": "rsiPeriod rsiPeriodStreak lookBackPeriod",
    "IchimokuKinkoHyo": "tenkanPeriod kijunPeriod senkouAPeriod senkouBPeriod senkouADelayPeriod senkouBDelayPeriod",
    "ParabolicStopAndReverseExtended": "sarStart offsetOnReverse afStartShort afIncrementShort afMaxShort afStartLong "
    "afIncrementLong afMaxLong",
    "AutoRegressiveIntegratedMovingAverage": "arOrder diffOrder maOrder period intercept",
    "VolumeProfile": "period valueAreaVolumePercentage priceRangeRoundOff",
    "Covariance": "targetSymbol referenceSymbol period",
    "WaveTrendOscillator": "channelPeriod averagePeriod signalPeriod",
    "StochasticRelativeStrengthIndex": "rsiPeriod stochPeriod kSmoothingPeriod dSmoothingPeriod",
    "UltimateOscillator": "period1 period2 period3",
}
"""Parameters as LEAN's constructors have them, in their order."""


@pytest.mark.parametrize("indicator", list(CONSTRUCTORS))
def test_the_constructors_own_names_are_known(indicator):
    """LEAN's own names of the parameters are ours in their order, with and without ``Period``, in any case."""
    for change in (str, lambda n: n.removesuffix("Period"), str.upper, lambda n: re.sub("(?<!^)(?=[A-Z])", "_", n)):
        given = {change(name): i for i, name in enumerate(CONSTRUCTORS[indicator].split(), 1)}
        named, note = parameters_of(indicator, given)
        assert named == dict(zip(PARAMETERS[indicator], given.values(), strict=False)), given
        assert note == ""


def test_a_list_of_numbers_is_one_parameter_each():
    """Lists of the four windows of Know Sure Thing are their eight parameters."""
    named, _ = parameters_of("KnowSureThing", {"roc": [5, 10, 15, 25], "roc_ma": [5, 6, 7, 10], "signal": 9.0})
    assert [named[n] for n in ("roc1", "roc4", "roc1_ma", "roc4_ma", "signal")] == [5, 25, 5, 10, 9]


@pytest.mark.parametrize(("outputs", "said", "meant"), [
    ("value plus minus", "PositiveDirectionalIndex", "plus"), ("value plus minus", "minus_di", "minus"),
    ("value plus minus", "+DI", "plus"), ("value plus minus", "adx", "value"), ("value adxr adx", "ADXR", "adxr"),
    ("value signal histogram fast slow", "macd", "value"), ("value signal histogram fast slow", "hist", "histogram"),
    ("value slope intercept upper lower linear_regression", "middle", "linear_regression"),
    ("value plus minus", "plus_vi", "plus"), ("value up down", "aroon_up", "up"),
    ("upper middle lower value bandwidth percent_b", "BandWidth", "bandwidth"),
    ("upper middle lower value bandwidth percent_b", "%B", "percent_b"),
    ("upper middle lower value bandwidth percent_b", "pct_b", "percent_b"),
    ("tenkan tenkan_maximum tenkan_minimum", "tenkan_max", "tenkan_maximum"), ("value signal", "SignalLine", "signal"),
    ("in_phase quadrature value", "InPhase", "in_phase"), ("value mama fama", "Fama", "fama"),
])  # fmt: skip
def test_outputs_are_known_by_the_names_in_use(outputs, said, meant):
    """Names of one output that are in use mean it."""
    assert output_of(dict.fromkeys(outputs.split(), np.zeros(1)), said) == meant


@pytest.mark.parametrize(("file", "text"), [
    ("manifest_lean.json", "{"), ("manifest_lean.json", "[]"), ("talib/some.json", '{"about": 1}'),
])  # fmt: skip
def test_a_manifest_that_cannot_be_read_is_one_failing_case(tmp_path, file, text):
    """A broken manifest fails as one case that names the file; the other library's cases are as they were."""
    written(tmp_path)
    (tmp_path / "indicators" / file).write_text(text)
    cases = list(check(tmp_path))
    assert sorted(c.ok for c in cases) == [False, True]
    assert [file.rpartition("/")[2] in c.name for c in cases if not c.ok] == [True]


@pytest.mark.parametrize("change", [
    {"input_file": "lean/gone.csv"}, {"expected_column": "SMA"}, {"indicator": None}, {"params": [2]},
    {"tolerance_abs": "roughly"}, {"warmup_bars": "two"},
])  # fmt: skip
def test_a_case_that_makes_no_sense_is_a_failing_case(tmp_path, change):
    """A missing file or column, or a field of another type, fails that case with a reason and no other."""
    lean = {"cases": [MANIFEST["cases"][0] | change, MANIFEST["cases"][0], 7]}
    cases = list(check(written(tmp_path, manifest=lean)))
    assert [c.ok for c in cases] == [False, True, False, True]
    assert all(c.detail for c in cases if not c.ok)


def test_a_table_that_is_missing_fails_each_of_its_cases(tmp_path):
    """A table of TA-Lib that is not there is no traceback."""
    written(tmp_path)
    (tmp_path / "indicators" / "talib" / "some.csv").unlink()
    assert [c.ok for c in check(tmp_path)] == [True, False]


@pytest.mark.parametrize(("ours", "ok"), [("2.57E+08", True), ("2.571E+08", True), ("2.58E+08", False)])
def test_a_tolerance_in_printed_digits_is_kept(tmp_path, ours, ok):
    """Values equal in three printed digits pass where the case says so, others fail."""
    said = {"tolerance_abs": "equal when both are printed with 3 significant digits", "params": {"period": 1}}
    lean = {"cases": [MANIFEST["cases"][0] | said]}
    table = f"time,close,EMA\n1,1,1\n2,{ours},2.57E+08\n"
    assert [c.ok for c in check(written(tmp_path, table=table, manifest=lean))] == [ok, True]


def test_names_are_found_with_what_manifests_say_around_them():
    """A remark behind a name and a kind before it do not hide the mapping."""
    known = {"Beta": 1, "CDLDOJI": 2}
    assert [found(n, known) for n in ("Beta", "Beta (vs reference)", "candlestick CDLDOJI")] == [1, 1, 2]
    with pytest.raises(KeyError):
        found("Gamma", known)


def test_a_column_of_words_stays_words(tmp_path):
    """Numbers become floats with NaN for empty cells; a column with a word is left as text."""
    (tmp_path / "t.csv").write_text("symbol,x\nA,1\nB,\n")
    columns = columns_of(tmp_path / "t.csv")
    assert columns["symbol"].tolist() == ["A", "B"]
    np.testing.assert_array_equal(columns["x"], [1, np.nan])


def test_outputs_of_one_function_are_missing_together():
    """Where one output is missing, none is there."""
    out = together({"a": np.array([1.0, 2.0]), "b": np.array([np.nan, 3.0])})
    np.testing.assert_array_equal(out["a"], [np.nan, 2])


def test_no_indicator_is_mapped_twice():
    """Every mapping is of one family."""
    assert mappings("talib").keys() | mappings("lean").keys()


def test_parameters_are_named_of_mapped_indicators_alone():
    """No list of parameters is of an indicator that nothing makes."""
    assert PARAMETERS.keys() <= mappings("lean").keys()
