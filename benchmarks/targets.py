"""The targets, and whether a table of measurements meets them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from benchmarks.peers import SERVERLESS
from benchmarks.samples import LIMIT, Cell, Table

Values = Mapping[str, float]  # graph → measured; a target is met when every one of them meets it
ADDED = ("translate", "plan", "encode", "submit", "collect")  # phases of the client
SMALL, LARGE = "tree-1024", "tree-65536"


@dataclass(frozen=True)
class Target:
    """A bound on a measured number, from below or from above."""

    title: str
    bound: float
    at_least: bool
    measure: Callable[[Table], Values]

    def met(self, value: float) -> bool:
        return value >= self.bound if self.at_least else value <= self.bound

    def worst(self, values: Values) -> str:
        """The graph that decides."""
        return (min if self.at_least else max)(values, key=lambda graph: values[graph])


def against(peer: str, *families: str) -> Callable[[Table], Values]:
    """How many times longer the peer takes."""
    return lambda table: ratios(table, families, over=peer, under=SERVERLESS)


def over(peer: str, *families: str) -> Callable[[Table], Values]:
    """How many times longer than the peer it takes."""
    return lambda table: ratios(table, families, over=SERVERLESS, under=peer)


def milliseconds(peer: str, family: str) -> Callable[[Table], Values]:
    """By the clock."""
    return lambda table: {
        graph: 1e3 * cell.seconds
        for graph in table.graphs_of(family)
        if (cell := table.measured(graph, peer))
    }


def ratios(table: Table, families: tuple[str, ...], over: str, under: str) -> Values:
    graphs = [graph for family in families for graph in table.graphs_of(family)]
    found = {graph: table.ratio(graph, over, under) for graph in graphs}
    return {graph: value for graph, value in found.items() if value is not None}


def added_client_seconds(table: Table, graph: str) -> float | None:
    """What the client does for a task beyond Dask's own materialisation.

    By the phases that a run reports. Processor time would credit a client that materialises
    faster than Dask (without garbage collection, say) with work that it has not saved.
    """
    own, limit = table.measured(graph, SERVERLESS), table.measured(graph, LIMIT)
    if own is None or limit is None:
        return None
    reported = [seconds for name in ADDED if (seconds := own.number(name)) is not None]
    added = sum(reported) if reported else own.client_seconds - limit.client_seconds
    return added / (limit.number("tasks") or 1)


def client_growth(table: Table) -> Values:
    """The large tree's added client time per task over the small one's."""
    small, large = (added_client_seconds(table, graph) for graph in (SMALL, LARGE))
    return {LARGE: large / small} if small and large else {}


def calls_per_bundle(cell: Cell) -> float | None:
    bundles = cell.total("bundles")
    return cell.total("store_calls") / bundles if bundles else None


def store_calls(table: Table) -> Values:
    """Over all bundles of all graphs: the mean is the mean of bundles, not of graphs."""
    cells = [cell for graph in table.cells if (cell := table.measured(graph, SERVERLESS))]
    bundles = sum(cell.total("bundles") for cell in cells)
    calls = sum(cell.total("store_calls") for cell in cells)
    return {"all graphs": calls / bundles} if bundles else {}


TARGETS = (
    Target("fine-grained against distributed", 20, True, against("distributed", "fine")),
    Target("arrays against distributed", 3, True, against("distributed", "array")),
    Target("dataframe and bag against distributed", 2, True, against("distributed", "dataframe")),
    Target("coarse tasks against distributed", 1.0, True, against("distributed", "coarse")),
    Target("one warm task against distributed", 8, True, against("distributed", "one")),
    Target("fresh process against distributed", 1.5, True, against("distributed", "fresh")),
    Target("fine-grained and arrays over the limit", 1.5, False, over(LIMIT, "fine", "array")),
    Target("fine-grained over Dask's threads", 0.7, False, over("threads", "fine")),
    Target("arrays over Dask's threads", 1.3, False, over("threads", "array")),
    Target("added client time a task, 65,536 over 1,024", 1.3, False, client_growth),
    Target("store calls per finished bundle", 1.5, False, store_calls),
)
