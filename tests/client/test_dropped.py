"""Objects that nobody closes: what they have started goes when they do."""

from __future__ import annotations

import sys
from textwrap import dedent

import pytest
from awaiting import eventually
from clients import Client, run_script

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

COUNTING = """
import gc, tempfile
from pathlib import Path

def left():
    '''Children, descriptors and folders of this process.'''
    me = os.getpid()
    status = [Path(f"/proc/{p}/stat") for p in os.listdir("/proc") if p.isdigit()]
    children = 0
    for path in status:
        try:
            children += int(path.read_text().rpartition(")")[2].split()[1]) == me
        except OSError:
            pass
    return children, len(os.listdir("/proc/self/fd")), len(os.listdir(tempfile.gettempdir()))

def settled(wanted):
    end = time.monotonic() + 20
    while left() != wanted and time.monotonic() < end:
        time.sleep(0.01)
    return left()
"""


def test_twelve_objects_that_were_never_closed(tmp_path):
    source = """
    before = left()
    for n in range(6):
        client = Serverless(containers=1)
        assert dask.compute(delayed(sum)([n]), scheduler=client) == (n,)
        client.itself = client, [client]  # a circle: only the collector finds it
        if n % 2:
            client = Serverless(containers=1)
    del client
    gc.collect()
    tell(before)
    tell(settled(before))
    """
    before, after = run_script(tmp_path, COUNTING + dedent(source)).splitlines()
    assert before == after


def test_one_that_a_thread_still_computes_with(tmp_path):
    source = """
    before = left()
    results, begun = [], threading.Event()
    def wait(n):
        time.sleep(0.1)
        return n
    def compute(client):
        begun.set()
        results.append(dask.compute([delayed(wait)(n) for n in range(6)], scheduler=client)[0])
    thread = threading.Thread(target=compute, args=[Serverless(containers=2)])
    thread.start()
    begun.wait()
    gc.collect()
    thread.join()
    del thread
    gc.collect()
    tell(results == [list(range(6))], settled(before) == before)
    """
    assert run_script(tmp_path, COUNTING + dedent(source)) == "True True\n"


def test_one_that_is_the_default_scheduler_is_not_dropped(tmp_path):
    source = """
    dask.config.set(scheduler=Serverless(containers=1))
    gc.collect()
    with Serverless(containers=1):
        gc.collect()
        tell(delayed(sum)([1]).compute())
    gc.collect()
    tell(delayed(sum)([2]).compute())
    """
    assert run_script(tmp_path, COUNTING + dedent(source)) == "1\n2\n"


@pytest.mark.parametrize(
    "settings", ["planner='none such'", "backend='none such'", "store='http://x'", "workers=3"]
)
def test_one_that_could_not_be_made(tmp_path, settings):
    source = f"""
    before = left()
    try:
        Serverless({settings})
    except Exception as error:
        tell(type(error).__name__)
    tell(settled(before) == before)
    """
    assert run_script(tmp_path, COUNTING + dedent(source)).endswith("\nTrue\n")


def test_one_whose_processes_do_not_start(tmp_path):
    source = """
    import subprocess
    from dask_serverless.backends import local
    before = left()
    local.sys.executable, python = "/none/such", sys.executable
    try:
        Serverless(containers=1)
    except OSError as error:
        tell("refused")
    tell(settled(before) == before)
    """
    assert run_script(tmp_path, COUNTING + dedent(source)) == "refused\nTrue\n"


@pytest.mark.parametrize(
    "source",
    [
        "s = Serverless(containers=1)\ndask.compute(delayed(sum)([1]), scheduler=s)\ndel s",
        "import atexit\ns = [Serverless(containers=1)]\natexit.register(s.clear)",
        "s = Serverless(containers=1)\ns.itself = s\ndel s",
        "import atexit\ns = Serverless(containers=1)\natexit.register(s.close)",
    ],
    ids=["dropped", "by the exit", "in a circle", "closed"],
)
def test_at_the_end_of_the_process_nothing_is_left_and_nothing_said(tmp_path, source):
    with Client(tmp_path, source) as script:
        output, errors = script.process.communicate(timeout=30)
        assert (output, errors, script.process.returncode) == ("", "", 0)
        eventually(lambda: not script.left())
        eventually(lambda: not list(script.temporary.iterdir()))
