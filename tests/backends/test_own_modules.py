"""Modules that the user edits: every container runs what the client would run."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap
import time

import pytest
from clients import run_script

from dask_serverless.backends.own_modules import OWN, OwnModules

EDITING = """
import importlib
from pathlib import Path
sys.dont_write_bytecode = {dont_write}

edits = iter(range(1, 1000))

def write(name, text):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text)
    stamp = 1_600_000_000 + next(edits)  # compiled files go by whole seconds
    os.utime(name, (stamp, stamp))
    importlib.invalidate_caches()

def both(value):
    '''The value, computed twice over many tasks, and here.'''
    tasks = [delayed(lambda v, n: v)(value, n) for n in range(6)]
    found = dask.compute(tasks, scheduler=s)[0] + dask.compute(tasks, scheduler=s)[0]
    (here,) = dask.compute(value, scheduler="sync")
    return sorted(set(map(str, found))), str(here)

s = Serverless(containers=2)
"""


@pytest.fixture(params=[False, True], ids=["compiled", "uncompiled"])
def edit(tmp_path, request):
    def run(source: str) -> list[str]:
        beginning = EDITING.format(dont_write=request.param)
        return run_script(tmp_path, beginning + textwrap.dedent(source)).splitlines()

    return run


def test_a_module_that_was_edited_and_reloaded(edit):
    found = edit("""
    write("mine.py", "def f(): return 1")
    import mine
    tell(both(delayed(mine.f)()))
    write("mine.py", "def f(): return 2")
    importlib.reload(mine)
    tell(both(delayed(mine.f)()))
    """)
    assert found == ["(['1'], '1')", "(['2'], '2')"]


def test_a_module_that_was_edited_but_not_reloaded(edit):
    """The client still runs what it has; fresh containers must not read the file."""
    found = edit("""
    write("mine.py", "def f(): return 1")
    import mine
    tell(both(delayed(mine.f)()))
    write("mine.py", "def f(): return 2")
    s.close()
    tell(both(delayed(mine.f)()))
    def inside():
        import mine
        return mine.f()
    tell(both(delayed(inside)()))
    """)
    assert found == ["(['1'], '1')"] * 3


def test_a_module_whose_reload_fails_stays_as_it_was(edit):
    found = edit("""
    write("mine.py", "def f(): return 1")
    import mine
    tell(both(delayed(mine.f)()))
    for broken in ("def f(: return 2", "def f(): return 2  # \\0"):
        write("mine.py", broken)
        try:
            importlib.reload(mine)
        except (SyntaxError, ValueError):
            tell(both(delayed(mine.f)()))
    write("mine.py", "def f(): return 3")
    importlib.reload(mine)
    tell(both(delayed(mine.f)()))
    """)
    assert found == ["(['1'], '1')"] * 3 + ["(['3'], '3')"]


def test_what_a_reload_left_in_a_module_that_says_nothing_of_it_any_more(edit):
    found = edit("""
    write("mine.py", "V = 1\\ndef f(): return V")
    import mine
    tell(both(delayed(mine.f)()))
    write("mine.py", "V = 2\\ndef g(): return V")
    importlib.reload(mine)
    tell(both(delayed(mine.f)()))
    tell(both(delayed(mine.g)()))
    """)
    assert found == ["(['1'], '1')"] + ["(['2'], '2')"] * 2


def test_a_module_that_was_edited_before_anything_was_computed(tmp_path):
    """What Python compiled when it imported the module is what the client runs."""
    found = run_script(
        tmp_path,
        EDITING.format(dont_write=False)
        + textwrap.dedent("""
    write("mine.py", "def f(): return 1")
    import mine
    write("mine.py", "def f(): return 2")
    tell(both(delayed(mine.f)()))
    importlib.reload(mine)
    write("mine.py", "not Python")
    tell(both(delayed(mine.f)()))
    """),
    ).splitlines()
    assert found == ["(['1'], '1')", "(['2'], '2')"]


def test_a_module_that_was_taken_out_and_imported_again(edit):
    found = edit("""
    write("mine.py", "def f(): return 1")
    import mine
    tell(both(delayed(mine.f)()))
    write("mine.py", "def f(): return 2")
    del sys.modules["mine"]
    import mine
    tell(both(delayed(mine.f)()))
    """)
    assert found == ["(['1'], '1')", "(['2'], '2')"]


def test_a_module_that_another_one_calls(edit):
    found = edit("""
    write("below.py", "def f(): return 1")
    write("above.py", "import below\\ndef g(): return below.f()")
    import above, below
    tell(both(delayed(above.g)()))
    write("below.py", "def f(): return 2")
    tell(both(delayed(above.g)()))
    importlib.reload(below)
    tell(both(delayed(above.g)()))
    """)
    assert found == ["(['1'], '1')", "(['1'], '1')", "(['2'], '2')"]


BELOW = """
import functools, threading
N = 1
lock = threading.Lock()
def f(): return 1
class C: number = 1
def twice(h):
    @functools.wraps(h)
    def both(): return 1 * h()
    return both
