"""Who waits for whom in the feature service: long answers and long lines hold nobody up."""

import asyncio
import threading

import pytest

from offline.features.service import FeatureService
from serving.batcher import Batcher
from serving.feature_engine import Ask, FeatureAnswer, FeatureEngine, Refused
from tests.serving.feature_support import SYMBOLS, ListedRows


def answered(stores, calls):
    """Return what the coroutine that ``calls`` makes of a feature engine gives."""
    batcher = Batcher(lambda _: [], 10)
    engine = FeatureEngine(FeatureService(stores), batcher)
    try:
        return asyncio.run(calls(engine))
    finally:
        engine.close()
        batcher.close()


@pytest.mark.parametrize(("rows", "thread"), [(1, "MainThread"), (10, "features_0")])
def test_a_long_answer_is_written_beside_the_loop(monkeypatch, rows, thread):
    """An answer of many values is written in another thread, a short one where it is: scores wait for neither."""
    monkeypatch.setattr("serving.feature_engine.CELLS_AT_ONCE", 100)

    def told(answer: FeatureAnswer) -> tuple[int, str]:
        return len(answer.rows), threading.current_thread().name

    found = answered([ListedRows()], lambda engine: engine.answer(Ask(SYMBOLS[:1], rows=rows), told))
    assert found == (rows, thread)


def test_a_line_of_reads_has_an_end(monkeypatch):
    """Where too many wait for the newest rows, the next is refused as busy; the others are answered."""
    monkeypatch.setattr("serving.feature_engine.READS_PENDING_MAX", 3)
    hold, store = threading.Event(), ListedRows()
    newest = store.newest
    store.newest = lambda *asked: hold.wait(10) and newest(*asked)

    async def calls(engine):
        waiting = [asyncio.create_task(engine.answer(Ask(SYMBOLS), lambda a: len(a.rows))) for _ in range(3)]
        await asyncio.sleep(0)
        refused = await engine.answer(Ask(SYMBOLS), lambda a: len(a.rows))
        hold.set()
        return refused, await asyncio.gather(*waiting), await engine.answer(Ask(SYMBOLS), lambda a: len(a.rows))

    refused, found, after = answered([store], calls)
    assert refused == Refused("busy", "3 requests wait for the newest rows, limit 3: try again later")
    assert (found, after) == ([2, 2, 2], 2)


def test_whoever_goes_away_leaves_his_place(monkeypatch):
    """A caller that gives up leaves the line, and what he asked is not read."""
    monkeypatch.setattr("serving.feature_engine.READS_PENDING_MAX", 2)
    hold, store = threading.Event(), ListedRows()
    newest = store.newest
    store.newest = lambda *asked: hold.wait(10) and newest(*asked)

    async def calls(engine):
        first = asyncio.create_task(engine.answer(Ask(SYMBOLS[:1]), lambda a: len(a.rows)))
        gone = asyncio.create_task(engine.answer(Ask(SYMBOLS), lambda a: len(a.rows)))
        await asyncio.sleep(0.05)
        gone.cancel()
        await asyncio.sleep(0)
        last = asyncio.create_task(engine.answer(Ask(SYMBOLS[1:]), lambda a: len(a.rows)))
        await asyncio.sleep(0)
        hold.set()
        return await first, await last

    assert answered([store], calls) == (1, 1)
    assert [symbols for symbols, *_ in store.asked] == [SYMBOLS[:1], SYMBOLS[1:]]
