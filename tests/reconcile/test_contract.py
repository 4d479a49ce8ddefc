"""Batches, restarts and futures do not matter: on random streams of every kind of row, good and bad."""

from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from processors.reconcile.stage import build
from processors.runtime.state import State
from processors.runtime.strings import STRINGS
from schemas.vendors import CLOCK_VENDOR
from tests.reconcile.ticks import COMPILING, Raw, columns, heartbeat, quote, raw, rows, trade


@st.composite
def streams(draw: st.DrawFn) -> list[Raw]:
    """Draw a stream in which every fate may be met."""
    out, at = [], 0.0
    for _ in range(draw(st.integers(0, 40))):
        at += draw(st.sampled_from([0.0, 0.001, 0.4, 1.0, 3.0, -4.0, 70.0]))
        vendor, venue = draw(st.sampled_from("ABC")), draw(st.sampled_from(["", "X"]))
        price = draw(st.sampled_from([1.1, 1.1001, 1.2, -1.0, None]))
        seq = draw(st.one_of(st.none(), st.integers(0, 20)))
        kind = draw(st.sampled_from(["quote", "quote", "trade", "trade", "heartbeat", "status"]))
        if kind == "quote":
            out.append(quote(vendor, at, price, draw(st.sampled_from([1.1002, 1.15, 0.0, None])), venue=venue, seq=seq))
        elif kind == "trade":
            symbol = draw(st.sampled_from(["BTC-USD:CRYPTO", "ETH-USD:CRYPTO", "GHOST:US"]))
            out.append(trade(vendor, at, price, venue=venue, seq=seq, symbol_id=symbol))
        elif kind == "heartbeat":
            out.append(heartbeat(draw(st.sampled_from([vendor, CLOCK_VENDOR])), at, venue))
        else:
            out.append(raw("status", vendor, at, venue=venue))
    return out


def result(batches: list[list[Raw]], *, restart: bool = False) -> tuple[list[Any], State]:
    """Return all records, dead letters and fates, and the last state; a new process may take over after each batch."""
    stage, offset = build(), 0
    state, changelog = stage.open(), {}
    consensus, fresh, dead, fates = [], [], [], {}
    for ticks in batches:
        output = stage.step(state, columns(ticks, offset))
        consensus += rows(output.records["ticks.consensus.v1"])
        fresh += rows(output.records["data.freshness"])
        dead += [(offset + r.row, r.error, r.reason) for r in output.rejected]
        fates = {f: fates.get(f, 0) + n for f, n in output.counts.items()}
        assert sum(output.counts.values()) == len(ticks)
        offset += len(ticks)
        if restart:
            changelog |= dict(state.changed())
            stage, state = build(), build().open()
            state.restore(dict(sorted(changelog.items(), reverse=True)))
    # As text, in which a null is a null and equal to another.
    return [repr(consensus), repr(fresh), dead, fates], state


def snapshot(state: State) -> dict[str, list[Any]]:
    """Return every row of every table, in the order of its slots."""
    return {
        name: [(table.key(i), table.rows[i].tobytes()) for i in range(len(table))]
        for name, table in state.tables.items()
    }


@settings(deadline=None, max_examples=30)  # each runs the stage some fifty times
@given(streams(), st.lists(st.integers(0, 40), max_size=5))
def test_where_a_batch_ends_does_not_matter_nor_does_a_restart(stream, edges) -> None:
    """All at once, one by one, and cut anywhere with a new process after each piece: same records, same state."""
    whole, state = result([stream])
    singles, state_of_singles = result([[tick] for tick in stream])
    cuts = [0, *sorted(min(e, len(stream)) for e in edges), len(stream)]
    pieces, state_of_pieces = result([stream[a:b] for a, b in pairwise(cuts)], restart=True)
    assert singles == whole if stream else True
    assert pieces == whole
    assert snapshot(state_of_pieces) == snapshot(state)
    assert snapshot(state_of_singles) == snapshot(state)


OFF_BPS = {"A": 0.0, "B": 6.0, "C": -2.0}


@settings(deadline=None, max_examples=5)  # each restores the stage some fifty times
@given(st.lists(st.sampled_from("ABC"), min_size=30, max_size=40))
def test_what_one_tick_teaches_of_the_other_sources_outlives_a_restart(vendors) -> None:
    """A tick may set the offsets of all sources: a new process after every tick knows them all."""
    stream = [trade(v, i * 0.5, 30_000.0 * (1 + OFF_BPS[v] / 1e4)) for i, v in enumerate(["A", "B", "C"] * 7 + vendors)]
    whole, state = result([stream])
    assert (state["sources"].rows["offset"][:3, 0] != 0.0).any(), "no offset was set: nothing is proved"
    pieces, state_of_pieces = result([[tick] for tick in stream], restart=True)
    assert pieces == whole
    assert snapshot(state_of_pieces) == snapshot(state)


@COMPILING
@given(streams(), st.integers(0, 40))
def test_the_future_does_not_change_the_past(stream, n) -> None:
    """The records of a prefix are the first records of the whole."""
    stage, prefix = build(), build()
    whole = rows(stage.step(stage.open(), columns(stream)).records["ticks.consensus.v1"])
    part = rows(prefix.step(prefix.open(), columns(stream[:n])).records["ticks.consensus.v1"])
    assert repr(whole[: len(part)]) == repr(part)


@COMPILING
@given(streams())
def test_the_order_of_string_codes_does_not_matter(stream) -> None:
    """A process that met other strings before gives the same records and the same state."""
    # Other names for the same things, met in the opposite order: codes and their order differ, nothing else.
    for vendor in "CBA":
        STRINGS.code(f"{vendor}~")
    renamed = [tick if tick["vendor"] == CLOCK_VENDOR else tick | {"vendor": f"{tick['vendor']}~"} for tick in stream]
    after = result([renamed])
    before = result([stream])
    assert repr(after[0]).replace("~", "") == repr(before[0])
    assert [r for _, r in snapshot(after[1])["sources"]] == [r for _, r in snapshot(before[1])["sources"]]
