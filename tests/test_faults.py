"""Processes that are killed at the worst moment: the answer is right, or the error is clear."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path
from random import Random

import dask
import numpy as np
import pytest
from awaiting import eventually
from clients import Client, children, content
from dask import delayed

from dask_serverless import Serverless
from dask_serverless.errors import BundleLost, RunDamaged, RunLost
from dask_serverless.store.connect import open_link

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")


def slow_add(*values):
    time.sleep(0.01)
    return sum(values)


def big(value):
    return np.full(20_000, value)


def tree(leaves=32):
    layer = [delayed(slow_add)(i, i, dask_key_name=f"leaf-{i}") for i in range(leaves)]
    while len(layer) > 1:
        layer = [
            delayed(slow_add)(*layer[i : i + 2], dask_key_name=f"node-{len(layer)}-{i}")
            for i in range(0, len(layer), 2)
        ]
    return layer[0]


@pytest.fixture
def client():
    """One of its own, since it will be hurt."""
    with Serverless(containers=2, attempts=20) as client:
        yield client


def nursery(client):
    return client._engine.backend.process.pid


def keeper(client):
    (found,) = [pid for pid in children(nursery(client)) if is_keeper(pid)]
    return found


def is_keeper(pid):
    return content(pid, "comm") == b"dask-keeper\n"


def containers(client):
    return [pid for pid in children(nursery(client)) if not is_keeper(pid)]


def in_thread(function):
    """Runs it, and gives a way to its result or its error."""
    box = []

    def run():
        try:
            box.append(function())
        except BaseException as error:
            box.append(error)

    thread = threading.Thread(target=run)
    thread.start()

    def outcome(seconds=60.0):
        thread.join(seconds)
        assert not thread.is_alive(), "the compute hangs"
        if isinstance(box[0], BaseException):
            raise box[0]
        return box[0]

    return outcome


@pytest.mark.parametrize("planner", ["structural", "wukong", "simple"])
def test_a_container_killed_at_any_moment_changes_nothing(planner):
    with Serverless(containers=2, attempts=20, planner=planner) as client:
        dask.compute(delayed(sum)([1]), scheduler=client)  # warm
        for moment in (0.0, 0.01, 0.03, 0.06, 0.1, 0.15):
            outcome = in_thread(lambda: dask.compute(tree(), scheduler=client))
            time.sleep(moment)
            for pid in containers(client)[:1]:
                os.kill(pid, signal.SIGKILL)
            assert outcome() == (2 * sum(range(32)),), moment


def test_containers_killed_again_and_again_change_nothing(client):
    random = Random(7)
    outcome = in_thread(lambda: dask.compute(tree(64), scheduler=client))
    for _ in range(8):
        time.sleep(random.uniform(0, 0.1))
        if alive := containers(client):
            os.kill(random.choice(alive), signal.SIGKILL)
    assert outcome() == (2 * sum(range(64)),)


def test_large_outputs_of_a_killed_container_are_still_there(client):
    parts = [delayed(big)(i) for i in range(8)]
    total = delayed(lambda arrays: slow_add(*[float(a.sum()) for a in arrays]))(parts)
    outcome = in_thread(lambda: dask.compute(total, scheduler=client))
    eventually(lambda: containers(client))
    for pid in containers(client):
        os.kill(pid, signal.SIGKILL)
    assert outcome() == (20_000.0 * sum(range(8)),)


def test_a_task_that_kills_its_container_every_time_is_named_with_the_signal():
    with Serverless(containers=2, attempts=2) as client:
        with pytest.raises(BundleLost, match="SIGKILL") as caught:
            dask.compute(delayed(os.kill)(delayed(os.getpid)(), signal.SIGKILL), scheduler=client)
        assert caught.value.tries == 2
        assert dask.compute(delayed(sum)([1, 2]), scheduler=client) == (3,)


def test_the_nursery_killed_in_the_middle_of_a_run_changes_nothing(client):
    outcome = in_thread(lambda: dask.compute(tree(64), scheduler=client))
    with open_link(client._engine.url) as link:
        eventually(lambda: link.call(("KEYS", "ds:*:finished"))[0])
    begun = time.monotonic()
    os.kill(nursery(client), signal.SIGKILL)
    assert outcome() == (2 * sum(range(64)),)
    assert time.monotonic() - begun < client.settings.lease_seconds  # no wait for leases


def test_the_nursery_killed_between_two_computes_is_no_trouble(client):
    assert dask.compute(tree(4), scheduler=client) == (12,)
    os.kill(nursery(client), signal.SIGKILL)
    assert dask.compute(tree(4), scheduler=client) == (12,)


def test_containers_killed_between_two_computes_are_no_trouble(client):
    assert dask.compute(tree(4), scheduler=client) == (12,)
    for pid in containers(client):
        os.kill(pid, signal.SIGKILL)
    assert dask.compute(tree(4), scheduler=client) == (12,)


LONG_COMPUTE = """
    s = Serverless(containers=2{options})
    def long(i):
        open({started!r}, "a").write("x")
        time.sleep(60)
    graph = [delayed(long)(i) for i in range(4)]
    tell(json.dumps(s._engine.folders.paths))
