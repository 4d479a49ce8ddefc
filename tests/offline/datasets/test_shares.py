"""Labels over splits and dividends are returns of a holder, as they were known."""

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow.parquet as pq
import pytest

from offline.datasets.build import build, from_rows
from offline.datasets.shares import CONVENTION, actions_by_zone, closes_as_known
from offline.datasets.sources import GoldRows, ParquetGold
from offline.recipes.recipe import Barriers, LabelSpec, ModelRecipe, ModelSpec, UniverseSpec
from processors.reference.actions.events import Action, Kind
from processors.reference.records import MarketEvent
from processors.sessions import sessions
from tests.offline.datasets.gold_tables import as_table
from tests.score.gold_rows import make_gold

SYMBOL = "AIG:US"
N, AT = 60, 30
KNOWN = sessions("XNYS")
FIRST = int(np.searchsorted(KNOWN.session_close_ns, 1_390_000_000_000_000_000))
TS = KNOWN.session_close_ns[FIRST : FIRST + N]
EX_OPEN_NS = int(KNOWN.session_open_ns[FIRST + AT])
EX_DATE = date.fromisoformat(str(np.datetime64(int(KNOWN.label_ns[FIRST + AT]), "ns"))[:10])
LABELS = (
    LabelSpec(5), LabelSpec(5, transform="none"), LabelSpec(5, "sign"), LabelSpec(5, "forward_sharpe"),
    LabelSpec(5, "triple_barrier", barriers=Barriers(0.7, 0.7)),
)  # fmt: skip


def days(split=1.0):
    """Return daily rows, their closes in new shares from the ex-date on."""
    gold = make_gold(N, symbol=SYMBOL, tf="1d", seed=4)
    gold["ts"] = TS
    gold["meta.realized_vol"] = 0.01
    gold["meta.close"][AT:] /= split
    return gold


def action(known_ns=EX_OPEN_NS, *, kind=Kind.SPLIT, cancelled=False, **values):
    return Action("a", SYMBOL, kind, EX_DATE, known_ns, cancelled=cancelled, **values)


def labelled(gold, label, *actions):
    recipe = ModelRecipe("t", label, UniverseSpec("1d"), ModelSpec("linear"), feature_packs=("core_value_v1",))
    return from_rows(recipe, GoldRows(gold, None, "made up", actions))


@pytest.mark.parametrize("label", LABELS, ids=lambda spec: f"{spec.target} {spec.transform}")
def test_a_known_split_is_no_move(label):
    """Move, side, target and barriers are those of the same company that never split."""
    want, _ = labelled(days(), label)
    got, report = labelled(days(7.0), label, action(ratio=7.0))
    assert report.samples_left_out == {"label_after_end": 5}
    np.testing.assert_allclose(got.move, want.move, atol=1e-9)
    np.testing.assert_array_equal(got.up, want.up)
    np.testing.assert_allclose(got.target, want.target, atol=1e-6)
    np.testing.assert_array_equal(got.exit_ns, want.exit_ns)
    np.testing.assert_allclose(got.value, want.close, rtol=1e-12)
    assert got.meta.sha256 != replace(got, value=got.close).digest()
    # Without its announcement it is a loss of six sevenths: what is mended here.
    blind, _ = labelled(days(7.0), LabelSpec(5))
    assert blind.move.min() < -50


def test_where_no_action_is_known_nothing_changes():
    """Closes are those of the rows, bit for bit; an action of another symbol is none of theirs."""
    close = np.asarray(days()["meta.close"])
    zeros = np.zeros(N, np.int64)
    other = Action("b", "IBM:US", Kind.SPLIT, EX_DATE, 0, ratio=7.0)
    for actions in ((), (other,)):
        found = closes_as_known(TS, zeros, (SYMBOL,), close, actions)
        assert found.close.tobytes() == close.tobytes()
        assert not found.surprises.any()


def test_a_dividend_is_put_back_at_the_close_before():
    """By the convention of the page: the return over the ex-date is that of price and cash together."""
    assert CONVENTION == "previous_close"
    gold, paid = days(), 0.02
    close = np.asarray(gold["meta.close"])
    got, _ = labelled(gold, LabelSpec(1), action(kind=Kind.CASH_DIVIDEND, amount=paid))
    want = np.log(close[AT] / (close[AT - 1] - paid)) / 0.01
    assert got.move[AT - 1] == pytest.approx(want, rel=1e-9)
    plain, _ = labelled(gold, LabelSpec(1))
    np.testing.assert_allclose(np.delete(got.move, AT - 1), np.delete(plain.move, AT - 1), atol=1e-12)


@pytest.mark.parametrize(
    ("split", "announced"),
    [
        (7.0, (action(int(TS[AT + 3]), ratio=7.0),)),
        (1.0, (action(int(TS[3]), ratio=7.0), action(int(TS[AT + 3]), ratio=7.0, cancelled=True))),
    ],
    ids=["announced late", "called off late"],
)
def test_what_was_not_known_in_time_voids_the_label_by_its_name(split, announced):
    """Five labels run over the ex-date; none of the others is touched."""
    got, report = labelled(days(split), LabelSpec(5), *announced)
    assert report.samples_left_out == {"label_after_end": 5, "split_in_horizon": 5}
    want, _ = labelled(days(), LabelSpec(5))
    clear = np.isin(want.at, got.at)
    np.testing.assert_allclose(got.move, want.move[clear], atol=1e-9)
    assert not np.isin(np.arange(AT - 5, AT), got.at).any()


def test_files_of_events_bring_the_actions(tmp_path):
    """A file is read as featurize reads it; the snapshot's id tells it, the ex-date is that of the exchange."""
    path, facts = tmp_path / "gold.parquet", tmp_path / "actions.csv"
    pq.write_table(as_table(days(7.0)), path)
    facts.write_text(f"date,symbol,dividend,split\n{EX_DATE},AIG,0.0,7.0\n")
    recipe = ModelRecipe("t", LabelSpec(5), UniverseSpec("1d"), ModelSpec("linear"), feature_packs=("core_value_v1",))
    blind, _ = build(recipe, ParquetGold([path]))
    got, report = build(recipe, ParquetGold([path], facts=[facts]))
    want, _ = labelled(days(), LabelSpec(5))
    np.testing.assert_allclose(got.move, want.move, atol=1e-9)
    assert "split_in_horizon" not in report.samples_left_out
    assert got.meta.data_snapshot_id.startswith(blind.meta.data_snapshot_id + "+facts:")
    event = MarketEvent(SYMBOL, "s", "split", "ratio", EX_OPEN_NS, EX_OPEN_NS, 7.0, "", "", "test")
    assert actions_by_zone([event])[0].ex_date == EX_DATE
