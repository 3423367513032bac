"""The figures of plans that come true: how they are summed up, and one graph for real."""

import dask
import pytest

from benchmarks.accuracy import Effort, Row, judged, measuring, verdicts_of
from benchmarks.graphs import GRAPHS
from benchmarks.graphs.mixed import WORKFLOWS
from benchmarks.learner import Outcome, Ratio, Side, in_turns, learning
from planners.plans.plan import Prediction


def outcome(forecast, seconds):
    return Outcome(seconds, seconds, 0.0, Prediction(forecast, 0.0, 0.0, 0, 0))


def test_an_error_is_a_share_of_what_was_measured():
    assert outcome(1.5, 1.0).error == pytest.approx(0.5)
    assert outcome(0.5, 1.0).error == pytest.approx(0.5)
    assert outcome(1.0, 1.0).held and not outcome(0.9, 1.0).held


def test_verdicts_are_about_all_graphs_together_or_the_worst_of_them():
    rows = [
        Row(
            "a",
            "fine",
            error=0.02,
            held=40,
            of=40,
            by_structural=Ratio(1.0, 0.0),
            kept=9,
            accepted=10,
        ),
        Row(
            "b",
            "unequal",
            error=0.08,
            held=32,
            of=40,
            by_structural=Ratio(0.7, 0.0),
            kept=9,
            accepted=10,
        ),
        Row("c", "mixed", error=0.5, held=36, of=40, by_structural=Ratio(1.02, 0.0)),
    ]
    verdicts = verdicts_of(rows, {"a": Ratio(1.03, 0.01)})
    assert [verdict.value for verdict in verdicts] == pytest.approx(
        [8, 90, 90, 1.02, 0.7, 90, 1.01]
    )
    assert all(verdict.met for verdict in verdicts)


def test_one_pair_that_met_a_busy_neighbour_moves_no_ratio():
    ratio = Ratio.of([1.0, 1.02, 0.98, 1.01, 0.99, 9.0, 1.0, 1.0, 1.0])
    assert ratio.value == pytest.approx(1.0)
    assert 0 < ratio.give_or_take < 0.01 and ratio.surely < ratio.value


def test_sides_take_turns_on_the_same_inputs():
    runs = []

    class Told:
        def __init__(self, name):
            self.name, self.seed = name, 0

        def run(self, graph, planner):
            runs.append((self.name, self.seed))
            return Outcome(1.0, 1.0, 0.0, None)

    ratio = in_turns(None, Side(Told("a"), "auto"), Side(Told("b"), "structural"), 2)
    assert ratio == Ratio(1.0, 0.0)
    assert runs == [("b", 1), ("a", 1), ("a", 2), ("b", 2)]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_workflows_are_the_same_for_equal_seeds(name, monkeypatch):
    monkeypatch.setattr("benchmarks.graphs.mixed.steps", lambda seconds: round(1000 * seconds))
    build = WORKFLOWS[name].build
    one, other = (dask.compute(build(seed), scheduler="synchronous") for seed in (7, 7))
    assert one == other


def test_one_graph_is_judged_by_real_runs(tmp_path):
    few = Effort(judged=1, held=2, rounds=1, goals=1, measuring=1)
    graph = GRAPHS["tree-1024"]
    with learning(1, str(tmp_path / "history")) as learner, learning(1, False) as plain:
        row = judged(graph, learner, plain, few)
        ratios = measuring([graph], learner, plain, few)
    assert (row.tasks, row.of) == (1023, 2)
    assert row.seconds > 0 and row.error > 0 and row.by_structural.value > 0
    assert ratios["tree-1024"].value > 0
