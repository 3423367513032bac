"""IPython's %autoreload: it patches functions in place, and containers run what it has brought in."""

from __future__ import annotations

import pytest
from clients import run_script

pytest.importorskip("IPython")

SHELL = """
import importlib
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
edits = iter(range(1, 1000))

def write(name, text):
    with open(name, "w") as file:
        file.write(text)
    stamp = 1_600_000_000 + next(edits)
    os.utime(name, (stamp, stamp))
    importlib.invalidate_caches()

def cell(text):
    shell.run_cell(text).raise_error()

BELOW = '''
N = {0}
def f(): return {0}
class C:
    def g(self): return {0}
'''
ABOVE = '''
import below, threading
from below import f, C
lock = threading.Lock()
def h(): return f(), C().g(), below.f(), below.N
'''
COMPUTE = '''
found = dask.compute([delayed(h)(), delayed(inside)(), delayed(lambda: above.h())()], scheduler=s)[0]
tell(h()[0], found == 3 * [h()])
'''
shell.push({"tell": tell, "Serverless": Serverless})
write("below.py", BELOW.format(1))
write("above.py", ABOVE)
cell("%load_ext autoreload\\n%autoreload 2")
cell('''
import dask, above, below
from dask import delayed
from above import h

def inside():
    import above
    return above.h()
''')
"""


def test_what_autoreload_brings_in_runs_in_containers(tmp_path):
    source = """
cell("s = Serverless(containers=2)")
cell(COMPUTE)
for n in (2, 3):
    write("below.py", BELOW.format(n))
    cell(COMPUTE)
write("below.py", BELOW.format(4) + "    def more(self): return 1")
cell(COMPUTE)
write("below.py", "not Python")
shell.run_cell("1")
cell(COMPUTE)
cell("s.close()")
"""
    found = [line for line in run_script(tmp_path, SHELL + source).splitlines() if "ue" in line]
    assert found == ["1 True", "2 True", "3 True", "4 True", "4 True"]


def test_what_autoreload_brought_in_before_anything_was_computed(tmp_path):
    source = """
write("below.py", BELOW.format(2))
cell("s = Serverless(containers=2)")
cell(COMPUTE)
cell("s.close()")
"""
    assert "2 True" in run_script(tmp_path, SHELL + source)
