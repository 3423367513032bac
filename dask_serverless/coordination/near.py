"""What a call does to a run in memory: edges and outputs that it announces, or leaves where they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgpack

from dask_serverless.coordination.base import LOCAL, Assignment, Report, inputs_named, maker
from dask_serverless.coordination.record import Record

Row = Sequence[Any]  # a child: id, slot, first byte, edges; then its bits, or first [tasks]


def still(record: Record, reports: Sequence[Report]) -> list[Report]:
    """Those of bundles that nobody else has by now."""
    return [report for report in reports if record.state.get(report.bundle) == report.claim]


def announce(record: Record, report: Report) -> list[Row]:
    """Outputs and edges become known; the children that are ready by that."""
    outputs: list[Any] = list(report.outputs)
    record.out.update(zip(outputs[::2], outputs[1::2], strict=True))
    ready = []
    for child in msgpack.unpackb(report.children):
        _, _, first, edges, *bits = child
        new = [record.add_edge(bit) for bit in bits]
        if any(new) and record.arrivals(first, edges) == edges:
            ready.append(child)
    return ready


def near_of(report: Report) -> list[Row]:
    return msgpack.unpackb(report.near) if report.near else []


def missing(record: Record, child: Row) -> int:
    """How many of its edges are still to be set, of those in a row."""
    return sum(not record.has_edge(bit) for bit in child[5:])


def nearest(record: Record, reports: Sequence[Report], container: str) -> Row | None:
    """The first child that lacks nothing but what is in this container's memory."""
    children: dict[int, Row] = {}
    brought: dict[int, int] = {}
    for report in reports:
        for child in near_of(report):
            children.setdefault(child[0], child)
            brought[child[0]] = brought.get(child[0], 0) + missing(record, child)
    for name, child in children.items():
        _, slot, first, edges, *_ = child
        complete = record.arrivals(first, edges) + brought[name] == edges
        if brought[name] and complete and record.may_take(container, slot):
            return child
    return None


def lend(record: Record, reports: Sequence[Report], borrower: int) -> None:
    lenders = []
    for report in reports:
        for name, _, _, _, tasks, *bits in near_of(report):
            if name == borrower:
                lenders.append(report.bundle)
                for task in tasks:
                    record.out.setdefault(task, LOCAL + str(report.bundle).encode())
                for bit in bits:
                    record.add_edge(bit)
    record.lending.lend(lenders, borrower)


def release(record: Record, uses_of: Sequence[int]) -> list[bytes]:
    """A bundle needs its inputs no more; references of what nobody needs, if it is anywhere."""
    released = []
    for task, uses in zip(uses_of[::2], uses_of[1::2], strict=True):
        record.uses[task] = record.uses.get(task, 0) + 1
        if record.uses[task] >= uses:
            reference = record.out.pop(task, b"i")
            del record.uses[task]
            if reference[:1] not in (b"i", LOCAL):
                record.trash.add(reference)
                released.append(reference)
    return released


def inputs_of(record: Record, spec: bytes) -> list[bytes | None]:
    return [record.out.get(task) for task in inputs_named(spec)]


def makers_of(record: Record, inputs: Sequence[bytes | None]) -> list[Assignment]:
    """What makes inputs again that only a lost container had, back to stored ones."""
    makers: dict[int, Assignment] = {}
    todo = [inputs]
    while todo:
        for reference in todo.pop():
            bundle = maker(reference)
            if bundle is not None and bundle not in makers and bundle in record.specs:
                spec = record.specs[bundle]
                makers[bundle] = Assignment(bundle, spec, inputs_of(record, spec))
                todo.append(makers[bundle].inputs)
    return list(makers.values())
