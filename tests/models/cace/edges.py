"""What the network of a potential sees of a graph."""

from camp.graph import AtomicGraph
from camp.graph.edges import Edges
from camp.potential.potential import Potential


def edges_of(potential: Potential, graph: AtomicGraph) -> Edges:
    """In the precision of the potential; with vectors that can be differentiated."""
    return Edges(
        potential.species_index[graph.numbers],
        graph.edge_vectors().to(potential.dtype).requires_grad_(True),
        graph.neighbours,
        graph.mask,
        graph.reverse,
    )
