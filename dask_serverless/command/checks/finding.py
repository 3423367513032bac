"""What a check has found: a verdict, and what puts it right."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

LAST_SENTENCE = re.compile(r"(?s)(.*[^.])\. ([A-Z`].*)")


class Verdict(Enum):
    OK = "ok"
    WARNING = "warning"  # runs work, but not as well as they could
    FAILED = "failed"  # runs do not work


@dataclass(frozen=True)
class Finding:
    """One line for people, and one more where something is to be done."""

    what: str  # was looked at
    told: str
    verdict: Verdict = Verdict.OK
    fix: str = ""


def ok(what: str, told: str) -> Finding:
    return Finding(what, told)


def warning(what: str, told: str, fix: str) -> Finding:
    return Finding(what, told, Verdict.WARNING, fix)


def failed(what: str, told: str, fix: str) -> Finding:
    return Finding(what, told, Verdict.FAILED, fix)


def failed_by(what: str, error: BaseException) -> Finding:
    """An error of ours says in its last sentence what to do next."""
    text = " ".join(str(error).split())
    if match := LAST_SENTENCE.fullmatch(text):
        return failed(what, match[1], match[2])
    return failed(what, text, "")
