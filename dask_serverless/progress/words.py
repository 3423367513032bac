"""A standing in one line of plain characters, as long as there is room for."""

from __future__ import annotations

from collections.abc import Sequence

from dask_serverless.progress.standing import Standing

BAR = (8, 40)  # characters between its brackets, at least and at most
BETWEEN = " | "


def line(standing: Standing, width: int) -> str:
    """What matters most stays where room is scarce: the share, the time, tasks, bundles."""
    text = fitting(facts(standing), width)
    room = min(width - len(text) - len("[] "), BAR[1])
    return f"[{bar(standing.share, room)}] {text}" if room >= BAR[0] else text[:width]


def fitting(words: Sequence[str], width: int) -> str:
    text = words[0]
    for word in words[1:]:
        if len(text) + len(BETWEEN) + len(word) > width:
            break
        text += BETWEEN + word
    return text


def facts(standing: Standing) -> list[str]:
    """The most important first."""
    s = standing
    if s.over:
        counts = [counted(s.tasks, "task"), counted(s.bundles, "bundle")]
    else:
        counts = [
            f"{s.done_tasks:,}/{s.tasks:,} tasks",
            f"{s.done_bundles:,}/{s.bundles:,} bundles",
        ]
    return [percent(s), times(s), *counts, counted(s.containers, "container")]


def counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def percent(standing: Standing) -> str:
    """Whole only when it is: 9,999 of 10,000 tasks are 99 %."""
    return f"{int(100 * standing.share):>3}%"


def times(standing: Standing) -> str:
    passed = duration(standing.seconds)
    if standing.over or standing.left is None:
        return passed
    return f"{passed}, {duration(standing.left)} left"


def duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"


def bar(share: float, width: int) -> str:
    return f"{'#' * int(share * width):<{width}}"
