"""Scoring rows: fates, gates, costs, and independence of the batch."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.bars.bar import interval
from processors.errors import ConfigError
from processors.runtime.batch import Columns
from processors.runtime.strings import STRINGS
from processors.score import score as s
from processors.score.annual import bars_per_year
from processors.score.config import ScoreConfig
from processors.score.inputs import input_matrix
from processors.score.model import Model
from processors.score.score import score_rows
from processors.sessions import sessions
from schemas.timeframes import TIMEFRAME_NS
from tests.score.gold_rows import PACK, concat, make_gold
from tests.score.test_format_2 import make_card, make_file

approx = pytest.approx

CONFIG = ScoreConfig()


def gates_of(signals):
    return [STRINGS.array(int(g)) for g in signals["gates"]]


def test_no_row_that_training_has_seen_is_scored(model, trained):
    """No row at or before the newest time that training has seen is scored; every later one is."""
    gold = trained[1]
    scored = score_rows(model, CONFIG, gold)
    seen = gold["ts"] <= model.card.trained_until_ns
    assert seen.sum() > 1000
    np.testing.assert_array_equal(scored.fate, np.where(seen, s.IN_SAMPLE, s.SIGNAL))
    assert scored.signals["ts"].min() > model.card.trained_until_ns


def test_a_row_scores_alike_alone_and_in_any_batch(model, later):
    """A row scores alike, to the bit, alone and in any batch."""
    whole = score_rows(model, CONFIG, later).signals
    for size in (1, 2, 7, 64, 129):
        parts = [score_rows(model, CONFIG, later.take(slice(i, i + size))).signals for i in range(0, len(later), size)]
        joined = concat(*parts)
        np.testing.assert_array_equal(joined.ints, whole.ints)
        assert joined.floats.tobytes() == whole.floats.tobytes()


def test_the_order_of_rows_in_a_batch_changes_nothing(model, later):
    """The order of rows in a batch changes nothing but the order of the signals."""
    order = np.random.default_rng(1).permutation(len(later))
    whole = score_rows(model, CONFIG, later).signals.take(order)
    shuffled = score_rows(model, CONFIG, later.take(order)).signals
    assert shuffled.floats.tobytes() == whole.floats.tobytes()
    assert shuffled.ints.tobytes() == whole.ints.tobytes()


def test_a_signal_is_worked_out_by_hand_from_its_row(model, later):
    """A signal is what its row and the card give by hand."""
    row = later.take(slice(5, 6))
    signal = score_rows(model, CONFIG, row).signals
    card, regime = model.card, later.layout.symbols["regime.label"][int(row["regime.label"][0])]
    r = card.regimes.index(regime)
    logit = float(model.session.run(None, {"x": input_matrix(row, card.inputs)})[0][0, 0])
    p = 1 / (1 + math.exp(-logit))
    vol = row["meta.realized_vol"][0]
    scale = vol * math.sqrt(15)
    gain, loss = card.gain_vols["1m"][r] * scale, card.loss_vols["1m"][r] * scale
    cost = 2 * (0.2 + row["meta.spread_bp"][0] / 2) * 1e-4
    edge = p * gain - (1 - p) * loss
    annual = vol * math.sqrt(bars_per_year("FX", "1m"))
    assert signal["prob_up"][0] == approx(p)
    assert signal["score"][0] == approx(2 * p - 1)
    assert signal["conf"][0] == approx(abs(2 * p - 1))
    assert signal["expected_return"][0] == approx(abs(edge) - cost)
    assert signal["interval.lo"][0] == approx(edge + card.residual_quantiles["1m"][0] * scale)
    assert signal["interval.hi"][0] == approx(edge + card.residual_quantiles["1m"][1] * scale)
    assert signal["risk.realized_vol"][0] == approx(annual)
    assert STRINGS.text(int(signal["regime"][0])) == regime
    assert signal["horizon_bars"][0] == 15
    assert STRINGS.text(int(signal["model.version"][0])) == model.sha256[:16]
    assert signal["lineage.raw_offset"][0] == row["raw_offset"][0]
    if abs(edge) > cost:
        win, lose = (gain, loss) if edge > 0 else (loss, gain)
        kelly = 0.35 * (abs(edge) - cost) / ((win - cost) * (lose + cost))
        assert signal["risk.kelly_frac"][0] == approx(kelly)
        assert signal["sizing.nav_frac"][0] == approx(math.copysign(min(kelly * 0.12 / annual, 0.05), edge))


@pytest.mark.parametrize(
    ("column", "value", "gate"),
    [
        ("quality.stale", 1, "stale"),
        ("quality.gap", 1, "gap"),
        ("meta.spread_bp", math.nan, "no_spread"),
        ("meta.spread_bp", 1e4, "no_edge"),
        ("drifted", STRINGS.array_code(("log_return_1",)), "drift"),
    ],
)
def test_a_gate_is_named_and_holds_the_size_at_zero(model, later, column, value, gate):
    """A gate is named in the record and holds the size at zero."""
    open_rows = later.take(score_rows(model, CONFIG, later).signals["sizing.nav_frac"] != 0)
    assert len(open_rows) > 50
    open_rows[column] = value
    signals = score_rows(model, CONFIG, open_rows).signals
    assert len(signals) == len(open_rows)
    assert all(gate in g for g in gates_of(signals))
    assert (signals["sizing.nav_frac"] == 0).all()


def test_a_drift_of_what_the_model_does_not_read_is_no_gate(model, later):
    """A feature in drift marks the signals of models that read it, and no others."""
    later["drifted"] = STRINGS.array_code(("ema_10_value",))
    assert "features.ema_10_value" not in {i.name for i in model.card.inputs}
    assert not any("drift" in g for g in gates_of(score_rows(model, CONFIG, later).signals))


def test_a_traded_market_without_known_volume_gets_no_size(model, later):
    """A market that publishes trades gets no size until its daily volume is known, and is capped once it is."""
    later["symbol_id"] = STRINGS.code("BTC-USD:CRYPTO")
    config = ScoreConfig(fee_bps={**CONFIG.fee_bps, "crypto": 0.0})
    unknown = score_rows(model, config, later).signals
    assert all("no_adv" in g for g in gates_of(unknown))
    later["meta.volume"], later["meta.adv_pct"] = 3.0, 10.0
    later["meta.close"] = 1000.0
    known = score_rows(model, config, later).signals
    # 30 a day at 1000 is 30,000 a day; two per cent are 600, of one million.
    sized = known["sizing.nav_frac"][known["sizing.nav_frac"] != 0]
    assert len(sized) > 10
    assert np.abs(sized).max() == approx(600 / 1e6)
    # Slippage is that of the cap: 30 bp times two per cent, on both sides.
    np.testing.assert_allclose(unknown["expected_return"] - known["expected_return"], 2 * 30 * 0.02 * 1e-4, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_size_is_zero_or_within_the_caps_for_any_row(model, data):
    """For any values in a row: gated means size zero, ungated means within the caps and on the side of the edge."""
    gold = make_gold(8, seed=data.draw(st.integers(0, 1000)), start_ns=model.card.trained_until_ns)
    wild = st.one_of(st.floats(allow_nan=True, allow_infinity=True), st.floats(0, 1e-3))
    for name in ("meta.spread_bp", "meta.adv_pct", "meta.volume", "meta.realized_vol", "features.rsi_14_value"):
        if name in gold.layout.column:
            gold[name] = data.draw(st.lists(wild, min_size=8, max_size=8), label=name)
    gold["meta.close"] = data.draw(st.lists(wild, min_size=8, max_size=8))
    signals = score_rows(model, CONFIG, gold).signals
    for i, gates in enumerate(gates_of(signals)):
        nav = signals["sizing.nav_frac"][i]
        assert abs(nav) <= CONFIG.max_nav_per_symbol
        assert np.isfinite([signals[n][i] for n, _ in s._OUTPUTS]).all()
        if gates:
            assert nav == 0
        else:
            assert signals["expected_return"][i] > 0


def test_rows_that_no_model_may_score_are_told_apart(model, later):
    """Each reason not to score a row has its own fate."""
    rows = later.take(slice(0, 8))
    rows["tf"][0] = STRINGS.code("1h")
    rows["packs"][1] = STRINGS.array_code(("core_value_v1@another",))
    rows["warm"][2] = 0
    rows[model.card.required[0]][3] = math.nan
    rows["symbol_id"][4] = STRINGS.code("NO:SUCH")
    rows["meta.close"][5] = math.nan
    rows["regime.model"][6] = rows.layout.symbols["regime.model"].index("hmm")
    fate = score_rows(model, CONFIG, rows).fate
    assert fate.tolist() == [
        s.NO_MODEL, s.PACK_MISMATCH, s.WARMUP, s.MISSING_INPUT, s.UNKNOWN_SYMBOL, s.BAD_VALUE, s.REGIME_MISMATCH,
        s.SIGNAL,
    ]  # fmt: skip


def test_a_row_must_have_every_pack_of_the_training():
    """A row without the second pack, or with another of its name, has no signal, though no input is required."""
    second = "core_state_v1@5ec0"
    rows = make_gold(5)
    of_two, of_one = (Model(make_file(make_card(packs=packs)), "m") for packs in ((PACK.ref, second), (PACK.ref,)))
    for i, packs in enumerate([(PACK.ref, second), (second, PACK.ref), (PACK.ref, "core_state_v1@another"), ()]):
        rows["packs"][i] = STRINGS.array_code(packs)
    good, bad = s.SIGNAL, s.PACK_MISMATCH
    assert score_rows(of_two, CONFIG, rows).fate.tolist() == [good, good, bad, bad, bad]
    assert score_rows(of_one, CONFIG, rows).fate.tolist() == [good] * 5


def test_rows_with_a_regime_that_training_had_not_are_told_apart():
    """A label that the card has not, or the regimes of another model: no signal, and the other rows are scored."""
    rows = make_gold(6)
    symbols = rows.layout.symbols | {"regime.label": (*rows.layout.symbols["regime.label"], "panic")}
    rows = Columns(replace(rows.layout, symbols=symbols), rows.ints, rows.floats, rows.offset)
    rows["regime.label"][2] = 3
    rows["regime.model"][4] = symbols["regime.model"].index("hmm")
    any_model, bocpd = (Model(make_file(make_card(regime_model=name)), "m") for name in ("", "bocpd"))
    for model, unlike in ((any_model, [2]), (bocpd, [2, 4])):
        scored = score_rows(model, CONFIG, rows)
        assert np.flatnonzero(scored.fate == s.REGIME_MISMATCH).tolist() == unlike
        assert (np.delete(scored.fate, unlike) == s.SIGNAL).all()
        assert len(scored.signals) == 6 - len(unlike)


def test_years_have_the_bars_that_calendars_say():
    """A year has about 252 sessions of 390 minutes in New York and 525,949 minutes where nothing closes."""
    assert bars_per_year("XNYS", "1d") == approx(251.7, abs=0.5)
    assert bars_per_year("XNYS", "1m") == approx(251.7 * 390, rel=0.005)
    assert bars_per_year("24/7", "1h") == approx(365.2 * 24)
    assert bars_per_year("FX", "5m") == approx(bars_per_year("FX", "1m") / 5)
    assert bars_per_year("FX", "1m") == approx(259 * 1440, rel=0.01)
    # An hour that opens at half past is a bar: seven a day, four of a half day.
    assert bars_per_year("XNYS", "1h") == approx(251.7 * 7, rel=0.006)


@pytest.mark.parametrize("calendar", ["XNYS", "XHKG", "METAL", "FX"])
@pytest.mark.parametrize("tf", ["15m", "1h"])
def test_bars_a_year_are_those_that_the_stage_would_make(calendar, tf):
    """Counted over the decade by the intervals of the bar stage, a bar after the other."""
    s, n = sessions(calendar), 0
    first, last = np.searchsorted(s.open_ns, [int(np.datetime64(f"{y}-01-01", "ns").astype(int)) for y in (2010, 2020)])
    for opens, closes in zip(s.open_ns[first:last].tolist(), s.close_ns[first:last].tolist(), strict=True):
        ts = opens
        while ts < closes:
            _, ts = interval(TIMEFRAME_NS[tf], ts, opens, closes)
            n += 1
    assert bars_per_year(calendar, tf) == approx(n / 10)


@pytest.mark.parametrize(
    ("bad", "key"),
    [
        ({"kelly_fraction": 0.0}, "risk.kelly_fraction"),
        ({"kelly_fraction": math.nan}, "risk.kelly_fraction"),
        ({"max_nav_per_symbol": 1.5}, "risk.max_nav_per_symbol"),
        ({"max_adv_share": -0.1}, "risk.max_adv_share"),
        ({"vol_target_annual": math.inf}, "risk.vol_target"),
        ({"nav": 0.0}, "risk.nav"),
        ({"slippage_bps_per_adv_share": -1.0}, "costs.slippage.bps_per_adv_share"),
        ({"fee_bps": {"fx": 0.1}}, "costs.fee_bps.metal"),
        ({"stale_threshold_s": {"1m": 60}}, "guards.stale_threshold_s.5m"),
    ],
)
def test_a_book_that_cannot_be_is_refused(bad, key):
    """A configuration that no book can mean is refused with its key in the file."""
    with pytest.raises(ConfigError, match=key):
        ScoreConfig(**bad)
