"""Why a bundle was lost, in words that help: its tasks, how each attempt ended, what that hints at."""

from __future__ import annotations

from collections.abc import Sequence

from dask_serverless.errors import BundleLost
from planners.graph.arrays import Ids
from planners.graph.dag import Dag

NAMED_TASKS = 5
# What the end of a container hints at, by words that the backend says of it.
HINTS = (
    (
        ("limit of",),
        "Its tasks need more memory than a container may use: raise the setting memory, or use "
        "smaller chunks.",
    ),
    (
        ("SIGKILL",),
        "SIGKILL most often comes from the system when its memory runs out: use smaller chunks, "
        "or fewer containers at a time (the setting containers).",
    ),
    (
        ("SIGSEGV", "SIGBUS", "SIGABRT", "SIGILL", "SIGFPE", "SIGTRAP"),
        "Native code crashed: look at the extension modules that these tasks call, and whether "
        "they may be called from several threads.",
    ),
    (
        ("stood still", "no sign of life"),
        "A container stands still when something stops it (SIGSTOP, a debugger, a host that "
        "swaps): see what does, or raise the setting lease_seconds.",
    ),
    (
        ("exited with status",),
        "Something in these tasks ends the process, such as os._exit or a library's fatal error.",
    ),
)


def bundle_lost(tries: int, story: Sequence[tuple[str, str]], tasks: Ids, dag: Dag) -> BundleLost:
    why = story[-1][1] if story else ""
    named = tasks[:NAMED_TASKS].tolist()
    return BundleLost(
        tries,
        why,
        len(tasks),
        [dag.function_names[dag.functions[task]] for task in named],
        [dag.labels[task] for task in named],
        [(container, why) for container, why in story],
        hint(why),
    )


def hint(why: str) -> str:
    how = why.partition("\n")[0]  # what follows are the container's own last words
    return next((text for words, text in HINTS if any(word in how for word in words)), "")
