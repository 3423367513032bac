"""What the client makes of the lines that it hears: which are missing, and when all are here."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from dask_serverless import client
from dask_serverless.client.hearing import Hearing
from dask_serverless.coordination.base import News
from dask_serverless.coordination.memory import MemoryCoordination, MemoryStore
from dask_serverless.worker.said import Said, pack_batch


@pytest.fixture
def lines():
    return []


@pytest.fixture
def hearing(lines):
    dag = SimpleNamespace(
        labels=["x"], function_names=("f",), functions=np.zeros(1, np.int32), tasks=1
    )
    return Hearing(lines.append, SimpleNamespace(dag=dag))


def news(*said):
    return News("0-0", (), "1-0", [pack_batch(said)])


def line(number, text="text", voice="c-1/0", task=0):
    return Said(voice, number, task, "stdout", text)


def texts(lines):
    return [each.text for each in lines]


def test_a_gap_is_told_once_where_it_is(hearing, lines):
    hearing.heed(news(line(0), line(4)))
    assert texts(lines) == ["text", "… 3 lines were dropped here", "text"]
    assert hearing.dropped == 3


def test_what_was_dropped_at_the_end_is_told_by_a_number_alone(hearing, lines):
    hearing.expect(["c-1/0", 7])
    hearing.heed(news(line(0)))
    assert not hearing.complete
    hearing.heed(news(line(7, None)))
    assert hearing.complete
    assert hearing.dropped == 6
    assert len(lines) == 2


def test_a_container_that_forgot_the_run_and_came_back_counts_anew(hearing, lines):
    """Its first voice's lines do not count for the second's, and nothing is missing."""
    hearing.heed(news(line(0), line(1)))
    hearing.expect(["c-1/0", 2])
    hearing.expect(["c-1/3", 1])
    assert not hearing.complete
    hearing.heed(news(line(0, voice="c-1/3")))
    assert hearing.complete
    assert not hearing.dropped
    assert {each.container for each in lines} == {"c-1"}


@pytest.mark.parametrize("batch", [b"", b"\xc1", b"\x93\x01\x02\x03", b"\x91\x91\xa1x"])
def test_what_somebody_else_has_written_is_passed_over(hearing, lines, batch):
    hearing.heed(News("0-0", (), "1-0", [batch, pack_batch([line(0)])]))
    assert texts(lines) == ["text"]


def test_a_task_that_is_none_of_the_runs_has_no_key(hearing, lines):
    hearing.heed(news(line(0, task=99), line(1, task=-7)))
    assert [each.key for each in lines] == [None, None]


def test_lines_that_do_not_come_in_time_are_counted_when_the_run_is_over(
    hearing, lines, monkeypatch
):
    """Their keeper is behind, say: a container that nobody has heard at all is among them."""
    monkeypatch.setattr(client.hearing, "LAST_SECONDS", 0.05)
    hearing.expect(["c-1/0", 3])
    hearing.expect(["c-2/0", 34_008])
    hearing.heed(news(line(0)))
    coordination = MemoryCoordination(MemoryStore(), "run", "epoch")
    for _ in range(2):
        hearing.finish(coordination)
        assert hearing.dropped == 34_010
    assert [each.container for each in lines] == ["c-1", "c-1", "c-2"]
    assert texts(lines)[1:] == ["… 2 lines were dropped here", "… 34008 lines were dropped here"]
