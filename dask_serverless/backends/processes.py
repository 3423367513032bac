"""What the system tells of processes: how they stand, what they use, how they ended."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress


def wake_with_parent() -> None:
    """Where this process is stopped when its parent dies, go on, and notice."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGCONT)  # PR_SET_PDEATHSIG


def die_with(parent: int) -> None:
    """Linux ends this process when its parent dies; elsewhere the closed connection does."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:  # it died in between
        os._exit(1)


def die_first() -> None:
    """Where memory runs out, the kernel is to take this process, and not whoever tells of it."""
    with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")


def call_itself(name: str) -> None:
    """What ps and top show of this process (15 letters at most)."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(15, name.encode())  # PR_SET_NAME


# Arrays of some megabytes come from the kernel page by page and go back there when they are freed:
# with glibc's defaults that is most of the time of cheap array tasks (map_overlap on blocks of
# 1.3 MB: 0.40 s, of which 0.27 s in page faults; 0.12 s with these). Containers keep what they have
# until they are idle, and trim then.
MALLOC = {  # name in the environment → what it is to mallopt, and the size
    "MALLOC_MMAP_THRESHOLD_": (-3, 32 << 20),  # the largest that glibc takes
    "MALLOC_TRIM_THRESHOLD_": (-1, 1 << 30),
    "MALLOC_TOP_PAD_": (-2, 16 << 20),
}


def keep_memory() -> None:
    """In a process that was not started with that environment."""
    with suppress(OSError, AttributeError):  # another C library
        mallopt = ctypes.CDLL(None).mallopt
        for name, (number, _) in MALLOC.items():
            mallopt(number, int(os.environ[name]))


def standing_still(pid: int) -> bool:
    """Whether it was stopped (SIGSTOP, a debugger); where nobody can tell, it runs."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] in (b"T", b"t")
    except (OSError, IndexError):
        return False


def resident_bytes(pid: int) -> int:
    """Memory of its own: pages of mapped blobs are shared and come back for free."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            _, resident, shared, *_ = map(int, file.read().split())
    except (OSError, ValueError):
        return 0
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE")


def can_weigh() -> bool:
    return resident_bytes(os.getpid()) > 0


def ended(status: int) -> str:
    """How, in words, from what waitpid says."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        hint = " (out of memory?)" if number == signal.SIGKILL else ""
        return f"it was killed by {signal_name(number)}{hint}"
    return f"it exited with status {os.WEXITSTATUS(status)}"


def signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def kill(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
