"""Where tasks stand: by depth, evenly, kin beside kin; in cells where there are too many."""

from __future__ import annotations

from uuid import uuid4

import numpy as np
import pytest
from sightings import structure

from dask_serverless.client.structure import Structure
from dask_serverless.dashboard.groups import REST, SHOWN, groups_of, key_shown
from dask_serverless.dashboard.layout import task_layout
from dask_serverless.dashboard.raster import COLUMNS, EMPTY, ROWS, raster_of
from dask_serverless.dashboard.states import State
from dask_serverless.errors import RunUnreadable


def tree(leaves: int) -> Structure:
    inputs: list[list[int]] = [[] for _ in range(leaves)]
    row = list(range(leaves))
    while len(row) > 1:
        first = len(inputs)
        inputs += [row[i : i + 2] for i in range(0, len(row), 2)]
        row = list(range(first, len(inputs)))
    return structure(inputs, list(range(len(inputs))))


def test_a_task_stands_right_of_all_it_takes() -> None:
    shape = tree(8)
    layout = task_layout(shape)
    users = np.repeat(np.arange(shape.tasks), np.diff(shape.input_offsets))
    assert (layout.levels[users] > layout.levels[shape.inputs]).all()
    assert layout.widths.tolist() == [8, 4, 2, 1]


def test_a_tree_is_drawn_without_crossings() -> None:
    shape = tree(64)
    layout = task_layout(shape)
    parents = layout.y[64:96]
    children = layout.y[:64].reshape(32, 2).mean(axis=1)
    assert np.allclose(parents, children)


def test_the_tasks_of_a_part_are_found() -> None:
    layout = task_layout(tree(8))
    assert sorted(layout.within(-0.5, 0.5, 0.0, 0.5)) == [0, 1, 2, 3]
    assert len(layout.within(5.0, 9.0, 0.0, 1.0)) == 0


def test_edges_that_only_pass_through_a_part_are_found() -> None:
    shape = structure([[], [], [0, 1], [2], [0]], [0] * 5)
    layout = task_layout(shape)
    users = np.repeat(np.arange(shape.tasks), np.diff(shape.input_offsets))
    crossing = layout.crossing(shape.inputs, users, 1.4, 1.6, 0.0, 1.0)
    assert [(shape.inputs[edge], users[edge]) for edge in crossing] == [(2, 3)]
    assert len(layout.crossing(shape.inputs, users, 1.4, 1.6, 0.9, 1.0)) == 0
    assert len(layout.crossing(shape.inputs, users, 0.0, 0.1, 0.0, 1.0)) == 3


def test_how_high_a_few_tasks_are_depends_on_the_levels_there() -> None:
    layout = task_layout(tree(8))
    assert layout.height_of(2, -0.5, 3.5) == 2 / 8
    assert layout.height_of(2, 1.1, 2.1) == 2 / 2
    assert layout.height_of(2, 2.5, 3.5) == 2


def test_a_raster_shows_what_asks_for_attention() -> None:
    layout = task_layout(tree(1 << 12))
    raster = raster_of(layout)
    states = np.full(len(layout.levels), State.RELEASED, dtype=np.uint8)
    states[17] = State.FAILED
    image = raster.image(states)
    assert image.shape == (ROWS, 13)
    assert (image == State.FAILED).sum() == 1
    assert (image == EMPTY).any()
    assert raster.counts().sum() == len(states)


def test_a_chain_fits_into_the_raster() -> None:
    chain = structure([[], *([task] for task in range(4999))], [0] * 5000)
    raster = raster_of(task_layout(chain))
    assert (raster.rows, raster.columns) == (1, COLUMNS)
    assert raster.counts().sum() == 5000


def test_many_prefixes_become_a_limited_number_of_groups() -> None:
    labels = [f"{'abcdefghij'[n % 10]}{n}x" for n in range(3 * SHOWN)]
    groups = groups_of(structure([[]] * len(labels), [0] * len(labels), labels=labels))
    assert groups.count == SHOWN
    assert groups.names[-1] == REST
    assert groups.sizes.sum() == len(labels)


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("x", "x"),
        (["x", 0, 1], "('x', 0, 1)"),
        (3, "3"),
        (["a", ["b", 1]], "('a', ('b', 1))"),
        ("one\nline", r"one\nline"),
        ("", "''"),
    ],
)
def test_keys_are_shown_as_their_owners_write_them(label: object, shown: str) -> None:
    assert key_shown(label) == shown


def test_a_line_break_in_a_name_stays_in_its_box() -> None:
    groups = groups_of(structure([[]], [0], labels=["new\nline\tkey"]))
    assert list(groups.names) == [r"new\nline\tkey"]


def test_many_prefixes_of_one_level_stand_in_several_columns() -> None:
    pytest.importorskip("bokeh")
    from dask_serverless.dashboard.pages.overview import MOST_ROWS, places

    names = [f"{a}{b}x" for a in "abcde" for b in "vwxyz"]
    inputs: list[list[int]] = [[] for _ in names]
    shape = structure([*inputs, list(range(len(names)))], [0] * 26, labels=[*names, "total"])
    groups = groups_of(shape)
    x, y = places(groups)
    assert len(set(zip(x.tolist(), y.tolist(), strict=True))) == groups.count == 26
    assert np.bincount(x.astype(int)).max() <= MOST_ROWS
    assert (x[groups.sources] < x[groups.targets]).all()


@pytest.mark.parametrize(
    ("tasks", "random", "shrinks"), [(2000, False, True), (2000, True, False), (40_000, True, True)]
)
def test_keys_are_packed_smaller_where_that_takes_less_time_than_it_saves(tasks, random, shrinks):
    """Of a few names made at random, half of the bytes would take as long as to send them ten times."""
    labels = [f"add-{uuid4() if random else 'same'}-{number}" for number in range(tasks)]
    shape = structure([[]] * tasks, [0] * tasks, labels=labels)
    packed = shape.pack()
    assert (len(packed) < 0.7 * sum(map(len, labels))) is shrinks
    assert list(Structure.unpack(packed).labels) == labels


def test_a_structure_comes_back_as_it_was_stored() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    shape = structure([[], [0]], [0, 1], wanted=[1], labels=[("x", 0), Odd()])
    back = Structure.unpack(shape.pack())
    assert back.labels == [["x", 0], "odd"]
    assert back.inputs.tolist() == [0] and back.wanted.tolist() == [False, True]


@pytest.mark.parametrize("data", [b"", b"junk", b"\x80\x05K\x01."])
def test_what_is_no_structure_is_refused(data: bytes) -> None:
    with pytest.raises(RunUnreadable, match="damaged"):
        Structure.unpack(data)


def test_a_structure_of_another_version_is_refused() -> None:
    import zlib

    import msgpack

    with pytest.raises(RunUnreadable, match="version 0"):
        Structure.unpack(zlib.compress(msgpack.packb([0, {}])))
