"""What ``mps doctor`` looks at: this machine, the parts that run, the topics, the model and the logs."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor.

    Parameters
    ----------
    area
        ``machine``, ``parts``, ``topics``, ``model`` or ``logs``.
    name
        What was looked at.
    status
        ``fail``: the platform cannot work so. ``warn``: it works, and a person should know. ``ok``: all else.
    found
        What is there, in a few words.
    remedy
        What to do about it; empty where nothing need be done.
    """

    area: str
    name: str
    status: Status
    found: str
    remedy: str = ""
