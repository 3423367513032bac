"""``dask serverless plan SCRIPT``: every compute of a script, planned and printed."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

SCRIPT = """
    import sys
    import dask
    from dask_serverless import Serverless
    import beside

    def first():
        return dask.compute(dask.delayed(beside.double)(21))[0]

    if __name__ == "__main__":
        print("first", first(), *sys.argv[1:])
        with Serverless(containers=1, planner="simple") as mine:
            print("second", dask.delayed(sum)([1, 2]).compute())
        print("third", dask.delayed(sum)([3, 4]).compute(scheduler="sync"))
"""


@pytest.fixture
def script(tmp_path):
    (tmp_path / "beside.py").write_text("def double(x):\n    return 2 * x\n")
    path = tmp_path / "script.py"
    path.write_text(textwrap.dedent(SCRIPT))
    return path


def planned(*arguments):
    command = [sys.executable, "-m", "dask", "serverless", "plan", *map(str, arguments)]
    environment = {**os.environ, "DASK_SERVERLESS__CONTAINERS": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)


def test_each_compute_is_planned_printed_and_carried_out(script):
    done = planned("--planner", "wukong", "--compare", "uniform, nobody", script, "--no-run", "x")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line for line in lines if line.startswith("compute ")] == [
        f"compute 1, {script}:8",
        f"compute 2, {script}:13",
    ]
    assert any(line.startswith("wukong: 1 tasks in 1 bundles") for line in lines)
    assert any(line.startswith("simple: ") for line in lines)
    assert any(line.startswith("uniform ") for line in lines)
    assert any(line.startswith("nobody: no planner is called") for line in lines)
    assert {"first 42 --no-run x", "second 3", "third 7"} <= set(lines)


def test_it_can_stop_at_the_first_plan_with_nothing_computed(script, tmp_path):
    script.write_text(
        "import dask, pathlib\n"
        "try:\n"
        f"    dask.compute(dask.delayed(pathlib.Path({str(tmp_path / 'made')!r}).touch)())\n"
        "except Exception:\n"
        "    print('caught')\n"
        "print('went on')\n"
    )
    done = planned("--no-run", script)
    assert done.returncode == 0, done.stderr
    assert f"compute 1, {script}:3" in done.stdout
    assert "caught" not in done.stdout and "went on" not in done.stdout
    assert not (tmp_path / "made").exists()


def test_a_script_that_computes_nothing_here_is_told_so(script):
    script.write_text("print('nothing to do')\n")
    done = planned(script)
    assert done.returncode == 1
    assert "has computed nothing with this scheduler" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told", "status"),
    [
        (["nowhere.py"], "nowhere.py", 2),
        (["--planner", "structurl"], "Did you mean 'structural'", 2),
    ],
)
def test_what_was_mistyped_is_told_in_one_line(script, arguments, told, status):
    done = planned(*arguments, *([] if "nowhere.py" in arguments else [script]))
    assert done.returncode == status
    assert told in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("Serverless(planner='structurl')", "Did you mean 'structural'"),
        (
            "Serverless(planner=Uniform(Constant(task_seconds=9.0)), deadline=1)",
            "the deadline of 1 s",
        ),
        ("Serverless(containers=-1)", "containers"),
    ],
    ids=["planner", "deadline", "setting"],
)
def test_what_the_script_asks_for_in_vain_is_no_mistake_of_the_command_line(script, line, told):
    script.write_text(
        "import dask\n"
        "from dask_serverless import Serverless\n"
        "from planners.numbers.predictions import Constant\n"
        "from planners.uniform import Uniform\n"
        f"dask.compute(dask.delayed(abs)(-1), scheduler={line})\n"
    )
    done = planned(script)
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
    assert told in line
    assert "Usage" not in done.stderr and "--help" not in done.stderr


def test_what_the_script_raises_is_the_scripts(script):
    script.write_text("import dask\ndask.compute(dask.delayed(lambda: 1 / 0)())\n")
    done = planned(script)
    assert done.returncode == 1
    first, second, *_ = done.stderr.splitlines()
    assert first.startswith("Traceback") and f'"{script}", line 2' in second
    assert "ZeroDivisionError" in done.stderr
    assert "compute 1" in done.stdout
