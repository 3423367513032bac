"""Containers of a real Docker daemon: what runs there, how it is confined, and what is left."""

from __future__ import annotations

import importlib
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import dask
import dask.bag as db
import numpy as np
import pytest
from awaiting import eventually
from clients import Client, processes
from dask import delayed
from docker_engine import BASE, left
from docker_tasks import (
    c_says,
    confinement,
    crash,
    fill,
    fill_in_program,
    fill_with_the_first_process_at_risk,
    fill_with_the_nursery_at_risk,
    limits,
    needs,
    say_and_sleep,
    sleep_once,
    slow_below,
    speak,
    speak_and_die,
)
from store_servers import free_port, listens, server_process, until
from usual_graphs import check_collections

from dask_serverless import Serverless
from dask_serverless.backends.docker import daemon as docker_daemon
from dask_serverless.backends.docker.daemon import LABEL
from dask_serverless.backends.docker.ends import SHORT_SECONDS
from dask_serverless.client import planning
from dask_serverless.errors import BundleLost, ContainersCutOff, SettingsError
from planners.cost.model import CostModel
from planners.cost.pace import Pace
from planners.plans.plan import FLEXIBLE, Plan

pytestmark = pytest.mark.docker


def test_arrays_dataframes_and_bags(docker_client):
    check_collections(partial(dask.compute, scheduler=docker_client))


def test_a_task_has_no_rights_that_it_does_not_need(docker_client):
    (found,) = dask.compute(delayed(confinement)(), scheduler=docker_client)
    assert found == {
        "user": 65534,
        "capabilities": 0,
        "no new privileges": "1",
        "root is writable": False,
        "memory": 1 << 30,
        "secrets": [],
    }


def test_no_password_or_token_is_told_to_whoever_looks(docker_client, daemon):
    site = docker_client._engine.backend.site
    password = docker_client._engine.backend.store.url.split(":")[2].split("@")[0]
    shown = [repr(docker_client), repr(docker_client.settings)]
    for pid in processes():
        try:
            shown.append(Path(f"/proc/{pid}/cmdline").read_text(errors="replace"))
        except OSError:
            pass
    for container in daemon.api.containers(filters={"label": f"{LABEL}={site.name}"}):
        shown.append(str(daemon.api.inspect_container(container["Id"])))
    assert not [text for text in shown if site.token in text or password in text]


def test_the_private_store_wants_a_password(docker_client):
    from dask_serverless.errors import StoreDenied
    from dask_serverless.store.connect import open_link

    url = docker_client._engine.backend.store.url_for_containers
    scheme, _, place = url.partition("://")
    with pytest.raises(StoreDenied):
        open_link(f"{scheme}://{place.partition('@')[2]}")


def test_an_edited_module_of_ones_own_is_seen_by_the_next_compute(docker_client, tmp_path):
    sys.path.insert(0, str(tmp_path))
    try:
        (tmp_path / "edited_for_docker.py").write_text("def f():\n    return 'before'\n")
        module = importlib.import_module("edited_for_docker")
        assert dask.compute(delayed(module.f)(), scheduler=docker_client) == ("before",)
        (tmp_path / "edited_for_docker.py").write_text("def f():\n    return 'after it'\n")
        importlib.reload(module)
        assert dask.compute(delayed(module.f)(), scheduler=docker_client) == ("after it",)
    finally:
        sys.path.remove(str(tmp_path))
        sys.modules.pop("edited_for_docker", None)


def test_user_code_that_crashes_is_lost_with_its_signal_and_the_container_stays(docker_client):
    site = docker_client._engine.backend.site
    dask.compute([delayed(time.sleep)(0.2)] * 2, scheduler=docker_client)
    before = set(site.containers)
    with pytest.raises(BundleLost, match="SIGSEGV"):
        dask.compute(delayed(crash)(), scheduler=docker_client)
    assert before <= set(site.containers)


