"""Facts at the end of a bar: what was known by then, whatever the order in which it came."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from processors.featurize import facts_kernel as k
from processors.featurize.batch import indicator_values
from processors.featurize.facts_table import MARKET_TYPES, WEIGHTS, FactTable, fill_columns, records_of
from processors.featurize.indicators import layout as c
from processors.reference.events import form_of as events_form
from processors.reference.records import Fundamental, MarketEvent, avro_of
from processors.reference.table import Table as File
from processors.runtime.batch import NULL_LONG, Columns
from processors.runtime.layout import layout_of
from processors.runtime.state import Table
from processors.runtime.strings import STRINGS
from schemas.registry import load_registry

DAY = k.DAY_NS
SYMBOL, OTHER = "AIG:US", "IBM:US"
Fact = Fundamental | MarketEvent


def figure(
    metric: str, day: int, known: int, value: float | None, period: str = "2020Q1", symbol: str = SYMBOL
) -> Fundamental:
    """Return a figure for the period that ends on a day, known on another."""
    return Fundamental(symbol, metric, day * DAY, period, value, "USD", day * DAY, known * DAY, "test")


def event(
    event_id: str, kind: str, day: int, known: int, value: float | None = 1.0, symbol: str = SYMBOL, name: str = "date",
    lasts: int = 0,
) -> MarketEvent:  # fmt: skip
    """Return an event on a day, announced on another; it lasts so many days, or is an instant."""
    end = (day + lasts) * DAY if lasts else None
    return MarketEvent(symbol, event_id, kind, name, day * DAY, known * DAY, value, "USD", "", "test", end)


def asked(table: FactTable, *days: float, symbol: str = SYMBOL) -> np.ndarray:
    """Return the answers at the ends of days."""
    ts = np.array([int(d * DAY) for d in days])
    codes = np.full(len(ts), STRINGS.code(symbol))
    return table.answers(ts, codes, codes)


def filled(records: Sequence[Fact]) -> FactTable:
    """Return a table of records."""
    table = FactTable()
    table.add(records)
    return table


def test_a_fact_is_not_there_before_its_time_of_knowledge() -> None:
    """A level, a ratio and an event are missing one nanosecond before they were known, and there from then on."""
    facts: list[Fact] = [
        figure("return_on_equity", 100, 140, 0.2), figure("risk_budget_util", 139, 140, 0.7),
        event("e", "earnings", 150, 140), event("VIX d", "index", 139, 140, 17.5, "VIX:INDEX", "close"),
    ]  # fmt: skip
    table, ts = filled(facts), np.array([140 * DAY - 1, 140 * DAY, 140 * DAY - 1])
    codes = np.full(3, STRINGS.code(SYMBOL))
    before, after, again = table.answers(ts, codes, codes)
    assert np.isnan(before).all()
    assert np.isnan(again).all()
    assert (after[k.K_QUALITY], after[k.K_RISK], after[k.K_VIX]) == (0.2, 0.7, 17.5)
    assert (after[k.K_NEXT_S], after[k.K_NEXT_WEIGHT]) == (150 * DAY / 1e9, 1.0)


@given(st.permutations(range(8)))
def test_a_fourth_quarter_and_its_year_are_two_figures(order: Sequence[int]) -> None:
    """Known in either order, both stand: the year counts, then the quarters that go past it."""
    ends = (90, 181, 273, 365, 455)
    facts = [figure("net_income", e, e + 30, 10.0, f"2020Q{i + 1}") for i, e in enumerate(ends[:4])]
    facts += [
        figure("net_income", 365, 410, 42.0, "2020FY"), figure("net_income", 455, 485, 20.0, "2021Q1"),
        figure("equity", 365, 395, 90.0, "2020Q4"), figure("equity", 365, 410, 100.0, "2020FY"),
    ]  # fmt: skip
    answers = asked(filled([facts[i] for i in order]), 400, 411, 490)[:, k.K_QUALITY]
    np.testing.assert_allclose(answers, [40 / 90, 40 / 100, 50 / 100])


@given(st.permutations(range(3)))
def test_of_two_levels_known_at_once_that_of_the_year_holds(order: Sequence[int]) -> None:
    """Equity told for a quarter and for its year at one time is one figure, whichever is read first."""
    facts = [
        figure("net_income", 365, 395, 50.0, "2020FY"), figure("equity", 365, 395, 80.0, "2020Q4"),
        figure("equity", 365, 395, 100.0, "2020FY"),
    ]  # fmt: skip
    assert asked(filled([facts[i] for i in order]), 396)[0, k.K_QUALITY] == 0.5


def test_a_revision_replaces_what_it_revises_and_nothing_else() -> None:
    """A restatement of last year does not hide this year's figure; a withdrawn figure gives way to one before."""
    table = filled([
        figure("leverage", 100, 130, 1.0), figure("leverage", 190, 220, 2.0), figure("leverage", 100, 230, 9.0),
        figure("leverage", 190, 240, None),
    ])  # fmt: skip
    answers = asked(table, 130, 219, 220, 230, 240)[:, k.K_QUALITY + 2]
    assert answers.tolist() == [1.0, 1.0, 2.0, 2.0, 9.0]


