"""Modules that still hold what another one had before it was reloaded.

``importlib.reload(below)`` leaves an ``above`` that said ``from below import f`` with the old ``f``,
and the client goes on with that one. A container that imports both afresh would not. The same goes
for what ``below`` itself had before and its file has no more: a reload takes nothing away. So what is
defined in such modules travels by value, as what is defined in a script does.
"""

from __future__ import annotations

import dis
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.util import resolve_name
from types import CodeType, FunctionType, ModuleType
from typing import Any

PLAIN = (int, float, complex, bool, str, bytes, tuple, frozenset, type(None))
STORES = ("STORE_NAME", "STORE_GLOBAL")
NAMES = ("LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS")


@dataclass(frozen=True)
class Taken:
    """What one import statement at a module's top takes, and what it calls that."""

    module: str
    attribute: str = ""  # "*": all there is; "": the module itself
    name: str = ""


@dataclass(frozen=True)
class Imports:
    """What a module takes from others while it is loaded."""

    taken: list[Taken]
    used: set[str]  # names that are looked up meanwhile, not just kept
    made: set[str]  # names that it has then

    @staticmethod
    def of(code: CodeType, package: str) -> Imports:
        taken: list[Taken] = []
        used: set[str] = set()
        for part in top_level(code):
            taken += imports_of(part, package)
            used.update(i.argval for i in dis.get_instructions(part) if i.opname in NAMES)
        made = {i.argval for i in dis.get_instructions(code) if i.opname in STORES}
        return Imports(taken, used, made)


def top_level(code: CodeType) -> Iterator[CodeType]:
    """The code that runs when the module is loaded: its own, and that of its classes."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType) and not constant.co_flags & 0x02:  # no CO_NEWLOCALS
            yield from top_level(constant)


def imports_of(code: CodeType, package: str) -> Iterator[Taken]:
    module = ""
    before: list[dis.Instruction] = []
    for step in dis.get_instructions(code):
        if step.opname == "IMPORT_NAME":
            level: int = next((b.argval for b in reversed(before[:-1]) if type(b.argval) is int), 0)
            module = absolute("." * level + step.argval, package)
        elif step.opname == "IMPORT_FROM":
            yield Taken(module, step.argval, step.argval)
        elif step.opname == "IMPORT_STAR" or step.argrepr == "INTRINSIC_IMPORT_STAR":
            yield Taken(module, "*")
        elif step.opname == "STORE_NAME" and before and before[-1].opname == "IMPORT_NAME":
            yield Taken(module, "", step.argval)
        before = [*before[-2:], step]


def absolute(name: str, package: str) -> str:
    try:
        return resolve_name(name, package)
    except ImportError:
        return name


def left_behind(
    modules: Mapping[str, ModuleType],
    imports: Mapping[str, Imports],
    loaded: Mapping[str, int],
    again: Iterable[str],
) -> frozenset[str]:
    """Those of the modules, with all that import them.

    ``loaded`` is when each was loaded last, ``again`` are those that were more than once.
    """
    behind = {n for n in again if n in modules and has_leftovers(modules[n], imports[n])} | {
        name
        for name in modules
        if any(
            loaded[source.__name__] > loaded[name] and differs(modules[name], taken, source, used)
            for taken, used in ((taken, imports[name].used) for taken in imports[name].taken)
            for source in sources(taken, modules)
        )
    }
    importers = {
        name: {
            source.__name__ for taken in imports[name].taken for source in sources(taken, modules)
        }
        for name in modules
    }
    while more := {name for name in modules if name not in behind and importers[name] & behind}:
        behind |= more
    return frozenset(behind)


def has_leftovers(module: ModuleType, imports: Imports) -> bool:
    """Whether it still has a function or class of its own that its present source does not make."""
    return any(
        isinstance(value, FunctionType | type)
        and value.__module__ == module.__name__
        and name not in imports.made
        for name, value in list(vars(module).items())
    )


def sources(taken: Taken, modules: Mapping[str, ModuleType]) -> Iterator[ModuleType]:
    """The module named, and the submodule that it may be the parent of."""
    for name in (taken.module, f"{taken.module}.{taken.attribute}"):
        if name in modules:
            yield modules[name]


def differs(above: ModuleType, taken: Taken, below: ModuleType, used: set[str]) -> bool:
    """Whether ``above`` would be another one if it were loaded now."""
    if taken.attribute == "*":
        names = {n for n in vars(below) if not n.startswith("_")}
        return any(differs(above, Taken(taken.module, n, n), below, used) for n in names)
    ours = vars(above).get(taken.name)
    if not taken.attribute or ours is below:
        return taken.name in used
    theirs = vars(below).get(taken.attribute)
    if ours is theirs or isinstance(theirs, ModuleType):
        return False
    if isinstance(ours, PLAIN):
        return type(ours) is not type(theirs) or bool(ours != theirs)
    return taken.name in used or not same_code(ours, theirs)


def same_code(ours: Any, theirs: Any) -> bool:
    """Whether they do the same: IPython's autoreload gives functions and classes their new code."""
    if isinstance(ours, FunctionType) and isinstance(theirs, FunctionType):
        return (
            ours.__code__ == theirs.__code__
            and ours.__defaults__ == theirs.__defaults__
            and ours.__closure__ is theirs.__closure__ is None
        )
    if isinstance(ours, type) and isinstance(theirs, type):
        mine, its = vars(ours), vars(theirs)
        return mine.keys() == its.keys() and all(
            same_code(mine[n], its[n]) for n in mine if not n.startswith("__") or callable(mine[n])
        )
    return ours is theirs or (isinstance(ours, PLAIN) and bool(ours == theirs))
