"""What the cost model of planners foresees, and what the engine does in a simulation, side by side."""

from statistics import median

import pytest
from worlds import SECOND, graph, one_each

from benchmarks.simulate import agreement
from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.simulation import simulate
from planners.cost.platform import Platform
from planners.cost.timeline import predict_timeline
from planners.numbers.workload import Workload
from planners.plans.plan import Resources


@pytest.mark.parametrize(
    "dag",
    [
        graph((), (), ()),  # without a start between them
        graph((), (0,), (0,), (0,)),
        graph((), (), (), (0,), (1,), (2,), (0, 1), (4, 5)),  # lower ids first
    ],
)
@pytest.mark.parametrize("containers", [1, 2])
def test_few_containers_run_many_flexible_bundles_as_foreseen(dag, containers):
    workload, platform = Workload.predict(dag, SECOND), Platform(publish_seconds=0.0)
    plan = one_each(dag)
    timeline = predict_timeline(plan, workload, platform, Resources(containers))
    model = BackendModel.of(platform, workload, containers, 1769)
    simulated = simulate(workload, plan, model, platform)
    assert simulated.finished == pytest.approx(timeline.finished)
    assert simulated.container.tolist() == timeline.container.tolist()


def test_makespans_of_whole_workflows_agree():
    names = ["montage-50", "butterfly-16-ccr-1", "reduction-256-by-2-ccr-1", "layered-20x15-ccr-1"]
    rows = [row for name in names for row in agreement(name)]
    by_shape = [abs(row.difference) for row in rows if row.planner in ("wukong", "structural")]
    assert max(by_shape) < 0.05
    assert median(abs(row.difference) for row in rows) < 0.03
