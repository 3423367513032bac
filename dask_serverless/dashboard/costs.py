"""What containers have cost so far, by the same accounts and prices as ``last_run`` has at the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dask_serverless.client.accounting import Account, account_of
from dask_serverless.dashboard.seen import NEVER, ContainerSeries
from dask_serverless.dashboard.series import Series
from planners.cost.platform import Prices


def prices_of(series: Series) -> Prices:
    return Prices(**series.structure.prices)


def reported(series: Series) -> Mapping[str, Any]:
    """What the client told of containers; nothing, where it was interrupted before it knew."""
    told = series.over or {}
    return told if told.get("containers") else {}


def account(series: Series, container: ContainerSeries) -> Account:
    """As the client reported it, once it has."""
    accounts: Mapping[str, Any] = reported(series).get("containers", {})
    if container.name in accounts:
        return account_of(accounts[container.name])
    since = min(container.since, container.last)
    told = {"cold": container.cold, "since": since, "until": container.last,
        "cpu": container.cpu_seconds, "peak": container.peak_bytes}  # fmt: skip
    return account_of(told)


def used(series: Series) -> list[ContainerSeries]:
    """Containers that had a bundle; as long as the run goes on, also those at their first one, and
    where it was cut short, too.
    """
    least = 1 if series.succeeded else 0
    return [
        c
        for c in series.containers.values()
        if series.goes_on or (c.since < NEVER and c.bundles >= least)
    ]


def cost(series: Series) -> float:
    """Of the containers that had bundles, and of what they moved."""
    if "cost" in reported(series):
        return float(reported(series)["cost"])
    prices = prices_of(series)
    accounts = [account(series, container) for container in used(series)]
    moved = prices.cost(0.0, 0, series.told_bytes)
    return sum((each.cost(prices) for each in accounts), moved)


def shown(amount: float) -> str:
    """Cents of cents: most runs cost less than one."""
    return f"{amount:.7f}"
