"""Announcements and their revisions."""

from datetime import date

import pytest

from processors.errors import ConfigError
from processors.reference.actions.events import Action, Kind, known_at, merger_value, revisions

EX = date(2014, 6, 9)


def split(known_ns: int, ratio: float = 7.0, *, cancelled: bool = False) -> Action:
    return Action("AAPL:split", "AAPL:XNAS", Kind.SPLIT, EX, known_ns, ratio=ratio, cancelled=cancelled)


def test_the_newest_revision_known_at_a_time_holds():
    """Before a revision was announced, the one before it is what was known."""
    actions = [split(20, 7.0), split(10, 5.0)]
    assert known_at(actions, 9) == []
    assert [a.ratio for a in known_at(actions, 10)] == [5.0]
    assert [a.ratio for a in known_at(actions, 19)] == [5.0]
    assert [a.ratio for a in known_at(actions, 20)] == [7.0]


def test_a_cancelled_action_is_gone_from_its_cancellation_only():
    """The action stands until it is called off."""
    actions = [split(10), split(30, cancelled=True)]
    assert len(known_at(actions, 29)) == 1
    assert known_at(actions, 30) == []


def test_of_two_revisions_of_one_instant_the_later_in_the_input_counts():
    """A correction in the same message replaces what it corrects."""
    assert [(a.ratio, end) for a, end in revisions([split(10, 2.0), split(10, 3.0)])] == [(3.0, None)]


@pytest.mark.parametrize(
    ("kind", "values", "key"),
    [
        (Kind.SPLIT, {}, "ratio"),
        (Kind.SPLIT, {"ratio": -2.0}, "ratio"),
        (Kind.SPLIT, {"ratio": float("nan")}, "ratio"),
        (Kind.STOCK_DIVIDEND, {"ratio": 0.0}, "ratio"),
        (Kind.CASH_DIVIDEND, {"amount": 0.0}, "amount"),
        (Kind.SPIN_OFF, {"amount": float("inf")}, "amount"),
        (Kind.MERGER, {"other": "B:XNYS"}, "amount"),
        (Kind.MERGER, {"ratio": 0.5}, "other"),
        (Kind.SYMBOL_CHANGE, {}, "other"),
    ],
)
def test_an_action_that_says_too_little_is_refused_by_name(kind: Kind, values: dict, key: str):
    """The error names the action and the value that is wrong."""
    with pytest.raises(ConfigError) as e:
        Action("x:1", "X:XNYS", kind, EX, 0, **values)
    assert (e.value.where, e.value.key) == ("x:1", key)


def test_a_merger_pays_cash_and_shares():
    """A share is worth the cash and the buyer's shares that it is exchanged for."""
    deal = Action("m", "T:XNYS", Kind.MERGER, EX, 0, amount=10.0, ratio=0.5, other="B:XNYS")
    assert merger_value(deal, 30.0) == 25.0
    cash = Action("m", "T:XNYS", Kind.MERGER, EX, 0, amount=10.0)
    assert merger_value(cash, float("nan")) == 10.0


def test_each_kind_says_what_it_does_to_the_share():
    """A split and a stock dividend change the number of shares; cash and a spin-off take value."""
    stock = Action("s", "X:XNYS", Kind.STOCK_DIVIDEND, EX, 0, ratio=0.05)
    child = Action("c", "X:XNYS", Kind.SPIN_OFF, EX, 0, amount=3.0, other="C:XNYS")
    assert (split(0).shares_after, split(0).value_out) == (7.0, 0.0)
    assert (stock.shares_after, stock.value_out) == (1.05, 0.0)
    assert (child.shares_after, child.value_out) == (1.0, 3.0)
