"""What only a lost container had is made again, in front of the bundle that takes it."""

from __future__ import annotations

import pytest

from dask_serverless.coordination.base import Assignment
from dask_serverless.errors import BlobLost
from dask_serverless.worker.again import nowhere, references, with_makers
from dask_serverless.worker.bundle import BundleSpec, decode, encode


def bundle(task, inputs, **values):
    """One task, which takes these inputs and a constant of its own."""
    constant = -1 - task
    given = {"constants": {constant: f"constant {task}"}, **values}
    step = (task, 0, (*inputs, constant), None)
    return BundleSpec(
        slot=-1, inputs=inputs, program=[step], pickled={}, hoisted={}, stored=(task,),
        wanted=(), children=b"\x90", releases=b"\x90", **given,
    )  # fmt: skip


def assigned(number, spec, inputs, makers=()):
    return Assignment(number, encode(spec), inputs, makers)


def decoded(data):
    return decode(data, lambda reference: pytest.fail("nothing is kept apart"))


def test_the_whole_way_back_to_stored_inputs_runs_in_order():
    first, second, last = bundle(1, (0,)), bundle(2, (1,)), bundle(3, (2, 0))
    makers = [assigned(2, second, [b"l1"]), assigned(1, first, [b"rzero"])]
    assignment = assigned(3, last, [b"l2", b"rzero"], makers)
    whole, inputs = with_makers(last, assignment, decoded)
    assert [step[0] for step in whole.program] == [1, 2, 3]
    assert inputs == {0: b"rzero"}
    assert whole.constants == {-2: "constant 1", -3: "constant 2", -4: "constant 3"}
    assert (whole.stored, whole.children, whole.releases) == ((3,), b"\x90", b"\x90")


def test_what_nobody_can_make_is_lost():
    last = bundle(3, (2,))
    with pytest.raises(BlobLost, match="bundle 2"):
        with_makers(last, assigned(3, last, [b"l2"]), decoded)


def test_inputs_that_are_here_need_not_be_made_again():
    last = bundle(3, (2, 0))
    assignment = assigned(3, last, [b"l2", b"rzero"])
    assert nowhere(references(last, assignment))
    assert not nowhere(references(last, assignment, here={2}))
