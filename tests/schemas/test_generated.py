"""The Avro records, the feature schema and the packs agree."""

import csv
from pathlib import Path

import pytest
import yaml

from processors.errors import ConfigError
from schemas import features as module
from schemas.features import PACKS_YAML, Pack, load_features, load_pack, read_features
from schemas.generate import AVRO, EXAMPLES, RECORDS, generated, generated_examples


@pytest.mark.parametrize("record", RECORDS)
def test_the_features_of_a_record_are_generated_from_the_schema(record: str) -> None:
    """The features record of a file equals what the feature schema gives: run ``python -m schemas.generate``."""
    assert (AVRO / f"{record}.avsc").read_text() == generated(record)
    assert (EXAMPLES / f"{record}.json").read_text() == generated_examples(record)


def test_every_pack_loads_with_its_locked_hash() -> None:
    """Every pack of packs.yaml has its features in the schema and the hash it was locked with."""
    packs = yaml.safe_load(PACKS_YAML.read_text())["packs"]
    for pack_id in packs:
        assert load_pack(pack_id).hash == packs[pack_id]["sha256"]


def test_the_hash_of_a_pack_changes_with_any_cell() -> None:
    """Any change in any cell of any row, in the order or in the id gives another hash."""
    rows = load_features()
    first = rows[0]
    changed = module.Feature(
        first.name, first.family, first.indicator, first.parameters, first.timeframe, first.dtype, first.unit,
        first.range, first.warmup_bars, first.missing_policy, first.version, first.meaning + " ",
    )  # fmt: skip
    hashes = {
        Pack("a", rows).hash,
        Pack("b", rows).hash,
        Pack("a", rows[::-1]).hash,
        Pack("a", (changed, *rows[1:])).hash,
    }
    assert len(hashes) == 4


def test_a_pack_changed_in_place_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A feature taken out of a locked pack is a configuration error that names the new hash."""
    packs = yaml.safe_load(PACKS_YAML.read_text())
    packs["packs"]["core_value_v1"]["features"].pop()
    changed = tmp_path / "packs.yaml"
    changed.write_text(yaml.safe_dump(packs))
    monkeypatch.setattr(module, "PACKS_YAML", changed)
    with pytest.raises(ConfigError, match="immutable"):
        load_pack.__wrapped__("core_value_v1")


@pytest.mark.parametrize(
    ("column", "cell"),
    [("warmup_bars", "0"), ("missing_policy", "zero"), ("parameters", "window=5"), ("dtype", "float"), ("unit", "")],
)
def test_a_wrong_row_names_file_line_and_column(tmp_path: Path, column: str, cell: str) -> None:
    """A wrong cell of the schema is a configuration error with the file, the line and the column."""
    header, first = module.SCHEMA_CSV.read_text().splitlines()[:2]
    cells = next(iter(csv.reader([first])))
    cells[header.split(",").index(column)] = cell
    path = tmp_path / "schema.csv"
    path.write_text(header + "\n" + ",".join(f'"{c}"' for c in cells) + "\n")
    with pytest.raises(ConfigError, match=rf"schema\.csv:2: {column}"):
        read_features(path)