def test_a_moved_event_is_where_it_was_last_announced() -> None:
    """Before the move is known the old date counts, after it the new one alone; a withdrawn event is none."""
    table = filled([
        event("e", "earnings", 50, 10), event("e", "earnings", 60, 40), event("e", "earnings", 60, 55, None),
        event("d", "dividend", 45, 44),
    ])  # fmt: skip
    answers = asked(table, 9, 20, 41, 46, 56, 70)
    days = answers[:, [k.K_NEXT_S, k.K_LAST_S]] * 1e9 / DAY
    np.testing.assert_array_equal(
        days, [[np.nan, np.nan], [50, np.nan], [60, np.nan], [60, 45], [np.nan, 45], [np.nan, 45]]
    )
    assert answers[3, [k.K_NEXT_WEIGHT, k.K_LAST_WEIGHT]].tolist() == [1.0, 0.25]


def test_market_events_concern_every_symbol_and_an_issuers_its_own() -> None:
    """A policy decision is everyone's; earnings are the issuer's; a figure of another symbol is not seen."""
    table = filled([
        event("p", "policy", 30, 1, symbol="POLICY:US"), event("e", "earnings", 20, 1), figure("accruals", 1, 2, 0.5),
    ])  # fmt: skip
    own, other = asked(table, 10)[0], asked(table, 10, symbol=OTHER)[0]
    assert (own[k.K_NEXT_S] * 1e9 / DAY, other[k.K_NEXT_S] * 1e9 / DAY) == (20, 30)
    assert own[k.K_QUALITY + 3] == 0.5
    assert math.isnan(other[k.K_QUALITY + 3])


def test_a_contract_knows_the_facts_of_its_root() -> None:
    """What is known of the root is known at the bars of each contract."""
    table = filled([event("opec", "other", 5, 1, symbol="CL:NYM"), event("l", "listing", 20, 1, symbol="CL:NYM")])
    ts, codes = np.array([10 * DAY]), np.array([STRINGS.code("CLZ30:NYM")])
    (answer,) = table.answers(ts, codes, np.array([STRINGS.code("CL:NYM")]))
    assert answer[k.K_NEXT_S] * 1e9 / DAY == 20
    assert math.isnan(answer[k.K_LAST_S])


def quarters(metric: str, values: Sequence[float], first: int = 1000) -> list[Fundamental]:
    """Return quarterly figures, each known 30 days after its end."""
    return [figure(metric, first + 91 * i, first + 91 * i + 30, v, "2020Q1") for i, v in enumerate(values)]


