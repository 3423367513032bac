"""Outlook: what a plan prints as, where its time goes, and how others compare."""

from functools import partial

import numpy as np
import pytest
from dag_shapes import chain, from_pairs, independent, random_dag
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import plans, platforms, workloads

from planners.cost.model import CostModel
from planners.cost.outlook import Outlook
from planners.cost.platform import Platform, Prices
from planners.cost.summary import LongestPath, busy_share, summary
from planners.cost.timeline import predict_timeline
from planners.errors import UnknownPlanner
from planners.graph.dag import Dag
from planners.numbers.outcomes import Outcome, Outcomes, Track
from planners.numbers.predictions import VCPU_MB, Constant
from planners.plans.plan import FLEXIBLE, Plan, Resources
from planners.registry import outlook, planner_by

MB = 1_000_000
PREDICTIONS = Constant(
    task_seconds=1.0,
    task_output_bytes=100 * MB,
    transfer_latency_seconds=0.0,
    bytes_per_second=100e6,
    cold_start_seconds=0.5,
)
MODEL = CostModel(PREDICTIONS, Platform(publish_seconds=0.0, prices=Prices(1e-5, 0.0)))
DAG = random_dag(2, 60)


def test_a_summary_says_where_the_time_of_the_longest_path_goes():
    # 0 and 1 in containers of their own, then 2 in that of 1, which fetches the output of 0
    dag = from_pairs(3, [(0, 2), (1, 2)])
    plan = Plan(
        "by hand",
        np.arange(3, dtype=np.int32),
        np.array([0, 1, 1], dtype=np.int32),
        np.full(3, VCPU_MB, dtype=np.int32),
    )
    timeline = MODEL.timeline(plan, MODEL.workload(dag), Resources(2))
    assert summary(timeline) == (
        "5.500 s, longest path: 2 bundles, "
        "0.500 s starting, 1.000 s fetching, 2.000 s running, 2.000 s storing\n"
        "containers: 2 started, 2 of them cold, busy 75% of their time\n"
        "cost: 0.000138 for 13.820 GB s and 300.0 MB moved"
    )


@settings(max_examples=80, deadline=None)
@given(st.data(), workloads(), platforms(), st.integers(1, 4))
def test_the_parts_of_the_longest_path_add_up_to_the_makespan(data, workload, platform, count):
    plan = data.draw(plans(workload.dag, slots=False))
    timeline = predict_timeline(plan, workload, platform, Resources(count))
    path = LongestPath.of(timeline)
    parts = (path.starting, path.fetching, path.running, path.storing)
    assert sum(parts) == pytest.approx(timeline.makespan_seconds)
    assert min(parts) >= -1e-9
    assert 0 <= busy_share(timeline) <= 1 + 1e-9


def test_an_outlook_prints_what_will_be_and_why():
    lines = str(outlook(DAG, Resources(4), MODEL, deadline=1000.0)).splitlines()
    assert lines[0].endswith("bundles") and "60 tasks" in lines[0]
    assert " s, longest path: " in lines[1]
    assert lines[2].startswith("containers: ")
    assert lines[3].startswith("cost: ")
    assert lines[4].startswith("why: chosen: ")
    mine = outlook(DAG, Resources(4), MODEL, "wukong")
    assert "why: wukong made it, no other was compared\n" in str(mine)
    assert repr(mine) == str(mine)


def test_what_runs_by_other_plans_put_right_is_printed_as_that():
    """It said 1.2 s, and below that it was chosen for its 7.8 s."""
    ways = {"uniform at 1769 MB": Track([Outcome(1.0, 3.0)] * 3)}
    dag, model = chain(3), CostModel(PREDICTIONS, MODEL.platform, outcomes=Outcomes(ways))
    plan = planner_by("wukong", model).plan(dag, Resources(2))
    told = Outlook(plan, dag, model, Resources(2), partial(planner_by, model=model))
    lines = str(told).splitlines()
    assert lines[1].startswith("after earlier runs by other plans: 13.500 s")
    assert lines[2].startswith("4.500 s, longest path")


def test_a_timeline_is_printed_in_the_order_in_which_bundles_begin():
    lines = str(outlook(independent(30), Resources(4), MODEL, "wukong")).splitlines()
    rows = [line.split() for line in lines[lines.index("") + 3 : -1]]
    assert len(rows) == 20
    begun = [float(row[-3]) for row in rows]
    assert begun == sorted(begun) and begun[0] < begun[-1]
    assert lines[-1] == "… 10 more bundles"


def test_made_up_numbers_are_called_that():
    assert "times: made up" in str(outlook(DAG, Resources(4), CostModel(), "wukong"))
    assert "times: made up" not in str(outlook(DAG, Resources(4), MODEL, "wukong"))


def test_in_notebooks_it_is_a_picture_with_every_name_escaped():
    named = Dag.from_edges(2, [0], [1], function_names=("<lambda>",))
    mine = outlook(named, Resources(1), MODEL, "wukong")
    html = mine._repr_html_() + mine.compare("<b>", "simple")._repr_html_()
    assert "<svg" in html and "<table>" in html
    assert "&lt;lambda&gt;" in html and "<lambda>" not in html and "<b>" not in html


def test_a_plan_for_nothing_prints():
    nothing = outlook(independent(0), Resources(1), MODEL, "wukong")
    assert "0 tasks in 0 bundles" in str(nothing)
    assert "0 tasks" in nothing._repr_html_()


def test_planners_to_compare_may_come_in_a_list():
    mine = outlook(DAG, Resources(4), MODEL, "uniform")
    assert str(mine.compare(["wukong", "simple"])) == str(mine.compare("wukong", "simple"))
    with pytest.raises(
        TypeError, match=r"compare\(\) takes planners, by name or as objects, not 3"
    ):
        mine.compare("wukong", 3)


def test_other_planners_are_compared_by_the_same_numbers():
    mine = outlook(DAG, Resources(4), MODEL, "uniform")
    table = mine.compare("wukong", "uniform", planner_by("simple", MODEL))
    head, _, *rows = str(table).splitlines()
    assert head.split()[:3] == ["planner", "bundles", "slots"]
    assert [row.split()[0] for row in rows] == ["uniform", "wukong", "uniform", "simple"]
    assert rows[0].split()[-6:] == rows[2].split()[-6:]
    makespan = planner_by("uniform", MODEL).plan(DAG, Resources(4)).prediction.makespan_seconds
    assert f" {makespan:.3f} " in rows[2]
    assert table.plans[2].prediction.makespan_seconds == makespan


def test_a_planner_that_fails_leaves_the_others_in_the_table():
    mine = outlook(independent(2), Resources(2), MODEL, "wukong")
    table = str(mine.compare("structurl", "simple")).splitlines()
    assert [line.split()[0] for line in table[2:]] == ["wukong", "simple", "structurl:"]
    assert "Did you mean 'structural'" in table[-1]


def test_planners_by_name_go_by_the_given_numbers():
    slow, fast = (
        planner_by("uniform", CostModel(Constant(task_seconds=seconds))).plan(
            chain(3), Resources(1)
        )
        for seconds in (10.0, 1.0)
    )
    assert slow.prediction.makespan_seconds > 5 * fast.prediction.makespan_seconds
    assert planner_by("wukong", MODEL).plan(chain(3), Resources(1)).slots.tolist() == [FLEXIBLE]
    with pytest.raises(UnknownPlanner):
        planner_by("nobody", MODEL)
