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


def wait_for(path, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not os.path.exists(path):
        assert time.monotonic() < deadline, f"{path} does not come"
        time.sleep(0.005)


def touch(path):
    open(path, "w").close()
    return memory_mb()[0]


def source(folder):
    """Goes on when the long task has begun: what waits for this finds that one's slot taken."""
    wait_for(f"{folder}/begun")


def long(folder, others):
    """In a run that leaves the plan, this ends only after all others have."""
    mine = touch(f"{folder}/begun")
    for number in range(others):
        wait_for(f"{folder}/{number}")
    return mine


def other(source, folder, number):
    return touch(f"{folder}/{number}")


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
