"""Writes the ``features`` record of the Avro schemas from the feature schema: ``python -m schemas.generate``.

Only that record is replaced; everything else in the files is kept. A test checks that the files equal this output.
"""

import json
from pathlib import Path
from typing import Any

from schemas.features import Feature, load_features

AVRO = Path(__file__).parent / "avro"
RECORDS = ("FeatureRow", "GoldRow")


def features_record(features: tuple[Feature, ...]) -> dict[str, Any]:
    """Return the Avro record of the features: one nullable double each."""
    fields = [{"name": f.name, "type": ["null", f.dtype], "default": None, "doc": _doc(f)} for f in features]
    return {"type": "record", "name": "Features", "fields": fields}


def _doc(f: Feature) -> str:
    return f"{f.meaning} Unit: {f.unit}."


def generated(record: str) -> str:
    """Return the text of a record's file with its ``features`` written anew."""
    schema = json.loads((AVRO / f"{record}.avsc").read_text())
    for field in schema["fields"]:
        if field["name"] == "features":
            field["type"] = features_record(load_features())
    return json.dumps(schema, indent=2) + "\n"


def main() -> None:
    """Write the files."""
    for record in RECORDS:
        (AVRO / f"{record}.avsc").write_text(generated(record))


if __name__ == "__main__":
    main()
