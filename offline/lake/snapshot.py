"""``data_snapshot_id``: which rows a training set was made of, for good.

A Delta table's version names its rows exactly, for as long as vacuum has left their files. The table's own id stands
beside it, so that version 17 of a lake that was made anew is not taken for the version 17 that a model knows.
"""

import re
from dataclasses import dataclass
from typing import Self

from processors.errors import ConfigError

_FORM = re.compile(r"([a-z]+)@(\d+)\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


@dataclass(frozen=True, slots=True)
class SnapshotId:
    """A table at a version: ``gold@17.0f3c2c5e-7d0b-4c27-96b2-da4bc852d842`` as text."""

    table: str
    version: int
    table_id: str

    def __str__(self) -> str:
        """Return the text that ``parse`` reads."""
        return f"{self.table}@{self.version}.{self.table_id}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what a text names.

        Raises
        ------
        ConfigError
            It is no snapshot id.
        """
        found = _FORM.fullmatch(text)
        if found is None:
            raise ConfigError("data_snapshot_id", "value", text, "TABLE@VERSION.TABLE_ID, as `mps lake show` prints it")
        return cls(found[1], int(found[2]), found[3])
