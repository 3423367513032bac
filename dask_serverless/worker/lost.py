"""Why a bundle was lost, in words that help: its tasks, how each attempt ended, what that hints at."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from dask_serverless.errors import BundleLost
from planners.graph.arrays import Ids
from planners.graph.dag import Dag

NAMED_TASKS = 5
# What the end of a container hints at, by words that the backend says of it: the surest first.
HINTS = (
    (
        ("its limit of", "at the limit of", "for want of more"),
        "Its tasks need more memory than a container may use: raise the setting memory, or use "
        "smaller chunks.",
    ),
    (
        ("time limit of its function",),
        "A task takes longer than its function may run: divide it, use smaller chunks, or deploy "
        "functions with more seconds (900 at most).",
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
        ("stood still",),
        "A container stands still when something stops it (SIGSTOP, a debugger, a host that "
        "swaps): see what does, or raise the setting lease_seconds.",
    ),
    (
        ("exited with status",),
        "Something in these tasks ends the process, such as os._exit or a library's fatal error.",
    ),
    (
        ("its process was lost",),
        "Something in these tasks ends the process (os._exit, a library's fatal error), or the "
        "system does when its memory runs out: the executor's own log may say which.",
    ),
)
# Of one that nobody saw the end of; an attempt whose end was seen knows more.
SILENCE = "no sign of life"
SILENT = (
    "A container of which nothing is heard has ended where nobody saw it, is cut off from the store, "
    "or stands still since something stops it (SIGSTOP, a debugger, a host that swaps): see what "
    "does, or raise the setting lease_seconds."
)


def bundle_lost(
    tries: int, story: Sequence[tuple[str, str, int, int]], tasks: Ids, dag: Dag
) -> BundleLost:
    why = story[-1][1] if story else ""
    named = tasks[:NAMED_TASKS].tolist()
    return BundleLost(
        tries,
        why,
        len(tasks),
        [dag.function_names[dag.functions[task]] for task in named],
        [dag.labels[task] for task in named],
        [(container, why) for container, why, *_ in story],
        hint([why for _, why, *_ in story]),
    )


def hint(ends: Sequence[str]) -> str:
    """What most attempts hint at; of as many for each, the surest."""
    first = [why.partition("\n")[0] for why in ends]  # then come the container's own last words
    found = Counter(place for how in first if (place := hinted(how)) is not None)
    if found:
        return HINTS[min(found, key=lambda place: (-found[place], place))][1]
    return SILENT if any(SILENCE in how for how in first) else ""


def hinted(how: str) -> int | None:
    for place, (words, _) in enumerate(HINTS):
        if any(word in how for word in words):
            return place
    return None
