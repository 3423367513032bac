"""What takes long to unpickle is unpickled once in each container whose bundles take it."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass

import dask
import pytest
from dask import delayed

from dask_serverless import Serverless
from planners.plans.plan import Plan


class Table:
    """Notes each time it is unpickled."""

    def __init__(self, notes: str, number: int) -> None:
        self.notes, self.number = notes, number

    def __reduce__(self):
        time.sleep(0.002)
        return unpickled, (self.notes, self.number)


def unpickled(notes: str, number: int) -> Table:
    with open(os.path.join(notes, "notes"), "a") as file:
        file.write(f"{os.getpid()} {number}\n")
    time.sleep(0.002)
    return Table(notes, number)


def number_of(table: Table, *others) -> int:
    return table.number


@dataclass(frozen=True)
class Slots:
    slots: tuple[int, ...]
    name: str = "slots"

    def plan(self, dag, resources):
        return Plan(self.name, range(dag.tasks), list(self.slots), [0] * dag.tasks)


@pytest.fixture(scope="module")
def client():
    with Serverless(containers=2) as client:
        yield client


def notes_of(client, tmp_path, slots):
    """Two tables, each of which three other tasks take, one after another."""
    tables = [delayed(Table, pure=False)(str(tmp_path), number) for number in (1, 2)]
    one = delayed(number_of)(*tables)
    two = delayed(number_of)(*tables, one)
    three = delayed(number_of)(*tables[::-1], two)
    asked = client.options(planner=Slots(slots))
    assert dask.compute(one, two, three, scheduler=asked, optimize_graph=False) == (1, 1, 2)
    path = tmp_path / "notes"
    return path.read_text().split("\n")[:-1] if path.exists() else []


def test_another_container_unpickles_each_input_once(client, tmp_path):
    notes = notes_of(client, tmp_path, (0, 0, 1, 1, 1))
    assert len(notes) == 2 and len(set(notes)) == 2


def test_its_own_maker_does_not_unpickle_it_at_all(client, tmp_path):
    assert notes_of(client, tmp_path, (0, 0, 0, 0, 0)) == []
