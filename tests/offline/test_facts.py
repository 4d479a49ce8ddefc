"""Figures and events with revisions: restated, moved, withdrawn, announced."""

from datetime import UTC, datetime

import numpy as np

from offline.facts import Facts
from processors.reference.records import Fundamental, MarketEvent


def ns(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1_000_000_000


def figure(end: str, known: str, value: float | None, period: str = "") -> Fundamental:
    return Fundamental("AIG:US", "eps", ns(end), period, value, "USD", ns(known), ns(known), "test")


def meeting(when: str, known: str, value: float | None, text: str = "", event_id: str = "may") -> MarketEvent:
    return MarketEvent("FOMC:US", event_id, "policy", "meeting", ns(when), ns(known), value, "", text, "test")


def test_a_restatement_of_an_old_period_does_not_hide_the_new_one():
    """A restatement of an old period, known after a newer period, changes the old figure and not the newest."""
    facts = Facts([figure("2013-09-30", "2013-11-01", 1.1), figure("2013-12-31", "2014-02-14", 1.3),
                   figure("2013-09-30", "2014-03-03", 0.9)])  # fmt: skip
    at = np.array([ns(d) for d in ("2013-10-31", "2013-12-01", "2014-02-15", "2014-06-01")], np.int64)
    assert facts.join(["AIG:US"] * 4, "eps", at).tolist()[1:] == [1.1, 1.3, 1.3]
    assert np.isnan(facts.join(["AIG:US"] * 4, "eps", at)[0])
    third = facts.newest("AIG:US", "eps", ns("2013-10-15"), ns("2014-06-01"))
    assert third.value == 0.9
    assert facts.series == [("AIG:US", "eps")]


def test_a_quarter_that_is_taken_back_leaves_its_year():
    """The fourth quarter and the year end on one date: neither is a revision of the other."""
    facts = Facts([figure("2013-12-31", "2014-02-01", 1.3, "2013Q4"), figure("2013-12-31", "2014-02-15", 4.9, "2013FY"),
                   figure("2013-12-31", "2014-03-03", None, "2013Q4")])  # fmt: skip
    assert facts.newest("AIG:US", "eps", ns("2014-02-02")).value == 1.3
    assert facts.newest("AIG:US", "eps", ns("2014-03-04")).value == 4.9


def test_a_withdrawn_figure_gives_way_to_the_one_before():
    """A figure that was taken back is not used from then on; the period before is the newest again."""
    facts = Facts([figure("2013-09-30", "2013-11-01", 1.1), figure("2013-12-31", "2014-02-14", 1.3),
                   figure("2013-12-31", "2014-03-03", None)])  # fmt: skip
    assert facts.newest("AIG:US", "eps", ns("2014-03-02")).value == 1.3
    assert facts.newest("AIG:US", "eps", ns("2014-03-03")).value == 1.1


def test_an_announced_event_is_next_and_a_moved_one_is_where_it_was_moved_to():
    """A meeting is next once announced; when it is moved, the old date is no longer; called off, there is none."""
    facts = Facts([meeting("2014-05-01", "2014-01-02", None, "scheduled"),
                   meeting("2014-05-08", "2014-04-01", None, "scheduled"), meeting("2014-05-08", "2014-05-02", None),
                   meeting("2014-06-18", "2014-01-02", None, "scheduled", "june")])  # fmt: skip

    def following(at: str) -> str:
        found = facts.next("FOMC:US", "policy.meeting", ns(at))
        return str(np.datetime64(found.ts_event, "ns").astype("datetime64[D]")) if found else ""

    assert following("2013-12-31") == ""
    assert following("2014-01-02") == "2014-05-01"
    assert following("2014-04-02") == "2014-05-08"
    assert following("2014-05-03") == "2014-06-18"
    assert facts.newest("FOMC:US", "policy.meeting", ns("2014-05-05"), ns("2014-05-01")) is None
    assert facts.newest("FOMC:US", "policy.nothing", ns("2014-05-05")) is None


def test_no_facts_are_no_answer():
    """Without facts every answer is that there is none."""
    facts = Facts([])
    assert facts.newest("AIG:US", "eps", 0) is None
    assert np.isnan(facts.join(["AIG:US"], "eps", np.zeros(1, np.int64))).all()