"""


def long_compute(folder: Path, options: str = "") -> str:
    return LONG_COMPUTE.format(options=options, started=str(folder / "started"))


def test_a_client_killed_in_the_middle_leaves_nothing(tmp_path):
    source = long_compute(tmp_path) + "    dask.compute(graph, scheduler=s)\n"
    with Client(tmp_path, source) as script:
        folders = [Path(path) for path in eval(script.hear())]
        eventually((tmp_path / "started").exists)
        assert len(script.left()) > 4  # itself, the nursery, containers, the store and its guard
        script.kill()
        eventually(lambda: not script.left())
        eventually(lambda: not any(folder.exists() for folder in folders))


def test_a_client_killed_in_the_middle_leaves_no_key_in_a_store_of_others(
    tmp_path, link, store_url
):
    options = f", store={store_url!r}"
    source = long_compute(tmp_path, options) + "    dask.compute(graph, scheduler=s)\n"
    with Client(tmp_path, source) as script:
        script.hear()
        eventually((tmp_path / "started").exists)
        assert link.call(("KEYS", "*")) != [[]]
        script.kill()
        eventually(lambda: not script.left())
        assert link.call(("KEYS", "*")) == [[]]


def test_a_client_killed_while_its_fork_lives_on_leaves_nothing(tmp_path):
    """The fork has the same connections, so the nursery heard no end of them."""
    source = (
        long_compute(tmp_path)
        + """
    if os.fork() == 0:
        tell(os.getpid())
        time.sleep(60)
        os._exit(0)
    dask.compute(graph, scheduler=s)
    """
    )
    with Client(tmp_path, source) as script:
        script.hear()
        fork = int(script.hear())
        eventually((tmp_path / "started").exists)
        script.kill()
        eventually(lambda: len(script.left()) == 1)
        os.kill(fork, signal.SIGKILL)


def test_a_script_that_ends_without_close_leaves_nothing(tmp_path):
    source = """
    s = Serverless(containers=2)
    tell(json.dumps(s._engine.folders.paths))
    tell(dask.compute(delayed(sum)([1, 2]), scheduler=s))
    """
    with Client(tmp_path, source) as script:
        folders = [Path(path) for path in eval(script.hear())]
        assert script.hear() == "(3,)"
        script.finish()
        eventually(lambda: not script.left())
        assert not any(folder.exists() for folder in folders)


def test_ctrl_c_frees_the_containers_and_leaves_the_client_usable(tmp_path):
    source = (
        long_compute(tmp_path)
        + """
    try:
        dask.compute(graph, scheduler=s)
    except KeyboardInterrupt:
        tell("interrupted")
    began = time.monotonic()
    tell(dask.compute(delayed(sum)([1, 2]), scheduler=s))
    tell(time.monotonic() - began)
    from dask_serverless.store.connect import open_link
    tell(open_link(s._engine.url).call(("KEYS", "*")))
    tell([os.listdir(path) for path in s._engine.folders.paths])
    """
    )
    with Client(tmp_path, source) as script:
        script.hear()
        eventually((tmp_path / "started").exists)
        script.interrupt()
        assert script.hear() == "interrupted"
        assert script.hear() == "(3,)"
        assert float(script.hear()) < 5.0  # not the minute that the tasks sleep
        assert script.hear() == "[[]]"
        assert script.hear() == "[[], []]"
        script.finish()


def test_ctrl_c_stops_tasks_that_do_not_listen_to_it(tmp_path):
    source = (
        long_compute(tmp_path)
        + """
    def stubborn(i):
        open("stubborn", "w").close()
        while True:
            try:
                time.sleep(60)
            except BaseException:
                pass
    try:
        dask.compute([delayed(stubborn)(i) for i in range(2)], scheduler=s)
    except KeyboardInterrupt:
        tell("interrupted")
    tell(dask.compute(delayed(sum)([1, 2]), scheduler=s))
    """
    )
    with Client(tmp_path, source) as script:
        script.hear()
        eventually((tmp_path / "stubborn").exists)
        script.interrupt()
        assert script.hear() == "interrupted"
        assert script.hear() == "(3,)"
        script.finish()


def test_the_store_killed_in_the_middle_is_said_and_the_next_compute_works(tmp_path):
    source = """
    from dask_serverless.errors import ServerlessError
    s = Serverless(containers=2)
    assert dask.compute(delayed(sum)([1, 2]), scheduler=s) == (3,)
    tell("warm")
    def slow(i):
        open("started", "w").close()
        time.sleep(0.5)
    try:
        tell(dask.compute([delayed(slow)(i) for i in range(100)], scheduler=s))
    except ServerlessError as error:
        tell(type(error).__name__)
    tell(dask.compute(delayed(sum)([1, 2]), scheduler=s))
    """
    with Client(tmp_path, source) as script:
        script.hear()
        eventually((tmp_path / "started").exists)
        os.kill(script.server(), signal.SIGKILL)
        assert script.hear() == "StoreEnded"
        assert script.hear() == "(3,)"
        script.finish()
        eventually(lambda: not script.left())


def test_a_flushed_store_is_said_and_the_next_compute_works(store_url, link):
    link.call(("FLUSHALL",))  # what a run before left would pass for ours
    with Serverless(containers=2, store=store_url) as client:
        outcome = in_thread(lambda: dask.compute(tree(128), scheduler=client))
        # Some bundles are done: what is flushed before all of a run is there is submitted again.
        eventually(lambda: link.call(("KEYS", "ds:*:finished"))[0])
        link.call(("FLUSHALL",))
        with pytest.raises(RunLost):
            outcome()
        assert dask.compute(tree(4), scheduler=client) == (12,)


def test_a_run_whose_keys_expire_says_that_the_machine_may_have_slept(store_url, link):
    link.call(("FLUSHALL",))  # what a run before left would pass for ours
    with Serverless(containers=2, store=store_url) as client:
        outcome = in_thread(lambda: dask.compute(tree(128), scheduler=client))
        eventually(lambda: link.call(("KEYS", "ds:*:finished"))[0])
        # As when nobody looked for ten minutes: all that has an expiry is over.
        link.call(*[("PEXPIRE", key, 1) for key in link.call(("KEYS", "ds:*"))[0]])
        with pytest.raises(RunLost, match="a machine that slept"):
            outcome()


def test_events_that_were_deleted_are_not_waited_for(store_url, link, tmp_path):
    """A client that listens counts them: it used to wait for ever for those that were gone."""

    def wait():
        print("waiting")
        eventually((tmp_path / "shown").exists)

    def delete(line):
        """The client hears nothing else meanwhile."""
        (tmp_path / "shown").touch()
        eventually(lambda: link.call(("KEYS", "ds:*:end"))[0])
        link.call(("DEL", *link.call(("KEYS", "ds:*:events"))[0]))

    with Serverless(containers=2, store=store_url, logs=delete) as client:
        with pytest.raises(RunDamaged):
            dask.compute(delayed(wait)(), scheduler=client)


def test_a_container_killed_beside_a_process_of_its_task_is_noticed(serverless, tmp_path):
    """The task's own child holds the container's connection open, so no end of it is heard."""
    marker = tmp_path / "killed"

    def fork_and_die():
        if marker.exists():
            return "second try"
        marker.touch()
        if os.fork() == 0:
            time.sleep(5)  # outlives the container
            os._exit(0)
        os.kill(os.getpid(), signal.SIGKILL)

    begun = time.monotonic()
    assert dask.compute(dask.delayed(fork_and_die)(), scheduler=serverless) == ("second try",)
    assert time.monotonic() - begun < 4


def fork_and(how):
    """The child's exit status; for ever, if it works on as a second container."""
    child = os.fork()
    if child == 0:
        if how == "raise":
            os.execvp("no such program", ["no such program"])
        if how == "exit":
            sys.exit(3)
        return "the child's"
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(("how", "status"), [("return", 0), ("raise", 1), ("exit", 3)])
def test_a_process_that_a_task_forks_ends_when_it_comes_back_from_it(serverless, how, status):
    lines = []
    listened = serverless.options(retries=2, logs=lines.append)
    for _ in range(3):
        assert dask.compute(delayed(fork_and)(how), scheduler=listened) == (status,)
    assert any("no such program" in line.text for line in lines) == (how == "raise")
    assert dask.compute(tree(8), scheduler=serverless) == (56,)
