"""Targets: which graph decides, and what counts as measured."""

import pytest

from benchmarks.peers import SERVERLESS
from benchmarks.report import judge, target_rows
from benchmarks.samples import LIMIT, Sample, Table
from benchmarks.targets import TARGETS, added_client_seconds


def target(title):
    return next(target for target in TARGETS if target.title == title)


def measured(family, seconds, **more):
    """A table with one sample each: graph → peer → seconds."""
    table = Table()
    for graph, peers in seconds.items():
        table.families[graph] = family
        for peer, value in peers.items():
            table.cell(graph, peer).samples.append(Sample(value, **more))
    return table


@pytest.mark.parametrize(("slow", "verdict"), [(40.0, "pass"), (20.0, "pass"), (19.9, "miss")])
def test_the_worst_graph_decides(slow, verdict):
    table = measured(
        "fine",
        {
            "easy": {SERVERLESS: 1.0, "distributed": 100.0},
            "hard": {SERVERLESS: 1.0, "distributed": slow},
        },
    )
    found = judge(target("fine-grained against distributed"), table)
    assert (found["worst"], found["verdict"]) == ("hard", verdict)


def test_an_upper_bound_is_decided_by_the_largest():
    seconds = {"near": {SERVERLESS: 1.1, LIMIT: 1.0}, "far": {SERVERLESS: 1.6, LIMIT: 1.0}}
    found = judge(target("fine-grained and arrays over the limit"), measured("array", seconds))
    assert (found["worst"], found["verdict"]) == ("far", "miss")


def test_a_failed_cell_is_not_measured():
    table = measured("coarse", {"work": {SERVERLESS: 1.0, "distributed": 2.0}})
    table.cell("work", SERVERLESS).failure = "wrong result"
    assert judge(target("coarse tasks against distributed"), table)["verdict"] == "not measured"


def test_every_target_has_its_row_even_when_nothing_is_measured():
    rows = list(target_rows(Table()))
    assert len(rows) == len(TARGETS) == 11
    assert all("not measured" in row for row in rows)


def test_added_client_time_leaves_out_dasks_own_part():
    table = Table()
    table.cell("tree", SERVERLESS).samples.append(Sample(9.0, client_seconds=3.0))
    table.cell("tree", LIMIT).samples.append(Sample(1.0, 1.0, {"tasks": 1000.0}))
    assert added_client_seconds(table, "tree") == pytest.approx(0.002)


def test_added_client_time_is_what_the_run_reports_where_it_does():
    table = Table()
    numbers = {"materialise": 2.0, "translate": 0.5, "encode": 0.25, "wait": 7.0}
    table.cell("tree", SERVERLESS).samples.append(Sample(9.0, 3.0, numbers))
    table.cell("tree", LIMIT).samples.append(Sample(1.0, 1.0, {"tasks": 1000.0}))
    assert added_client_seconds(table, "tree") == pytest.approx(0.00075)


def test_store_calls_are_a_mean_over_bundles():
    table = Table()
    for graph, bundles, calls in (("small", 1.0, 5.0), ("large", 99.0, 100.0)):
        numbers = {"bundles": bundles, "store_calls": calls}
        table.cell(graph, SERVERLESS).samples.append(Sample(1.0, 0.0, numbers))
    found = judge(target("store calls per finished bundle"), table)
    assert found["values"] == {"all graphs": pytest.approx(1.05)}
