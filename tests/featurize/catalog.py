"""Writes the catalog of base indicators from the code: ``python -m tests.featurize.catalog``.

A row an indicator that is not in ``indicators_catalog_L2L3.csv``: what it reads and how it is defined from its kernel,
the names that TA-Lib and LEAN give it from the mappings of ``tests/conformance/indicators``, its warm-up and version
from the rows of its features (``indicator_feature_schema_v1.csv``). Nothing is written by hand, so a new kernel needs
no more than this command.
"""

import ast
import csv
import inspect
import io
from functools import cache
from importlib import import_module
from types import ModuleType

from processors.featurize import program
from processors.featurize.families import FAMILIES as OURS
from processors.featurize.indicators import layout
from processors.featurize.indicators.binding import Kernel
from schemas.features import CATALOGS, SCHEMA_CSV, load_catalog
from tests.conformance.indicators.support import FAMILIES

L1_CSV, L2L3_CSV = (CATALOGS / f"indicators_catalog_{level}.csv" for level in ("L1", "L2L3"))
HEADER = (
    "name", "family", "inputs", "parameters", "outputs", "definition", "talib", "lean", "kernel", "warmup_bars",
    "version",
)  # fmt: skip
_INPUTS = {
    "OPEN": "open", "HIGH": "high", "LOW": "low", "CLOSE": "close", "VOLUME": "volume", "VWAP": "vwap",
    "N_TRADES": "n_trades", "BID": "bid", "ASK": "ask", "DAY": "day", "OPENS_DAY": "day", "END_S": "time",
    "TF": "timeframe", "R_OPEN": "open", "R_HIGH": "high", "R_LOW": "low", "R_CLOSE": "close", "R_VOLUME": "volume",
    "R_RETURN": "close", "R_LOG_VOLUME": "volume",
}  # fmt: skip
"""Column of a bar or row of the ring -> input."""
_ORDER = list(dict.fromkeys(_INPUTS.values()))
assert all(hasattr(layout, name) for name in _INPUTS)


def frameworks() -> list[dict[str, str]]:
    """Return the rows of the frameworks."""
    with L2L3_CSV.open(newline="") as f:
        return list(csv.DictReader(f))


@cache
def _functions(module: ModuleType) -> dict[str, ast.FunctionDef]:
    tree = ast.parse(inspect.getsource(module))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def _called(node: ast.AST, module: ModuleType) -> list[tuple[ModuleType, str]]:
    """Return the compiled functions of this package that a piece of code calls: module and name."""
    out = []
    for call in (n for n in ast.walk(node) if isinstance(n, ast.Call)):
        func = call.func
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name):
            owner, name = getattr(module, func.value.id, None), func.attr
            found = owner if isinstance(owner, ModuleType) else None
        elif isinstance(func, ast.Name):
            name, target = func.id, getattr(module, func.id, None)
            origin = getattr(target, "py_func", target)
            found = import_module(origin.__module__) if inspect.isfunction(origin) else None
        else:
            continue
        if found is not None and found.__name__.startswith("processors.featurize") and name in _functions(found):
            out.append((found, name))
    return out


def kernel_of(one: Kernel) -> tuple[ModuleType, str]:
    """Return module and name of the function that computes an indicator."""
    plain = getattr(one.function, "py_func", one.function)
    return import_module(plain.__module__), plain.__name__


def _inputs(at: tuple[ModuleType, str]) -> set[str]:
    """Return what a function reads of a bar, itself and through those it calls."""
    seen, todo, found = set(), [at], set[str]()
    while todo:
        module, name = todo.pop()
        if (module, name) in seen:
            continue
        seen.add((module, name))
        node = _functions(module)[name]
        names = {n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)}
        found |= {_INPUTS[n] for n in names & _INPUTS.keys()}
        todo += _called(node, module)
    return found


def _names(library: str) -> dict[str, list[str]]:
    """Return our indicator -> the names of another library whose mapping uses it."""
    out: dict[str, list[str]] = {}
    for family in FAMILIES:
        module = import_module(f"tests.conformance.indicators.{library}_{family}")
        tree = ast.parse(inspect.getsource(module))
        for node in ast.walk(tree):
            pairs = zip(node.keys, node.values, strict=True) if isinstance(node, ast.Dict) else ()
            for key, value in pairs:
                if isinstance(key, ast.Constant) and key.value in module.MAPPING:
                    used = _strings(value, _functions(module)) & program.KERNELS.keys()
                    for ours in used if len(used) == 1 else _alike(used, key.value):
                        out.setdefault(ours, []).append(key.value)
    return {ours: sorted(set(names)) for ours, names in out.items()}


def _alike(ours: set[str], theirs: str) -> set[str]:
    """Return which of several indicators that a mapping names has its name: by first word, else by initials."""
    initials = "".join(letter for letter in theirs if letter.isupper()).lower()
    return {o for o in ours if theirs.lower().startswith(o.partition("_")[0])} or ours & {initials}


def _strings(node: ast.AST, functions: dict[str, ast.FunctionDef]) -> set[str]:
    """Return the texts in a piece of code and in the functions of its module that it names."""
    texts, todo, seen = set[str](), [node], set[str]()
    while todo:
        for n in ast.walk(todo.pop()):
            if isinstance(n, ast.Constant) and isinstance(n.value, str):
                texts.add(n.value)
            if isinstance(n, ast.Name) and n.id in functions and n.id not in seen:
                seen.add(n.id)
                todo.append(functions[n.id])
    return texts


def _warmup_and_version(indicator: str) -> tuple[str, str]:
    """Return the warm-up bars of an indicator's features, least to most, and the highest version among them."""
    own = [f for f in load_catalog() if f.indicator == indicator]
    if not own:
        raise ValueError(f"no feature is of the indicator {indicator}: give each of its outputs a row in {SCHEMA_CSV}")
    bars = sorted({f.warmup_bars for f in own})
    return "-".join(str(n) for n in dict.fromkeys((bars[0], bars[-1]))), str(max(f.version for f in own))


def rows() -> list[tuple[str, ...]]:
    """Return the rows, family by family."""
    above = {row["indicator"] for row in frameworks()}
    talib, lean = _names("talib"), _names("lean")
    out = []
    for family, name in [(f, name) for f in OURS for name in f.KERNELS if name not in above]:
        one = program.KERNELS[name]
        at = kernel_of(one)
        short = family.__name__.rpartition(".")[2]
        where = f"{at[0].__name__.rpartition('.')[2]}.{at[1]}"
        doc = inspect.getdoc(getattr(at[0], at[1]))
        # Rows of the ring that are parameters, or named by none, stand for prices.
        inputs = _inputs(at) or set(_ORDER[:4])
        same = [name.upper()] if name.startswith("cdl") else talib.get(name, [])
        out.append((
            name, short, ";".join(i for i in _ORDER if i in inputs), ";".join(one.parameters), ";".join(one.outputs),
            (doc or "").split("\n\n")[0].replace("\n", " "), ";".join(same), ";".join(lean.get(name, [])), where,
            *_warmup_and_version(name),
        ))  # fmt: skip
    return out


def text() -> str:
    """Return the catalog as it should be."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([HEADER, *rows()])
    return out.getvalue()


if __name__ == "__main__":
    L1_CSV.write_text(text())
