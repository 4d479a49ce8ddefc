"""What a check of known answers yields: one case, and whether it came out as told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """One known answer.

    Parameters
    ----------
    kind
        Folder of the known answers, for example ``futures``.
    name
        What tells it from all others of its kind: file, row or case, stable over runs.
    ok
        Whether our answer is the known one, within the tolerance of the source.
    detail
        Both answers, where they differ.
    is_news
        Whether the detail is to be told though the answer is right: a choice that the check made.
    """

    kind: str
    name: str
    ok: bool
    detail: str = ""
    is_news: bool = False
