"""Where numba keeps compiled kernels: a folder for each state of a module and of all that it imports of ours.

numba notices a change of a kernel's own file, but not of a file whose functions the kernel calls: their machine code is
inside its own. So the folder's name is a digest of all these files. A change compiles anew what depends on it, and
nothing else; two checkouts with equal sources can share one cache.

numba finds the class by the name that ``processors/__init__.py`` puts into the environment.

numba numbers the files of machine code of one function, and writes an index of them that says which is for which
types. Two processes that compile for different types at the same moment take the same number, and whoever reads the
index afterwards may be given the code of the other types: a kernel that runs, and is wrong. So the files are named by
their types here (``KeyedFile``); of two indexes written at once one is lost, which costs a compilation.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

from numba.core import caching
from numba.core import config as numba_config
from numba.core.caching import IndexDataCacheFile, _CacheLocator

config: Any = numba_config  # its attributes are made at run time
ROOT = Path(__file__).resolve().parents[1]
_IMPORT = re.compile(
    rb"^[ \t]*(?:from[ \t]+([\w.]+)[ \t]+import[ \t]+(\([^)]*\)|[^\n]*)|import[ \t]+([\w., \t]+))", re.MULTILINE
)
_NAME = re.compile(rb"\w+")


def _file_of(module: str) -> Path | None:
    """Return the file of a module of this project, None of any other."""
    path = ROOT.joinpath(*module.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def imported(source: bytes) -> Iterator[Path]:
    """Yield the files of this project that a source imports, by any form of import but a relative one.

    A text that only reads like an import may be among them: that compiles something once too often, never too seldom.
    """
    for package, names, modules in _IMPORT.findall(source):
        wanted = [package.decode(), *(f"{package.decode()}.{name.decode()}" for name in _NAME.findall(names))]
        if modules:
            wanted = [part.split()[0] for part in modules.decode().split(",") if part.strip()]
        for module in wanted:
            file = _file_of(module)
            if file is not None:
                yield file


@cache
def _read(file: Path) -> tuple[bytes, tuple[Path, ...]]:
    source = file.read_bytes()
    return hashlib.blake2b(source, digest_size=16).digest(), tuple(sorted(set(imported(source))))


@cache
def digest_of(file: Path) -> str:
    """Return a digest of a file and of all files of this project that it imports, directly or not."""
    reached, waiting = {file}, [file]
    while waiting:
        for other in _read(waiting.pop())[1]:
            if other not in reached:
                reached.add(other)
                waiting.append(other)
    digest = hashlib.blake2b(digest_size=8)
    for one in sorted(reached):
        digest.update(str(one.relative_to(ROOT)).encode())
        digest.update(_read(one)[0])
    return digest.hexdigest()


class KeyedFile(IndexDataCacheFile):
    """The compiled code of one function, a file for each signature, whose name is a digest of the signature."""

    def save(self, key: Any, data: Any) -> None:
        """Save code for a signature: first the code, then an index that names it."""
        digest = hashlib.blake2b(self._dump(key), digest_size=8).digest()  # type: ignore[no-untyped-call]
        name = self._data_name(int.from_bytes(digest, "big"))  # type: ignore[no-untyped-call]
        self._save_data(name, data)  # type: ignore[no-untyped-call]
        self._save_index(self._load_index() | {key: name})  # type: ignore[no-untyped-call]


# The class has no other door: numba makes it by this name, right after it has asked for the locator below.
caching.IndexDataCacheFile = KeyedFile  # type: ignore[misc]


class KernelCache(_CacheLocator):
    """Tells numba the folder of one function."""

    def __init__(self, function: Callable[..., Any], file: Path) -> None:
        self._line = function.__code__.co_firstlineno
        self._digest = digest_of(file)
        module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
        self._folder = str(Path(config.CACHE_DIR) / f"{module}-{self._digest}")

    @classmethod
    def from_function(cls, py_func: Callable[..., Any], py_file: str) -> "KernelCache | None":
        """Return the place of a function of this project, None for others and where nothing can be written."""
        file = Path(py_file).resolve()
        if not (config.CACHE_DIR and file.is_relative_to(ROOT) and file.is_file()):
            return None
        place = cls(py_func, file)
        try:
            place.ensure_cache_path()  # type: ignore[no-untyped-call]
        except OSError:
            return None
        return place

    def get_cache_path(self) -> str:
        """Return the folder."""
        return self._folder

    def get_source_stamp(self) -> str:
        """Return what must be equal for the compiled code to be used."""
        return self._digest

    def get_disambiguator(self) -> str:
        """Return what tells functions of one name apart."""
        return str(self._line)
