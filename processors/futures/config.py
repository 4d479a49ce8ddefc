"""Knobs of the rolls stage: which rules, for which root, to which depth."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from processors.errors import ConfigError
from processors.futures.expiry import rules as expiry_rules
from processors.futures.roll_rules import RollRule
from processors.reference.master import default_master
from processors.reference.records import Security

VARIABLE = "MPS_ROLLS"
DEPTH_MAX = 6
RULES_MAX = 8
"""Rules of one root side by side: the row of state has room for so many."""
FORM = "'RULE ...' for every root, 'ROOT: RULE ...', or 'depth: N', separated by ; or lines: volume notice-3; GC: oi"

Words = tuple[str, ...]
RULES: Words = ("volume", "notice-3")
DEPTH = 3


@dataclass(frozen=True, slots=True)
class RollsConfig:
    """Which rolls are published.

    Parameters
    ----------
    rules
        Side by side for every root that has no others. By volume, since bars carry it: where the trade goes first.
        Three business days before the first notice, for those who must not be asked to deliver; where a root has no
        notice, before the last trade. Rules by open interest need figures on ``events.v1``.
    by_root
        Root without its exchange, and its own rules instead, ascending by root.
    depth
        Contracts held for each rule: the front, the next, and the one after it.
    """

    rules: Words = RULES
    by_root: tuple[tuple[str, Words], ...] = ()
    depth: int = DEPTH

    def __post_init__(self) -> None:
        """Refuse what is no rule, a root that has no dates, and too much.

        Raises
        ------
        ConfigError
            Says which, and what is allowed.
        """
        for where, words in (("rules", self.rules), *((f"rules of {root}", words) for root, words in self.by_root)):
            if not words or len(set(words)) < len(words) or len(words) > RULES_MAX:
                raise ConfigError("rolls", where, " ".join(words), f"from 1 to {RULES_MAX} rules, none twice")
            for text in words:
                RollRule(text)
        for root, _ in self.by_root:
            if root not in expiry_rules():
                raise ConfigError("rolls", "root", root, "a root of schemas/reference/futures_rules.csv, such as GC")
        if not 1 <= self.depth <= DEPTH_MAX:
            raise ConfigError("rolls", "depth", self.depth, f"from 1 to {DEPTH_MAX}")

    @classmethod
    def from_environment(cls) -> "RollsConfig":
        """Return the configuration of ``MPS_ROLLS``, a text or the name of a file, over that of the security master.

        The rules that the master has for a root (``roll_rules`` of its contracts) stand beside those for every root;
        those of the variable stand in their place.

        Raises
        ------
        ConfigError
            Names the entry that is wrong.
        """
        given = os.environ.get(VARIABLE, "")
        path = Path(given)
        is_file = bool(given) and len(given) < 4096 and "\n" not in given and path.is_file()
        where = given if is_file else VARIABLE
        return parsed(path.read_text() if is_file else given, where, default_master().records)

    def rules_of(self, root: str) -> tuple[RollRule, ...]:
        """Return the rules of a root (GC), side by side."""
        words = dict(self.by_root).get(root, self.rules)
        return tuple(RollRule(text) for text in words)

    @property
    def settings(self) -> str:
        """What the kept state depends on."""
        own = [f"{root}: {' '.join(words)}" for root, words in self.by_root]
        return "; ".join([" ".join(self.rules), *own, f"depth: {self.depth}"])


def parsed(text: str, where: str, securities: Iterable[Security] = ()) -> RollsConfig:
    """Return the configuration of a text, over what securities say of their roots.

    Raises
    ------
    ConfigError
        An entry is of no known form, or comes twice.
    """
    rules, depth = RULES, DEPTH
    by_root: dict[str, Words] = {}
    said: set[str] = set()
    lines = (line.partition("#")[0] for line in text.splitlines())
    for entry in (e.strip() for line in lines for e in line.split(";")):
        if not entry:
            continue
        name, colon, value = (part.strip() for part in entry.rpartition(":"))
        if name in said:
            raise ConfigError(where, "entry", entry, f"each once; {FORM}")
        said.add(name)
        words = tuple(value.split())
        if name == "depth":
            if not value.isdigit():
                raise ConfigError(where, "depth", value, f"from 1 to {DEPTH_MAX}")
            depth = int(value)
        elif colon and (not name or len(name.split()) > 1 or not words):
            raise ConfigError(where, "entry", entry, FORM)
        elif colon:
            by_root[name.partition(":")[0]] = words
        else:
            rules = words
    for root, words in _of_master(securities, rules).items():
        by_root.setdefault(root, words)
    return RollsConfig(rules, tuple(sorted(by_root.items())), depth)


def _of_master(securities: Iterable[Security], rules: Words) -> dict[str, Words]:
    """Return root -> the rules for every root, and behind them those of its contracts."""
    found: dict[str, dict[str, None]] = {}
    for s in securities:
        root = s.root.partition(":")[0]
        # A root without dates is a dead letter at its first bar, which says so by name.
        if s.roll_rules and root in expiry_rules():
            found.setdefault(root, dict.fromkeys(rules)).update(dict.fromkeys(s.roll_rules.split()))
    return {root: tuple(words) for root, words in found.items()}
