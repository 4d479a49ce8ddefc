"""What is released of a pack stays: its rows by their hash, what they mean by their values over a fixed series."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import yaml

from processors.errors import ConfigError
from schemas import features
from schemas.features import PACKS_YAML, RELEASED, load_pack
from tests.featurize import released

REPOSITORY = Path(__file__).parents[2]
PACKS = tuple(yaml.safe_load(PACKS_YAML.read_text())["packs"])
TOO_RARE = {
    "cdl_3starsinsouth_event", "cdl_abandonedbaby_event", "cdl_breakaway_event", "cdl_concealbabyswall_event",
    "cdl_kicking_event", "cdl_kickingbylength_event", "cdl_mathold_event", "cdl_risefall3methods_event",
}  # fmt: skip
"""Candlestick patterns that six thousand bars do not show: what they mean is held to TA-Lib's tables alone."""
HAND = "a new pack is released by python -m tests.featurize.released; a released one stays"


def test_every_pack_is_released_and_none_is_gone() -> None:
    """Packs and files are the same ones."""
    assert {path.stem for path in RELEASED.iterdir()} == set(PACKS), HAND


@pytest.mark.parametrize("pack_id", PACKS)
def test_a_pack_is_what_it_was_released_as(pack_id: str) -> None:
    """Its rows have the hash of its file, and every feature the values; the series is the one they are of."""
    there = json.loads((RELEASED / f"{pack_id}.json").read_text())
    made = released.entry(pack_id)
    assert made["series_sha256"] == there["series_sha256"], "the series of tests/featurize/released.py has changed"
    assert (made["pack_id"], made["sha256"]) == (there["pack_id"], there["sha256"])
    assert list(there["prints"]) == [f.name for f in load_pack(pack_id).features]
    prints = released.prints()
    other = {n: (p, prints[n]) for n, p in there["prints"].items() if not released.same(tuple(p), prints[n])}
    assert other == {}, "these features mean something else now: give them other rows, and a new pack"


def test_a_released_file_is_the_one_that_was_added() -> None:
    """In the history no file of the folder was ever changed or removed after the commit that added it."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
        return done.stdout if done.returncode == 0 else ""

    if git("rev-parse", "--is-shallow-repository").strip() != "false":
        pytest.skip("no history here")
    folder = RELEASED.relative_to(REPOSITORY).as_posix()
    changed = git("log", "--diff-filter=MDRT", "--name-status", "--format=", "HEAD", "--", folder)
    assert changed.split() == [], HAND
    assert git("diff", "--diff-filter=MDRT", "--name-only", "HEAD", "--", folder).split() == [], HAND


def test_every_feature_has_values_in_the_series() -> None:
    """No print is of nothing: each feature is there, and other than 0 but for patterns that are too rare."""
    prints = released.prints()
    assert min(n for n, _, _ in prints.values()) > 20
    assert {name for name, (_, _, size) in prints.items() if size == 0.0} == TOO_RARE


def test_one_other_value_is_another_print_and_rounding_is_not() -> None:
    """A value that is off by a millionth, missing, or at another place is told; a last bit is not."""
    x = np.random.default_rng(1).normal(5, 3, 1700)
    x[3] = np.nan
    before = released.print_of(x)
    assert released.same(before, released.print_of(x * (1 + 4e-16)))
    for at, value in ((700, np.nan), (701, x[701] + 0.01), (3, 1.0)):
        other = x.copy()
        other[at] = value
        assert not released.same(before, released.print_of(other))
    swapped = x.copy()
    swapped[[10, 900]] = swapped[[900, 10]]
    assert not released.same(before, released.print_of(swapped))
    assert not released.same(before, released.print_of(x * (1 + 1e-6)))


def test_a_pack_whose_lock_was_edited_too_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows and their hash changed together in packs.yaml: the pack still does not load, and the file is named."""
    packs = yaml.safe_load(PACKS_YAML.read_text())["packs"]
    packs["core_event_v1"]["features"].pop()
    rows = features.Pack("core_event_v1", load_pack("core_event_v1").features[:-1])
    packs["core_event_v1"]["sha256"] = rows.hash
    edited = tmp_path / "packs.yaml"
    edited.write_text(yaml.safe_dump({"packs": packs}))
    monkeypatch.setattr(features, "PACKS_YAML", edited)
    load_pack.cache_clear()
    try:
        with pytest.raises(ConfigError, match=r"not what core_event_v1\.json .* has: what is released stays"):
            load_pack("core_event_v1")
    finally:
        load_pack.cache_clear()
