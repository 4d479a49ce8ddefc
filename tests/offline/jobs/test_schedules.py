"""Schedules are read strictly, and say when they run next."""

from datetime import UTC, datetime

import pytest

from offline.jobs.schedules import SHIPPED, read_schedules
from processors.errors import ConfigError

NEW_YEAR = datetime(2030, 1, 1, tzinfo=UTC)


def written(tmp_path, text):
    """Return the path of a file of one schedule."""
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    return path


def test_the_shipped_file_is_right():
    """Every flow of it exists, with all its parameters filled in."""
    found = read_schedules(SHIPPED)
    assert [s.flow for s in found] == ["reconcile", "featurize", "compact"]
    assert found[2].parameters["file_mb"] == 128


def test_the_next_time_knows_the_zone(tmp_path):
    """Half past two in Zurich is half past one in UTC in winter, and half past twelve at night in summer."""
    text = 'schedules: [{flow: compact, cron: "30 2 * * *", timezone: Europe/Zurich}]'
    (schedule,) = read_schedules(written(tmp_path, text))
    assert schedule.next_after(NEW_YEAR) == datetime(2030, 1, 1, 1, 30, tzinfo=UTC)
    assert schedule.next_after(datetime(2030, 7, 1, tzinfo=UTC)) == datetime(2030, 7, 1, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "key", "said"),
    [
        ("{flow: nothing, cron: '* * * * *'}", "flow", "one of ingest"),
        ("{flow: compact, cron: '* * * *'}", "cron", "five fields"),
        ("{flow: compact, cron: '61 * * * *'}", "cron", "five fields"),
        ("{flow: compact, cron: '* * * * *', timezone: Mars}", "timezone", "Europe/Zurich"),
        ("{flow: compact, cron: '* * * * *', parameters: {day: 3}}", "parameters.day", "no parameter"),
        ("{flow: compact, cron: '* * * * *', parameters: {days: x}}", "parameters.days", "int, 30"),
        ("{flow: promote, cron: '* * * * *'}", "parameters.model", "needed"),
        ("{flow: compact, cron: '* * * * *', every: day}", "schedule", "one of flow"),
        ("{flow: compact}", "cron", "must be there"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, key, said):
    """With file, line, key and what is allowed."""
    path = written(tmp_path, f"# mine\nschedules:\n  - {line}\n")
    with pytest.raises(ConfigError) as error:
        read_schedules(path)
    assert (error.value.where, error.value.key) == (f"{path}:3", key)
    assert said in error.value.remedy


def test_an_empty_file_is_said(tmp_path):
    """An empty list is none, an empty file an error."""
    assert read_schedules(written(tmp_path, "schedules: []")) == []
    with pytest.raises(ConfigError, match="a list of schedules"):
        read_schedules(written(tmp_path, ""))
