"""The end of a run: complete, whatever fails in it and whenever Ctrl-C comes."""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
import time
from contextvars import copy_context
from random import Random

import dask
import numpy as np
import pytest
from awaiting import eventually
from cutting import cutter
from dask import delayed
from interrupts import at_every_step

from dask_serverless import Serverless
from dask_serverless.blobs.shared import SharedFiles
from dask_serverless.coordination.redis import script
from dask_serverless.errors import StoreDenied, StoreError

ENDING = ("dask_serverless.client.ending",)


def large(number):
    return np.full(20_000, number)


def total(arrays):
    return int(sum(array.sum() for array in arrays))


def with_blobs():
    """Its outputs are files, so that the end of the run has folders to remove."""
    return delayed(total)([delayed(large)(number) for number in range(4)])


def nothing_is_left(client, link):
    folders = [os.listdir(path) for path in client._engine.folders.paths]
    return not any(folders) and link.call(("KEYS", "ds:*")) == [[]]


@pytest.mark.parametrize("graph", [lambda: delayed(sum)([1, 2]), with_blobs])
def test_ctrl_c_at_any_step_of_an_end_leaves_nothing(graph, store_url, link):
    with Serverless(containers=2, store=store_url) as client:
        (expected,) = dask.compute(graph(), scheduler=client)
        steps = 0
        for steps in at_every_step(ENDING, lambda: dask.compute(graph(), scheduler=client)):
            if steps % 7 == 0:
                assert dask.compute(graph(), scheduler=client) == (expected,), steps
                assert gc.isenabled(), steps
        assert steps > 30
        assert dask.compute(graph(), scheduler=client) == (expected,)
        eventually(lambda: nothing_is_left(client, link), 10)
    assert link.call(("KEYS", "ds:*")) == [[]]


@pytest.fixture
def store_port(store_url, link):
    """The private store, which listens on a port, too."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    link.call(("CONFIG", "SET", "port", port))
    yield port
    link.call(("CONFIG", "SET", "port", 0))


@pytest.mark.parametrize("side", ["before", "after"])
def test_a_connection_cut_just_as_a_run_ends_leaves_no_key_after_close(side, store_port, link):
    """The result is here already, and the call that closes the run, or its answer, is lost."""
    word = script("close").sha.encode()
    with cutter(store_port) as proxy:
        client = Serverless(containers=2, store=proxy.url)
        dask.compute(delayed(sum)([1, 2]), scheduler=client)  # the script is known
        cuts = iter([True] * 3)
        setattr(proxy, side, lambda data: word in data and next(cuts, False))
        for _ in range(3):
            assert dask.compute(with_blobs(), scheduler=client) == (120_000,)
        client.close()  # the proxy may see to the last cut after the answer has come
    assert next(cuts, None) is None
    assert link.call(("KEYS", "ds:*")) == [[]]


def test_a_step_that_fails_neither_destroys_the_result_nor_skips_the_rest(store_url, link):
    def fails(run):
        raise RuntimeError("this bucket forbids to delete")

    with Serverless(containers=2, store=store_url) as client:
        expected = dask.compute(with_blobs(), scheduler=client)
        graph = with_blobs()
        before = SharedFiles.clear
        SharedFiles.clear = lambda self, run: fails(run)
        try:
            assert dask.compute(graph, scheduler=client) == expected
            assert len(client._engine.endings) == 1
            eventually(lambda: link.call(("KEYS", "ds:*")) == [[]])
        finally:
            SharedFiles.clear = before
        assert dask.compute(graph, scheduler=client) == expected  # and what failed is done now
        assert not client._engine.endings
        eventually(lambda: nothing_is_left(client, link))


def test_what_cannot_be_removed_is_told_with_its_place_and_the_reason(caplog, tmp_path):
    place = tmp_path / "blobs"

    def spoilt(numbers):
        place.rename(tmp_path / "elsewhere")
        place.touch()  # what was a folder is a file
        return numbers

    with Serverless(containers=2, blobs=f"file://{place}", inline_bytes=100) as client:
        assert dask.compute(delayed(spoilt)(with_blobs()), scheduler=client) == (120_000,)
        (run,) = client._engine.endings
    (told,) = [r.getMessage() for r in caplog.records if "Could not remove" in r.getMessage()]
    assert f"file://{place}/{run} (NotADirectoryError: [Errno 20] Not a directory" in told


def test_ctrl_c_at_random_moments_never_hangs_and_leaves_nothing(store_url, link):
    random, interrupts = Random(5), 0
    with Serverless(containers=2, store=store_url) as client:
        (expected,) = dask.compute(with_blobs(), scheduler=client)

        def computed():
            return dask.compute(with_blobs(), scheduler=client)

        ours = signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
        try:
            while interrupts < 100:
                try:
                    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 0.02))
                    # Dask notes in the context that it makes a token, and may be left there.
                    assert copy_context().run(computed) == (expected,)
                    signal.setitimer(signal.ITIMER_REAL, 0)
                except KeyboardInterrupt:
                    interrupts += 1
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, ours)
        assert dask.compute(with_blobs(), scheduler=client) == (expected,)
        eventually(lambda: nothing_is_left(client, link))


def test_a_password_that_changes_during_a_run_still_frees_its_containers(
    store_port, link, tmp_path
):
    """Whoever has to connect anew is refused; the run's containers must be stopped all the same."""
    with cutter(store_port) as proxy, Serverless(containers=2, store=proxy.url) as client:
        link.call(("CONFIG", "SET", "protected-mode", "no"))

        def wait():
            (tmp_path / "started").touch()
            time.sleep(60)

        failed = []

        def compute():
            try:
                dask.compute(delayed(wait)(), scheduler=client)
            except StoreError as error:
                failed.append(error)

        thread = threading.Thread(target=compute)
        thread.start()
        eventually((tmp_path / "started").exists)
        link.call(("CONFIG", "SET", "requirepass", "changed"))
        try:
            proxy.cut_all()
            thread.join(30)
            assert isinstance(failed[0], StoreDenied)
            assert all("stop" in ending.done for ending in client._engine.endings.values())
        finally:
            link.call(("CONFIG", "SET", "requirepass", ""))
        assert dask.compute(delayed(sum)([1, 2]), scheduler=client) == (3,)
