"""Writes the ``features`` records of the Avro schemas from the feature schema: ``python -m schemas.generate``.

Only that record is replaced; everything else in the files is kept. The examples get a null for each feature they do not
have. A test checks that the files equal this output.
"""

import json
from pathlib import Path
from typing import Any

from schemas.features import Feature, cross_features, load_features

AVRO = Path(__file__).parent / "avro"
EXAMPLES = Path(__file__).parent / "examples"
RECORDS = {"FeatureRow": load_features, "GoldRow": load_features, "CrossRow": cross_features}
"""Record -> its features."""


def features_record(features: tuple[Feature, ...], name: str) -> dict[str, Any]:
    """Return the Avro record of the features: one nullable double each."""
    fields = [{"name": f.name, "type": ["null", f.dtype], "default": None, "doc": _doc(f)} for f in features]
    return {"type": "record", "name": name, "fields": fields}


def _doc(f: Feature) -> str:
    return f"{f.meaning} Unit: {f.unit}."


def generated(record: str) -> str:
    """Return the text of a record's file with its ``features`` written anew."""
    schema = json.loads((AVRO / f"{record}.avsc").read_text())
    for field in schema["fields"]:
        if field["name"] == "features":
            field["type"] = features_record(RECORDS[record](), field["type"]["name"])
    return json.dumps(schema, indent=2) + "\n"


def generated_examples(record: str) -> str:
    """Return the text of a record's examples with exactly the features of the schema."""
    examples = json.loads((EXAMPLES / f"{record}.json").read_text())
    for example in examples:
        example["features"] = {f.name: example["features"].get(f.name) for f in RECORDS[record]()}
    return json.dumps(examples, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the files."""
    for record in RECORDS:
        (AVRO / f"{record}.avsc").write_text(generated(record))
        (EXAMPLES / f"{record}.json").write_text(generated_examples(record))


if __name__ == "__main__":
    main()
