"""Full disks on Docker, with real file systems: a container's, the client's and the daemon's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import dask
import pytest
from awaiting import eventually
from dask import delayed
from docker_engine import BASE, left
from docker_tasks import fill_tmp

from dask_serverless import Serverless
from dask_serverless.backends.docker.daemon import Daemon
from dask_serverless.errors import ImageNotBuilt, PlatformUnavailable

pytestmark = pytest.mark.docker

MIB = 1 << 20
BOUND_SECONDS = 60


@pytest.fixture
def root():
    if os.geteuid() or not all(map(shutil.which, ("unshare", "dockerd"))):
        if os.environ.get("CI"):
            pytest.fail("there has to be a root user, with unshare and dockerd")
        pytest.skip("only root may mount a file system, and start a daemon")


def test_a_full_tmp_is_the_tasks_error_with_its_size_and_the_setting(daemon):
    with Serverless(
        backend="docker", containers=1, memory="512 MiB", cpus=1.0, base=BASE, tmp="16 MiB"
    ) as client:
        with pytest.raises(OSError, match="No space left on device") as caught:
            dask.compute(delayed(fill_tmp)(100), scheduler=client)
        told = "\n".join(caught.value.__notes__)
        assert "/tmp has 0 of 16 MiB left" in told
        assert "the setting tmp" in told
        # What it has left there keeps nobody else from working, nor from large outputs.
        large = delayed(bytes)(30 * MIB)
        assert dask.compute(delayed(len)(large), scheduler=client) == (30 * MIB,)
        pool = client._engine.backend.site.name
    assert not [name for name in left(daemon) if pool in str(name)]


BUILD = """
import sys
from dask_serverless.backends.docker.daemon import Daemon
from dask_serverless.backends.docker.image import Image
from dask_serverless.errors import ImageNotBuilt
try:
    {build}
except ImageNotBuilt as error:
    print(error)
    sys.exit(3)
"""


@pytest.mark.parametrize(
    "build",
    [
        "Image({!r}).build_packages(Daemon(), 'dask-serverless-test:none')",
        "Image({!r}).build_ours(Daemon(), {!r}, 'dask-serverless-test:none')",
    ],
    ids=["packages", "ours"],
)
def test_a_client_without_room_for_temporary_files_is_told_so(daemon, root, tmp_path, build):
    """A folder of its own, mounted where nobody else sees it."""
    full = tmp_path / "full"
    full.mkdir()
    script = tmp_path / "script.py"
    script.write_text(BUILD.format(build=build.format(BASE, BASE)))
    mounted = f"mount -t tmpfs -o size=1m none {full} && exec {sys.executable} {script}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", mounted], env={**os.environ, "TMPDIR": str(full)},
        capture_output=True, text=True, timeout=BOUND_SECONDS,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert "No space left on device" in done.stdout
    assert f"{full}, is full" in done.stdout
    assert "TMPDIR" in done.stdout


@contextmanager
def small_daemon(folder, monkeypatch):
    """One with a disk of 64 MiB, in namespaces of its own: it never sees this host's networks."""
    socket, data = f"{folder}/socket", f"{folder}/data"
    os.mkdir(data)
    script = (
        f"mount -t tmpfs -o size=64m none {data} && exec dockerd --data-root {data} "
        f"--exec-root {data}/exec --pidfile {data}/pid --host unix://{socket} "
        "--bridge=none --iptables=false --ip6tables=false"
    )
    apart = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
    with open(f"{folder}/log", "w") as log:
        process = subprocess.Popen(
            [*apart, "sh", "-c", script], stdout=log, stderr=log, start_new_session=True
        )
    try:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{socket}")
        yield eventually(lambda: answering(process), seconds=BOUND_SECONDS)
    finally:
        process.kill()
        process.wait()


def answering(process):
    assert process.poll() is None, "the daemon has ended"
    try:
        return Daemon()
    except PlatformUnavailable:
        return None


def test_a_daemon_without_disk_is_one_error_and_it_keeps_nothing(root, monkeypatch, tmp_path):
    with tempfile.TemporaryDirectory(prefix="ds-", dir="/tmp") as folder:
        with small_daemon(folder, monkeypatch) as small:
            (tmp_path / "file").write_text("of a base image")
            small.api.import_image_from_data(packed(tmp_path), "small", "1")
            context = tmp_path / "context"
            (context / "site-packages").mkdir(parents=True)
            (context / "site-packages" / "large").write_bytes(os.urandom(40 * MIB))
            (context / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nCOPY site-packages /s\n")
            before = small.api.images(all=True)
            with pytest.raises(ImageNotBuilt, match="no space left on device") as caught:
                small.build(str(context), "dask-serverless:none", "small:1")
            assert "docker image prune" in str(caught.value)
            assert small.api.images(all=True) == before
            assert not left(small)


def packed(folder):
    archive = shutil.make_archive(str(folder / "packed"), "tar", folder, "file")
    return Path(archive).read_bytes()