"""


@pytest.mark.parametrize(
    "above",
    [
        "from below import f\ndef g(): return f()",
        "from below import *\ndef g(): return f()",
        "from below import C\ndef g(): return C().number",
        "from below import C\nclass D(C): pass\ndef g(): return D().number",
        "from below import C\nc = C()\ndef g(): return c.number",
        "from below import C\ncs = {1: [C()]}\ndef g(): return cs[1][0].number",
        "from below import N\ndef g(): return N",
        "import below\nN = below.N\ndef g(): return N",
        "import below\nN = 10 * below.f()\ndef g(): return N",
        "from below import twice\n@twice\ndef h(): return 3\ndef g(): return h()",
        "import below\ndef g(n=below.N): return n",
        "import threading\nfrom below import f\nlock = threading.Lock()\ndef g(): return f()",
    ],
)
def test_what_another_module_took_from_one_before_it_was_reloaded(tmp_path, above):
    """Python's reload leaves there what is there; so must containers."""
    found = run_script(
        tmp_path,
        EDITING.format(dont_write=False)
        + f"text, above_text = {BELOW!r}, {above!r}"
        + textwrap.dedent("""
    write("below.py", text)
    write("above.py", above_text)
    write("top.py", "import above\\ndef t(): return above.g()")
    import top, above, below
    tell(both([delayed(above.g)(), delayed(top.t)()]))
    write("below.py", text.replace("1", "2"))
    importlib.reload(below)
    tell(both([delayed(above.g)(), delayed(top.t)(), delayed(lambda: above.g())()]))
    importlib.reload(above)
    tell(both([delayed(above.g)(), delayed(top.t)()]))
    """),
    ).splitlines()
    for line in found:
        in_containers, here = eval(line)
        assert in_containers == [here]
    assert len(found) == 3


def test_packages_with_modules_of_their_own(edit):
    found = edit("""
    write("pack/__init__.py", "from . import below\\nfrom .below import f")
    write("pack/below.py", "def f(): return 1\\nclass C: number = 1")
    write("pack/inner/__init__.py", "")
    write("pack/inner/deep.py", "from ..below import C\\ndef g(): return C.number")
    import pack, pack.inner.deep
    tell(both([delayed(pack.f)(), delayed(pack.below.f)(), delayed(pack.inner.deep.g)()]))
    write("pack/below.py", "def f(): return 2\\nclass C: number = 2")
    for module in (pack.below, pack, pack.inner.deep):
        importlib.reload(module)
    tell(both([delayed(pack.f)(), delayed(pack.below.f)(), delayed(pack.inner.deep.g)()]))
    """)
    assert found == ["(['[1, 1, 1]'], '[1, 1, 1]')", "(['[2, 2, 2]'], '[2, 2, 2]')"]


