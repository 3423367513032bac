"""Measuring far from the store: what containers and invocations are told, and whole commands."""

from __future__ import annotations

import argparse
import json
import time

import dask
import numpy as np
import pytest
from dask.delayed import delayed
from test_command_line import benchmarks

from benchmarks.dataplane.graphs import LARGE
from benchmarks.dataplane.measuring import Measured, in_turns
from benchmarks.network.apart import Apart
from benchmarks.network.proxy import Proxy
from benchmarks.units import rate, seconds, several_seconds
from dask_serverless import Serverless

NBYTES = 1_000_000


def one_block():
    large = delayed(np.zeros, pure=False)(NBYTES // 8)
    return delayed(sum)([delayed(np.sum, pure=False)(large), delayed(np.max, pure=False)(large)])


def test_containers_that_are_apart_pass_blobs_through_the_store(store_url):
    with Proxy(store_url) as proxy:
        scheduler = Serverless(store=proxy.url, backend=Apart(2), planner="wukong")
        try:
            cells = in_turns(one_block, {"wukong": Measured(scheduler, proxy)}, repeat=1)
        finally:
            scheduler.close()
    assert cells["wukong"].nbytes >= 2 * NBYTES  # stored, and fetched at least once


def test_an_invitation_takes_as_long_as_it_is_told_to(store_url):
    scheduler = Serverless(store=store_url, backend=Apart(1, invoke_seconds=0.2))
    try:
        dask.compute(delayed(abs, pure=False)(-1), scheduler=scheduler)
        begun = time.perf_counter()
        assert dask.compute(delayed(abs, pure=False)(-2), scheduler=scheduler) == (2,)
        assert 0.2 <= time.perf_counter() - begun < 1.0
    finally:
        scheduler.close()


@pytest.mark.parametrize("name", LARGE)
def test_graphs_with_large_outputs_give_a_number(name):
    (result,) = dask.compute(LARGE[name](), scheduler="sync")
    assert isinstance(result, float) and result > 0


def test_units():
    assert several_seconds("1ms,0.5s,2") == [0.001, 0.5, 2.0]
    assert rate("100MB") == 100e6
    for parse, text in ((seconds, "1 parsec"), (seconds, "-1ms"), (rate, "much")):
        with pytest.raises(argparse.ArgumentTypeError):
            parse(text)


@pytest.mark.timeout(600)
def test_latency_as_a_command(tmp_path):
    file = tmp_path / "latency.json"
    options = ["--tasks", "32", "--containers", "2", "--repeat", "1", "--store-rtt", "1ms"]
    done = benchmarks("latency", *options, "--json", str(file))
    assert done.returncode == 0, done.stderr
    rows = json.loads(file.read_text())["rows"]
    assert {(row["scheduler"], row["store_rtt"]) for row in rows} == {
        (name, rtt) for name in ("structural", "wukong", "classic") for rtt in (0, 0.001)
    }


@pytest.mark.timeout(600)  # some seconds where nobody else works
def test_dataplane_as_a_command(tmp_path):
    file = tmp_path / "dataplane.json"
    options = ["--only", "diamonds", "--containers", "2", "--repeat", "1", "--rate", "0"]
    done = benchmarks("dataplane", *options, "--json", str(file))
    assert done.returncode == 0, done.stderr
    assert set(json.loads(file.read_text())["graphs"]["diamonds"]) >= {"structural", "classic"}
