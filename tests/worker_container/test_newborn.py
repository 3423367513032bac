"""A container's first nursery: forked before anything has threads, and ended like any other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from worker_container.newborn import Forked

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("newborn.stream.close()", 0),  # whoever it was for is gone
        ("newborn.process.kill()", -9),
        ("os.kill(newborn.process.pid, signal.SIGTERM)", -15),
        ("newborn.stream.send(b'no message\\n')", 1),
    ],
)
def test_it_waits_and_ends_as_one_would_expect(end: str, code: int) -> None:
    script = (
        "import os, signal, sys\n"
        "from worker_container.newborn import Newborn\n"
        "assert 'numpy' not in sys.modules\n"
        "newborn = Newborn()\n"
        "assert newborn.process.poll() is None\n"
        f"{end}\n"
        "print(newborn.process.wait(20), newborn.process.poll())\n"
        "newborn.errors.seek(0)\n"
        "print(b'JSONDecodeError' in newborn.errors.read())\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True
    )
    assert told.stdout.split() == [str(code), str(code), str(code == 1)]
    assert told.stderr == ""


def test_a_child_is_waited_for_as_long_as_one_likes() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeps:
        child = Forked(sleeps.pid)
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(0.05)
        child.kill()
        assert child.wait() == child.returncode == -signal.SIGKILL
        child.kill()  # it is gone: nobody else is meant


def test_a_child_that_somebody_else_was_told_of_is_gone() -> None:
    sleeps = subprocess.Popen(["true"])
    sleeps.wait()
    assert Forked(sleeps.pid).wait(5) == 0
