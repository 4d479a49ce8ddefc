"""Sessions against the known answers, and the check itself against files with one thing wrong."""

import pytest

from processors.sessions import calendar_names
from tests.conformance.kinds.sessions import calendar_of, check

HEAD = "session,open_utc,close_utc,break_start_utc,break_end_utc\n"
TOKYO = HEAD + (
    "2014-05-01,2014-05-01T00:00:00Z,2014-05-01T06:00:00Z,2014-05-01T02:30:00Z,2014-05-01T03:30:00Z\n"
    "2014-05-02,2014-05-02T00:00:00Z,2014-05-02T06:00:00Z,2014-05-02T02:30:00Z,2014-05-02T03:30:00Z\n"
    "2014-05-07,2014-05-07T00:00:00Z,2014-05-07T06:00:00Z,2014-05-07T02:30:00Z,2014-05-07T03:30:00Z\n"
)


def test_every_session_of_the_known_answers_is_ours(shared):
    """Every session of the known answers is ours, and we have no other between them."""
    cases = list(check(shared))
    assert len(cases) > 50_000
    assert [c for c in cases if not c.ok] == []


def test_a_file_is_named_by_its_calendar_whatever_its_case():
    """A file is named by its calendar: case aside, a minus for the slash, aliases too."""
    assert calendar_of("24-7") == "24/7"
    assert calendar_of("xnys") == "XNYS"
    assert calendar_of("aixk") == "AIXK"
    assert calendar_of("us_futures") == "us_futures"
    for name in calendar_names():
        assert calendar_of(name.lower().replace("/", "-")) == name


@pytest.mark.parametrize(
    ("old", "new", "failing"),
    [("05:00", "05:00", 0), ("2014-05-02T06:00", "2014-05-02T06:01", 1), ("T03:30", "T03:31", 3),
     (TOKYO.splitlines()[2] + "\n", "", 1), ("2014-05-07", "2014-05-05", 1),
     (",2014-05-01T02:30:00Z,2014-05-01T03:30:00Z", ",,", 1)],
)  # fmt: skip
def test_a_wrong_close_break_or_day_is_seen(tmp_path, old, new, failing):
    """A wrong close, a wrong or missing break, a missing day and a holiday with a session are seen."""
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions" / "xtks.csv").write_text(TOKYO.replace(old, new))
    assert sum(not c.ok for c in check(tmp_path)) == failing


def test_an_unknown_calendar_fails_and_an_empty_folder_yields_nothing(tmp_path):
    """A calendar that we do not have is a failing case, and no folder is no case."""
    assert list(check(tmp_path)) == []
    (tmp_path / "sessions").mkdir()
    (tmp_path / "sessions" / "xnowhere.csv").write_text(TOKYO)
    assert [c.ok for c in check(tmp_path)] == [False]
