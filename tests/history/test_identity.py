"""Identities: who shares a past and who does not, in this process and in others."""

from __future__ import annotations

import functools
import json
import operator
import os
import pickle
import subprocess
import sys
from pathlib import Path

import cloudpickle
import dask
import dask.array as da
import numpy as np
import pytest
import toolz
from dask.utils import methodcaller

from dask_serverless.history.identity import LONGEST, chain_identity, identity
from dask_serverless.history.tasks import identified
from dask_serverless.translation.translate import materialise, translate


def made(source: str, name: str = "f", **scope: object) -> object:
    """What a script defines, as ``__main__`` or a notebook would."""
    scope = {"__name__": "__main__", **scope}
    exec(compile(source, f"<{id(source)}>", "exec"), scope)
    return scope[name]


SAME = [
    ("def f(x): return x + 1", "\n\n\ndef f(x):\n    return x + 1"),
    ("def f(x):\n    y = x\n    return y", "def f(x):\n    z = x\n    return z"),
    ("def f(x): return x in {'a', 'b', 'c'}", "def f(x): return x in {'c', 'b', 'a'}"),
]
DIFFERENT = [
    ("def f(x): return x + 1", "def f(x): return x + 2"),
    ("def f(x): return x + 1", "def f(x): return x - 1"),
    ("def f(x): return x.a", "def f(x): return x.b"),
    ("def f(x, y): return x", "def f(x, z): return x"),
    ("def f(x, y): return x", "def f(x, *, y): return x"),
    ("def f(x, y=1): return x", "def f(x, y=2): return x"),
    ("def f(x, *, y=1): return x", "def f(x, *, y=2): return x"),
    ("def f(x): return [i + 1 for i in x]", "def f(x): return [i + 2 for i in x]"),
    ("def f(x): return (1, 2)", "def f(x): return (12,)"),
    ("def f(x): return 1", "def f(x): return 1.0"),
    ("def f(x): return 'ab'", "def f(x): return b'ab'"),
    ("f = lambda x: x", "f = lambda x: -x"),
    ("def o(n): return lambda x: x + n\nf = o(1)", "def o(n): return lambda x: x + n\nf = o(2)"),
    ("class f:\n def __call__(s, x): return x", "class f:\n def __call__(s, x): return -x"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_what_does_the_same_shares_a_past(one: str, other: str) -> None:
    assert identity(made(one)) == identity(made(other))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_what_does_something_else_does_not(one: str, other: str) -> None:
    assert identity(made(one)) != identity(made(other))


def test_an_edit_in_place_is_seen() -> None:
    """As IPython's autoreload edits functions that others hold."""
    old, new = made("def f(x): return x + 1"), made("def f(x): return x + 2")
    before = identity(old)
    old.__code__ = new.__code__
    assert identity(old) == identity(new) != before


def test_a_closure_tells_functions_by_what_they_do() -> None:
    source = "def o(g): return lambda x: g(x)\nf = o(g)"
    add, sub = made("def f(x): return x + 1"), made("def f(x): return x - 1")
    assert identity(made(source, g=add)) != identity(made(source, g=sub))
    assert identity(made(source, g=np.sum)) != identity(made(source, g=np.max))


class Scale:
    def __init__(self, factor: object) -> None:
        self.factor = factor

    def __call__(self, value: float) -> object:
        return (value, self.factor)

    def method(self) -> None: ...

    def other(self) -> None: ...


class Slotted:
    __slots__ = ("by",)

    def __init__(self, by: int) -> None:
        self.by = by

    def __call__(self) -> None: ...

    @classmethod
    def made(cls) -> None: ...


class Larger(Slotted):
    __slots__ = ()


def wrap(function):
    @functools.wraps(function)
    def wrapper(*arguments):
        return function(*arguments)

    return wrapper


PAIRS = [
    (functools.partial(np.sum, axis=0), functools.partial(np.sum, axis=1)),
    (functools.partial(operator.add, 1), functools.partial(operator.sub, 1)),
    (Scale(1), Scale(2)),
    (Slotted(1), Slotted(2)),
    (Scale(1).method, Scale(1).other),
    (Slotted.made, Larger.made),
    (operator.itemgetter(0), operator.itemgetter(1)),
    (operator.methodcaller("a", 1), operator.methodcaller("a", 2)),
    (methodcaller("sum"), methodcaller("mean")),
    (toolz.curry(np.sum, axis=0), toolz.curry(np.sum, axis=1)),
    (toolz.compose(len, str), toolz.compose(len, repr)),
    (np.vectorize(abs), np.vectorize(len)),
    (wrap(made("def f(x): return 1")), wrap(made("def f(x): return 2"))),
    (functools.lru_cache(made("def f(x): return 1")), functools.cache(made("def f(x): return 2"))),
    (np.add, np.subtract),
    ("".join, "".split),
]


@pytest.mark.parametrize(("one", "other"), PAIRS, ids=str)
def test_callables_of_every_kind_are_told_apart(one: object, other: object) -> None:
    assert identity(one) != identity(other)


def test_names_are_for_people() -> None:
    assert identity(np.linalg.norm) == "numpy.linalg.norm"
    assert identity(np.add) == "numpy.add"
    assert identity(len) == "len"
    assert identity(operator.add) == "_operator.add"
    assert identity(methodcaller("sum")).startswith("dask.utils.methodcaller(sum)#")
    assert identity(functools.partial(np.sum)) == "numpy.sum"
    assert identity(made("def f(x): return x")).startswith("__main__.f#")
    assert identity(Scale(1).method).startswith("test_identity.Scale.method#")


def test_the_order_of_keywords_makes_no_difference() -> None:
    one = functools.partial(np.sum, axis=0, keepdims=True)
    assert identity(one) == identity(functools.partial(np.sum, keepdims=True, axis=0))


def test_a_function_keeps_its_identity_on_the_way_to_a_container() -> None:
    def inner(n):
        return 1 if n < 2 else inner(n - 1)

    array = np.arange(3)
    functions = [
        made("def f(x, y=(1, {2}, None)): return [x for x in y]"),
        functools.partial(made("f = lambda x, k: x"), k={"a": [1.5]}),
        inner,
        lambda x: x + array,
        wrap(made("def f(x): return 1")),
        Scale("x"),
    ]
    for function in functions:
        there = pickle.loads(cloudpickle.dumps(function))
        assert identity(there) == identity(function)


SCRIPT = """
import functools, json, sys
sys.path.insert(0, sys.argv[1])
import own
from dask_serverless.history.identity import identity
words = {"a", "bb", "ccc"}
def f(x, y={"k": {"a", "b", "c"}}): return x in {"u", "v", "w"} and x in words
def outer(values): return lambda x: (x, values)
print(json.dumps([identity(g) for g in (
    f, outer(words), outer(object()), functools.partial(f, y=words), own.g, own.C().m)]))
"""


def test_identities_are_the_same_in_every_process(tmp_path: Path) -> None:
    """Also with other hashes of strings, addresses and folders."""
    told = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        shift = "\n" * int(seed)
        text = f"{shift}def g(x): return x\nclass C:\n    def m(self): return {{'a', 'b'}}\n"
        (folder / "own.py").write_text(text)
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", SCRIPT, str(folder)]
        output = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
        told.append(json.loads(output))
    assert told[0] == told[1]
    assert len(set(told[0])) == len(told[0])


class Nasty:
    def __getattribute__(self, name):
        raise RuntimeError(name)

    def __hash__(self):
        raise RuntimeError

    def __call__(self): ...


class Endless:
    def __getattr__(self, name):
        return self

    def __call__(self): ...


def test_nothing_raises() -> None:
    deep = made("def f(x): return x")
    for _ in range(5000):
        deep = functools.partial(deep, 1)
    itself = Scale(None)
    itself.factor = itself
    huge = Scale(list(range(10**6)))
    for function in (Nasty(), Endless(), deep, itself, huge, Scale(10**5000), 3, None):
        assert 0 < len(identity(function)) <= LONGEST + 20


def test_long_names_stay_short() -> None:
    name = "f" * 5000
    assert len(identity(made(f"def {name}(): pass", name))) <= LONGEST + 20
    assert len(chain_identity([f"a{i}.{name}" for i in range(50)])) <= LONGEST + 20


def dag_of(collection, **options):
    collection = dask.optimize(collection)[0]
    graph = materialise(collection.__dask_graph__())
    return identified(translate(graph, collection.__dask_keys__()))


def names_in(collection) -> set[str]:
    dag = dag_of(collection)
    return {dag.function_names[function] for function in dag.functions.tolist()}


def test_a_fused_task_is_its_chain_and_not_its_last_step() -> None:
    x = da.ones(8, chunks=4)
    one, other = names_in((x + 1) * 2), names_in((x - 1) * 2)
    assert one != other
    (name,) = one
    assert ".add > " in name and name.partition("#")[0].endswith(".mul")


def test_the_same_computation_on_other_data_has_the_same_past() -> None:
    small = names_in((da.ones(8, chunks=4) + 1).sum())
    assert names_in((da.ones(80, chunks=10) + 1).sum()) >= small


def test_a_graph_without_fused_tasks_keeps_its_functions() -> None:
    dag = dag_of(dask.delayed(np.sum, pure=True)([1, 2]))
    assert "numpy.sum" in dag.function_names