def test_quality_is_made_of_the_figures_of_four_quarters() -> None:
    """Return on equity, margin, leverage, accruals and growth follow from the last four quarters and balance sheet."""
    income, revenue = [1.0, 2.0, 3.0, 4.0, 1.5], [10.0, 20.0, 30.0, 40.0, 50.0]
    records = [
        *quarters("net_income", income), *quarters("revenue", revenue), *quarters("gross_profit", [4.0] * 5),
        *quarters("operating_cash_flow", [2.0] * 5), *quarters("equity", [50.0] * 5),
        *quarters("liabilities", [100.0] * 5), *quarters("assets", [150.0] * 5),
    ]  # fmt: skip
    before, after = asked(filled(records), 1000 + 91 * 4 + 29, 1000 + 91 * 4 + 30)[:, k.K_QUALITY : k.K_RATES]
    np.testing.assert_allclose(before, [10 / 50, 16 / 100, 2.0, (10 - 8) / 150, np.nan])
    np.testing.assert_allclose(after, [10.5 / 50, 16 / 140, 2.0, (10.5 - 8) / 150, 0.5])


def test_a_year_counts_where_there_are_no_four_quarters_and_growth_keeps_the_sign() -> None:
    """Annual figures stand in for missing quarters; out of a loss into a profit is growth above 0."""
    records = [
        figure("net_income", 1000, 1060, -4.0, "2019FY"), figure("net_income", 1366, 1400, 2.0, "2020FY"),
        figure("net_income", 1366, 1390, 1.0, "2020Q4"), figure("equity", 1366, 1400, 10.0, "2020FY"),
        figure("net_income", 1500, 1500, 99.0, "2020H2"),
    ]  # fmt: skip
    (answer,) = asked(filled(records), 1400)[:, k.K_QUALITY : k.K_RATES]
    assert answer[0] == 0.2
    assert answer[4] == 1.5


def test_old_facts_fade() -> None:
    """A figure counts for 550 days after its period, a level of the market for ten."""
    table = filled([figure("gross_margin", 0, 1, 0.4), event("v", "index", 500, 500, 20.0, "VIX:INDEX", "close")])
    answers = asked(table, 509.9, 510, 549.9, 550)
    np.testing.assert_array_equal(answers[:, k.K_VIX], [20.0, np.nan, np.nan, np.nan])
    np.testing.assert_array_equal(answers[:, k.K_QUALITY + 1], [0.4, 0.4, 0.4, np.nan])


def naive(records: Sequence[Fact], ts: int) -> dict[str, float]:
    """Return index, next and last event and leverage as known, each by its definition."""
    known = [r for r in records if r.ts_known <= ts]

    def last_said(r: Fact) -> bool:
        return not any(
            type(o) is type(r) and o.symbol_id == r.symbol_id and same(o) == same(r) and o.ts_known > r.ts_known
            for o in known
        )

    def same(r: Fact) -> tuple[str, ...]:
        return (r.metric, str(r.period_end)) if isinstance(r, Fundamental) else (r.event_id, r.type, r.name)

    hold = [r for r in known if last_said(r) and r.value is not None]
    dated = [
        (r.ts_event, r.ts_end or r.ts_event)
        for r in hold
        if isinstance(r, MarketEvent) and r.type in WEIGHTS and (r.symbol_id == SYMBOL or r.type in MARKET_TYPES)
    ]
    index = [
        (r.ts_event, r.value)
        for r in hold
        if isinstance(r, MarketEvent) and r.symbol_id == "VIX:INDEX" and r.ts_event <= ts < r.ts_event + 10 * DAY
    ]
    leverage = [
        (r.period_end, r.value)
        for r in hold
        if isinstance(r, Fundamental) and r.symbol_id == SYMBOL and r.period_end <= ts < r.period_end + 550 * DAY
    ]
    return {
        "next": min((d for d, _ in dated if d > ts), default=math.nan) / 1e9,
        "last": max((end for d, end in dated if d <= ts), default=math.nan) / 1e9,
        "index": max(index)[1] if index else math.nan,  # type: ignore[dict-item]
        "leverage": max(leverage)[1] if leverage else math.nan,  # type: ignore[dict-item]
    }


