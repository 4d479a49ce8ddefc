"""Rooms of ``offline/`` import those before them: docs/offline.md says the same in its table."""

import re

import pytest

from tests.contract.test_layers import REPOSITORY, Sources, imports, modules_of, within

ROOMS = (
    "statistics", "isotonic", "labels", "robust", "facts", "bars", "regime", "warehouse", "lake", "calibration",
    "calibrators", "reliability", "conformal", "models", "recipes", "validation", "features", "cross_join", "dataset",
    "datasets", "export", "evaluation", "train_baseline", "selection", "registry", "training",
    "jobs",
)  # fmt: skip
"""Folders and single files: each may import those before it."""
EXCEPTIONS = {
    ("offline.models", "offline.export.trees"): "a fitted forest is its own graph and edge rows",
    ("offline.models", "offline.export.lightgbm_trees"): "and reads its booster's trees",
    ("offline.models", "offline.export.xgboost_trees"): "likewise",
    ("offline.dataset", "offline.datasets.horizons"): "a horizon of the baseline ends where one of a recipe does",
    ("offline.dataset", "offline.datasets.shares"): "and a split is no move there either",
}
"""Importing package and imported module -> why it may."""


def room_of(module: str) -> str:
    """Return the room of a module; empty for the package itself."""
    return module.split(".")[1] if "." in module else ""


def violations(modules: Sources) -> list[str]:
    """Return the imports that go to a later room, in words."""
    out = []
    for module in sorted(modules):
        for name in sorted(imports(modules, module)):
            mine, other = room_of(module), room_of(name)
            if not within(name, "offline") or not other or mine == other:
                continue
            excepted = any(within(module, a) and within(name, b) for a, b in EXCEPTIONS)
            if ROOMS.index(other) > ROOMS.index(mine) and not excepted:
                out.append(f"{module} imports {name}, of a later room")
    return out


@pytest.fixture(name="modules", scope="module")
def _modules() -> Sources:
    return modules_of("offline")


def test_every_room_has_a_place_and_imports_those_before_it(modules: Sources) -> None:
    """All folders and files of offline are placed, and no import goes to a later one, inside of functions either."""
    assert {room_of(m) for m in modules} - {""} == set(ROOMS)
    assert violations(modules) == []


def test_every_exception_is_needed(modules: Sources) -> None:
    """An exception that no import uses any more is taken off the list."""
    for a, b in EXCEPTIONS:
        assert any(within(m, a) and b in imports(modules, m) for m in modules), (a, b)


def test_a_planted_import_is_found(modules: Sources) -> None:
    """Of a later room, also of export beyond its trees."""
    for module, line in (
        ("offline.calibrators", "from offline.export.head import curve_of"),
        ("offline.models.lgbm", "from offline.export.gate import check"),
        ("offline.recipes.recipe", "def planted():\n    from offline.datasets import build"),
    ):
        assert len(violations(modules | {module: f"{modules[module]}\n{line}\n"})) == 1


def test_the_table_of_rooms_stands_in_their_order() -> None:
    """The rows of docs/offline.md go from the first room to the last."""
    text = (REPOSITORY / "docs" / "offline.md").read_text(encoding="utf-8")
    table = text[text.index("| room |") : text.index("## Interfaces")]
    told = re.findall(r"`offline/(\w+)(?:\.py|/)`", "".join(line.split("|")[1] for line in table.splitlines() if line))
    assert len(told) >= 11
    assert told == [room for room in ROOMS if room in told]