def test_instances_come_back_as_what_the_client_has(edit):
    found = edit("""
    write("mine.py", "class C:\\n    def __init__(self): self.n = 1")
    import mine
    old = mine.C()
    one = dask.compute(delayed(mine.C)(), scheduler=s)[0]
    write("mine.py", "class C:\\n    def __init__(self): self.n = 2")
    two = dask.compute(delayed(mine.C)(), scheduler=s)[0]
    tell(type(one) is type(two) is mine.C, two.n)
    importlib.reload(mine)
    new = dask.compute(delayed(mine.C)(), scheduler=s)[0]
    tell(type(new) is mine.C, new.n)
    back = dask.compute(delayed(lambda c: c)(old), scheduler=s)[0]
    tell(type(back) is type(old), back.n)
    """)
    assert found == ["True 1", "True 2", "True 1"]


def test_a_module_that_only_tasks_imported_until_now(edit):
    """Containers read it from disk, at different times; then the client imports it, too."""
    found = edit("""
    write("mine.py", "def f(): return 1")
    def inside():
        import mine
        return mine.f()
    tell(sorted(set(dask.compute([delayed(inside)() for _ in range(6)], scheduler=s)[0])))
    write("mine.py", "def f(): return 2")
    import mine
    tell(both(delayed(inside)()))
    """)
    assert found == ["[1]", "(['2'], '2')"]


def test_a_run_under_way_keeps_to_what_it_began_with(edit):
    """Another thread computes on while a module is reloaded: no mix, nor does the new one wait."""
    found = edit("""
    write("mine.py", "import time\\ndef f(n): time.sleep(0.05); return 1")
    import mine
    values = [delayed(mine.f)(n) for n in range(24)]
    results = []
    begun = Path("begun")
    def note(n):
        begun.touch()
        return n
    values.append(delayed(note)(1))
    def first():
        results.append(dask.compute(values, scheduler=s)[0])
    thread = threading.Thread(target=first)
    thread.start()
    while not begun.exists():
        time.sleep(0.001)
    write("mine.py", "import time\\ndef f(n): time.sleep(0.01); return 2")
    importlib.reload(mine)
    tell(both(delayed(mine.f)(0)))
    thread.join()
    tell(set(results[0]))
    """)
    assert found == ["(['2'], '2')", "{1}"]


def test_functions_of_a_test_module(serverless):
    import dask

    values = [dask.delayed(doubled)(n) for n in range(4)]
    assert dask.compute(values, scheduler=serverless) == ([0, 2, 4, 6],)


def doubled(n):
    return 2 * n


def test_what_is_ones_own():
    OWN.since(0)
    assert "test_own_modules" in OWN.specs or __name__ in OWN.specs
    assert not {"numpy", "dask", "os", "json", "pytest", "__main__"} & set(OWN.specs)
    assert not [name for name in OWN.specs if name.startswith("dask_serverless")]


def test_to_ask_costs_little_where_nothing_is_loaded(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    names = [f"own_module_{n}" for n in range(300)]
    for name in names:
        (tmp_path / f"{name}.py").write_text("x = 1\n")
        importlib.import_module(name)
    try:
        own = OwnModules()
        edition = own.since(0).edition
        assert set(names) <= set(own.specs)
        best = min(timed(own, edition) for _ in range(200))
        assert best < 0.5 * min(looked_at(names) for _ in range(20))
    finally:
        for name in names:
            del sys.modules[name]


def looked_at(names: list[str]) -> float:
    """To ask the file system for each of them."""
    begun = time.perf_counter()
    for name in names:
        os.stat(sys.modules[name].__file__)
    return time.perf_counter() - begun


def timed(own: OwnModules, edition: int) -> float:
    begun = time.perf_counter()
    assert own.since(edition).edition == edition
    return time.perf_counter() - begun
