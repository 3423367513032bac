"""Model: a backend, its network and its store in a dozen numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from random import Random
from statistics import NormalDist
from typing import Any

from dask.utils import parse_bytes, parse_timedelta

from dask_serverless.config import suggestion
from dask_serverless.errors import SettingsError
from dask_serverless.values import CHECKS, PRICES
from planners.cost.platform import Platform, Prices
from planners.numbers.predictions import Line
from planners.numbers.workload import Workload

P95 = 1.6449  # standard deviations below which 95 of 100 normal values are
LEAST = 0.005  # of 1: percentiles that are further out than that are endless


def seconds(value: Any) -> float:
    """A number of seconds, also as a text with its unit."""
    if isinstance(value, str) and (positive := value.strip().removeprefix("-")) != value.strip():
        return -seconds(positive)  # which Dask takes for no time at all
    read = number(parse_timedelta(value, default=False) if isinstance(value, str) else value)
    if math.isinf(read):
        raise ValueError
    return read


def rate(value: Any) -> float:
    """A number of bytes a second, also as a text with its unit."""
    if isinstance(value, str):
        value = parse_bytes(re.sub(r"\s*/\s*s$", "", value))
    return number(value)


def number(value: Any) -> float:
    if isinstance(value, bool) or math.isnan(value):
        raise ValueError
    return float(value)


def whole(value: Any) -> int:
    if number(value) != int(value):
        raise ValueError
    return int(value)


def prices(value: Any) -> Prices:
    """Also as the setting has them."""
    return value if isinstance(value, Prices) else Prices(**CHECKS["prices"](value))


def told(default: Any, parse: Callable[[Any], Any], kind: str, least: float | None = 0.0) -> Any:
    """A field that people give: how it is read, what it has to be, and the least it may be."""
    return field(default=default, metadata={"parse": parse, "kind": kind, "least": least})


A_TIME = "has to be a time, such as '1ms' or a number of seconds"
A_RATE = "has to be bytes a second above zero, such as '100MB' or a number"
A_COUNT = "has to be a whole number"
A_TABLE = f"has to be a planners.cost.platform.Prices, or amounts from 0 on by {', '.join(PRICES)}"


@dataclass(frozen=True, kw_only=True)
class BackendModel:
    """Times are in seconds, rates in bytes a second; texts with units are understood.

    A cold start that varies is lognormal: ``cold_start`` is its median, and 95 of 100 stay below
    ``cold_start_p95``. A transfer takes its latency, by default a round trip to the store, and its
    bytes at the container's own rate. The store answers one call after another, each in
    ``store_service``.
    """

    containers: int = told(32, whole, A_COUNT, 1)  # that may work on the run at once
    concurrency: int | None = told(None, whole, A_COUNT, 1)  # of the platform; as containers
    warm: int = told(0, whole, A_COUNT)  # idle containers at submission
    cold_start: float = told(0.5, seconds, A_TIME)
    cold_start_p95: float | None = told(None, seconds, A_TIME)
    warm_start: float = told(0.01, seconds, A_TIME)
    invocation: float = told(0.0, seconds, A_TIME)  # from asking until the platform acts
    keep_alive: float = told(300.0, seconds, A_TIME)  # of an idle container
    store_rtt: float = told(0.001, seconds, A_TIME)
    store_service: float = told(0.0, seconds, A_TIME)  # of the store's core, for each call
    upload: float = told(100e6, rate, A_RATE)
    download: float = told(100e6, rate, A_RATE)
    upload_latency: float | None = told(None, seconds, A_TIME)
    download_latency: float | None = told(None, seconds, A_TIME)
    seed: int = told(0, whole, A_COUNT, None)  # of what varies
    prices: Prices = told(Prices(), prices, A_TABLE)

    def __post_init__(self) -> None:
        for each in fields(self):
            if (value := getattr(self, each.name)) is not None or each.default is not None:
                object.__setattr__(self, each.name, parsed(each.name, value, **each.metadata))
        for name in ("upload", "download"):
            if getattr(self, name) == 0:
                raise SettingsError(f"simulate({name}=...)", f"is 0: it {A_RATE}.")
        if self.cold_start_p95 is not None and self.cold_start_p95 < self.cold_start:
            raise SettingsError(
                "simulate(cold_start_p95=...)",
                f"is {self.cold_start_p95:g} s, below the median: cold_start is "
                f"{self.cold_start:g} s.",
            )

    @classmethod
    def of_keywords(cls, **keywords: Any) -> BackendModel:
        names = [each.name for each in fields(cls)]
        for name in keywords:
            if name not in names:
                raise TypeError(f"simulate() has no keyword {name!r}{suggestion(name, names)}")
        return cls(**keywords)

    @classmethod
    def of(
        cls, platform: Platform, workload: Workload, containers: int, memory_mb: int
    ) -> BackendModel:
        """What the planners' cost model takes for true."""
        upload, download = workload.upload, workload.download
        return cls(
            containers=containers,
            warm=sum(count for size, count in platform.warm if size == memory_mb),
            cold_start=workload.cold_start(memory_mb),
            warm_start=workload.warm_start(memory_mb),
            keep_alive=platform.idle_seconds,
            store_rtt=platform.publish_seconds,
            upload=1 / upload.per_byte if upload.per_byte else math.inf,
            download=1 / download.per_byte if download.per_byte else math.inf,
            upload_latency=upload.base,
            download_latency=download.base,
            prices=platform.prices,
        )

    @property
    def limit(self) -> int:
        """How many containers run at once at most."""
        return self.containers if self.concurrency is None else self.concurrency

    @property
    def upload_line(self) -> Line:
        return self._line(self.upload_latency, self.upload)

    @property
    def download_line(self) -> Line:
        return self._line(self.download_latency, self.download)

    def _line(self, latency: float | None, bytes_per_second: float) -> Line:
        return Line(self.store_rtt if latency is None else latency, 1 / bytes_per_second)

    def draw_cold_start(self, random: Random) -> float:
        return self._cold_start(random.gauss(0.0, 1.0)) if self.cold_start_p95 else self.cold_start

    def cold_start_of(self, share: float | None) -> float:
        """That which so many of 1 stay below; the median, if none are named."""
        if share is None:
            return self.cold_start
        return self._cold_start(NormalDist().inv_cdf(min(max(share, LEAST), 1 - LEAST)))

    def _cold_start(self, deviations: float) -> float:
        median, p95 = self.cold_start, self.cold_start_p95
        if not p95 or not median:
            return median
        return median * math.exp(math.log(p95 / median) / P95 * deviations)


def parsed(
    name: str, value: Any, parse: Callable[[Any], Any], kind: str, least: float | None
) -> Any:
    try:
        read = parse(value)
    except (ValueError, TypeError, KeyError, OverflowError):
        raise SettingsError(f"simulate({name}=...)", f"is {value!r}: it {kind}.") from None
    if least is not None and isinstance(read, int | float) and read < least:
        problem = f"is {value!r}: it {kind}, and at least {least:g}."
        raise SettingsError(f"simulate({name}=...)", problem)
    return read