def test_a_fork_of_the_client_leaves_its_containers_as_they_are(docker_client):
    containers = docker_client._engine.backend.site.containers
    dask.compute([delayed(abs)(-1)], scheduler=docker_client)
    before = {container.id for container in containers.values()}
    if (child := os.fork()) == 0:
        os._exit(0)
    os.waitpid(child, 0)
    time.sleep(1.0)  # they would end as soon as they have seen the end of standard input
    assert before <= {container.id for container in containers.values()}
    assert dask.compute(delayed(abs)(-1), scheduler=docker_client) == (1,)


def test_a_container_that_is_killed_costs_its_bundle_and_not_the_run(docker_client, daemon):
    backend = docker_client._engine.backend
    tasks = [delayed(say_and_sleep)(1.0, n) for n in range(4)]
    answers, lines = [], []
    client = docker_client.options(logs=lines.append)
    dask.compute(delayed(abs)(-1), scheduler=client)  # the image may still have to be built
    thread = threading.Thread(target=lambda: answers.extend(dask.compute(*tasks, scheduler=client)))
    thread.start()
    killed = eventually(lambda: lines and lines[0].container, 60)
    cell = next(cell for cell in backend.site.pool.cells.values() if cell.process == killed)
    begun = time.monotonic()
    daemon.api.kill(backend.site.containers[cell.name].id)
    thread.join(60)
    assert answers == [0, 1, 2, 3]
    assert time.monotonic() - begun < 14, "it waited for the lease"
    assert client.last_run.lost == {killed}
    lost = client.last_run.containers[killed]
    assert lost["until"] > lost["since"] and lost["memory_mb"] == backend.sizes[0] >> 20


@pytest.mark.timeout(300)
def test_a_container_that_is_cut_off_from_the_network_is_replaced(
    daemon, requirements, monkeypatch
):
    for name, value in (("IDLE_SECONDS", 1), ("INTERVAL_SECONDS", 1), ("COUNT", 2)):
        monkeypatch.setattr(f"dask_serverless.store.sockets.KEEP_ALIVE_{name}", value)
    with Serverless(
        backend="docker", containers=1, base=BASE, requirements=requirements, lease_seconds=3
    ) as client:
        assert dask.compute(delayed(abs)(-1), scheduler=client) == (1,)
        site = client._engine.backend.site
        (first,) = site.containers.values()
        answers = []
        tasks = [delayed(sleep_once)(1.0, n) for n in range(4)]
        thread = threading.Thread(
            target=lambda: answers.extend(dask.compute(*tasks, scheduler=client))
        )
        thread.start()
        eventually(lambda: any(cell.process for cell in site.pool.cells.values()))
        daemon.api.disconnect_container_from_network(first.id, site.name, force=True)
        thread.join(200)
        assert answers == [0, 1, 2, 3]
        assert first not in site.containers.values()


def test_what_tasks_print_arrives_also_from_processes_that_die(docker_client):
    lines = []
    client = docker_client.options(logs=lines.append, attempts=1)
    tasks = [delayed(speak)(n, dask_key_name=f"say-{n}") for n in range(4)]
    assert dask.compute(*tasks, scheduler=client) == (0, 1, 2, 3)
    assert sorted((line.key, line.text) for line in lines) == [
        (f"say-{n}", f"line {n}") for n in range(4)
    ]
    lines.clear()
    with pytest.raises(BundleLost, match="last words"):
        dask.compute(delayed(speak_and_die)(), scheduler=client)
    assert [line.text for line in lines] == ["last words"]


def test_what_c_code_and_programs_write_arrives_from_containers(docker_client):
    lines = []
    client = docker_client.options(logs=lines.append)
    tasks = [delayed(c_says)(n, dask_key_name=f"say-{n}") for n in range(4)]
    assert dask.compute(*tasks, scheduler=client) == (0, 1, 2, 3)
    found = sorted((line.key, line.stream, line.text) for line in lines)
    assert found == sorted(
        (f"say-{n}", stream, f"{who} {n}")
        for n in range(4)
        for stream, who in (("stdout", "printf"), ("stderr", "program"))
    )


