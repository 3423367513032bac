"""An error on its way to the client."""

from __future__ import annotations

import traceback

import msgpack
import pytest

from dask_serverless.errors import BundleLost, TaskExited
from dask_serverless.worker.failure import pack_failure, unpack_failure


def crossed(error, task=0):
    """What the client gets of an error raised here."""
    try:
        raise error
    except BaseException as raised:
        packed = pack_failure(raised, task=task, function="f", container="c1", bundle=3)
    return unpack_failure(packed, ["the key"].__getitem__)


def test_type_message_and_arguments_cross():
    error = crossed(ValueError("message", 3))
    assert (type(error), error.args) == (ValueError, ("message", 3))


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


def test_a_bundle_that_was_lost_tells_how_often_and_why():
    packed = msgpack.packb(["lost", 5, 3, "killed"])
    error = unpack_failure(packed, [].__getitem__)
    assert isinstance(error, BundleLost)
    assert (error.bundle, error.tries, error.why) == (5, 3, "killed")
