"""Times as people write them: the same instant however it is written, and nothing guessed."""

from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from cli.main import cli
from offline.features.times import nanoseconds, parse_time
from processors.errors import ConfigError

NOON_NS = 1_399_204_800_000_000_000


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2014-05-04T12:00:00Z", NOON_NS), ("2014-05-04T14:00:00+02:00", NOON_NS), ("2014-05-04 07:00-05:00", NOON_NS),
        # As an address gives it, where a plus sign is a blank.
        ("2014-05-04T14:00:00 02:00", NOON_NS), ("2014-05-04", NOON_NS - 43_200_000_000_000),
        (str(NOON_NS + 1), NOON_NS + 1),
        ("2014-05-04T12:00:00.000000007Z", NOON_NS + 7), ("2014-05-04T12:00:00.5Z", NOON_NS + 500_000_000),
    ],
)  # fmt: skip
def test_an_instant_is_the_same_however_it_is_written(text, ns):
    """An instant is the same however it is written, to the nanosecond."""
    assert parse_time(text) == ns


@pytest.mark.parametrize(
    "text",
    [
        "", "noon", "2014-05-04T12:00:00", "2014-13-04", "2014-02-30T00:00Z", "2014-05-04T25:00Z", "1399204800",
        "1399204800000", "1399204800000000", "-5", "2300-01-01", "20140504", "2600-01-01", "9999-12-31T00:00Z",
        "2014-05-04T12:00+99:00", "2014-05-04T12:00+01:75",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(text):
    """What is no time, has no zone, or is in another unit is refused with the key and an example."""
    with pytest.raises(ConfigError, match=r"as_of is .*ISO 8601 with a zone, for example"):
        parse_time(text)


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2014-05-04T12:00", NOON_NS), ("2014-05-04 12:00:00.000000007", NOON_NS + 7),
        ("2014-05-04T14:00:00.000000001+02:00", NOON_NS + 1), ("2014-05-04", NOON_NS - 43_200_000_000_000),
    ],
)  # fmt: skip
def test_a_command_takes_a_time_without_a_zone_as_utc(text, ns):
    """A command takes a time without a zone as UTC, and one with a zone as what it says."""
    assert parse_time(text, or_utc=True) == ns


@pytest.mark.parametrize(
    ("words", "where"), [(["train", "--until"], "mps train: --until"), (["score", "EURUSD:FX", "--as-of"],
                                                                       "mps score: --as-of")]
)  # fmt: skip
@pytest.mark.parametrize("text", ["yesterday", "2014-13-01", "1399291200", "2014-05-05T25:00:00Z", "1969-12-31", ""])
def test_a_command_refuses_a_time_by_its_own_name(words, where, text):
    """A command refuses what is no time by its own name and flag, with an example."""
    with pytest.raises(ConfigError, match=f"{where} is .*: ISO 8601, UTC where it names no zone, for example"):
        CliRunner().invoke(cli, [*words, text], catch_exceptions=False)


def test_datetimes_keep_their_microseconds():
    """Datetimes keep their microseconds, which a float of seconds would round."""
    assert nanoseconds(datetime(2014, 5, 4, 12, 0, 0, 999_999, UTC)) == NOON_NS + 999_999_000
    assert nanoseconds(None) is None
