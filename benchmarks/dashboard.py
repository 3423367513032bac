"""``python -m benchmarks dashboard``: what it costs to be looked at, and how soon one sees anything."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import dask

from benchmarks.graphs import GRAPHS
from benchmarks.painting import painting
from benchmarks.processes import (
    BROWSER,
    CONTAINERS,
    DASHBOARD,
    STORE,
    descendants,
    resident_bytes,
    spent,
)
from benchmarks.settle import settle
from benchmarks.verdicts import Verdict, table, verdict_lines
from dask_serverless import Serverless

OFF, AGAIN, BROWSERS = "off", "off again", [0, 1, 5]
GRAPH, REPEAT, RUNS = "tree-8192", 10, 1000
PAINTED_TASKS = [100_000, 1_000_000]
MOST_CPU, MOST_CALLS, MOST_GROWTH_MB = 1.02, 1.02, 30.0
COUNTED = ("client", CONTAINERS, STORE)  # what works for the run; the dashboard only looks
CATCH_UP_SECONDS = 0.5


@dataclass
class Samples:
    """Runs under one condition, each beside one of every other condition."""

    seconds: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  # of those that work for the run
    looking: list[float] = field(default_factory=list)  # of the dashboard
    calls: list[float] = field(default_factory=list)  # to the store, of client and containers


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--graph", choices=sorted(GRAPHS), default=GRAPH)
    parser.add_argument("--browsers", type=int, nargs="+", default=BROWSERS, metavar="N")
    parser.add_argument("--repeat", type=int, default=REPEAT, help="rounds of all conditions")
    parser.add_argument("--runs", type=int, default=RUNS, help="that the memory is watched over")
    parser.add_argument(
        "--tasks", type=int, nargs="*", default=PAINTED_TASKS, metavar="N",
        help="of the runs to be painted",
    )  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples there, too")


def run(arguments: argparse.Namespace) -> None:
    samples: dict[str, Samples] = {}
    with ExitStack() as stack:
        client = Serverless(containers=2, dashboard=True)
        stack.callback(client.close)
        browser = stack.enter_context(chromium()) if any(arguments.browsers) else None
        if browser is not None:
            give_way(os.getpid())
        names = [OFF, AGAIN, *(str(n) for n in arguments.browsers if browser is not None or not n)]
        for number in range(arguments.repeat):
            measure(client, browser, arguments.graph, number, names, samples)
        verdicts = cost_verdicts(samples)
        verdicts.append(growth(client, arguments.runs))
        stack.close()
    with ExitStack() as stack:
        painted = arguments.tasks if any(arguments.browsers) else []
        browser = stack.enter_context(chromium()) if painted else None
        if browser is not None:
            client = stack.enter_context(Serverless(containers=2, dashboard=True))
            for tasks in painted:
                verdicts += painting(client, browser, tasks)
    print(table([shown(name, each, samples[OFF]) for name, each in samples.items()]))
    print("\n" + "\n".join(verdict_lines(verdicts)))
    if arguments.json:
        told = {"samples": {name: asdict(each) for name, each in samples.items()}}
        told["verdicts"] = [verdict.to_json() for verdict in verdicts]
        arguments.json.write_text(json.dumps(told, indent=2))


@contextmanager
def chromium() -> Iterator[Any]:
    """None, and a word about it, where there is no browser."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        print("No browsers: Playwright or chromium is missing; only what needs none is measured.")
        yield None
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def give_way(pid: int) -> None:
    """Browsers of the measuring machine's own get the time that runs leave: elsewhere, who looks has a
    machine of his own.
    """
    for each, its_kind in descendants(pid).items():
        if its_kind == BROWSER:
            with suppress(OSError):
                os.sched_setscheduler(each, os.SCHED_IDLE, os.sched_param(0))


