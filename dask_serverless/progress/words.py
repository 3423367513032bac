"""A standing in one line of plain characters, as long as there is room for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dask_serverless.progress.standing import Standing

BAR = (8, 40)  # characters between its brackets, at least and at most
BETWEEN = " | "
LONGEST_TIMES = "59m59s, 59m59s left"


def line(standing: Standing, width: int) -> str:
    """What matters most stays where room is scarce: the share, the time, tasks, bundles."""
    length = bar_length(standing, width)
    if not length:
        return fitting(facts(standing), width)[:width]
    text = fitting(facts(standing), width - length - len("[] "))
    return f"[{bar(standing.share, length)}] {text}"


def bar_length(standing: Standing, width: int) -> int:
    """What the longest words of the run leave to it, so that it does not change from one to another."""
    most = replace(standing, done_tasks=standing.tasks, done_bundles=standing.bundles, over=False)
    words = ["100%", LONGEST_TIMES, *facts(most)[2:-1]]
    length = min(width - len(BETWEEN.join(words)) - len("[] "), BAR[1])
    if length >= BAR[0]:
        return length
    return BAR[0] if width >= len(BETWEEN.join(words[:2])) + BAR[0] + len("[] ") else 0


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