def test_out_of_memory_is_named_with_the_limit_and_what_was_used(daemon):
    with Serverless(
        backend="docker", containers=1, memory="256 MiB", cpus=1.0, base=BASE, attempts=2
    ) as client:
        with pytest.raises(BundleLost) as caught:
            dask.compute(delayed(fill)(600), scheduler=client)
        text = str(caught.value)
        assert "out of memory" in text
        assert "256 MiB" in text
        assert len(caught.value.story) == 2
        report = client.last_run
        assert len(report.lost) == 2 and [each.memory_mb for each in report.accounts] == [256]
        assert report.peak_bytes > 250 << 20 and report.paid_gb_seconds > 0
        assert dask.compute(delayed(fill)(10), scheduler=client) == (10 << 20,)


def test_what_did_not_fit_is_tried_again_on_the_next_larger_size(daemon):
    with Serverless(
        backend="docker", containers=2, memory=["1 GiB", "256 MiB"], cpus=1.0, base=BASE
    ) as client:
        small = [delayed(fill)(1 + n) for n in range(6)]
        tasks = [*small, delayed(fill)(500)]
        (*found, large) = dask.compute(*tasks, scheduler=client)
        assert found == [(1 + n) << 20 for n in range(6)]
        assert large == 500 << 20


class Sized:
    """A bundle a task, each with the memory that is asked for by its position."""

    name = "sized"

    def __init__(self, memory_mb, slots=None):
        self.memory_mb, self.slots = memory_mb, slots

    def plan(self, dag, resources):
        slots = self.slots or [FLEXIBLE] * dag.tasks
        return Plan(self.name, np.arange(dag.tasks), np.array(slots), np.array(self.memory_mb))


def test_bundles_run_in_containers_of_the_size_that_was_planned(daemon):
    with Serverless(
        backend="docker", containers=2, memory=["256 MiB", "384 MiB"], cpus=1.0, base=BASE
    ) as client:

        def found(memory_mb, slots=None):
            roots = [delayed(limits)() for _ in range(4)]
            with client.options(planner=Sized(memory_mb, slots)) as sized:
                return dask.compute(delayed(limits)(*roots), scheduler=sized)[0]

        assert found([0, 256, 0, 100, 1]) == [256] * 5, "nobody asked for more"
        assert sum(limit == 384 for limit in found([100, 300, 100, 384, 257])) >= 3
        slots = [0, 1, 0, 1, 2]
        assert sum(limit == 384 for limit in found([100, 300, 100, 300, 300], slots)) >= 3
        with pytest.warns(UserWarning, match="9999 MiB, but the largest .* 384 MiB"):
            assert found([9999] * 5) == [384] * 5


@dataclass(frozen=True)
class Smallest(CostModel):
    """Each task a bundle, in the smallest containers."""

    name: ClassVar[str] = "smallest"

    def plan(self, dag, resources):
        tasks = np.arange(dag.tasks)
        plan = Plan(self.name, tasks, np.full(dag.tasks, FLEXIBLE), np.zeros(dag.tasks, np.int32))
        return self.timeline(plan, self.workload(dag), resources).predicted_plan()


def test_a_run_that_is_behind_its_plan_goes_on_in_larger_containers(daemon, tmp_path, monkeypatch):
    """A busy machine may teach anything, so the plan is told here what pace it is to keep."""
    pace = Pace([384], [(0.5, 20)], start_seconds=60.0)
    monkeypatch.setattr(planning, "pace_of", lambda *_: pace)
    with Serverless(
        backend="docker", containers=2, memory=["256 MiB", "384 MiB"], cpus=1.0, base=BASE,
        planner=Smallest(), history=str(tmp_path / "history"), lease_seconds=60,
    ) as client:  # fmt: skip
        with client.report(tmp_path / "run.html"):
            tasks = [delayed(slow_below)(384, n) for n in range(20)]
            found = dask.compute(tasks, scheduler=client)[0]
        told = client.last_run.vs_plan()
    assert set(found) <= {256, 384} and found.count(384) > 10
    (resize,) = told.resizes
    assert (resize.version, resize.before_mb, resize.memory_mb) == (told.version, 256, 384)
    assert resize.at >= 0.5 and "20 should have been by 0.500 s" in resize.why
    assert "the run was late, and what had not begun got other containers" in str(told)
    assert "given other containers" in str(client.last_run)
    page = (tmp_path / "run.html").read_text()
    assert "Given containers of another size" in page and "20 should have been by 0.500 s" in page


