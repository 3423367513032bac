"""What C code and other programs write to descriptors 1 and 2 of a container, at the client."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

import dask
import pytest
from awaiting import eventually
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.errors import BundleLost

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="there is no /proc")

LINE = b"x" * 99 + b"\n"


@pytest.fixture
def heard(serverless):
    lines = []
    return serverless.options(logs=lines.append), lines


def told(lines):
    return [(line.key, line.stream, line.text) for line in lines]


def c_says(text):
    """As a library does: C keeps it back until somebody flushes."""
    ctypes.CDLL(None).printf(b"%s\n", text.encode())


def test_what_c_prints_has_the_key_of_its_task_also_within_one_bundle(heard):
    client, lines = heard
    tasks = [delayed(c_says)(f"line {n}", dask_key_name=f"say-{n}") for n in range(12)]
    dask.compute(*tasks, scheduler=client, num_workers=1)
    assert sorted(told(lines)) == sorted((f"say-{n}", "stdout", f"line {n}") for n in range(12))
    assert {line.function for line in lines} == {"c_says"}
    assert {line.container for line in lines} <= set(client.last_run.containers)


def programs():
    subprocess.run(["sh", "-c", "echo out; echo err >&2"], check=True)
    sys.stdout.buffer.write(b"buffer\n")
    os.write(2, b"without an end")


def test_programs_and_whatever_writes_bytes(heard):
    client, lines = heard
    dask.compute(delayed(programs)(dask_key_name="x"), scheduler=client)
    assert [(k, t) for k, s, t in told(lines) if s == "stdout"] == [("x", "out"), ("x", "buffer")]
    assert [(k, t) for k, s, t in told(lines) if s == "stderr"] == [
        ("x", "err"), ("x", "without an end"),
    ]  # fmt: skip


def test_each_run_has_its_own_and_without_listeners_all_is_as_before(serverless, heard):
    client, lines = heard
    (before,) = dask.compute(delayed(leads)(), scheduler=serverless)
    for number in range(3):
        lines.clear()
        dask.compute(delayed(c_says)(f"run {number}", dask_key_name="x"), scheduler=client)
        assert told(lines) == [("x", "stdout", f"run {number}")]
    assert client.last_run.dropped_lines == 0
    (after,) = dask.compute(delayed(leads)(), scheduler=serverless)
    assert after == before or after[0] != before[0], "the same process's streams lead elsewhere"


def leads():
    return os.getpid(), [os.fstat(number).st_ino for number in (1, 2)]


def megabytes(count, locked):
    """More than any pipe takes; with the interpreter locked, as a call into C may."""
    library = (ctypes.PyDLL if locked else ctypes.CDLL)(None)
    data = LINE * ((count << 20) // len(LINE))
    written = 0
    while written < len(data):
        written += library.write(1, data[written:], len(data) - written)
    return written


@pytest.mark.parametrize("locked", [False, True], ids=["free", "locked"])
def test_megabytes_neither_hang_nor_pass_uncounted(heard, locked):
    client, lines = heard
    (written,) = dask.compute(delayed(megabytes)(5, locked), scheduler=client)
    came = [line for line in lines if line.key is not None]
    assert {line.text for line in came} == {"x" * 99}
    dropped = client.last_run.dropped_lines
    assert dropped > 0
    assert len(came) + dropped == written // len(LINE)


def say_and_die():
    os.write(1, b"written at last\n")
    os.kill(os.getpid(), signal.SIGKILL)


def test_what_was_written_before_the_end_arrives_and_is_in_the_error(store_url):
    lines = []
    with (
        Serverless(containers=1, store=store_url, attempts=1, logs=lines.append) as client,
        pytest.raises(BundleLost, match="written at last"),
    ):
        dask.compute(delayed(say_and_die)(dask_key_name="x"), scheduler=client)
    assert told(lines) == [("x", "stdout", "written at last")]


def leave_one_running(file, done):
    wait = f"for i in $(seq 600); do [ -e {file} ] && break; sleep 0.05; done"
    subprocess.Popen(["sh", "-c", f"{wait}; echo too late; touch {done}"])
    return 1


def test_a_program_that_a_task_leaves_running_holds_nobody_up(serverless, heard, tmp_path):
    client, lines = heard
    file, done = tmp_path / "go", tmp_path / "done"
    assert dask.compute(delayed(leave_one_running)(str(file), str(done)), scheduler=client) == (1,)
    file.touch()
    eventually(done.exists)  # else the next test would hear it
    assert dask.compute(delayed(abs)(-2), scheduler=serverless) == (2,)
    assert lines == []


def prints_with_a_process():
    """Both print, as a pool of forked processes does."""
    for turn in range(5):
        print("parent", turn)
        child = os.fork()
        if child == 0:
            for n in range(3):
                print("child", turn, n)
            os._exit(0)
        os.waitpid(child, 0)


def test_what_a_forked_process_prints_is_heard_and_no_line_counts_twice(heard):
    client, lines = heard
    for _ in range(3):
        lines.clear()
        dask.compute(delayed(prints_with_a_process)(dask_key_name="x"), scheduler=client)
        assert client.last_run.dropped_lines == 0
        words = [word for turn in range(5) for word in ("parent", str(turn))]
        words += [
            word for turn in range(5) for n in range(3) for word in ("child", str(turn), str(n))
        ]
        assert sorted(" ".join(line.text for line in lines).split()) == sorted(words)
        assert {line.key for line in lines} == {"x"}
