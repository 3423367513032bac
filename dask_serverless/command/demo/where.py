"""Where the time of runs went, as a table for 80 columns."""

from __future__ import annotations

from collections.abc import Mapping

from dask.utils import format_bytes

from dask_serverless.client.report import RunReport

MEANINGS = {
    "materialise": "Dask makes the graph",
    "translate": "the graph becomes arrays",
    "plan": "tasks become bundles",
    "encode": "bundles become bytes",
    "submit": "large constants to the store",
    "wait": "submitted: the containers work",
    "collect": "fetch the result",
}
SPENT = ("fetch", "run", "store")


def where_the_time_went(reports: Mapping[str, RunReport]) -> str:
    """``reports`` by the name of what was computed."""
    blocks = [phases(reports), containers(reports), counts(reports)]
    return "Where the time went, in milliseconds:\n" + "\n\n".join(blocks) + "\n"


def phases(reports: Mapping[str, RunReport]) -> str:
    lines = [f"  {'client':<14}" + "".join(f"{name:>11}" for name in reports)]
    for phase in next(iter(reports.values())).phases:
        times = "".join(f"{1000 * report.phases[phase]:>11.1f}" for report in reports.values())
        lines.append(f"  {phase:<14}{times}   {MEANINGS.get(phase, '')}".rstrip())
    whole = "".join(f"{1000 * report.wall_seconds:>11.1f}" for report in reports.values())
    return "\n".join([*lines, f"  {'in all':<14}{whole}"])


def containers(reports: Mapping[str, RunReport]) -> str:
    """What each container did, over all runs."""
    heads = "".join(f"{what:>11}" for what in ("bundles", *SPENT))
    lines = [f"  {'container':<14}{heads}"]
    for name in sorted({name for report in reports.values() for name in report.containers}):
        spent = [r.containers[name] for r in reports.values() if name in r.containers]
        bundles = sum(each["bundles"] for each in spent)
        times = "".join(f"{1000 * sum(each[w] for each in spent):>11.1f}" for w in SPENT)
        lines.append(f"  {name:<14}{bundles:>11.0f}{times}")
    return "\n".join(lines)


def counts(reports: Mapping[str, RunReport]) -> str:
    runs = reports.values()
    tasks, bundles = sum(r.tasks for r in runs), sum(r.bundles for r in runs)
    calls, moved = sum(r.store_calls for r in runs), sum(r.bytes_moved for r in runs)
    cold, warm = sum(r.cold_starts for r in runs), sum(r.warm_starts for r in runs)
    return (
        f"  {tasks:,} tasks in {bundles:,} bundles; {cold} cold starts, {warm} warm\n"
        f"  {calls:,} store calls, {calls / max(1, bundles):.1f} a bundle; "
        f"{format_bytes(moved)} stored"
    )
