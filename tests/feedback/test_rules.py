"""The rules of alerts: one story each, and what holds for any sequence of changes."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.feedback.rules import (
    ALL,
    BAD,
    CURRENT,
    EVENT_OF_KIND,
    Alert,
    Row,
    StaleRates,
    dead_alert,
    drift_alert,
    key_of,
    roll_alert,
    step,
)
from schemas.registry import load_registry
from tests.feedback.receiver import SECOND, T0, change

STATES = ("fresh", "delayed", "stale", "closed", "gap")


def run(changes: list[dict[str, Any]], row: Row | None = None) -> tuple[Row | None, list[Alert]]:
    """Fold changes of one key."""
    alerts: list[Alert] = []
    for record in changes:
        row, more = step(row, record, "fx")
        alerts += more
    return row, alerts


def story(*states: str) -> list[dict[str, Any]]:
    """Return changes of one symbol through states, one each 10 s."""
    before = ("none", *states)
    return [change("EURUSD:FX", 10 * i, s, before[i]) for i, s in enumerate(states)]


@pytest.mark.parametrize(
    ("states", "kinds"),
    [
        (("fresh", "delayed", "stale", "fresh"), ["stale", "recovered"]),
        (("stale",), ["stale"]),
        (("stale", "closed", "stale", "closed", "fresh"), ["stale", "recovered"]),
        (("fresh", "closed", "fresh"), []),
        (("stale", "gap", "fresh"), ["stale", "recovered", "gap"]),
        (("fresh", "gap", "delayed", "gap"), ["gap", "gap"]),
        (("delayed", "fresh", "delayed"), []),
    ],
)
def test_a_story_rings_as_it_should(states: tuple[str, ...], kinds: list[str]) -> None:
    """Stale rings once over any number of closes, a recovery when ticks come, a gap each time."""
    assert [a.kind for a in run(story(*states))[1]] == kinds


def test_a_recovery_says_since_when() -> None:
    """The times of an alert are those of the records: no clock of ours is in it."""
    _, (stale, recovered) = run(story("fresh", "stale", "closed", "fresh"))
    assert (stale.ts, stale.since) == (T0 + 10 * SECOND, T0 + 10 * SECOND)
    assert (recovered.ts, recovered.since) == (T0 + 30 * SECOND, T0 + 10 * SECOND)
    assert (stale.value, stale.threshold) == (1010.0, 5000.0)


@given(st.lists(st.sampled_from(STATES), min_size=1, max_size=12), st.data())
def test_a_replay_from_anywhere_rings_nothing_new(states: list[str], data: st.DataObject) -> None:
    """Killed anywhere and fed again from any earlier change, the row is the same and no id is new."""
    changes = story(*states)
    row, alerts = run(changes)
    killed = data.draw(st.integers(0, len(changes)))
    again = data.draw(st.integers(0, killed))
    # The row as its last changelog entry has it, through JSON's lists.
    kept, first = run(changes[:killed])
    restored = kept and Row.of({**kept.record(), "rates": {k: list(v) for k, v in kept.rates.items()}})
    replayed, rest = run(changes[again:], restored)
    assert replayed == row
    assert [a.id for a in first + rest] == [a.id for a in alerts]
    lost, all_again = run(changes)
    assert (lost, all_again) == (row, alerts)


@given(st.lists(st.sampled_from(STATES), max_size=20))
def test_stale_and_recovered_take_turns(states: list[str]) -> None:
    """They alternate, the first is stale, every id is another, and it rings exactly while there is no current tick."""
    row, alerts = run(story(*states))
    kinds = [a.kind for a in alerts if a.kind != "gap"]
    assert kinds == ["stale", "recovered"] * (len(kinds) // 2) + ["stale"] * (len(kinds) % 2)
    assert len({a.id for a in alerts}) == len(alerts)
    last_stale = max((i for i, s in enumerate(states) if s == "stale"), default=-1)
    last_current = max((i for i, s in enumerate(states) if s in CURRENT), default=-1)
    assert ((row is not None) and row.alerting_since is not None) == (last_stale > last_current)


def rates(threshold: float = 0.5, symbols_min: int = 3) -> StaleRates:
    return StaleRates(300 * SECOND, threshold, symbols_min)


def feed(of: StaleRates, rows: dict[str, Row], record: dict[str, Any]) -> list[Alert]:
    """Apply one change to rows and rates, as the application does."""
    key = key_of(record)
    row, _ = step(rows.get(key), record, "fx")
    rows[key], alerts = of.step(row)
    return alerts


def test_half_of_a_class_stale_is_an_alert_and_its_end_another() -> None:
    """High at the second of four, normal when fewer than a quarter are stale; the class and all symbols ring."""
    of, rows = rates(), {}
    names = ("A", "B", "C", "D")
    rung = [feed(of, rows, change(s, i, "fresh", "none")) for i, s in enumerate(names)]
    rung += [feed(of, rows, change("A", 10, "stale")), feed(of, rows, change("B", 11, "stale"))]
    assert [len(r) for r in rung] == [0, 0, 0, 0, 0, 2]
    assert {(a.kind, a.asset_class, a.value) for a in rung[-1]} == {
        ("stale_rate_high", "fx", 0.5), ("stale_rate_high", ALL, 0.5),
    }  # fmt: skip
    assert of.now() == {"fx": 0.5, ALL: 0.5}
    assert feed(of, rows, change("C", 12, "stale")) == []
    assert feed(of, rows, change("A", 13, "fresh", "stale")) == []
    assert feed(of, rows, change("B", 14, "fresh", "stale")) == []
    assert [a.kind for a in feed(of, rows, change("C", 15, "fresh", "stale"))] == ["stale_rate_normal"] * 2


def test_short_outages_within_the_window_add_up_and_older_ones_do_not() -> None:
    """Three of four that were stale one after the other within five minutes are a rate of 3/4; an hour apart 1/4."""
    for apart, expected in ((60, 1), (3600, 0)):
        of, rows = rates(), {}
        for i, s in enumerate("ABCD"):
            feed(of, rows, change(s, i, "fresh", "none"))
        rung = []
        for i, s in enumerate("ABC", start=1):
            rung += feed(of, rows, change(s, i * apart, "stale"))
            rung += feed(of, rows, change(s, i * apart + 5, "fresh", "stale"))
        assert sum(a.kind == "stale_rate_high" and a.asset_class == "fx" for a in rung) >= expected
        assert bool(rung) == bool(expected)


def test_closed_markets_and_single_vendors_and_small_classes_make_no_rate() -> None:
    """Two symbols are too few, closed ones do not count, nor do sources and other timeframes."""
    of, rows = rates(), {}
    assert feed(of, rows, change("A", 1, "stale")) == []
    assert feed(of, rows, change("B", 2, "stale")) == []
    for s in "CDEF":
        assert feed(of, rows, change(s, 3, "closed")) == []
        assert feed(of, rows, change(s, 4, "stale", source="OANDA", tf="")) == []
        assert feed(of, rows, change(s, 4, "stale", tf="5m")) == []
    assert of.now() == {"fx": 1.0, ALL: 1.0}


@given(
    st.lists(st.tuples(st.sampled_from("ABCDE"), st.sampled_from(STATES)), max_size=40),
    st.integers(0, 40),
)
def test_rates_restored_from_the_rows_go_on_as_if_nothing_was(steps: list[tuple[str, str]], at: int) -> None:
    """Restored anywhere, the same alerts come as without the restart; the share is that of a naive count."""
    changes = [change(s, 10 * i, state) for i, (s, state) in enumerate(steps)]
    of, rows = rates(), {}
    plain = [a for record in changes for a in feed(of, rows, record)]
    first, kept = rates(), {}
    found = [a for record in changes[:at] for a in feed(first, kept, record)]
    second = rates()
    second.restore(Row.of(row.record()) for row in kept.values())
    found += [a for record in changes[at:] for a in feed(second, kept, record)]
    assert found == plain
    assert kept == rows
    is_open = [r for r in rows.values() if r.state != "closed"]
    expected = sum(r.state in BAD for r in is_open) / len(is_open) if is_open else 0.0
    assert of.now().get("fx", 0.0) == expected


def test_a_drift_rings_when_it_begins_and_when_it_ends() -> None:
    """An alarm and a recovery of a feature are alerts that name it; a report that was due is none."""
    report = {
        "ts": T0, "symbol_id": "EURUSD:FX", "tf": "1m", "feature": "rsi_14_value", "cause": "alarm", "state": "drifted",
        "psi": 0.7,
    }  # fmt: skip
    began, ended = (drift_alert({**report, "cause": cause}, "fx") for cause in ("alarm", "recovery"))
    assert began is not None
    assert ended is not None
    assert (began.kind, began.source, began.tf, began.ts, began.value) == ("drift", "rsi_14_value", "1m", T0, 0.7)
    assert (ended.kind, ended.id != began.id) == ("drift_ended", True)
    assert drift_alert({**report, "cause": "report"}, "fx") is None
    assert drift_alert({**report, "ts": T0 + 1}, "fx") != began


def test_kinds_and_events_are_those_of_the_schema() -> None:
    """Every kind of the schema but the dead webhook has an event; rolls and dead webhooks make valid records."""
    kinds = next(f for f in load_registry().current("alerts.v1").schema["fields"] if f["name"] == "kind")
    assert set(kinds["type"]["symbols"]) == set(EVENT_OF_KIND) | {"webhook_dead"}
    roll = {"root": "GC:CMX", "ts": T0, "rule": "max_volume", "ratio": 1.01}
    alert = roll_alert(roll, "future")
    assert (alert.kind, alert.symbol_id, alert.ts) == ("rollover", "GC:CMX", T0)
    assert alert.id != roll_alert({**roll, "rule": "calendar"}, "future").id
    assert alert == roll_alert(dict(reversed(roll.items())), "future")
    dead = dead_alert(alert, "desk", 8, "HTTP 500 " * 1000)
    assert dead.kind not in EVENT_OF_KIND
    assert len(dead.detail) < 4096
    assert len(roll_alert({**roll, "more": "x" * 9000}, "future").detail) < 4096
