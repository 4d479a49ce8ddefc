"""Writes the JSON schemas of recipe and strategy for editors: ``python -m offline.recipes.json_schema``.

They are made of the very shapes that read the files; a test checks that ``schemas/json`` equals this output. A file
names its schema in its first line: ``# yaml-language-server: $schema=...``.
"""

import json
from pathlib import Path
from typing import Any

from offline.recipes.reading import recipe_shape, strategy_shape
from offline.recipes.shapes import Json

FOLDER = Path(__file__).parents[2] / "schemas" / "json"


def _nothing(**_: Any) -> Any:
    raise AssertionError("a schema is not read with")


def schemas() -> dict[str, Json]:
    """Return file name -> JSON schema."""
    shapes = {"recipe": recipe_shape(_nothing), "strategy": strategy_shape(_nothing)}
    return {
        f"{key}.schema.json": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": f"{key} file of MPS",
            "type": "object",
            "additionalProperties": False,
            "required": [key],
            "properties": {key: shape.schema},
        }
        for key, shape in shapes.items()
    }


def text_of(schema: Json) -> str:
    """Return the text of a schema's file."""
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / name).write_text(text_of(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
