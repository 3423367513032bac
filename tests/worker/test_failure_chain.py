"""What an exception came from arrives with it."""

from __future__ import annotations

import traceback

import dask
import pytest


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
