"""Names: by which of them a function is meant in the tables that people write.

Planners know functions by what identifies them across runs: ``module.qualified.name``, for one's own
followed by ``#`` and a hash of what they do; tasks that Dask has fused are ``load > add x2#…``. Who
writes predictions down calls the same functions ``name`` or ``module.name``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

HASH = "#"
THEN = " > "  # between the steps of a fused task
TIMES = " x"  # a step several times in a row


def short_name(name: str) -> str:
    """The last part alone, without what only tells versions apart; of a fused task, its last step's."""
    return steps_of(name)[-1].partition(HASH)[0].rpartition(".")[2]


def names_of(name: str) -> list[str]:
    """All that it may be called, the most telling first: in full, and what follows each of its dots.

    A fused task has no short name: that would be its last step's.
    """
    spoken = name.partition(HASH)[0]
    if len(steps_of(name)) > 1:
        return [name, spoken]
    ends = [spoken[place + 1 :] for place, letter in enumerate(spoken) if letter == "."]
    return [name, spoken, *ends]


def steps_of(name: str) -> list[str]:
    """The functions of a fused task, in order; of others, the one."""
    told = name.partition(HASH)[0].split(THEN)
    steps = [step for each in told for step in _repeated(each)]
    return steps if len(steps) > 1 else [name]


def key_for(table: Collection[str], name: str) -> str | None:
    """Under what the table has a function."""
    return next((each for each in names_of(name) if each in table), None)


def key_of_step(table: Collection[str], step: str) -> str | None:
    """The same for a step of a fused task, which has only the last two parts of its name."""
    found = key_for(table, step)
    return found or next((key for key in table if key.endswith(f".{step}")), None)


def unmatched(keys: Iterable[str], names: Iterable[str]) -> list[str]:
    """Those keys that mean none of these functions."""
    left = dict.fromkeys(keys)
    for name in names:
        for step in {name, *steps_of(name)}:
            for each in names_of(step):
                left.pop(each, None)
    return list(left)


def _repeated(step: str) -> list[str]:
    name, _, count = step.rpartition(TIMES)
    return [name] * int(count) if name and count.isdigit() else [step]
