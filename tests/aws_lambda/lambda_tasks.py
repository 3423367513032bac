"""Tasks of the tests, in a module that is quick to import: containers do so in their time limit."""

from __future__ import annotations

import os
import signal
import time


def fail():
    raise ValueError("enough")


def memory_mb(*before):
    """Of this function, after those of what it takes."""
    mine = int(os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"])
    return [*(each for one in before for each in one), mine]


def needs(mebibytes):
    (mine,) = memory_mb()
    if mine < mebibytes:
        raise MemoryError(f"{mebibytes} MiB of {mine}")
    return mine


def fill(mebibytes):
    """As fast as a machine can, or a little slower than that."""
    kept = []
    for _ in range(mebibytes // 16):
        kept.append(b"\1" * (16 << 20))
        time.sleep(0.01)
    return memory_mb()


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


def add_slowly(number, other):
    time.sleep(0.5)
    return number + other


def note(path, number):
    with open(path, "a") as file:
        file.write(f"{number}\n")
    return number


def parent(pid):
    with open(f"/proc/{pid}/stat") as file:
        return int(file.read().rpartition(")")[2].split()[1])


def wait_to_be_killed(path):
    if not os.path.exists(path):
        emulator = parent(parent(os.getppid()))  # above the nursery and the runtime
        with open(path + ".new", "w") as file:
            file.write(str(emulator))
        os.rename(path + ".new", path)
        time.sleep(100)
    return "survived"


def sleep_once(path):
    if not os.path.exists(path):
        open(path, "w").close()
        time.sleep(100)
    return "done"
