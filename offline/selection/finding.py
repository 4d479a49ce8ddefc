"""A number that may be refused: what was found, or why nothing can be said."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found.

    Parameters
    ----------
    value
        The number; None where nothing can be said.
    says
        What it means, in a sentence.
    why_not
        Why nothing can be said; empty where something can.
    numbers
        What it is made of.
    """

    value: float | None
    says: str
    why_not: str = ""
    numbers: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return asdict(self)


def found(value: float, says: str, **numbers: Any) -> Finding:
    """Return a finding; one whose value is no number is a refusal."""
    if not math.isfinite(value):
        return refused("the numbers leave it undefined", **numbers)
    return Finding(value, says, "", numbers)


def refused(why: str, **numbers: Any) -> Finding:
    """Return that nothing can be said, and why."""
    return Finding(None, f"nothing can be said: {why}", why, numbers)