@pytest.mark.parametrize(("cpus", "alike"), [(1.0, True), (None, False), (2.0, True)])
def test_forecasts_know_how_much_of_a_core_each_size_has(daemon, cpus, alike):
    """By what is made up before anything is measured, and from then on, too."""
    with Serverless(
        backend="docker", containers=1, memory=["256 MiB", "512 MiB"], cpus=cpus, base=BASE,
        history=False,
    ) as client:  # fmt: skip
        known = client.plan(delayed(needs)(1)).model.predictions
        cores = client._engine.backend.cores
    small, large = (known.seconds("needs", size).at() for size in (256, 512))
    assert (small == large) == alike and small >= large
    assert small / large == pytest.approx(cores[1][1] / cores[0][1] if not alike else 1.0)


def test_a_memory_error_takes_the_task_to_the_next_larger_size(daemon):
    with Serverless(
        backend="docker", containers=1, memory=["256 MiB", "384 MiB"], cpus=1.0, base=BASE
    ) as client:
        assert dask.compute(delayed(needs)(300), scheduler=client, retries=3) == (384,)
        assert client.last_run.retries == 0  # to try that again in place would be in vain
        with pytest.raises(MemoryError, match="500 MiB of 384"):
            dask.compute(delayed(needs)(500), scheduler=client)


@pytest.mark.parametrize(
    "filling", [fill_with_the_first_process_at_risk, fill_with_the_nursery_at_risk]
)
def test_who_starts_tasks_may_be_taken_for_want_of_memory_in_their_place(daemon, filling):
    with Serverless(
        backend="docker", containers=1, memory=["256 MiB", "1 GiB"], cpus=1.0, base=BASE, attempts=2
    ) as client:
        assert dask.compute(delayed(filling)(500), scheduler=client) == (500 << 20,)
        with pytest.raises(BundleLost, match="out of memory: the kernel killed") as caught:
            dask.compute(delayed(filling)(1500), scheduler=client)
        assert "1024 MiB" in str(caught.value)


def test_what_ends_after_a_program_ran_out_of_memory_did_not_run_out_of_memory(daemon):
    """The kernel's count of such ends, and the daemon's note of them, outlive the program."""
    with Serverless(
        backend="docker", containers=1, memory=["256 MiB", "384 MiB"], cpus=1.0, base=BASE,
        attempts=1,
    ) as client:  # fmt: skip
        assert dask.compute(delayed(fill_in_program)(500), scheduler=client) == (-signal.SIGKILL,)
        with pytest.raises(BundleLost, match="SIGKILL") as caught:
            dask.compute(delayed(speak_and_die)(), scheduler=client)
        assert "ran out of memory" not in str(caught.value)
        time.sleep(SHORT_SECONDS)
        backend = client._engine.backend
        (container,) = backend.site.containers.values()
        with pytest.raises(BundleLost, match="exited with status 137") as caught:
            killer = threading.Timer(2.0, daemon.api.kill, [container.id])
            killer.start()
            dask.compute(delayed(time.sleep)(30), scheduler=client)
        assert "ran out of memory" not in str(caught.value)


def test_what_fits_into_no_size_lists_every_attempt(daemon):
    with Serverless(
        backend="docker", containers=1, memory=["256 MiB", "384 MiB"], cpus=1.0, base=BASE,
        attempts=2,
    ) as client:  # fmt: skip
        with pytest.raises(BundleLost) as caught:
            dask.compute(delayed(fill)(900), scheduler=client)
        limits = [why for _, why in caught.value.story]
        assert "256 MiB" in limits[0]
        assert "384 MiB" in limits[1]


