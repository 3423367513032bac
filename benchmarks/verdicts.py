"""Verdicts: measured figures beside their targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from planners.plans.tables import table as aligned


@dataclass(frozen=True)
class Verdict:
    """A figure that should be at most its target, or at least."""

    what: str
    value: float
    target: float
    at_least: bool = False
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.value >= self.target if self.at_least else self.value <= self.target

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "met": self.met}


def verdict_lines(verdicts: Sequence[Verdict]) -> list[str]:
    rows: list[dict[str, object]] = [
        {
            "measured": f"{verdict.value:.4g} {verdict.unit}".strip(),
            "target": f"{'≥' if verdict.at_least else '≤'} {verdict.target:g}",
            "": "met" if verdict.met else "missed",
            "what": verdict.what,
        }
        for verdict in verdicts
    ]
    return table(rows).splitlines()


def table(rows: Sequence[dict[str, object]]) -> str:
    if not rows:
        return "nothing"
    return aligned(list(rows[0]), [list(row.values()) for row in rows])
