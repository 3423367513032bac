"""Arrays larger than shared memory: right results by way of the disk, and an error if that is full."""

import json
import os
import shutil
import subprocess
import sys

import pytest

MEMORY_MIB = 16
DISK_MIB = 48
BOUND_SECONDS = 300

# A container that dies of a page that is not there would be replaced: hence a single attempt.
SCRIPT = """
import json
import os
import dask.array as da
import numpy as np
from dask_serverless import Serverless
from dask_serverless.errors import BlobsFull

def blocks(count, numbers):
    return da.random.default_rng(count).random(count * numbers, chunks=numbers)

def same(array, client):
    stored = array.persist(scheduler=client)  # all of its blocks at once
    return bool(np.array_equal(stored.compute(scheduler="sync"), array.compute(scheduler="sync")))

told = {}
with Serverless(containers=2, attempts=1, history=False) as client:
    for name, count, numbers in SHAPES:
        try:
            told[name] = same(blocks(count, numbers), client)
        except BlobsFull as error:
            told[name] = str(error)
folders = {"/dev/shm", os.environ["TMPDIR"]}
told["left"] = [name for folder in folders for name in os.listdir(folder)]
print(json.dumps(told))
"""


@pytest.fixture
def disk(tmp_path):
    """Where temporary files go."""
    mounting = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", str(tmp_path)]
    if not os.path.isdir("/dev/shm") or shutil.which("unshare") is None or os.geteuid():
        pytest.skip("only root may mount a small /dev/shm of its own")
    if subprocess.run(mounting, capture_output=True, check=False).returncode:
        pytest.skip("nobody may mount anything here")
    (tmp_path / "disk").mkdir()
    return tmp_path / "disk"


def told(disk, shapes):
    """What a client says that finds so little memory and disk, where nobody else sees them."""
    script = disk.parent / "script.py"
    script.write_text(f"SHAPES = {shapes!r}\n{SCRIPT}")
    steps = [
        f"mount -t tmpfs -o size={MEMORY_MIB}m none /dev/shm",
        f"mount -t tmpfs -o size={DISK_MIB}m none {disk}",
        f"exec {sys.executable} {script}",
    ]
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", " && ".join(steps)],
        env={**os.environ, "TMPDIR": str(disk)},
        capture_output=True, text=True, timeout=BOUND_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_arrays_larger_than_shared_memory_go_to_disk_and_if_that_is_full_it_is_said(disk):
    # Given arrays of 32 MB, in many blocks and in one that never fits, and one of 96 MB
    many, one, far_too_many = (32, 125_000), (1, 4_000_000), (96, 125_000)
    # When they are computed, one after the other by the same client
    found = told(
        disk,
        [("many", *many), ("one", *one), ("far too many", *far_too_many), ("again", *many)],
    )
    # Then what has room on disk is right, also after what has none, and nothing is left
    error = found.pop("far too many")
    assert found == {"many": True, "one": True, "again": True, "left": []}
    # And that says where no room is left, and what to do
    for part in ("/dev/shm", str(disk), "blobs="):
        assert part in error
