"""Forks of a client whose threads compute."""

from __future__ import annotations

import os

import pytest
from awaiting import eventually
from clients import Client

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")

FORKING = """
import faulthandler, gc
import dask.array as da
s = Serverless(containers=2)
stop = threading.Event()

def compute(k):
    x = da.ones((6, 6), chunks=3)
    if k % 2:
        return int(dask.compute((x + x.T).sum(), scheduler=s)[0])
    return sum(dask.compute([delayed(lambda i: i)(i) for i in range(9)], scheduler=s)[0]) + 36

def again_and_again(k):
    while not stop.is_set():
        assert compute(k) == 72

def finished(pid):
    '''The child's status; what a child that hangs was at is in the standard error.'''
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def forked(work):
    pid = os.fork()
    if pid:
        return pid
    faulthandler.dump_traceback_later(20, exit=True)
    code = 9
    try:
        code = work()
    finally:
        os._exit(code)

threads = [threading.Thread(target=again_and_again, args=[k]) for k in range(3)]
for thread in threads:
    thread.start()
"""


@pytest.mark.parametrize("when", ["at once", "later"])
def test_children_compute_while_threads_of_their_parent_do(tmp_path, when):
    """At once, a thread is still importing what computes."""
    source = f"""
def work():
    if not gc.isenabled():
        return 3
    try:
        return int(compute(0) != 72 or compute(1) != 72)
    finally:
        s.close()

if {when == "later"}:
    compute(0)
codes = [finished(forked(work)) for _ in range(4)]
stop.set()
for thread in threads:
    thread.join()
tell(codes)
"""
    with Client(tmp_path, FORKING + source, PYTHONWARNINGS="ignore") as script:
        assert script.finish() == "[0, 0, 0, 0]\n"
        eventually(lambda: not script.left())
        eventually(lambda: not list(script.temporary.iterdir()))


@pytest.mark.parametrize("settings", ["", "history=True", "planner='auto'"])
def test_a_fork_waits_for_whatever_a_first_compute_imports(tmp_path, settings):
    """A child hung for ever in the import of a module that its parent's thread was importing."""
    source = f"""
from dask_serverless.client import forks
import dask.array as da, dask.callbacks
s = Serverless(containers=2, {settings})
unguarded = []

class Finder:
    def find_spec(self, name, path=None, target=None):
        if not forks.importing._is_owned():
            unguarded.append(name)

sys.meta_path.insert(0, Finder())
x = da.ones((6, 6), chunks=3)
with dask.callbacks.Callback(pretask=lambda *told: None):
    dask.compute((x + x.T).sum(), scheduler=s)
tell(unguarded)
s.close()
"""
    environment = {"XDG_CACHE_HOME": str(tmp_path)}
    with Client(tmp_path, source, PYTHONWARNINGS="ignore", **environment) as script:
        assert script.finish() == "[]\n"


def test_many_forks_find_no_lock_held_and_no_collector_off(tmp_path):
    """Locks of ours and of Dask's that threads hold for moments: 1 of 50 children hung."""
    source = """
def work():
    if not gc.isenabled():
        return 3
    with dask.config.set(x=1):
        x = da.ones((6, 6), chunks=3)
        dict((x + 1).sum().__dask_graph__())
        dask.base.tokenize(x)
        (delayed(sum)([1])).dask
    from dask_serverless.client.run import Run
    s.close()
    return 0

compute(0)
codes = set()
for _ in range(60):
    codes.add(finished(forked(work)))
stop.set()
for thread in threads:
    thread.join()
tell(codes)
"""
    with Client(tmp_path, FORKING + source, PYTHONWARNINGS="ignore") as script:
        assert script.finish() == "{0}\n"


def test_a_pool_of_forks_beside_threads(tmp_path):
    source = """
import multiprocessing
def job(n):
    return compute(n)
with multiprocessing.get_context("fork").Pool(2) as pool:
    tell(pool.map_async(job, range(4)).get(60))
stop.set()
"""
    with Client(tmp_path, FORKING + source, PYTHONWARNINGS="ignore") as script:
        assert script.finish() == "[72, 72, 72, 72]\n"
        eventually(lambda: not script.left())


def test_a_fork_within_a_pause_of_the_collector():
    import gc

    from dask_serverless.client.pause import CollectorPaused

    with CollectorPaused():
        child = os.fork()
        if child == 0:
            os._exit(0 if gc.isenabled() else 1)
        assert not gc.isenabled()
    assert gc.isenabled()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
