"""Small graphs and backends of round numbers, and what has to hold in any world."""

from __future__ import annotations

import numpy as np

from dask_serverless.simulation.model import BackendModel
from dask_serverless.simulation.simulation import simulate
from planners.graph.dag import Dag
from planners.numbers.predictions import Constant
from planners.numbers.workload import Workload
from planners.plans.bundles import bundles_of
from planners.plans.plan import Plan

SECOND = Constant(task_seconds=1.0, task_output_bytes=0.0)  # each task takes one
STARTS = {"cold_start": 0.5, "warm_start": 0.1, "store_rtt": 0.0}  # all else takes no time


def graph(*inputs):
    """``graph((), (0,), (0, 1))``: the inputs of each task."""
    producers = [one for each in inputs for one in each]
    users = [task for task, each in enumerate(inputs) for _ in each]
    return Dag.from_edges(
        len(inputs),
        producers,
        users,
        functions=np.zeros(len(inputs), dtype=np.int32),
        function_names=("function",),
    )


def one_each(dag, slots=None):
    """A bundle for each task, which is none of any slot unless ``slots`` say."""
    tasks = np.arange(dag.tasks, dtype=np.int32)
    slots = np.full(dag.tasks, -1) if slots is None else np.array(slots)
    return Plan("test", tasks, slots.astype(np.int32), np.full(dag.tasks, 1769, dtype=np.int32))


def lived(dag, plan=None, predictions=SECOND, **keywords):
    model = BackendModel.of_keywords(**{"containers": 2, **STARTS, **keywords})
    return simulate(Workload.predict(dag, predictions), plan or one_each(dag), model)


def check_conserved(simulation, dag):
    """Every bundle once, one at a time on a container, and none before its inputs are there."""
    begun, finished = simulation.begun, simulation.finished
    assert (simulation.container >= 0).all()
    assert (begun <= simulation.fetched).all() and (simulation.fetched <= finished).all()
    between = bundles_of(dag, simulation.plan)
    assert (finished[between.edge_producers] <= begun[between.edge_consumers]).all()
    order = np.lexsort((begun, simulation.container))
    same = np.diff(simulation.container[order]) == 0
    assert (finished[order][:-1][same] <= begun[order][1:][same]).all()
    changes = np.concatenate((begun, finished))
    up_or_down = np.repeat([1, -1], len(begun))
    at_once = np.cumsum(up_or_down[np.lexsort((up_or_down, changes))])
    assert at_once.max() <= simulation.model.limit
