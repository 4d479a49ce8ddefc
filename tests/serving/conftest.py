"""Fixtures of the tests of serving."""

import pytest

from processors.score.model import Model
from tests.serving.support import FakeStore, Served, gold_record, make_engine, make_model


@pytest.fixture(scope="session")
def model() -> Model:
    return make_model()


@pytest.fixture
def store() -> FakeStore:
    """Ten rows of EURUSD 1m, and one of NZDUSD."""
    store = FakeStore()
    for i in range(10):
        store.put(gold_record(i))
    store.put(gold_record(3, "NZDUSD:FX"))
    return store


@pytest.fixture
def serve():
    """Return a function that serves an engine; stopped after the test."""
    running = []

    def start(engine, **changes) -> Served:
        running.append(Served(engine, **changes))
        return running[-1]

    yield start
    for served in running:
        served.close()


@pytest.fixture
def served(serve, store, model) -> Served:
    return serve(make_engine(store, lambda: model))
