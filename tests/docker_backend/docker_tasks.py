"""Tasks of the tests: what travels to containers needs nothing that only tests have."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def confinement():
    from dask_serverless.backends.cgroup_memory import group_memory

    status = dict(line.split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
    try:
        Path("/usr/written").write_text("")
        writable = True
    except OSError:
        writable = False
    Path("/tmp/written").write_text("")
    secrets = [name for name in os.environ if "TOKEN" in name]
    return {
        "user": os.getuid(),
        "capabilities": int(status["CapEff"], 16) | int(status["CapPrm"], 16),
        "no new privileges": status["NoNewPrivs"].strip(),
        "root is writable": writable,
        "memory": group_memory().limit,
        "secrets": secrets,
    }


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def speak_and_die():
    print("last words", flush=True)
    os.kill(os.getpid(), signal.SIGKILL)


def speak(number):
    print("line", number)
    return number


def say_and_sleep(seconds, number):
    print("begun", flush=True)
    time.sleep(seconds)
    return number


def sleep_once(seconds, number):
    time.sleep(seconds)
    return number


def slow_below(mebibytes, number):
    """Takes longer than it ever did in containers that have less; how much this one has."""
    from dask_serverless.backends.cgroup_memory import group_memory

    limit = group_memory().limit >> 20
    time.sleep(1.0 if limit < mebibytes else 0.01)
    return limit


def naps(mebibytes, number):
    """As long as it was learned, unless this container has less: what is done, and in how much."""
    from dask_serverless.backends.cgroup_memory import group_memory

    limit = group_memory().limit >> 20
    time.sleep(4.0 if limit < mebibytes else 0.2)
    return number, limit


def needs(mebibytes):
    from dask_serverless.backends.cgroup_memory import group_memory

    limit = group_memory().limit >> 20
    if limit < mebibytes:
        raise MemoryError(f"{mebibytes} MiB of {limit}")
    return limit


def limits(*before):
    """Of this container, after those of what it takes."""
    from dask_serverless.backends.cgroup_memory import group_memory

    return [*(limit for each in before for limit in each), group_memory().limit >> 20]


def fill(mebibytes):
    return len(bytearray(b"x") * (mebibytes << 20))


def fill_in_program(mebibytes):
    """How a program ends that takes so much, and whose end its task outlives."""
    code = f"len(bytearray(b'x') * ({mebibytes} << 20))"
    return subprocess.run([sys.executable, "-c", code]).returncode


def fill_with_the_first_process_at_risk(mebibytes):
    """The first process of the container is what the kernel takes, and all others with it."""
    Path("/proc/1/oom_score_adj").write_text("1000")
    return fill(mebibytes)


def fill_with_the_nursery_at_risk(mebibytes):
    Path(f"/proc/{os.getppid()}/oom_score_adj").write_text("1000")
    return fill(mebibytes)


def fill_tmp(mebibytes):
    with open("/tmp/filled", "wb") as file:
        for _ in range(mebibytes):
            file.write(bytes(1 << 20))


def c_says(number):
    ctypes.CDLL(None).printf(b"printf %d\n", number)
    subprocess.run(["sh", "-c", f"echo program {number} >&2"], check=True)
    return number
