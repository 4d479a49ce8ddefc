"""Which columns of the gold row a recipe reads, and which packs rows must have for them.

feature_packs, extra_features -> include, exclude -> inputs, raw prices left out
                                                  -> packs that hold them, the cross-section's apart
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache

from offline.recipes.scales import input_of, is_price
from processors.errors import ConfigError
from processors.runtime.layout import layout_of
from processors.score.inputs import Input
from processors.yaml_reader import near
from schemas.features import FOUNDING_PACK, Feature, Pack, load_catalog, load_pack, packs_file
from schemas.registry import load_registry

CROSS = "cross"
"""Source of the features that stand in rows of ``cross.v1``."""


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a recipe reads.

    Parameters
    ----------
    features
        Of the catalog, in the order of the inputs.
    inputs
        Those features and the numbers of the regime, as a model reads them.
    packs
        Packs of ``gold.v1`` that rows must have.
    cross_pack
        Pack of ``cross.v1`` that is joined; None where no feature is of it.
    """

    features: tuple[Feature, ...]
    inputs: tuple[Input, ...]
    packs: tuple[Pack, ...]
    cross_pack: Pack | None


@cache
def pack_ids() -> tuple[str, ...]:
    """Return the packs of the catalog, in the order of the file."""
    return tuple(packs_file())


@cache
def by_name() -> dict[str, Feature]:
    """Return every feature of the catalog by its name."""
    return {f.name: f for f in load_catalog()}


@cache
def regime_names() -> tuple[str, ...]:
    """Return the numbers of the regime in a gold row, as ``regime.p_trend``."""
    layout = layout_of(load_registry().current("gold.v1").schema)
    return tuple(n for n in layout.names if n.startswith("regime.") and layout.column[n][0])


def resolve(
    packs: Sequence[str], extra: Sequence[str], include: Sequence[str] = ("*",), exclude: Sequence[str] = ()
) -> Resolved:
    """Return what packs, further features and patterns mean.

    Parameters
    ----------
    packs
        Ids of packs; all their features are candidates, but raw prices.
    extra
        Names of features, raw prices among them.
    include, exclude
        Patterns with ``*`` over names of features, and of the regime's numbers (``regime.p_trend``): a candidate stays
        that one of the first and none of the second matches.

    Raises
    ------
    ConfigError
        A name is unknown, a pattern matches nothing, or nothing is left. Its key is that of the recipe.
    """
    named = [load_pack(_known_pack(p)) for p in packs]
    candidates = {f.name: f for pack in named for f in pack.features if not is_price(f)}
    for name in extra:
        if name not in by_name():
            raise ConfigError("recipe", "extra_features", name, f"a feature of the catalog{near(name, [*by_name()])}")
        candidates[name] = by_name()[name]
    names = [*candidates, *regime_names()]
    for key, patterns in (("include", include), ("exclude", exclude)):
        for pattern in patterns:
            if not any(fnmatchcase(n, pattern) for n in names):
                raise ConfigError("recipe", key, pattern, f"a pattern that matches a feature{near(pattern, names)}")
    left = [n for n in names if _matches(n, include) and not _matches(n, exclude)]
    features = tuple(candidates[n] for n in left if n in candidates)
    if not features:
        remedy = "patterns that leave a feature" if candidates else "a pack, or a feature in extra_features"
        raise ConfigError("recipe", "include" if candidates else "feature_packs", list(include), remedy)
    inputs = (*(input_of(f) for f in features), *(Input(n, "raw") for n in left if n not in candidates))
    gold = [pack for pack in named if not _is_cross(pack)]
    gold += _packs_for([f for f in features if f.source != CROSS], gold)
    cross = [f for f in features if f.source == CROSS]
    # Rows name packs of one topic; without any, warm is that of the founding pack.
    gold = gold or [load_pack(FOUNDING_PACK)]
    return Resolved(features, inputs, tuple(gold), _one_pack(cross) if cross else None)


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _known_pack(pack_id: str) -> str:
    if pack_id not in pack_ids():
        remedy = f"one of {', '.join(pack_ids())}{near(pack_id, pack_ids())}"
        raise ConfigError("recipe", "feature_packs", pack_id, remedy)
    return pack_id


def _is_cross(pack: Pack) -> bool:
    return all(f.source == CROSS for f in pack.features)


def _packs_for(features: Sequence[Feature], have: Sequence[Pack]) -> list[Pack]:
    """Return further packs that hold the features: as few as a greedy choice finds, the narrowest first."""
    found: list[Pack] = []
    open_names = {f.name for f in features} - {f.name for pack in have for f in pack.features}
    if not open_names:
        return []
    catalog = [pack for pack in map(load_pack, pack_ids()) if not _is_cross(pack)]
    while open_names:
        held = {pack.pack_id: open_names & {f.name for f in pack.features} for pack in catalog}
        best = max(catalog, key=lambda p: (len(held[p.pack_id]), -len(p.features)))
        if not held[best.pack_id]:
            missing = min(open_names)
            raise ConfigError("recipe", "extra_features", missing, "a feature of a pack: no row has it otherwise")
        found.append(best)
        open_names -= held[best.pack_id]
    return found


def _one_pack(features: Sequence[Feature]) -> Pack:
    """Return the narrowest pack of the cross-section that holds all of them."""
    names = {f.name for f in features}
    fit = [p for p in map(load_pack, pack_ids()) if _is_cross(p) and names <= {f.name for f in p.features}]
    assert fit, "a pack of cross.v1 holds all of its features"
    return min(fit, key=lambda p: len(p.features))
