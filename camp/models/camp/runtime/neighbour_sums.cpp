// Sums over neighbours of CAMP, and their derivative, without any edge array that has channels:
//
//   s_{v1}(ij) = <h^j_{v1}, D_{v1}(r_ij)>,  g_v(ij) = sum_{v1} R_{v,v1}(r_ij) s_{v1}(ij),
//   M^i_v      = sum_j g_v(ij) D_v(r_ij),
//
// with R from tables of splines. Compiled for one kind of layer. Arrays with channels are blocked.

#include "neighbour_sums.hpp"
#include "ordered.hpp"
#include "paths.hpp"

namespace {

constexpr int64_t tile_atoms = atoms_in_cache(blocks * all_components * vector_bytes);

// The row of the table that an edge in this place reads.
int64_t table_row(const Edges &edges, int64_t slot, const Place &place) {
    const int64_t centre = edges.species[slot / edges.width];
    const int64_t neighbour = edges.species[edges.neighbours[slot]];
    return (centre * edges.species_count + neighbour) * edges.grid.intervals + place.interval;
}

struct Edge : Place {
    int64_t slot, centre, neighbour;
    Real unit[3], polyadic[all_components];
    const Vector *rows;

    Edge(const Edges &edges, int64_t slot)
        : Place(edges.grid, edges.vectors + 3 * slot),
          slot(slot),
          centre(slot / edges.width),
          neighbour(edges.neighbours[slot]),
          rows(edges.table + table_row(edges, slot, *this) * (blocks * coefficients * paths)) {
        for (int axis = 0; axis < 3; ++axis) unit[axis] = edges.vectors[3 * slot + axis] / length;
        make_polyadic(unit, polyadic);
    }
};

template <typename Function>
void for_each_edge(const Part &part, const Edges &edges, Function function) {
    for_each_ordered(part, tile_atoms, edges.width, edges.order,
                     [&](int64_t slot) { function(Edge(edges, slot)); });
}

// See ordered.hpp; the other functions need it for the same part of the atoms.
void order(const Part &part, const Edges *edges) {
    const int64_t rows = edges->species_count * edges->species_count * edges->grid.intervals;
    order_edges(
        part, tile_atoms, edges->width, edges->mask, rows,
        [&](int64_t slot) {
            return table_row(*edges, slot, Place(edges->grid, edges->vectors + 3 * slot));
        },
        edges->order);
}

// The sums into blocked moments (atoms, blocks, moment components).
void sums(const Part &part, const Edges *edges, Vector *moments) {
    constexpr int64_t size = blocks * all_components;
    std::fill(moments + part.first * size, moments + part.last * size, Vector{});
    for_each_edge(part, *edges, [&](const Edge &edge) {
        Vector *moment = moments + edge.centre * size;
        const Vector *features = edges->features + edge.neighbour * blocks * feature_components;
        for (int block = 0; block < blocks; ++block) {
            const Vector *rows = edge.rows + block * coefficients * paths;
            Vector bracket[max_feature_rank + 1], radial[paths];
            brackets(edge.polyadic, features + block * feature_components, bracket);
            repeat<paths>([&](int path) { radial[path] = edge.value(rows + path, paths); });
            repeat<max_rank + 1>([&](int v) {
                Vector g = radial[first_path(v)] * bracket[0];
                for (int v1 = 1; v1 < sources(v); ++v1)
                    g += radial[first_path(v) + v1] * bracket[v1];
                for (int c = begin(v); c < begin(v + 1); ++c)
                    moment[block * all_components + c] += g * edge.polyadic[c];
            });
        }
    });
}

// From the derivative with respect to the moments, blocked like them: what they add to that with
// respect to their edge vectors (atoms, width, 3) and, unless the pointer is null, to that with
// respect to the features, blocked like them.
void sums_backward(const Part &part, const Edges *edges, const Vector *moment_gradients,
                   Real *vector_gradients, const Copies<Vector> *copies) {
    Vector *feature_gradients = copies ? copies->own(part) : nullptr;
    for_each_edge(part, *edges, [&](const Edge &edge) {
        const Vector *moment = moment_gradients + edge.centre * blocks * all_components;
        const int64_t offset = edge.neighbour * blocks * feature_components;
        Vector of_polyadic[all_components]{}, of_t{};
        for (int block = 0; block < blocks; ++block) {
            const Vector *rows = edge.rows + block * coefficients * paths;
            const Vector *features = edges->features + offset + block * feature_components;
            const Vector *of_moment = moment + block * all_components;
            Vector bracket[max_feature_rank + 1], of_bracket[max_feature_rank + 1]{};
            brackets(edge.polyadic, features, bracket);
            repeat<max_rank + 1>([&](int v) {
                Vector g{}, of_g{};
                for (int c = begin(v); c < begin(v + 1); ++c)
                    of_g += of_moment[c] * edge.polyadic[c];
                for (int v1 = 0; v1 < sources(v); ++v1) {
                    Vector slope;
                    const Vector radial = edge.value(rows + first_path(v) + v1, paths, slope);
                    g += radial * bracket[v1];
                    of_bracket[v1] += radial * of_g;
                    of_t += slope * (bracket[v1] * of_g);
                }
                for (int c = begin(v); c < begin(v + 1); ++c)
                    of_polyadic[c] += g * of_moment[c];
            });
            repeat<max_feature_rank + 1>([&](int v1) {
                for (int c = begin(v1); c < begin(v1 + 1); ++c)
                    of_polyadic[c] +=
                        features[c] * of_bracket[v1] * component[c].multiplicity;
            });
            if (feature_gradients) {
                Vector *of_features = feature_gradients + offset + block * feature_components;
                repeat<max_feature_rank + 1>([&](int v1) {
                    for (int c = begin(v1); c < begin(v1 + 1); ++c)
                        of_features[c] +=
                            of_bracket[v1] * (edge.polyadic[c] * component[c].multiplicity);
                });
            }
        }
        Vector of_unit[3]{};
        differentiate_polyadic<all_components>(0, edge.polyadic, of_polyadic, of_unit);
        differentiate_edge(edge, edge.unit, 0, total(of_t), of_unit,
                           vector_gradients + 3 * edge.slot);
    });
}

}  // namespace

EXPORT(OF_RANK(camp_order, MAX_FEATURE_RANK), order)
EXPORT(OF_RANK(camp_sums, MAX_FEATURE_RANK), sums)
EXPORT(OF_RANK(camp_sums_backward, MAX_FEATURE_RANK), sums_backward)
