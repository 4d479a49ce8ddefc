"""The command that checks known answers: what it counts, shows, writes and returns, on good and on broken folders."""

import csv
import json
from datetime import date
from itertools import product

import numpy as np
import pytest

from processors.errors import ConfigError
from processors.futures.calendars import BusinessDays, as_date, business_days
from processors.futures.expiry import last_trade_date, rule_of, rules
from processors.futures.rules import evaluate
from tests.conformance.__main__ import SHOWN_MAX, kinds, main
from tests.conformance.case import Case
from tests.conformance.explained import OURS, Explanations, spelled_out
from tests.conformance.reading import attempt

RIGHT = {"name": "n", "x": [1.0, 2.0, 3.0], "w": [1.0, 1.0, 1.0], "median": 2.0}
WRONG = RIGHT | {"name": "off", "median": 2.5}


def written(folder, files):
    """Write files into a folder of known answers, texts as they are and anything else as JSON, and return it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return folder


def ran(folder, capsys, *arguments):
    """Run the command over a folder and return its status and what it printed."""
    status = main(["--data", str(folder), *map(str, arguments)])
    out = capsys.readouterr()
    return status, out.out + out.err


FACTORS = "roll_datetime,mapping_mode,depth,backward_ratio_factor,backward_panama_add,forward_panama_add\n"
SESSIONS = "session,open_utc,close_utc\n"
DAILY = "timestamp,symbol,close,adjusted_close,volume,dividend_amount,split_coefficient\n"

BROKEN = {
    "sessions, other columns": (
        "sessions/xnys.csv", "day,open\n2020-01-02,x\n", "xnys.csv: cannot be read: ValueError: no column session",
    ),
    "sessions, a word for a time": (
        "sessions/xnys.csv", SESSIONS + "2020-01-02,noon,2020-01-02T21:00:00Z\n", "xnys.csv line 2",
    ),
    "sessions, a day twice": (
        "sessions/xnys.csv",
        SESSIONS + "2020-01-02,2020-01-02T14:30:00Z,2020-01-02T21:00:00Z\n" * 2,
        "xnys.csv line 3: session 2020-01-02 stands twice",
    ),
    "sessions, a cell too many": (
        "sessions/xnys.csv", SESSIONS + "2020-01-02,,2020-01-02T14:30:00Z,x\n", "line 2: ValueError: more cells",
    ),
    "events, a cell too many": (
        "corporate_actions/a.csv", "symbol,timestamp,close,dividend_amount,split_coefficient\nA,2020-01-02,1,1,1,1\n",
        "a.csv row 2: cannot be read: ValueError: more cells than columns",
    ),
    "regime, a series cut short": (
        "regime/tcpd_a.json", {"name": "a", "n_obs": 3, "series": [{"values": [1, 2]}], "annotations": {}},
        "values of shape (2, 1), told 3 of 1 series",
    ),
    "regime, an answer without a value": (
        "regime/a.json",
        {"cases": [{"name": "n", "startprob": [1.0], "transmat": [[1.0]], "frame_likelihood": [[0.5]],
                    "log_likelihood": None, "tolerance": 1e-6}]},
        "log_likelihood: no value to compare",
    ),
    "robust, no cases": ("robust/a.json", {"data": {}}, "a.json: cannot be read: ValueError: no list 'cases'"),
    "robust, no JSON": ("robust/a.json", "{", "a.json: cannot be read: JSONDecodeError"),
    "robust, a list": ("robust/a.json", [1], "a.json: cannot be read: ValueError: no list 'cases': a list of 1"),
    "robust, no values": ("robust/a.json", {"cases": [{"name": "n"}]}, "a.json 0: cannot be read: no 'x'"),
    "robust, no text": ("robust/a.json", {"cases": ["text"]}, "a.json 0: cannot be read"),
    "asof, no frame": ("asof/a.json", {"cases": [{"id": "i"}]}, "a.json 0: cannot be read: no 'expected_error'"),
    "regime, no chain": ("regime/a.json", {"cases": [{"name": "n"}]}, "a.json 0: cannot be read: no 'startprob'"),
    "regime, no series": ("regime/tcpd_a.json", {"name": "a"}, "tcpd_a.json: cannot be read: no 'series'"),
    "indicators, no indicator": ("indicators/manifest_lean.json", {"cases": [{}]}, "lean:case 0: cannot be answered"),
    "indicators, no case": ("indicators/talib/a.json", {"cases": []}, "a.json: has no cases"),
    "websocket, an index of numbers": ("websocket/index.json", {"a.raw.txt": 1}, "index.json: a.raw.txt: 1 says"),
    "websocket, no index": ("websocket/index.json", "[]", "index.json: cannot be read"),
    "websocket, an unknown venue": ("websocket/nowhere.1.0.raw.txt", "1.0: {}\n", "nowhere.1.0.raw.txt: venue"),
    "symbols, no map": (
        "corporate_actions/symbol_change_cases.json", {"cases": []}, "cases.json: cannot be read: no 'map_files'",
    ),
    "symbols, no query": (
        "corporate_actions/symbol_change_cases.json", {"cases": [{}], "map_files": {}}, "cases.json 0: cannot be read",
    ),
    "futures, other columns": ("futures/a.csv", "a,b\n1,2\n", "a.csv: no table that we know: columns a, b"),
    "futures, no month": ("futures/a.csv", "root,last_trade_date\nES,2020-03-20\n", "no column contract_month"),
    "futures, no list": ("futures/a.json", {"root": "ES"}, "a.json: cannot be read: TypeError: a list of objects"),
    "futures, no date": ("futures/a.json", [{"root": "ES"}], "a.json row 1: cannot be read: no 'contract_month'"),
    "futures, no id": (
        "futures/a.csv", "date,contract_id,mapping_mode\n20200301,es !,0\n", "a.csv row 2: cannot be read: ValueError",
    ),
    "futures, no rule of that number": (
        "futures/a.csv", "date,contract_id,mapping_mode\n20091130,es uik2f7cj4v0h,9\n", "a.csv row 2: cannot be read",
    ),
    "futures, a factor that is a word": (
        "futures/a.csv",
        FACTORS + "2009-11-30T00:00:00,1,0,much,0,0\n",
        "a.csv row 2: backward_ratio_factor is 'much', no number",
    ),
    "cv, no cases": ("cv/a.json", {"source": "x"}, "a.json: cannot be read: ValueError: no list of cases"),
    "cv, a list": ("cv/a.json", [1], "a.json: cannot be read: ValueError: no list of cases: a list"),
    "cv, no rows": (
        "cv/a.json", {"walk": [{"params": {"test_size": 1, "train_size": 1}}]}, "a.json walk 0: cannot be read: no 'n'",
    ),
    "cv, no such index": (
        "cv/a.json", {"walk": [{"params": {"test_size": 1, "train_size": 1, "freq": "MS"}, "index": "days"}]},
        "a.json walk 0: cannot be read: no 'days'",
    ),
    "cv, text": ("cv/a.json", {"walk": ["text"]}, "a.json walk 0: cannot be read"),
    "statistics, no cases": ("statistics/a.json", {}, "a.json: cannot be read: ValueError: no list of cases"),
    "statistics, a list": ("statistics/a.json", [1], "a.json: cannot be read: ValueError: no list of cases: a list"),
    "statistics, no arguments": (
        "statistics/a.json", {"cases": [{"function": "cagr"}]}, "a.json cases 0: cannot be read: no 'args'",
    ),
    "statistics, words": (
        "statistics/a.json",
        {"cases": [{"function": "cagr", "args": {"returns": {"series": ["much"]}}, "expected": 1.0}]},
        "a.json cases 0: cannot be read: ValueError",
    ),
    "statistics, no expectation": (
        "statistics/a.json", {"cases": [{"function": "cagr", "args": {"returns": {"series": [0.1]}}}]},
        "a.json cases 0: cannot be read: no 'expected'",
    ),
    "conformal, no cases": ("conformal/a.json", {}, "a.json: cannot be read: ValueError: no list 'cases'"),
    "conformal, no table": (
        "conformal/a.json", {"data": "b.csv: rows", "cases": [{"strategy": "cv"}]},
        "a.json 0: cannot be read: FileNotFound",
    ),
    "conformal, no pairs": (
        "conformal/a.json", {"cases": [{"intervals": {}, "score": "absolute"}]},
        "a.json 0: cannot be read: no 'calibration_y'",
    ),
    "conformal, no steps": (
        "conformal/a.json", {"cases": [{"alpha_before_after_covered": [[0.1]], "alpha": 0.1, "gamma": 0.1}]},
        "a.json 0: cannot be read: ValueError",
    ),
    "prices, other columns": ("corporate_actions/a.csv", "a,b\n1,2\n", "a.csv: no table that we know: columns a, b"),
    "prices, no volume": (
        "corporate_actions/a.csv", "timestamp,symbol,adjusted_close\n", "a.csv: cannot be read: ValueError: no column",
    ),
    "prices, a word": (
        "corporate_actions/a.csv",
        DAILY + "2020-01-02,A,1,x,1,0,1\n",
        "a.csv row 2: adjusted_close is 'x', no number",
    ),
    "prices, a day twice": (
        "corporate_actions/a.csv",
        DAILY + "2020-01-02,A,1,1,1,0,1\n" * 2,
        "one close a day, ascending",
    ),
    "events, no day": (
        "corporate_actions/a.csv", "symbol,timestamp,close,dividend_amount,split_coefficient\nA,soon,1,1,1\n",
        "a.csv row 2: cannot be read: ValueError",
    ),
    "all prices, one missing": ("corporate_actions/a.csv", "date,ticker,adj_close\n", "a.csv: cannot be read"),
    "factors, no rows": ("corporate_actions/a.json", {"cases": [{"name": "n"}]}, "a.json:n: cannot be read: no 'rows'"),
}  # fmt: skip


@pytest.mark.parametrize("fault", BROKEN)
def test_what_cannot_be_read_fails_by_name_and_the_rest_is_checked(tmp_path, capsys, fault):
    """A file or row of another form is a failed case that says what is wrong, and the others are checked."""
    name, content, words = BROKEN[fault]
    folder = written(tmp_path, {name: content, "robust/right.json": {"cases": [RIGHT]}})
    status, out = ran(folder, capsys)
    assert status == 1
    assert words in out
    assert "Traceback" not in out
    (robust,) = (line.split("│") for line in out.splitlines() if line.startswith("│ robust "))
    assert int(robust[2]) == 1


def test_a_bad_row_leaves_the_rows_around_it(tmp_path, capsys):
    """Of three cases the middle one is broken: the other two are checked."""
    folder = written(tmp_path, {"robust/a.json": {"cases": [RIGHT, {"name": "n", "x": "words"}, WRONG]}})
    status, out = ran(folder, capsys, "--kind", "robust")
    assert status == 1
    assert "│ robust │ 1      │ 0         │ 2      │" in out


def contract_id(day):
    """Return the id of a contract of ES that ends on a day, as LEAN writes it."""
    value, digits = (day - date(1899, 12, 30)).days * 10**14 + 1, ""
    while value:
        value, d = divmod(value, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[d] + digits
    return f"es {digits}"


def test_a_contract_at_the_end_of_the_calendar_is_a_case_and_no_crash(tmp_path, capsys):
    """The last contract that the calendar reaches is found, though months after it have no date; one beyond fails."""
    reached = as_date(business_days(rule_of("ES", "2026-12").calendar).days[-1])
    with pytest.raises(ConfigError):
        last_trade_date("ES", f"{reached.year + 1}-03")
    ends = last_trade_date("ES", f"{reached.year}-12")
    beyond = ends.replace(year=reached.year + 2)
    table = "".join(f"20501231,{contract_id(day)},2\n" for day in (ends, beyond))
    folder = written(tmp_path, {"futures/map.csv": "date,contract_id,mapping_mode\n" + table})
    status, out = ran(folder, capsys, "--kind", "futures")
    assert status == 1
    assert f"no contract of ES ends on {beyond}" in out
    assert "│ futures │ 1      │ 0         │ 1      │" in out


def test_a_check_that_breaks_is_a_failed_case_and_the_table_is_printed(tmp_path, capsys, monkeypatch):
    """A check that itself breaks costs its kind, not the run."""

    def broken(_folder):
        yield Case("robust", "one", ok=True)
        raise RuntimeError("out of order")

    monkeypatch.setattr("tests.conformance.kinds.robust.check", broken)
    status, out = ran(tmp_path, capsys)
    assert status == 1
    assert "robust the check: cannot be read: RuntimeError: out of order" in out
    assert "│ robust            │ 1      │ 0         │ 1      │" in out


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_no_case(error):
    """Whoever stops the run stops it."""

    def stopped():
        raise error
        yield

    with pytest.raises(error):
        list(attempt("robust", "n", stopped))


def test_a_folder_without_answers_checks_nothing_and_says_so(tmp_path, capsys):
    """No folder, an empty folder and the folder of one kind are no success."""
    assert ran(tmp_path / "none", capsys)[0] == 2
    status, out = ran(written(tmp_path, {"a.json": {"cases": [RIGHT]}}), capsys)
    assert (status, "no known answers in" in out) == (2, True)
    assert all(kind in out for kind in kinds())


def test_a_folder_that_nothing_is_compared_of_is_named(tmp_path, capsys):
    """A folder of answers of another kind is said to be left out, and does not pass for checked."""
    folder = written(tmp_path, {"robust/a.json": {"cases": [RIGHT]}, "poetry/a.json": {"cases": []}})
    status, out = ran(folder, capsys)
    assert (status, "folders that this command compares nothing of: poetry" in out) == (0, True)


def test_every_difference_is_in_the_report_though_few_are_shown(tmp_path, capsys):
    """The report has each differing row and its outcome, in CSV or Markdown; the screen shows the first."""
    n = SHOWN_MAX + 15
    cases = [WRONG | {"name": f"case|{i}"} for i in range(n)]
    folder = written(tmp_path / "data", {"robust/a.json": {"cases": [*cases, RIGHT]}})
    mine = tmp_path / "mine.csv"
    mine.write_text("kind,name,reason\nrobust,a.json 3 * median,the source rounds\n")
    for name in ("out/report.csv", "out/report.md"):
        status, out = ran(folder, capsys, "--report", tmp_path / name, "--explained", mine)
        assert status == 1
        assert out.count("known 2.5") == SHOWN_MAX + 1
        assert "robust: more differences; --report FILE has them all" in out
    with (tmp_path / "out/report.csv").open(newline="") as f:
        rows = list(csv.DictReader(f))
    assert [r["name"] for r in rows] == [f"a.json {i} case|{i} median" for i in range(n)]
    assert [i for i, r in enumerate(rows) if r["outcome"] == "explained"] == [3]
    assert (rows[3]["reason"], rows[4]["reason"]) == ("the source rounds", "")
    assert all(r["detail"] == "2.0, known 2.5" for r in rows)
    text = (tmp_path / "out/report.md").read_text()
    assert "| robust | 1 | 1 | 34 |" in text
    assert text.count("2.0, known 2.5") == n
    assert "a.json 7 case\\|7 median" in text


def test_an_explained_run_succeeds(tmp_path, capsys):
    """Differences that the user explains do not fail the run; a reason that nothing needs is named."""
    folder = written(tmp_path / "data", {"robust/a.json": {"cases": [WRONG]}})
    mine = tmp_path / "mine.csv"
    mine.write_text("kind,name,reason\nrobust,a.json 0 *,known\nfutures,x,never\n")
    status, out = ran(folder, capsys, "--explained", mine)
    assert status == 0
    assert "[explained: known]" in out
    assert f"no difference needed these reasons: {mine} line 3: futures,x" in out


@pytest.mark.parametrize("text", ["kind,name\nrobust,*\n", "kind,name,reason\nrobust,*,\n", "kind,name,reason\n,a,b\n"])
def test_a_file_of_reasons_without_reasons_is_refused(tmp_path, capsys, text):
    """A reason that is none excuses nothing: the file is refused by name."""
    mine = tmp_path / "mine.csv"
    mine.write_text(text)
    status, out = ran(written(tmp_path / "data", {"robust/a.json": {"cases": [WRONG]}}), capsys, "--explained", mine)
    assert (status, str(mine) in out) == (2, True)
    assert ran(tmp_path / "data", capsys, "--explained", tmp_path / "none.csv")[0] == 2


def test_words_in_braces_stand_for_one_of_them():
    """Braces are spelled out, each pair with each other."""
    assert spelled_out("a") == ["a"]
    assert spelled_out("{a,b}:*:{c,d}") == ["a:*:c", "a:*:d", "b:*:c", "b:*:d"]


def told(root, month, day="2027-05-31"):
    return Case("futures", f"last_trade_dates.csv:{root}:{month}:{day}", ok=False)


def test_memorial_day_of_2027_is_excused_only_where_it_moves_the_date():
    """The reason holds for exactly the contracts that would end on that day, were it a business day."""
    holiday, ours = np.datetime64("2027-05-31"), Explanations(OURS)
    excused, moved, calendars = set(), set(), {}
    for root, month in product(rules(), ("2027-04", "2027-05", "2027-06", "2027-07", "2027-08")):
        if ours.reason_of(told(root, month)):
            excused.add((root, month))
        rule = rule_of(root, month)
        if not rule.calendar.startswith(("CME", "USA", "BANK")):
            # Others do not keep Memorial Day, and take seconds to build.
            continue
        if rule.calendar not in calendars:
            days = business_days(rule.calendar, date(2020, 12, 31))
            calendars[rule.calendar] = BusinessDays(days.name, np.union1d(days.days, [holiday]))
        try:
            theirs = evaluate(rule.last_trade, np.datetime64(month), calendars[rule.calendar], rule.months)
        except ConfigError:
            continue
        if theirs == date(2027, 5, 31) != last_trade_date(root, month, date(2020, 12, 31)):
            moved.add((root, month))
    assert excused == moved
    assert ("BK", "2027-05") in excused
    assert Explanations(OURS).reason_of(told("BK", "2027-05", "2027-05-30")) is None