def measure(
    client: Serverless,
    browser: Any,
    graph: str,
    number: int,
    names: Sequence[str],
    samples: dict[str, Samples],
) -> None:
    """One run under each condition, after one that does not count; every round begins with another
    condition.
    """
    turn = number % len(names)
    for name in [*names[turn:], *names[:turn]]:
        with looked_at(client, browser, name):
            take(client, graph, 1000 * number, Samples())
            take(client, graph, 1000 * number, samples.setdefault(name, Samples()))


@contextmanager
def looked_at(client: Serverless, browser: Any, name: str) -> Iterator[None]:
    audience = client._ready().audience
    dashboard, link = audience.dashboard, client.dashboard_link
    if name in (OFF, AGAIN):
        audience.dashboard = None
    with ExitStack() as stack:
        stack.callback(setattr, audience, "dashboard", dashboard)
        for _ in range(0 if name in (OFF, AGAIN) else int(name)):
            tab = browser.new_page()
            stack.callback(tab.close)
            tab.goto(f"{link}graph", timeout=120_000)
        settle()
        yield


def take(client: Serverless, graph: str, seed: int, samples: Samples) -> None:
    """The dashboard's own time is taken until it has caught up."""
    collection = GRAPHS[graph].build(seed)
    before, begun = spent(os.getpid()), time.perf_counter()
    dask.compute(collection, scheduler=client)
    samples.seconds.append(time.perf_counter() - begun)
    samples.calls.append(client.last_run.client_calls + client.last_run.container_calls)
    time.sleep(CATCH_UP_SECONDS)
    after = spent(os.getpid())
    took = {name: after[name] - before.get(name, 0.0) for name in after}
    samples.cpu.append(sum(took[name] for name in COUNTED if name in took))
    samples.looking.append(took.get(DASHBOARD, 0.0))


def cost_verdicts(samples: dict[str, Samples]) -> list[Verdict]:
    """Of the same condition twice, for what is noise; then of the others. With a dashboard a client
    has two calls more, whoever looks.
    """
    base = "0" if "0" in samples else OFF
    return [
        Verdict(f"{what} of a run, {words(name)} over {words(over)}",
            median(ratios(getattr(each, column), getattr(samples[over], column))), most)
        for what, column, most, over in (
            ("calls", "calls", MOST_CALLS, base), ("processor time", "cpu", MOST_CPU, OFF))
        for name, each in samples.items() if name not in (OFF, over)
    ]  # fmt: skip


def ratios(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    """Round by round: what the machine does otherwise changes slowly."""
    return [one / other for one, other in zip(ones, others, strict=True)]


def words(name: str) -> str:
    without = {OFF: "no dashboard", AGAIN: "no dashboard, again"}
    return without.get(name, f"a dashboard with {name} browsers")


def shown(name: str, samples: Samples, off: Samples) -> dict[str, object]:
    times = sorted(ratios(samples.seconds, off.seconds))
    return {
        "": words(name),
        "wall": f"{1000 * median(samples.seconds):.1f} ms",
        "over none": f"{median(times):.3f} ({times[0]:.2f}-{times[-1]:.2f})",
        "calls": f"{median(samples.calls):.0f}",
        "cpu of the run": f"{1000 * median(samples.cpu):.1f} ms",
        "cpu of the dashboard": f"{1000 * median(samples.looking):.1f} ms",
    }


def growth(client: Serverless, runs: int) -> Verdict:
    """Once a tenth has been seen, all that is held of runs is held."""
    (pid,) = [pid for pid, its_kind in descendants(os.getpid()).items() if its_kind == DASHBOARD]
    early, sizes = max(1, runs // 10), []
    for number in range(1, runs + 1):
        dask.compute(GRAPHS["one-task"].build(number), scheduler=client)
        if number in (early, runs):
            time.sleep(CATCH_UP_SECONDS)
            sizes.append(resident_bytes(pid))
    what = f"memory that the dashboard took from run {early} to {runs}"
    return Verdict(what, (sizes[-1] - sizes[0]) / 1e6, MOST_GROWTH_MB, unit="MB")