def test_a_short_run_gets_its_turn_while_a_long_one_has_all_containers(daemon, tmp_path):
    with Serverless(backend="docker", containers=1, cpus=1.0, base=BASE) as client:
        dask.compute(delayed(sum)([1]), scheduler=client)
        site = client._engine.backend.site
        long = [delayed(sleep_once)(0.3, n) for n in range(20)]
        ended = []
        thread = threading.Thread(
            target=lambda: ended.append(dask.compute(*long, scheduler=client, num_workers=1))
        )
        thread.start()
        eventually(lambda: any(cell.run for cell in site.pool.cells.values()))
        assert dask.compute(delayed(sum)([1, 2]), scheduler=client) == (3,)
        assert not ended, "the short one waited for the long one"
        thread.join(60)
        assert ended == [tuple(range(20))]


def test_containers_without_work_leave_and_come_again(daemon):
    with Serverless(
        backend="docker", containers=1, memory="512 MiB", cpus=1.0, base=BASE, idle_seconds=1
    ) as client:
        assert dask.compute(delayed(sum)([1, 2]), scheduler=client) == (3,)
        site = client._engine.backend.site
        eventually(lambda: not site.pool.cells)
        wanted = {"label": f"{LABEL}={site.name}"}
        eventually(lambda: not daemon.api.containers(all=True, filters=wanted))
        assert dask.compute(delayed(sum)([3, 4]), scheduler=client) == (7,)
    assert not [name for name in left(daemon) if site.name in str(name)]


def test_an_unchanged_environment_builds_nothing(docker_client, daemon, monkeypatch):
    site = docker_client._engine.backend.site
    dask.compute(delayed(sum)([1]), scheduler=docker_client)
    monkeypatch.setattr(type(daemon), "build", None)  # to call it would raise
    assert site.make_image() == site.image


