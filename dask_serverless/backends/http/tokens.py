"""What a token must be like: it is sent in a header, Authorization: Bearer …"""

from __future__ import annotations

import re
from typing import Any

LEAST_TOKEN = 16  # letters
# What a header carries as it is: a blank or a newline would not arrive.
VISIBLE = re.compile(r"[!-~]*")


def problem_of(token: Any) -> str:
    """What is wrong with it, in words that do not hold it; "": nothing."""
    if isinstance(token, int | float) and not isinstance(token, bool):
        return "is a number: write it between quotes"
    if not isinstance(token, str):
        return f"is no text, but a {type(token).__name__}"
    if token.strip() != token:
        return "begins or ends with a blank or a newline, as a file's content may: strip() it"
    if not VISIBLE.fullmatch(token):
        return "has characters other than ASCII's visible ones"
    if len(token) < LEAST_TOKEN:
        return f"has {len(token)} letters, fewer than {LEAST_TOKEN}"
    return ""
