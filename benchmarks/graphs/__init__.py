"""The graphs to measure; importing the package fills the table."""

from benchmarks.graphs import array, bag, coarse, dataframe, fine
from benchmarks.graphs.table import GRAPHS, Graph

__all__ = ["GRAPHS", "Graph", "array", "bag", "coarse", "dataframe", "fine"]