CLIENT = f"""
    s = Serverless(backend="docker", containers=1, memory="512 MiB", cpus=1.0, base={BASE!r})
    dask.compute(delayed(sum)([1]), scheduler=s)
    tell(s._engine.backend.site.name)
    dask.compute(delayed(time.sleep)(60), scheduler=s)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["kill -9", "kill"])
def test_a_client_that_is_killed_leaves_no_container_and_no_network(daemon, tmp_path, how):
    with Client(tmp_path, CLIENT) as client:
        pool = client.hear()
        assert [name for name in left(daemon) if pool in str(name)]
        client.process.send_signal(how)
        client.process.wait(20)
        eventually(lambda: not [name for name in left(daemon) if pool in str(name)])
        eventually(lambda: not client.left())


def test_what_a_client_and_its_guard_left_the_next_client_removes(daemon, tmp_path):
    with Client(tmp_path, CLIENT) as client:
        pool = client.hear()
        guard = next(pid for pid, line in client.left().items() if "guard.py" in line)
        os.kill(guard, signal.SIGKILL)
        client.kill()
        daemon.api.inspect_network(pool)  # still there
        folder = client.temporary / pool
        os.utime(folder, (0, 0))  # it is swept from a certain age on
        with Client(tmp_path, CLIENT, TMPDIR=str(client.temporary)) as second:
            second.hear()
            assert not [name for name in left(daemon) if pool in str(name)]


def test_a_network_whose_folder_went_with_the_hosts_start_is_removed_when_it_is_old(
    daemon, monkeypatch
):
    label = f"dask-serverless-test-{secrets.token_hex(4)}"
    monkeypatch.setattr(docker_daemon, "LABEL", label)  # everybody else's stay as they are
    daemon.make_network(label)
    made = {"filters": {"label": label}}
    with Serverless(backend="docker", containers=1, base=BASE):
        assert [each["Name"] for each in daemon.api.networks(**made)].count(label) == 1
    monkeypatch.setattr(docker_daemon, "FORSAKEN", "0s")
    time.sleep(1)  # the daemon counts whole seconds
    with Serverless(backend="docker", containers=1, base=BASE):
        assert label not in [each["Name"] for each in daemon.api.networks(**made)]
    assert not daemon.api.networks(**made)


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("unix:///none/such", r"answers \(No such file or directory\)\. Start it .*DOCKER_HOST"),
        ("tcp://user:PASSWORD@127.0.0.1:1", r"answers \(Invalid .*user:\*\*\*@127\.0\.0\.1:1\)"),
        ("tcp://127.0.0.1:1", r"Connection refused\)"),
    ],
)
def test_without_a_daemon_the_error_says_why_and_how_to_start_one(monkeypatch, host, why):
    monkeypatch.setenv("DOCKER_HOST", host)
    from dask_serverless.errors import PlatformUnavailable

    with pytest.raises(PlatformUnavailable, match=why):
        Serverless(backend="docker")


def test_without_the_sdk_the_error_names_the_extra(monkeypatch):
    from dask_serverless.errors import PlatformUnavailable

    monkeypatch.setitem(sys.modules, "docker", None)
    with pytest.raises(PlatformUnavailable, match=r"dask-serverless\[docker\]"):
        Serverless(backend="docker")


def test_a_base_image_that_is_not_there_is_one_error(daemon):
    from dask_serverless.errors import ImageNotBuilt

    with Serverless(backend="docker", containers=1, base="localhost:1/none/such:1") as client:
        with pytest.raises(ImageNotBuilt, match="none/such"):
            dask.compute(delayed(sum)([1]), scheduler=client)


def test_packages_that_cannot_be_installed_are_one_error(daemon, tmp_path):
    from dask_serverless.errors import ImageNotBuilt

    path = tmp_path / "requirements.txt"
    path.write_text("numpy<1\n")  # not the client's
    with Serverless(backend="docker", containers=1, base=BASE, requirements=str(path)) as client:
        with pytest.raises(ImageNotBuilt, match="numpy"):
            dask.compute(delayed(sum)([1]), scheduler=client)


@pytest.mark.parametrize("host", ["localhost", "127.0.1.1", "0.0.0.0", "[::1]", "x.localhost"])
def test_a_store_that_only_this_host_knows_by_that_name_is_refused(daemon, host):
    with pytest.raises(SettingsError, match="in a container"):
        Serverless(backend="docker", store=f"redis://{host}:6379")


def test_a_store_that_containers_cannot_reach_is_one_error_of_compute(daemon, tmp_path):
    """Here its name means this host, there the container, as names of a hosts file may."""
    port = free_port()
    with server_process(tmp_path / "store", "--port", port, "--bind", "127.0.0.1"):
        until(lambda: listens(port))
        with Serverless(
            backend="docker", containers=2, memory="512 MiB", cpus=1.0, base=BASE, attempts=1,
            store=f"redis://2130706433:{port}",
        ) as client:  # fmt: skip
            with pytest.raises(ContainersCutOff, match="Connection refused") as caught:
                dask.compute(*[delayed(abs)(-n) for n in range(20)], scheduler=client)
            assert f"redis://2130706433:{port}" in str(caught.value)
            assert "that both can reach" in str(caught.value)
            pool = client._engine.backend.site.name
        assert not [name for name in left(daemon) if pool in str(name)]


@pytest.mark.parametrize(("memory", "shown"), [("64 MiB", "64.00 MiB"), ("512", "512 B")])
def test_a_limit_that_no_container_can_start_with_is_refused(daemon, memory, shown):
    with pytest.raises(SettingsError, match=f"memory is {shown}, but"):
        Serverless(backend="docker", memory=memory)


def test_more_cores_than_there_are_is_no_error(daemon):
    with Serverless(backend="docker", containers=1, cpus=1000, base=BASE) as client:
        assert dask.compute(delayed(sum)([1]), scheduler=client) == (1,)


def test_local_users_import_none_of_it():
    script = (
        "import sys, dask_serverless, dask_serverless.client.run; "
        "bad = [n for n in sys.modules if 'docker' in n or n.startswith(('http.client', "
        "'worker_container'))]; sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_runs_in_quick_succession_do_not_wait_for_containers_of_those_before(requirements):
    """A container called away from a run that was over tried that run again and again, for ever."""
    numbers = db.from_sequence(range(15), npartitions=3)
    with Serverless(
        backend="docker", containers=2, docker={"base": BASE, "requirements": requirements}
    ) as client:
        for _ in range(20):
            assert numbers.sum().compute(scheduler=client) == 105
            assert numbers.map(abs).max().compute(scheduler=client) == 14
