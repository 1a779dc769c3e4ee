"""The atomic graph, its batches and the neighbour list behind them."""

from camp.graph.atomic_graph import AtomicGraph, batch_graphs, build_graph
from camp.graph.neighbours import neighbour_list

__all__ = ["AtomicGraph", "batch_graphs", "build_graph", "neighbour_list"]
