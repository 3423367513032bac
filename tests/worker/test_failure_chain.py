"""What an exception came from arrives with it."""

from __future__ import annotations

import time
import traceback

import dask
import pytest
from test_failure_kinds import KINDS, Frozen, Strict, fields

from dask_serverless import Serverless


def test_the_cause_of_an_exception_arrives_with_its_frames(serverless):
    def low():
        raise KeyError("deep")

    def high():
        try:
            low()
        except KeyError as error:
            raise ValueError("high") from error

    with pytest.raises(ValueError, match="high") as caught:
        dask.compute(dask.delayed(high)(), scheduler=serverless)

    assert isinstance(caught.value.__cause__, KeyError)
    assert "low" in [
        frame.name for frame in traceback.extract_tb(caught.value.__cause__.__traceback__)
    ]


def test_what_was_handled_meanwhile_arrives_unless_it_was_hidden(serverless):
    def fail(hidden):
        try:
            raise KeyError("first")
        except KeyError:
            if hidden:
                raise ValueError("second") from None
            raise ValueError("second")  # noqa: B904

    with pytest.raises(ValueError, match="second") as caught:
        dask.compute(dask.delayed(fail)(False), scheduler=serverless)
    assert isinstance(caught.value.__context__, KeyError)

    with pytest.raises(ValueError, match="second") as caught:
        dask.compute(dask.delayed(fail)(True), scheduler=serverless)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def raise_kind(index):
    from test_failure_kinds import KINDS

    try:
        raise LookupError("meanwhile")
    except LookupError:
        raise KINDS[index] from TypeError("origin")


def test_exceptions_of_all_kinds_are_those_that_dask_gives(serverless):
    for index in range(len(KINDS)):
        with pytest.raises(BaseException) as ours:
            serverless({"x": (raise_kind, index)}, "x")
        with pytest.raises(BaseException) as theirs:
            dask.get({"x": (raise_kind, index)}, "x")
        found, expected = ours.value, theirs.value
        if isinstance(KINDS[index], Strict | Frozen):  # Dask trips over what they forbid
            expected = KINDS[index]
        assert (type(found), found.args) == (type(expected), expected.args)
        assert str(found) == str(expected)
        assert (type(found.__cause__), found.__cause__.args) == (TypeError, ("origin",))
        assert (type(found.__context__), found.__suppress_context__) == (LookupError, True)
        missing = fields(expected).keys() - fields(found).keys()
        assert not missing


class Dawdling(Exception):
    """Takes longer to pickle than the lease lasts."""

    def __reduce__(self):
        time.sleep(1.6)
        return Dawdling, self.args


def test_a_bundle_is_held_while_its_exception_is_packed():
    def task():
        raise Dawdling("once")

    with Serverless(containers=1, lease_seconds=1, attempts=1) as client:
        with pytest.raises(Dawdling, match="once"):
            dask.compute(dask.delayed(task)(), scheduler=client)


def test_a_compute_while_another_exception_is_handled_keeps_the_context_of_the_task(serverless):
    def task():
        try:
            raise KeyError("of the task")
        except KeyError:
            raise ValueError("second")  # noqa: B904

    try:
        raise OSError("of the client")
    except OSError:
        with pytest.raises(ValueError, match="second") as caught:
            dask.compute(dask.delayed(task)(), scheduler=serverless)
    assert isinstance(caught.value.__context__, KeyError)
    assert isinstance(caught.value.__context__.__context__, OSError)
