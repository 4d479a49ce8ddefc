"""Who may import whom, read off the import statements: docs/architecture.md says the same in words."""

import ast
from functools import cache
from pathlib import Path

import pytest

from processors.topology import BRANCHES, TOPOLOGY

REPOSITORY = Path(__file__).parents[2]
Sources = dict[str, str]
"""Text of each module, by its dotted name; a package is named by its folder."""

KERNEL_IMPORTS = {
    "collections.abc", "math", "numba", "numpy", "numpy.typing", "typing",
    "processors.featurize.calling", "processors.featurize.indicators.binding",
    "processors.featurize.indicators.layout", "processors.featurize.indicators.lanes",
    "processors.kinds", "processors.reconcile.outcome", "processors.runtime.compiled", "processors.segments",
    "processors.times", "processors.watermark", "schemas.timeframes",
}  # fmt: skip
"""What a compiled file may import, besides compiled files of its own folder and those below it."""
DRIVER = ("confluent_kafka", "processors.runtime.kafka")
ADDRESSES = {"deploy.local.endpoints", "deploy.local.paths"}
UPWARDS = {
    ("processors.sinks", "offline.warehouse"): "the sinks write the tables that the warehouse declares",
    ("processors.sinks", "offline.lake"): "and those of the lake",
}
"""Importing package and imported package -> why it may, against the rule."""


def modules_of(*folders: str) -> Sources:
    """Return the modules of some folders of the repository."""
    found = {}
    for folder in folders:
        for path in sorted((REPOSITORY / folder).rglob("*.py")):
            parts = path.relative_to(REPOSITORY).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
    return found


