"""Options with units: ``--store-rtt 1ms,5ms --rate 100MB``."""

from __future__ import annotations

import argparse

from dask.utils import parse_bytes, parse_timedelta


def seconds(text: str) -> float:
    """1ms, 0.5s; a bare number is in seconds."""
    try:
        value = float(parse_timedelta(text, default="seconds") or 0)
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"{text!r} is no time, like 1ms or 0.5s") from None
    if not 0 <= value < 60:
        raise argparse.ArgumentTypeError(f"{text!r} is not between nothing and a minute")
    return value


def several_seconds(text: str) -> list[float]:
    return [seconds(part) for part in text.split(",")]


def rate(text: str) -> float:
    """Bytes per second: 100MB; 0 for no limit."""
    try:
        value = float(parse_bytes(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of bytes, like 100MB") from None
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is negative")
    return value