days = st.integers(0, 60)
values = st.one_of(st.none(), st.floats(0.5, 9.5))
figures = st.builds(
    figure, st.just("leverage"), st.integers(-600, 60), days, values, symbol=st.sampled_from([SYMBOL, OTHER])
)
dated_events = st.builds(
    event, st.sampled_from("abc"), st.sampled_from(["earnings", "dividend"]), days, days, values,
    symbol=st.sampled_from([SYMBOL, OTHER]), lasts=st.integers(0, 3),
)  # fmt: skip
market_events = st.builds(event, st.sampled_from("pq"), st.just("macro"), days, days, values, symbol=st.just("CPI:US"))
levels = st.integers(0, 60).flatmap(
    lambda d: st.builds(
        event, st.just(f"VIX {d}"), st.just("index"), st.just(d), st.integers(d, 60), values,
        symbol=st.just("VIX:INDEX"), name=st.just("close"),
    )
)  # fmt: skip
facts = st.lists(st.one_of(figures, dated_events, market_events, levels), max_size=14, unique_by=lambda r: r.key)


@settings(max_examples=150, deadline=None)
@given(records=facts, cut=st.integers(0, 14), queries=st.lists(st.integers(0, 130), min_size=1, max_size=9))
def test_answers_are_those_of_a_plain_search(records: list[Fact], cut: int, queries: list[int]) -> None:
    """At any time, asked in any order, with facts added before or between questions: what a plain search finds."""
    table = filled(records[:cut])
    halves = [q / 2 for q in queries]
    asked(table, *halves)
    table.add(records[cut:])
    for half, answer in zip(halves, asked(table, *halves), strict=True):
        expected = naive(records, int(half * DAY))
        got = dict(zip(expected, answer[[k.K_NEXT_S, k.K_LAST_S, k.K_VIX, k.K_QUALITY + 2]].tolist(), strict=True))
        assert got == pytest.approx(expected, nan_ok=True)


@settings(max_examples=50, deadline=None)
@given(records=facts, order=st.randoms(use_true_random=False))
def test_the_order_of_facts_does_not_matter(records: list[Fact], order: object) -> None:
    """Any order of the same records gives the same answers, bit for bit; and so does a restored table."""
    first = asked(filled(records), *range(0, 61, 3))
    shuffled = list(records)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    second = filled(shuffled)
    np.testing.assert_array_equal(asked(second, *range(0, 61, 3)), first)
    facts_, heads = Table(second.facts.spec), Table(second.heads.spec)
    facts_.restore(dict(second.facts.changed()))
    heads.restore(dict(second.heads.changed()))
    np.testing.assert_array_equal(asked(FactTable(facts_, heads), *range(0, 61, 3)), first)


def test_an_event_of_which_only_the_date_is_known_is_inside_all_that_day() -> None:
    """A policy rate known at 16:00 of its date is inside from then to midnight, and after it for a day, not before."""
    midnight = int(np.datetime64("2015-12-17T05:00", "ns").astype(np.int64))
    file = File("rates.csv", ["DATE", "PCREDIT8"], [{"DATE": "2015-12-17", "PCREDIT8": "1.0"}], [2])
    (placed,), problems = events_form(file.columns)(file)  # type: ignore[misc]
    assert not problems
    policy = placed.record
    assert isinstance(policy, MarketEvent)
    assert (policy.ts_event, policy.ts_end) == (midnight, midnight + DAY)
    hours = np.array([15.9, 16.0, 20.0, 23.99, 24.5, 25.5, 48.9, 49.1])
    ts = midnight + (hours * 3.6e12).astype(np.int64)
    codes = np.full(len(ts), STRINGS.code(SYMBOL))
    bars = np.full((len(ts), c.N_BAR), np.nan)
    bars[:, c.END_S] = ts / 1e9
    fill_columns(bars, filled([policy]).answers(ts, codes, codes))
    found = indicator_values("event_window_state", {"before": 1440, "inside": 60, "after": 1440}, bars)
    np.testing.assert_array_equal(found["state"], [np.nan, 2, 2, 2, 2, 3, 3, 0])
    np.testing.assert_allclose(found["minutes_since"], [np.nan, 0, 0, 0, 30, 90, 1494, 1506])


