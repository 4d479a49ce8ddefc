"""The catalogs of indicators agree with the code and with the rows of the features."""

import csv
from fnmatch import fnmatch

import pytest

from processors.featurize.program import KERNELS
from schemas.features import load_catalog
from tests.featurize import catalog

HAND = "run python -m tests.featurize.catalog"


def base() -> list[dict[str, str]]:
    """Return the rows of the base indicators."""
    with catalog.L1_CSV.open(newline="") as f:
        return list(csv.DictReader(f))


def both() -> list[str]:
    """Return the indicators of both catalogs, as often as they stand there."""
    return [row["name"] for row in base()] + [row["indicator"] for row in catalog.frameworks()]


def test_every_indicator_of_the_schema_is_in_one_catalog_and_every_row_is_in_the_schema() -> None:
    """No indicator of a feature without a row, whatever stage makes it, no row without a feature, none in both."""
    assert sorted(both()) == sorted({f.indicator for f in load_catalog()}), HAND


def test_every_kernel_is_in_one_catalog_and_every_base_indicator_has_a_kernel() -> None:
    """No kernel without a row; what has none is a framework of another stage: its features say so."""
    without = set(both()) - KERNELS.keys()
    assert KERNELS.keys() <= set(both()), HAND
    assert without == {f.indicator for f in load_catalog() if f.source in {"cross", "regime"}}
    assert without <= {row["indicator"] for row in catalog.frameworks()}


def test_the_catalog_of_base_indicators_is_what_the_code_says() -> None:
    """Inputs, parameters, outputs, definition and other libraries' names are those of the kernels and mappings."""
    assert catalog.L1_CSV.read_text() == catalog.text(), HAND


def test_every_row_says_what_it_is() -> None:
    """Definition, inputs and kernel of each base indicator are there."""
    for row in base():
        assert row["definition"], row["name"]
        assert row["outputs"], row["name"]
        assert row["inputs"], row["name"]
        assert int(row["version"]) >= 1, row["name"]


def test_the_bars_that_a_base_indicator_needs_are_those_of_its_features() -> None:
    """The fewest and the most warm-up bars among an indicator's features, one number where they are equal."""
    rows = {row["name"]: row["warmup_bars"] for row in base()}
    assert rows["true_range"] == "2"
    least, most = rows["log_return"].split("-")
    assert (int(least), int(most)) == (2, max(f.warmup_bars for f in load_catalog() if f.indicator == "log_return"))


@pytest.mark.parametrize("row", catalog.frameworks(), ids=lambda row: row["name"])
def test_a_framework_names_its_features_and_what_it_is_built_on(row: dict[str, str]) -> None:
    """The features of a framework are exactly those of its indicator; what it is built on exists, a level below."""
    levels = {r["name"]: r["level"] for r in catalog.frameworks()}
    patterns = row["features"].split(";")
    named = {f.name for f in load_catalog() if any(fnmatch(f.name, p) for p in patterns)}
    own = {f.name for f in load_catalog() if f.indicator == row["indicator"]}
    assert own
    assert own <= named
    assert all(any(fnmatch(name, p) for name in own) for p in patterns)
    for below in filter(None, row["built_on"].split(";")):
        assert below in both()
        assert levels.get(below, "L1") < row["level"]
    assert row["level"] in {"L2", "L3"}
    assert int(row["version"]) >= 1
    assert len(row["meaning"]) > 20


def test_every_state_has_its_codes() -> None:
    """A framework of the state family names the codes of its states, all within the range of its feature."""
    for row in catalog.frameworks():
        if row["family"] == "state":
            assert row["states"], row["name"]
