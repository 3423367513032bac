"""What tests of places share: a file system that is full soon, and files that may not be long."""

import os
import resource
import subprocess

import pytest


@pytest.fixture
def small_disk(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def short_files():
    """As after ulimit -f."""
    _, most = limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, most))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
