"""The modules that the user edits: what each was made from when the client loaded it.

A container that imports such a module from disk gets what is there at that moment, which need not
be what the client runs: files are edited while the client goes on, and reloaded at some later time.
So what the client has loaded is kept from the first sight of a module on, and travels to the
containers, which import it instead of the file.
"""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.machinery import ModuleSpec, SourceFileLoader
from operator import attrgetter, is_
from typing import Any

from dask_serverless.backends import autoreload
from dask_serverless.backends.left_behind import Imports, left_behind
from dask_serverless.blobs import pickling
from dask_serverless.worker.imports import Source

STANDARD = os.path.dirname(os.__file__) + os.sep
INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
ENGINE = {
    "dask_serverless",
    "planners",
    "worker_container",
}  # containers run on it: theirs is the nursery's
HEADER_BYTES = 16  # of compiled files: magic number, flags, the source's time and size
SPEC = attrgetter("__spec__")


@dataclass(frozen=True)
class Changes:
    """What was loaded since an edition: new modules, and those that were loaded once more."""

    edition: int
    sources: dict[str, Source]
    reloaded: list[str]


class OwnModules:
    """One for the process, as modules are; looks again before each run."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.edition = 0
        self.sources: dict[str, Source] = {}
        self.editions: dict[str, int] = {}  # name → when it was loaded last
        self.again: dict[str, int] = {}  # name → when it was loaded once more, in this order
        self.others: set[str] = set()  # modules of the standard library, installed ones, …
        self.specs: dict[str, ModuleSpec] = {}
        self.brought_in: list[float | None] = []  # by autoreload, in the order of specs
        self.looked: tuple[int, str] = (0, "")

    def since(self, edition: int) -> Changes:
        with self.lock:
            if not self.unchanged():
                self.look()
            if edition == self.edition:
                return Changes(edition, {}, [])
            new = [name for name, when in self.editions.items() if when > edition]
            again = [name for name, when in self.again.items() if when > edition]
            return Changes(self.edition, {name: self.sources[name] for name in new}, again)

    def unchanged(self) -> bool:
        """Whether nothing was loaded: 20 µs with 300 modules of one's own, so each run can ask.

        To load a module once more gives it another spec, whether by ``importlib.reload``, by
        IPython's autoreload or by an import after ``del sys.modules[name]``.
        """
        if end_of_modules() != self.looked:
            return False
        try:
            now = map(SPEC, map(sys.modules.get, self.specs))
            if not all(map(is_, now, self.specs.values())):
                return False
        except AttributeError:  # one was taken out
            return False
        return not autoreload.present() or autoreload.brought_in(self.specs) == self.brought_in

    def look(self) -> None:
        self.looked = end_of_modules()
        before = dict(zip(self.specs, self.brought_in, strict=False))
        now = dict(zip(self.specs, autoreload.brought_in(self.specs), strict=False))
        for name, when in now.items():
            if before.get(name) not in (None, when):
                del self.specs[name]
        for name, spec in list(self.specs.items()):
            if getattr(sys.modules.get(name), "__spec__", None) is not spec:
                del self.specs[name]
        for name, spec in self.loaded():
            self.specs[name] = spec
            source = source_of(spec)
            if source is None or (name in self.sources and not source.compiles()):
                continue  # a reload of what does not compile leaves the module as it was
            self.edition += 1
            if name in self.sources:
                self.again.pop(name, None)
                self.again[name] = self.edition
            self.sources[name] = source
            self.editions[name] = self.edition
        self.brought_in = autoreload.brought_in(self.specs)
        if self.again:
            pickling.by_value = self.left_behind()

    def left_behind(self) -> frozenset[str]:
        modules = {n: sys.modules[n] for n in self.specs if n in self.sources and n in sys.modules}
        imports = {n: imports_of(self.sources[n], modules[n].__package__) for n in modules}
        return left_behind(modules, imports, self.editions, self.again)

    def loaded(self) -> Iterator[tuple[str, ModuleSpec]]:
        """Modules of the user's own that are new, or were loaded once more."""
        for name, module in list(sys.modules.items()):
            if name in self.others or name in self.specs:
                continue
            spec = getattr(module, "__spec__", None)
            if getattr(spec, "_initializing", False):  # under way in another thread
                self.looked = (0, "")
            elif spec is not None and is_own(name, spec):
                yield name, spec
            else:
                self.others.add(name)


@lru_cache(maxsize=1000)
def imports_of(source: Source, package: str | None) -> Imports:
    try:
        return Imports.of(source.code(), package or "")
    except SyntaxError:  # edited since it was loaded, and nothing else is left of that
        return Imports([], set(), set())


def end_of_modules() -> tuple[int, str]:
    """Differs after an import: what is loaded last stands last."""
    return len(sys.modules), next(reversed(sys.modules))


def is_own(name: str, spec: Any) -> bool:
    """Whether the user may edit it: a Python file that nobody has installed (but for editing)."""
    if not isinstance(spec, ModuleSpec) or spec.name != name or not spec.has_location:
        return False
    path = spec.origin or ""
    return (
        path.endswith(".py")
        and not path.startswith(STANDARD)
        and not any(part in path for part in INSTALLED)
        and name.partition(".")[0] not in ENGINE
    )


def source_of(spec: ModuleSpec) -> Source | None:
    """What the module was made from, or None where that is gone."""
    path, package = str(spec.origin), spec.submodule_search_locations is not None
    if autoreload.failed(path):
        return None
    if type(spec.loader) is SourceFileLoader and not patched(spec.name, path):
        with suppress(OSError, TypeError):  # no compiled file
            if (code := compiled(path, str(spec.cached))) is not None:
                return Source(path, package, True, code)
    try:
        with open(path, "rb") as file:
            return Source(path, package, False, file.read())
    except OSError:
        return None


def patched(name: str, path: str) -> bool:
    """Whether autoreload has brought in what the file says now, perhaps without compiling it."""
    with suppress(OSError):
        return os.stat(path).st_mtime in autoreload.brought_in([name])
    return False


def compiled(path: str, cached: str) -> bytes | None:
    """The code that Python kept when it loaded the file, if that can be relied on.

    Python writes it at each import of a source that has changed. So one that does not match its
    source says that the source was edited since, and is what the client runs; unless Python could
    not write.
    """
    with open(cached, "rb") as file:
        content = file.read()
    if content[:4] != importlib.util.MAGIC_NUMBER or content[4:8] != bytes(4):
        return None
    recorded = content[8:HEADER_BYTES]
    with suppress(OSError):
        status = os.stat(path)
        now = (int(status.st_mtime) & 0xFFFFFFFF, status.st_size & 0xFFFFFFFF)
        matches = recorded == b"".join(number.to_bytes(4, "little") for number in now)
        if not matches and not writes(cached):
            return None
    return content[HEADER_BYTES:]


def writes(cached: str) -> bool:
    """Whether Python brings compiled files up to date here."""
    return not sys.dont_write_bytecode and os.access(os.path.dirname(cached), os.W_OK)


OWN = OwnModules()


def _forget_after_fork() -> None:
    OWN.lock = threading.Lock()  # another thread may have held it


os.register_at_fork(after_in_child=_forget_after_fork)