@cache
def _imports(module: str, text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return each imported module with the names taken from it, wherever in the file."""
    out: list[tuple[str, tuple[str, ...]]] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            out += [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: -node.level] if node.level else []
            out.append((".".join([*above, *filter(None, [node.module])]), tuple(a.name for a in node.names)))
    return tuple(out)


def imports(modules: Sources, module: str) -> set[str]:
    """Return what a module imports: ``from package import module`` is an import of the module."""
    out = set()
    for base, names in _imports(module, modules[module]):
        inner = {f"{base}.{name}" for name in names if f"{base}.{name}" in modules}
        out |= inner
        if len(inner) < len(names) or not names:
            out.add(base)
    return out


def reached(modules: Sources, module: str) -> dict[str, str]:
    """Return everything that is imported with a module, each with the module that imports it."""
    by: dict[str, str] = {}
    todo = [module]
    while todo:
        importer = todo.pop()
        for name in imports(modules, importer):
            if name not in by:
                by[name] = importer
                if name in modules:
                    todo.append(name)
    return by


def within(name: str, package: str) -> bool:
    """Return whether a module is a package or inside it."""
    return name == package or name.startswith(package + ".")


def kernels(modules: Sources) -> set[str]:
    """Return the modules that give others a compiled function.

    The runtime's own aside, whose codecs need layouts and pointers; and private ones, which help the class beside them.
    """
    out = set()
    for module, text in modules.items():
        if within(module, "processors") and not within(module, "processors.runtime"):
            nodes = ast.walk(ast.parse(text))
            functions = [n for n in nodes if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
            marks = [d.func if isinstance(d, ast.Call) else d for f in functions for d in f.decorator_list]
            if any(isinstance(m, ast.Name) and m.id in {"njit", "kernel"} for m in marks):
                out.add(module)
    return out


def violations(modules: Sources) -> list[str]:
    """Return what breaks a rule, in words."""
    out, compiled = [], kernels(modules)
    for module in sorted(modules):
        direct, folder = imports(modules, module), module.rpartition(".")[0]
        if module in compiled:
            siblings = {name for name in compiled if within(name, folder)}
            out += [f"kernel {module} imports {name}" for name in sorted(direct - KERNEL_IMPORTS - siblings)]
        if module.endswith(".stage") and folder != "processors.runtime":
            out += _reaches("stage", modules, module, DRIVER)
        if within(module, "offline") or module == "serving.engine":
            out += _reaches("part", modules, module, DRIVER[1:])
        if within(module, "processors"):
            out += [
                f"{module} imports {name}, which is above it"
                for name in sorted(direct)
                if any(within(name, above) for above in ("offline", "serving"))
                and not any(within(module, a) and within(name, b) for a, b in UPWARDS)
            ]
        if not within(module, "cli") and not within(module, "deploy"):
            out += [
                f"{module} imports {name}: nobody imports the command line, nor of deploy but addresses"
                for name in sorted(direct - ADDRESSES)
                if within(name, "cli") or within(name, "deploy")
            ]
    return out


def _reaches(what: str, modules: Sources, module: str, forbidden: tuple[str, ...]) -> list[str]:
    by = reached(modules, module)
    return [
        f"{what} {module} reaches {name} through {by[name]}"
        for name in sorted(by)
        if any(within(name, bad) for bad in forbidden)
    ]


@pytest.fixture(name="modules", scope="module")
def _modules() -> Sources:
    return modules_of("processors", "offline", "serving", "schemas", "deploy")


def test_every_import_goes_down(modules: Sources) -> None:
    """Kernels know numbers alone, stages no broker, training and serving no driver, and nobody the command line."""
    assert violations(modules) == []


def test_the_checker_looks_at_every_stage_and_every_kernel(modules: Sources) -> None:
    """Each folder with a stage has a kernel that was found, and so have the shared compiled files."""
    stages = {m.rpartition(".")[0] for m in modules if m.endswith(".stage") and m != "processors.runtime.stage"}
    assert len(stages) == len(TOPOLOGY + BRANCHES)
    found = kernels(modules)
    assert {f"{folder}.kernel" for folder in stages} | {"processors.segments", "processors.watermark"} <= found
    assert "processors.reconcile.weights" in found


def test_every_exception_is_needed(modules: Sources) -> None:
    """An exception that no import uses any more is taken off the list."""
    for a, b in UPWARDS:
        assert any(within(m, a) and any(within(n, b) for n in imports(modules, m)) for m in modules), (a, b)


@pytest.mark.parametrize(
    ("module", "line", "said"),
    [
        (
            "processors.reconcile.weights", "from processors.sessions import sessions",
            "kernel processors.reconcile.weights imports processors.sessions",
        ),
        ("processors.bars.kernel", "import pandas as pd", "kernel processors.bars.kernel imports pandas"),
        (
            "processors.score.kernel", "from processors.reconcile import weights",
            "kernel processors.score.kernel imports processors.reconcile.weights",
        ),
        (
            "processors.regime.stage", "from confluent_kafka import Producer",
            "stage processors.regime.stage reaches confluent_kafka through processors.regime.stage",
        ),
        (
            "processors.runtime.state", "from processors.runtime import kafka",
            "stage processors.bars.stage reaches processors.runtime.kafka through processors.runtime.state",
        ),
        (
            "offline.labels", "    from processors.runtime.kafka import KafkaDriver",
            "part offline.labels reaches processors.runtime.kafka through offline.labels",
        ),
        (
            "serving.records", "import processors.runtime.kafka",
            "part serving.engine reaches processors.runtime.kafka through serving.records",
        ),
        (
            "processors.bars.config", "from offline.labels import labels",
            "processors.bars.config imports offline.labels, which is above it",
        ),
        (
            "processors.feeds.merge", "from ..sinks import stats, config\nfrom serving import engine",
            "processors.feeds.merge imports serving.engine, which is above it",
        ),
        (
            "processors.bars.stage", "from deploy.local import stack",
            "processors.bars.stage imports deploy.local.stack: nobody imports the command line, nor of deploy but addr",
        ),
    ],
)  # fmt: skip
def test_a_planted_import_is_found(modules: Sources, module: str, line: str, said: str) -> None:
    """Of a module, of a name in a package, inside a function, or through others: the checker says where."""
    planted = f"def planted() -> None:\n{line}\n" if line.startswith(" ") else line
    assert said in "\n".join(violations(modules | {module: f"{modules[module]}\n{planted}\n"}))
