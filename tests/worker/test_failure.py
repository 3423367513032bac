"""An error on its way to the client."""

from __future__ import annotations

import traceback

import msgpack
import numpy as np
import pytest

from dask_serverless.errors import BundleLost, TaskExited
from dask_serverless.worker.blame import Blame
from dask_serverless.worker.failure import as_exit, pack_failure, told_of, unpack_failure
from dask_serverless.worker.told import Used
from planners.graph.dag import Dag

DAG = Dag.from_edges(
    2, [], [], functions=[0, 1], function_names=["f", "g"], labels=["the key", ("x", 1)]
)
BUNDLES = [np.array([0, 1])]


def crossed(error, task=0):
    """What the client gets of an error raised here."""
    try:
        raise error
    except BaseException as raised:
        blame = Blame("running", task, task)
        packed = pack_failure(as_exit(raised, "f"), blame, container="c1", bundle=3)
    return unpack_failure(packed, DAG, BUNDLES.__getitem__)


def test_type_message_and_arguments_cross():
    error = crossed(ValueError("message", 3))
    assert (type(error), error.args) == (ValueError, ("message", 3))


@pytest.mark.parametrize("used", [None, Used(1.5, 100 << 20, 512)])
def test_what_its_container_took_comes_with_it(used):
    packed = pack_failure(ValueError(), Blame(), container="c1", bundle=3, used=used)
    assert (told_of(packed).container, told_of(packed).used) == ("c1", used)


def test_of_a_bundle_whose_containers_are_lost_none_tells():
    assert told_of(msgpack.packb(["lost", 0, 1, [("c1", "killed", 1)]])) is None


def test_a_note_names_function_key_and_container():
    assert crossed(ValueError()).__notes__ == [
        "while running f for the key 'the key' in container c1"
    ]


def test_notes_of_the_task_stay_in_front():
    error = ValueError()
    error.add_note("mine")
    assert crossed(error).__notes__[0] == "mine"


def test_an_error_outside_of_tasks_has_no_key():
    assert not hasattr(crossed(ValueError(), task=-1), "__notes__")


def test_frames_cross_with_file_line_and_name():
    frame = traceback.extract_tb(crossed(ValueError()).__traceback__)[-1]
    assert (frame.filename, frame.name, frame.line) == (__file__, "crossed", "raise error")


def test_a_failure_can_be_raised_and_shown():
    shown = "".join(traceback.format_exception(crossed(ValueError("text"))))
    assert "raise error" in shown
    assert "ValueError: text" in shown


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
def test_what_would_end_the_client_arrives_as_an_ordinary_error(error):
    arrived = crossed(error)
    assert isinstance(arrived, TaskExited)
    assert type(error).__name__ in str(arrived)


class Changed(Exception):
    """Pickles as something else."""

    def __reduce__(self):
        return str, ("not an exception",)


class Slotted(Exception):
    """Takes no notes."""

    def add_note(self, note):
        raise TypeError("no notes")


def test_an_exception_that_pickles_as_something_else_arrives():
    error = crossed(Changed("text"))
    assert (type(error), error.args) == (Changed, ("text",))


def test_an_exception_that_takes_no_notes_arrives():
    assert type(crossed(Slotted("text"))) is Slotted


def lost(story, tasks):
    packed = msgpack.packb(["lost", 0, 3, [(*end, 1) for end in story]])
    error = unpack_failure(packed, DAG, [np.array(tasks)].__getitem__)
    assert isinstance(error, BundleLost)
    return error


def test_a_bundle_that_was_lost_names_its_tasks_and_each_attempt():
    story = [("c1", "killed"), ("c2", "it exited with status 3\nlast words"), ("", "frozen")]
    error = lost(story, [0, 1])
    assert (error.tries, error.why, error.tasks) == (3, "frozen", 2)
    assert (error.functions, error.keys) == (["f", "g"], ["the key", ("x", 1)])
    for words in (
        "f ('the key'), g (('x', 1)).",
        "c1: killed",
        "  c2: it exited with status 3\n    last words\n",
    ):
        assert words in str(error)


def test_a_large_bundle_that_was_lost_names_a_few_of_its_tasks():
    error = lost([("c1", "killed")], [0, 1] * 500)
    assert len(error.keys) == 5
    assert "and 995 more" in str(error)
    assert len(str(error)) < 500


@pytest.mark.parametrize(
    ("why", "word"),
    [
        ("it was killed by SIGKILL (out of memory?)", "chunks"),
        ("it used 500 MiB of memory, more than its limit of 400 MiB", "setting memory"),
        ("it ran out of memory at the limit of 400 MiB: …", "setting memory"),
        ("the container a-1 was killed at its limit of 400 MiB", "setting memory"),
        ("the time limit of its function was over", "more seconds"),
        ("it was killed by SIGSEGV", "Native code"),
        ("it was killed by SIGABRT", "Native code"),
        ("no sign of life", "stands still"),
        (
            "no sign of life since it had 380 MiB in use: … ended it for want of more",
            "setting memory",
        ),
        ("its process was lost, and the executor has called it again elsewhere", "os._exit"),
        ("it stood still until its lease was over", "debugger"),
        ("it exited with status 3", "os._exit"),
        ("something else", "crashes"),
        ("something else\nits last words: SIGSEGV", "crashes"),
    ],
)
def test_the_end_of_a_container_hints_at_its_reason(why, word):
    assert word in str(lost([("c1", why)], [0]))


GONE = "its process was lost, and the executor has called it again elsewhere"


@pytest.mark.parametrize(
    ("ends", "word"),
    [
        ([GONE, GONE, "no sign of life"], "executor's own log"),
        (["no sign of life", "no sign of life", GONE], "executor's own log"),
        (
            ["it was killed by SIGKILL", "it exited with status 3", "it exited with status 3"],
            "os._exit",
        ),
        (["it exited with status 3", "it was killed by SIGSEGV"], "Native code"),
        (["it was killed by SIGSEGV", "something else"], "Native code"),
        (["something else", "no sign of life"], "stands still"),
    ],
)
def test_the_hint_goes_by_all_attempts_and_by_silence_only_where_nothing_else_is_known(ends, word):
    hint = lost([("c", end) for end in ends], [0]).hint
    assert word in hint