def test_rates_are_those_of_the_public_files_as_known() -> None:
    """A policy rate holds until there is another, yields for ten days; the slope is the long one less the short one."""
    noon = int(np.datetime64("2015-12-17T12:00", "ns").astype(np.int64))
    policy = [{"DATE": "2014-12-17", "PCREDIT8": "0.75"}, {"DATE": "2015-12-17", "PCREDIT8": "1.0"}]
    curve = [
        {"date": "2015-12-16", "3month": "0.0028", "10year": "0.0230"},
        {"date": "2015-12-17", "3month": "0.0021", "10year": None},
    ]
    files = [File(f"{rows[0].keys()}", list(rows[0]), rows, [2, 3]) for rows in (policy, curve)]
    records = [p.record for file in files for p in events_form(file.columns)(file)[0]]  # type: ignore[misc]
    hours = np.array([-12.0, 0.0, 10.0, 11.5, 24 * 9.2, 24 * 11.0])
    ts = noon + (hours * 3.6e12).astype(np.int64)
    codes = np.full(len(ts), STRINGS.code(SYMBOL))
    bars = np.full((len(ts), c.N_BAR), np.nan)
    bars[:, c.END_S] = ts / 1e9
    fill_columns(bars, filled(records).answers(ts, codes, codes))  # type: ignore[arg-type]
    found = indicator_values("rates", {}, bars)
    np.testing.assert_allclose(found["policy"], [0.0075, 0.0075, 0.01, 0.01, 0.01, 0.01])
    np.testing.assert_allclose(found["short"], [0.0028, 0.0028, 0.0028, 0.0021, 0.0021, np.nan])
    np.testing.assert_allclose(found["long"], [0.023, 0.023, 0.023, 0.023, 0.023, np.nan])
    np.testing.assert_allclose(found["slope"], [0.0202, 0.0202, 0.0202, 0.0209, 0.0209, np.nan])


def test_the_weight_is_of_the_nearer_event() -> None:
    """In the columns of a bar the weight is that of the event nearest in time, the last one where there is no next."""
    answers = asked(filled([event("e", "earnings", 50, 1), event("d", "dividend", 40, 1)]), 30, 44, 46, 60)
    bars = np.full((4, c.N_BAR), np.nan)
    bars[:, c.END_S] = np.array([30, 44, 46, 60]) * 86_400.0
    fill_columns(bars, answers)
    assert bars[:, c.EVENT_WEIGHT].tolist() == [0.25, 0.25, 1.0, 1.0]


@pytest.mark.parametrize("topic", ["fundamentals.v1", "events.v1"])
def test_a_batch_of_a_topic_gives_its_records(topic: str) -> None:
    """Columns of either topic become the records they were made of, missing values and empty texts included."""
    records: list[Fact] = (
        [figure("eps_diluted", 3, 4, 1.5), figure("equity", 5, 6, None)]
        if topic == "fundamentals.v1"
        else [event("a", "macro", 1, 2, None), event("b", "earnings", 3, 4, 2.5, OTHER, "amount", 2)]
    )
    layout = layout_of(load_registry().current(topic).schema)
    batch = Columns.empty(layout, len(records))
    for i, record in enumerate(records):
        for name, value in avro_of(record).items():
            if name in layout.symbols:
                batch[name][i] = layout.symbols[name].index(value)
            elif isinstance(value, str):
                batch[name][i] = STRINGS.code(value)
            else:
                batch[name][i] = (NULL_LONG if name == "ts_end" else np.nan) if value is None else value
    assert records_of(topic, batch) == records
